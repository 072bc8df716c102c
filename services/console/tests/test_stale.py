"""Pages that are open while something comes, goes on or fails: they show it, and lose nothing that was typed."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from nicegui import Client, ui

from huying.chassis.errors import Transient
from huying.console.domain import Own
from huying.console.pages import dialogs, feed, frame, incident, triage
from huying.console.pages.feed import FeedPage, _pages
from huying.console.pages.incident import IncidentPage
from huying.console.pages.triage import TriagePage
from huying.console.repository import Shown, Wish
from huying.console.words import Names

NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)


class Part:
    """Any part of a page: it takes whatever is drawn, and remembers its value and whether it is seen."""

    def __init__(self, *_: Any, **told: Any) -> None:
        self.value, self.visible, self.content = told.get("value", ""), True, ""

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def __call__(self, *_: Any, **told: Any) -> "Part":
        return Part(**told)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self if name in {"style", "classes", "context", "client", "layout"} else self.__call__

    def props(self, *_: Any) -> "Part":
        return self

    def set_visibility(self, visible: bool) -> None:
        self.visible = visible


class Board:
    """Incidents by id; `away` makes the next read of reports fail."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = {one["_id"]: one for one in found}
        self.away = False

    async def incident(self, incident_id: str) -> dict[str, Any] | None:
        return self.found.get(incident_id)

    async def reports(self, incident_id: str) -> list[dict[str, Any]]:
        del incident_id
        if self.away:
            self.away = False
            raise Transient("away")
        return []

    async def history(self, incident_id: str) -> list[dict[str, Any]]:
        del incident_id
        return []

    children = history


class Desk:
    """A dispatcher's desk."""

    own = None
    projection = None

    def __init__(self, board: Board) -> None:
        self.board, self.who, self.names = board, Part(), Part()
        self.who.actor = self.who
        self.who.standing = "dispatcher"

    def now(self) -> datetime:
        return NOW


def case(name: str, version: int = 1) -> dict[str, Any]:
    return {"_id": name, "number": f"PA-{name}", "version": version, "town_code": None, "state": "asked"}


ASKED = case("a") | {"ask": {"reasons": [], "candidates": [{"incident_id": "b", "number": "PA-b", "score": 0.8}]}}


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(triage, "ui", Part())
    monkeypatch.setattr(frame, "ui", Part())
    page: Any = TriagePage(Desk(Board()), "a")  # type: ignore[arg-type]
    page.asks, page.question, page.sides = [ASKED], Part(), []
    monkeypatch.setattr(page, "_side", lambda word, one, *_: page.sides.append((one["_id"], one["version"])))
    monkeypatch.setattr(triage, "empty", lambda title, _: page.sides.append(title))
    return page


async def test_the_other_side_of_a_question_appears_when_it_comes_and_shows_how_it_goes_on(page: Any) -> None:
    await page._show_question(NOW)
    assert page.sides == [("a", 1), "对方事件还没有传到"]
    for version in (3, 4, 4):
        page.desk.board.found["b"] = case("b", version)
        await page._show_question(NOW)
    assert page.sides[2:] == [("a", 1), ("b", 3), ("a", 1), ("b", 4)]


async def test_whoever_answers_sees_that_a_candidate_is_finished_and_what_a_yes_does_then(page: Any) -> None:
    for state, said in (("accepted", ""), ("completed", "PA-b 已办结：办结后又反映的，合并即重办。")):
        page.desk.board.found["b"] = case("b", 3 + bool(said)) | {"state": state}
        await page._show_question(NOW)
        assert page.then.text == said
    page.picked[1].clear()
    page._say()
    assert page.then.text == ""


async def test_a_reason_half_written_stays_when_the_question_is_drawn_anew(page: Any) -> None:
    await page._show_question(NOW)
    page.why.value = "两处相隔两公里"
    page.asks = [ASKED | {"version": 2}]
    await page._show_question(NOW)
    assert page.why.value == "两处相隔两公里"
    page.asks, page.chosen = [ASKED | {"_id": "c"}], "c"
    await page._show_question(NOW)
    assert page.why.value == ""


async def test_an_answer_is_not_taken_for_a_question_that_came_in_front_by_itself(page: Any) -> None:
    given: list[str] = []

    async def command(incident_id: str, *_: Any) -> tuple[bool, str]:
        given.append(incident_id)
        return True, "已办"

    async def look() -> None:
        await page._show_question(NOW)

    page.desk.command, page.look = command, look
    other = ASKED | {"_id": "c"}
    await page.look()
    page.asks, page.chosen = [other], "c"  # a colleague has answered the first one
    await page.look()
    await page.answer(other, False)
    assert given == []
    page.readable_at = 0.0
    await page.answer(other, False)
    assert given == ["c"]


async def test_a_question_that_comes_to_an_empty_queue_took_nobodys_place(page: Any) -> None:
    await page._show_question(NOW)
    page.asks = []
    await page._show_question(NOW)
    page.asks, page.chosen = [ASKED | {"_id": "c"}], "c"
    await page._show_question(NOW)
    assert (page.sides[-2], page.readable_at) == (("c", 1), 0.0)


async def test_a_question_whose_reading_failed_is_read_again(page: Any) -> None:
    page.desk.board.found["b"] = case("b")
    page.desk.board.away = True
    with pytest.raises(Transient):
        await page._show_question(NOW)
    await page._show_question(NOW)
    assert page.sides == [("a", 1), ("b", 1)]


