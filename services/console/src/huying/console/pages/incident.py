"""事件: one incident from its first report to its result, with the buttons that are legal now."""

from collections.abc import Callable
from html import escape
from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError
from starlette.requests import Request

from huying.chassis.errors import Transient
from huying.contracts.moves import MOVES

from ..domain import allowed, takes_part
from ..wishes import CAREFUL, FIRST, asks, begun
from . import parts
from .dialogs import ask
from .frame import RELOOK, Desk, desk_of, empty, frame, give, show_time, watch


class IncidentPage:
    """One person at one incident."""

    def __init__(self, desk: Desk, incident_id: str) -> None:
        """Nothing is drawn yet."""
        self.desk, self.id = desk, incident_id
        self.document: dict[str, Any] | None = None
        self.state: tuple[Any, ...] | None = None
        self.listed: list[dict[str, Any]] = []
        self.seen, self.glances = -1, 0

    def draw(self) -> None:
        """The page's parts, still empty."""
        self.notice = ui.label("").classes("hy-quiet")
        self.notice.set_visibility(False)
        self.head = ui.html("", sanitize=False)
        self.actions = ui.element("div").classes("hy-actions")
        self.steps = ui.html("", sanitize=False).classes("hy-card").style("margin-top:16px")
        self.result = ui.html("", sanitize=False)
        self.columns = ui.element("div").classes("hy-cols")
        with self.columns:
            self.reports = ui.html("", sanitize=False).classes("hy-card")
            with ui.element("div").classes("hy-side"):
                self.clocks = ui.html("", sanitize=False).classes("hy-card")
                self.unit = ui.html("", sanitize=False).classes("hy-card")
                self.beside = ui.html("", sanitize=False).classes("hy-card")
        self.history = ui.html("", sanitize=False).classes("hy-card").style("margin-top:16px")
        self.missing = ui.element("div")

    async def glance(self) -> None:
        """Look when something changed, or when the countdowns have moved on."""
        self.glances += 1
        projection = self.desk.projection
        if (projection.changes if projection else -1) != self.seen or self.glances % RELOOK == 0:
            await self.look()

    async def look(self) -> None:
        """Read and show."""
        desk, projection = self.desk, self.desk.projection
        before = projection.changes if projection else -1
        try:
            now, board = desk.now(), desk.board
            document = await board.incident(self.id)
            history = await board.history(self.id) if document else []
            reports = await board.reports(self.id) if document else []
            family = await board.children(self.id) if document else []
            merged_into = document and document.get("merged_into")
            into = await board.incident(merged_into) if merged_into else None
        except (Transient, PyMongoError):
            self.notice.text = "暂时读不到数据，正在重连；看到的是刚才的样子"
            self.notice.set_visibility(True)
            return
        self.seen = before
        self.notice.set_visibility(False)
        if desk.own is not None and document is not None and not takes_part(document, desk.own):
            self._nothing("没有权限查看", "这件事不归您的单位（乡镇）。需要协查请联系调度中心。")
            return
        if document is None:
            self._nothing("没有这个事件", "编号可能抄错了，或者它还没有传到这里。请回到实时页搜索。")
            return
        self.document, self.listed = document, reports
        children = [one for one in family if desk.own is None or takes_part(one, desk.own)]
        self._show(True)
        self.head.content = parts.title_line(document, now)
        self.steps.content = parts.stepper(document, now)
        self.result.content = parts.result(document)
        listed = "".join(parts.report(one, now, desk.names) for one in reports)
        moved = f"（已转到 {escape(into['number'])}）" if into else ""
        self.reports.content = f"<h2>诉求 {len(reports)} 件{moved}</h2>{listed}"
        self.clocks.content = parts.clocks(document, now)
        self.unit.content = parts.unit_card(document, now, desk.names, history)
        self.beside.content = parts.beside(document, now, desk.names, children)
        self.beside.set_visibility(bool(self.beside.content))
        self.history.content = parts.timeline(history, now)
        self._buttons(document, into)
        show_time(desk)

    def _show(self, there: bool) -> None:
        """Show the incident's parts, or hide them: what is not there, or not theirs, now may be in a moment."""
        for part in (self.head, self.actions, self.steps, self.result, self.columns, self.history):
            part.set_visibility(there)
        self.missing.clear()

    def _nothing(self, title: str, detail: str) -> None:
        self._show(False)
        with self.missing:
            empty(title, detail)

    def _buttons(self, document: dict[str, Any], into: dict[str, Any] | None) -> None:
        who = self.desk.who
        moves = allowed(document, who.actor, self.desk.names.town_units.get(document["town_code"] or ""))
        state = (document["version"], moves, into and into["number"])
        if state == self.state:
            return
        self.state = state
        self.actions.clear()
        with self.actions:
            if into:
                target = f"/incidents/{into['_id']}"
                ui.button(f"打开并入的 {into['number']}", on_click=lambda: ui.navigate.to(target)).props("unelevated")
            first = [kind for kind in FIRST if kind in moves]
            for kind in first:
                self._button(kind, first[0] == kind)
            rest = [kind for kind in moves if kind not in FIRST]
            if rest:
                with ui.dropdown_button("更多操作", auto_close=True).props("outline"):
                    for kind in rest:
                        ui.item(MOVES[kind].word, on_click=lambda kind=kind: self.wish(kind)).props("dense")

    def _button(self, kind: str, foremost: bool) -> None:
        look = "outline color=negative" if kind in CAREFUL else "unelevated" if foremost else "outline"
        ui.button(MOVES[kind].word, on_click=lambda: self.wish(kind)).props(look)

    async def wish(self, kind: str) -> None:
        """Do it at once, or ask first for what it needs."""
        if kind == "answer_ask":
            ui.navigate.to(f"/triage?incident={self.id}")
        elif asks(kind, self.desk.own.unit if self.desk.own else None):
            assert self.document is not None
            filled_in = begun(kind, self.document["view"], parts.proposals(self.listed))
            ask(kind, self.desk.names, self.desk.board, self.listed, self.do, filled_in)
        else:
            await self.do({"kind": kind})

    async def do(self, action: dict[str, Any], still: Callable[[], object] | None = None) -> bool | None:
        """Give a command on what this person sees now; whether it was done, None where nobody has decided yet."""
        assert self.document is not None
        with ui.context.client.layout:  # a menu's item is gone when the buttons are drawn anew
            done = await give(self.desk, self.id, self.document["version"], action, still)
            await self.look()
        return done


@ui.page("/incidents/{incident_id}")
async def page(request: Request, incident_id: str) -> None:
    """One incident."""
    desk = desk_of(request)
    view = IncidentPage(desk, incident_id)
    with frame(desk, "incident", "事件"):
        view.draw()
    await view.look()
    if view.document is not None:
        ui.page_title(f"{view.document['number']} · 呼应")
    watch(desk, view.glance)
