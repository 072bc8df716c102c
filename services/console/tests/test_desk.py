"""A person's commands: which clicks are one command, and which are another try."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.responses import JSONResponse
from pymongo.errors import AutoReconnect

from huying.chassis.errors import Transient
from huying.chassis.security import Principal
from huying.console.pages import frame
from huying.console.pages.frame import Desk


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
