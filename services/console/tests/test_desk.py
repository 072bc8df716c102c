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


class Rows(dict[str, str]):
    """Status of what was taken in, by id; `away` makes a look fail."""

    away = False

    async def known(self, command_id: str) -> dict[str, str] | None:
        if self.away:
            raise AutoReconnect("no primary")
        return {"status": self[command_id]} if command_id in self else None


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def desk(rows: Rows) -> Desk:
    who = Principal("zhang", "dispatcher")
    sessions = SimpleNamespace(read=lambda cookie: who)
    ground = SimpleNamespace(handler=SimpleNamespace(desk=rows))
    app: Any = SimpleNamespace(state=SimpleNamespace(ground=ground, sessions=sessions))
    return Desk(app, who, "cookie")


class Routing:
    """Answers what is ordered, in turn; remembers each id and the version that it is about."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers, self.given = list(answers), list[tuple[str, int | None]]()

    async def order(self, ground: Any, actor: Any, incident_id: str, body: Any, identity: str) -> JSONResponse:
        await asyncio.sleep(0)
        self.given.append((identity, body.expected_version))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return JSONResponse({"detail": "没有办成"}, answer)


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


async def test_a_refusal_names_the_field_as_the_form_does(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(("until：结束时间须在此刻之后、7 天之内", "PA-0312：已在群体事件中", "没有办成"))

    async def order(*_: Any) -> JSONResponse:
        return JSONResponse({"detail": next(said)}, 409)

    monkeypatch.setattr(frame, "order", order)
    flood = {"kind": "open_flood", "until": "2026-03-01T08:00:00+08:00", "reason": "大雨"}
    told = [(await desk.command("in-1", 3, flood))[1] for _ in range(3)]
    assert told == ["到什么时候自动结束：结束时间须在此刻之后、7 天之内", "PA-0312：已在群体事件中", "没有办成"]


async def test_a_click_while_the_database_is_away_gets_an_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def order(*_: Any) -> JSONResponse:
        raise AutoReconnect("no primary")

    monkeypatch.setattr(frame, "order", order)
    done, said = await desk.command("in-1", 3, {"kind": "accept"})
    assert (done, "请稍后再试" in said) == (False, True)


async def test_a_command_that_takes_long_is_asked_after_until_it_is_decided_and_never_given_again(
    desk: Desk, rows: Rows, monkeypatch: pytest.MonkeyPatch
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
    rows[given[0][0]] = "pending"
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


async def test_a_command_that_is_on_its_way_is_not_said_to_have_failed_where_asking_after_it_fails(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    routing = Routing(202, AutoReconnect("no primary"), 200)
    monkeypatch.setattr(frame, "order", routing.order)
    monkeypatch.setattr(frame, "AGAIN_S", 0.0)
    monkeypatch.setattr(frame, "LONGEST_S", 0.0)
    told = [await desk.command("in-1", 3, {"kind": "accept"}) for _ in range(3)]
    assert told == [(None, frame.NO_ANSWER), (None, frame.NO_ANSWER), (True, "已办")]
    assert len(set(routing.given)) == 1


@pytest.mark.parametrize("status", ["done", "declined"])
async def test_a_later_wish_is_not_answered_with_what_was_decided_on_an_earlier_one(
    desk: Desk, rows: Rows, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    routing = Routing(202, 200, 202, 200)
    monkeypatch.setattr(frame, "order", routing.order)
    monkeypatch.setattr(frame, "LONGEST_S", 0.0)
    assert (await desk.command("in-1", 3, {"kind": "accept"}))[0] is None
    rows[routing.given[0][0]] = status
    rows.away = True
    assert await desk.command("in-1", 9, {"kind": "accept"}) == (None, frame.NO_ANSWER), "it cannot be known yet"
    rows.away = False
    assert await desk.command("in-1", 9, {"kind": "accept"}) == (True, "已办")
    assert [version for _, version in routing.given] == [3, 9]
    asked = {"kind": "whistle", "units": ["U09"], "meet_at": "南门路口", "reason": "灯杆要倒"}
    assert (await desk.command("in-1", 10, asked))[0] is None
    rows[routing.given[-1][0]] = status
    assert (await desk.command("in-1", 11, asked))[0], "a form asks after what it gave, and gives no other"
    assert routing.given[2] == routing.given[3]


async def test_what_never_arrived_is_wished_for_anew_of_the_version_that_is_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    routing = Routing(Transient("away"), 200)
    monkeypatch.setattr(frame, "order", routing.order)
    assert [(await desk.command("in-1", version, {"kind": "accept"}))[0] for version in (3, 5)] == [False, True]
    assert [version for _, version in routing.given] == [3, 5]


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
