"""A person's commands: which clicks are one command, and which are another try."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.responses import JSONResponse
from nicegui import Client, ui
from pymongo.errors import AutoReconnect

from huying.chassis.errors import Transient
from huying.chassis.security import Principal
from huying.console.pages import frame
from huying.console.pages.frame import Desk, give


@pytest.fixture
def desk() -> Desk:
    who = Principal("zhang", "dispatcher")
    sessions = SimpleNamespace(read=lambda cookie: who)
    app: Any = SimpleNamespace(state=SimpleNamespace(ground=None, sessions=sessions))
    return Desk(app, who, "cookie")


async def test_a_double_click_is_one_command_and_another_try_after_a_refusal_is_a_new_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    answers: list[int | Exception] = [409, 409, Transient("away"), 200]

    async def order(ground: Any, actor: Any, incident_id: str, body: Any, identity: str) -> JSONResponse:
        given.append(identity)
        answer = answers[len(given) - 1]
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return JSONResponse({"detail": "没有办成"}, answer)

    monkeypatch.setattr(frame, "order", order)

    async def click() -> bool:
        return (await desk.command("in-1", 3, {"kind": "accept"}))[0]

    assert await asyncio.gather(click(), click()) == [False, False]
    assert [await click(), await click()] == [False, True]
    first, double, again, after_a_fault = given
    assert first == double
    assert again != first, "the refusal changed no version, and is not the answer for ever"
    assert after_a_fault == again, "nobody decided on it, so it is still the same command"


async def test_a_click_while_the_database_is_away_gets_an_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def order(*_: Any) -> JSONResponse:
        raise AutoReconnect("no primary")

    monkeypatch.setattr(frame, "order", order)
    done, said = await desk.command("in-1", 3, {"kind": "accept"})
    assert (done, "请稍后再试" in said) == (False, True)


async def test_a_command_that_takes_long_is_asked_after_until_it_is_decided_and_never_given_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int | None]] = []
    answers = iter((202, 202, 200))

    async def order(ground: Any, actor: Any, incident_id: str, body: Any, identity: str) -> JSONResponse:
        given.append((identity, body.expected_version))
        return JSONResponse({}, next(answers, 202))

    monkeypatch.setattr(frame, "order", order)
    told: list[str] = []
    assert await desk.command("in-1", 3, {"kind": "accept"}, lambda: told.append("still")) == (True, "已办")
    assert (len(given), len(set(given)), told) == (3, 1, ["still"])

    given.clear()
    monkeypatch.setattr(frame, "LONGEST_S", 0.0)
    done, said = await desk.command("in-1", 4, {"kind": "accept"})
    assert (done, "还没有结果" in said) == (None, True)
    desk.attempt = "of another command, which was refused meanwhile"
    done, _ = await desk.command("in-1", 5, {"kind": "accept"})
    assert done is None
    assert len(set(given)) == 1, "the page shows another version now, and it is still that command"


async def test_a_fault_while_a_command_is_asked_after_does_not_say_that_it_failed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter((202, AutoReconnect("no primary"), 200))

    async def order(*_: Any) -> JSONResponse:
        await asyncio.sleep(0)
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return JSONResponse({}, answer)

    monkeypatch.setattr(frame, "order", order)
    monkeypatch.setattr(frame, "AGAIN_S", 0.0)
    assert await desk.command("in-1", 3, {"kind": "accept"}) == (True, "已办")


async def test_what_became_of_a_command_is_told_where_its_button_was_drawn_anew_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided, client, told = asyncio.Event(), Client(ui.page("/triage")), []

    async def order(*_: Any) -> JSONResponse:
        await decided.wait()
        return JSONResponse({}, 200)

    monkeypatch.setattr(frame, "order", order)
    monkeypatch.setattr(client.outbox, "enqueue_message", lambda *message: told.append(message))
    with client:
        buttons = [ui.element()]

    async def click() -> bool | None:
        with buttons[0].default_slot:
            return await give(desk, "in-1", 3, {"kind": "accept"})

    clicked = asyncio.create_task(click())
    await asyncio.sleep(0)
    buttons.pop().delete()
    gc.collect()
    decided.set()
    assert (await clicked, [message["message"] for _, message, _ in told]) == (True, ["已办"])