async def test_an_incident_that_comes_while_its_page_is_open_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, stub in (("ui", Part()), ("parts", Part()), ("empty", lambda *_: None), ("show_time", lambda _: None)):
        monkeypatch.setattr(incident, name, stub)
    desk: Any = Desk(Board())
    page: Any = IncidentPage(desk, "a")
    page.draw()
    page.head, page.columns, page.history = Part(), Part(), Part()
    monkeypatch.setattr(page, "_buttons", lambda *_: None)
    await page.look()
    assert not page.head.visible
    desk.board.found["a"] = case("a")
    await page.look()
    assert (page.head.visible, page.columns.visible, page.history.visible) == (True, True, True)


async def test_a_unit_with_the_order_of_a_mass_event_sees_of_its_family_what_it_may_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[list[str]] = []
    pieces = Part()
    pieces.beside = lambda document, now, names, children: shown.append([one["_id"] for one in children])
    for name, stub in (("ui", Part()), ("parts", pieces), ("show_time", lambda _: None)):
        monkeypatch.setattr(incident, name, stub)
    plain = {"view": {}, "merged_into": None}
    desk: Any = Desk(Board(case("a") | plain | {"unit": "U01"}))
    page: Any = IncidentPage(desk, "a")
    page.draw()
    monkeypatch.setattr(page, "_buttons", lambda *_: None)
    family = [case(name) | plain | {"unit": unit, "town_code": town} for name, unit, town in FAMILY]

    async def children(_: str) -> list[dict[str, Any]]:
        return family

    desk.board.children = children
    for own in (None, Own("U01"), Own("U01", "130529101")):
        desk.own = own
        await page.look()
    assert shown == [["b", "c", "d"], ["b"], ["b", "d"]]


FAMILY = (("b", "U01", "130529100"), ("c", "U02", "130529100"), ("d", "U02", "130529101"))


async def test_a_slow_look_for_what_was_wished_before_shows_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = asyncio.Event()

    async def shown(wish: Wish, *_: Any) -> Shown:
        if not wish.q:
            await read.wait()
        return Shown(total=7 if wish.q else 10_000)

    for name in ("ui", "empty", "show_time"):
        monkeypatch.setattr(feed, name, Part())
    desk: Any = Desk(Board())
    desk.board.shown, desk.names = shown, Names("巨鹿县", {}, {}, {})
    page: Any = FeedPage(desk, Wish())
    page.draw()
    page.summary = Part()
    slow = asyncio.create_task(page.look())
    await asyncio.sleep(0)
    await page.change(q="路灯")
    read.set()
    await slow
    assert page.summary.text == "现在 7 件，显示最新 0 件"


def test_an_emergency_that_the_filter_hides_is_heard_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    drawn: Any = Part()
    drawn.run_javascript, drawn.notify = heard.append, lambda said, **_: heard.append(said)
    monkeypatch.setattr(feed, "ui", drawn)
    desk: Any = Desk(Board())
    page: Any = FeedPage(desk, Wish("completed"))
    for urgent, shown in (({"a": "PA-a"}, ()), ({"a": "PA-a", "b": "PA-b"}, ("b",)), ({"b": "PA-b", "c": "PA-c"}, ())):
        page._alarm(urgent, set(shown))
    assert heard == ["hyBeep()", "hyBeep()", "新的紧急事件：PA-c（不在当前筛选里）"]


@pytest.mark.parametrize(("state", "first"), [("", "最急"), ("overdue", "最急"), ("completed", "最新")])
def test_a_unit_is_told_which_rows_it_sees_of_many(state: str, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "ui", Part())
    desk: Any = Desk(Board())
    desk.own = Part()
    page: Any = FeedPage(desk, Wish(state))
    page.draw()
    page.summary = Part()
    page._say(Shown(total=300), 200)
    assert page.summary.text == f"现在 300 件，显示{first} 200 件"


@pytest.mark.parametrize(("more", "pages"), [("", 0), ("x", 0), ("-1", 0), ("3", 3), ("9" * 5000, feed.MOST)])
def test_pages_in_an_address_are_as_many_as_one_opens_at_once(more: str, pages: int) -> None:
    assert _pages(more) == pages


async def test_a_form_whose_command_met_a_fault_asks_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pressed: list[tuple[ui.button, Any]] = []
    given: list[dict[str, Any]] = []

    async def do(action: dict[str, Any], _: Any) -> bool | None:
        given.append(action)
        if len(given) == 1:
            raise ValueError("nobody foresaw it")
        return True

    board: Any = Board()
    monkeypatch.setattr(ui.button, "on_click", lambda *button: pressed.append(button))
    with Client(ui.page("/")) as client:
        dialogs.ask("supervise", Names("巨鹿县", {}, {}, {}), board, [], do, {"reason": "拖了两周"})
        told: Any = next(one for one in client.elements.values() if "hy-told" in one.classes)
        yes, press = pressed[-1]
        with pytest.raises(ValueError, match="nobody foresaw it"):
            await press()
        assert (yes.text, told.text, "loading" in yes.props) == ("再查一次结果", frame.NO_ANSWER, False)
        await press()
    assert given[0] is given[1]
