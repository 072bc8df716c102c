"""The triage page without a browser: one answer at a time, and every merge can be taken back."""

import asyncio
import gc
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import Client, ui

from huying.console.pages import triage
from huying.console.pages.triage import TriagePage

CONTEXT = ui.context


class Desk:
    """A desk whose routing takes its time, and does everything."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str]] = []
        self.decided = asyncio.Event()
        self.board = self

    async def incident(self, incident_id: str) -> dict[str, Any]:
        return {"_id": incident_id, "version": 4}

    async def command(self, incident_id: str, version: int, wish: dict[str, Any], still: Any) -> tuple[bool, str]:
        del version, still
        self.given.append((wish["kind"], incident_id))
        await self.decided.wait()
        return True, "已办"


def question(name: str) -> dict[str, Any]:
    return {"_id": name, "number": f"PA-{name}", "version": 2}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(triage.ui, "notify", lambda *_, **__: None)
    monkeypatch.setattr(triage.ui, "context", SimpleNamespace(client=SimpleNamespace(layout=nullcontext())))
    desk: Any = Desk()
    page: Any = TriagePage(desk, "a")
    page.asks = [question("a"), question("b"), question("c")]
    page.candidates = [{"incident_id": "other"}]
    page.picked = "a", {"other"}
    page.why = SimpleNamespace(value="")
    page.undo = SimpleNamespace(set_visibility=lambda visible: setattr(page.undo, "visible", visible))
    page.looks = 0

    async def look() -> None:
        page.looks += 1

    page.look = look
    return page


async def test_what_is_pressed_while_an_answer_is_under_way_is_not_heard(page: Any) -> None:
    pressed = (page.answer(question("a"), True), page.answer(question("b"), True), page.skip())
    under_way = [asyncio.create_task(step) for step in pressed]
    await asyncio.sleep(0.01)
    page.desk.decided.set()
    await asyncio.gather(*under_way)
    assert page.desk.given == [("answer_ask", "a")]
    assert page.chosen == "b"
    await page.answer(question("b"), False)
    assert page.desk.given[1:] == [("answer_ask", "b")]


async def test_the_next_question_is_looked_at_while_an_answer_is_under_way(page: Any) -> None:
    under_way = asyncio.create_task(page.answer(question("a"), True))
    await asyncio.sleep(0)
    await page.skip()
    assert page.chosen == "b"
    await page.answer(question("b"), True)
    page.desk.decided.set()
    await under_way
    assert (page.desk.given, page.chosen, page.undo.text) == ([("answer_ask", "a")], "b", "撤销上一次合并：PA-a")


async def test_merges_are_taken_back_one_after_the_other_the_last_one_first(page: Any) -> None:
    page.desk.decided.set()
    for name, same in (("a", True), ("b", False), ("c", True)):
        await page.answer(question(name), same)
    told = []
    for _ in range(3):
        told.append((page.undo.visible, page.undo.text))
        await page.take_back()
    assert [given for given in page.desk.given if given[0] == "undo_merge"] == [
        ("undo_merge", "c"),
        ("undo_merge", "a"),
    ]
    assert told == [(True, "撤销上一次合并：PA-c"), (True, "撤销上一次合并：PA-a"), (False, "")]


async def test_the_next_question_comes_where_the_one_that_was_answered_was_drawn_anew_meanwhile(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triage.ui, "context", CONTEXT)
    clients: list[Client] = []

    async def look() -> None:
        clients.append(triage.ui.context.client)

    page.look = look
    with Client(ui.page("/triage")) as client:
        buttons = [ui.element()]

    async def click() -> None:
        with buttons[0].default_slot:
            await page.answer(question("a"), True)

    clicked = asyncio.create_task(click())
    await asyncio.sleep(0)
    buttons.pop().delete()
    gc.collect()
    page.desk.decided.set()
    await clicked
    assert (page.chosen, page.undo.text, clients) == ("b", "撤销上一次合并：PA-a", [client])
