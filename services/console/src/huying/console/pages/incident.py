"""事件: one incident from its first report to its result, with the buttons that are legal now."""

from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError
from starlette.requests import Request

from huying.chassis.errors import Transient

from ..domain import allowed
from . import parts
from .frame import LOOK_S, RELOOK, Desk, desk_of, empty, frame, show_time

BUTTONS = {"accept": "签收", "contact": "登记已联系", "return": "退回", "complete": "办结并反馈"}


class IncidentPage:
    """One person at one incident."""

    def __init__(self, desk: Desk, incident_id: str) -> None:
        """Nothing is drawn yet."""
        self.desk, self.id = desk, incident_id
        self.document: dict[str, Any] | None = None
        self.state: tuple[Any, ...] | None = None
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
        except (Transient, PyMongoError):
            self.notice.text = "暂时读不到数据，正在重连；看到的是刚才的样子"
            self.notice.set_visibility(True)
            return
        self.seen = before
        self.notice.set_visibility(False)
        if desk.own_unit is not None and document is not None and document.get("unit") != desk.own_unit:
            self._nothing("没有权限查看", "这件事不在您单位名下。需要协查请联系调度中心。")
            return
        if document is None:
            self._nothing("没有这个事件", "编号可能抄错了，或者它还没有传到这里。请回到实时页搜索。")
            return
        self.document = document
        self.missing.clear()
        self.head.content = parts.title_line(document, now)
        self.steps.content = parts.stepper(document, now)
        self.result.content = parts.result(document)
        listed = "".join(parts.report(one, now, desk.names) for one in reports)
        self.reports.content = f"<h2>诉求 {len(reports)} 件</h2>{listed}"
        self.clocks.content = parts.clocks(document, now)
        self.unit.content = parts.unit_card(document, now, desk.names, history)
        self.history.content = parts.timeline(history, now)
        self._buttons(document)
        show_time(desk)

    def _nothing(self, title: str, detail: str) -> None:
        for part in (self.head, self.actions, self.steps, self.result, self.columns, self.history):
            part.set_visibility(False)
        self.missing.clear()
        with self.missing:
            empty(title, detail)

    def _buttons(self, document: dict[str, Any]) -> None:
        who = self.desk.who
        moves = allowed(document, who.actor)
        state = (document["version"], moves)
        if state == self.state:
            return
        self.state = state
        self.actions.clear()
        with self.actions:
            if document.get("merged_into"):
                target = f"/incidents/{document['merged_into']}"
                ui.button("打开并入的事件", on_click=lambda: ui.navigate.to(target)).props("unelevated")
            if "answer_ask" in moves:
                address = f"/triage?incident={self.id}"
                ui.button("去研判", on_click=lambda: ui.navigate.to(address)).props("unelevated")
            if "accept" in moves:
                ui.button(BUTTONS["accept"], on_click=lambda: self.do({"kind": "accept"})).props("unelevated")
            if "complete" in moves:
                ui.button(BUTTONS["complete"], on_click=self.complete).props("unelevated")
            if "contact" in moves:
                ui.button(BUTTONS["contact"], on_click=self.contact).props("outline")
            if "return" in moves:
                ui.button(BUTTONS["return"], on_click=self.give_back).props("outline color=negative")

    async def do(self, action: dict[str, Any]) -> None:
        """Give a command on what this person sees now."""
        assert self.document is not None
        done, said = await self.desk.command(self.id, self.document["version"], action)
        ui.notify(said, type="positive" if done else "negative", position="top", timeout=6000)
        await self.look()

    def contact(self) -> None:
        """登记已联系."""
        with ui.dialog() as dialog, ui.card().style("width:480px"):
            ui.label("登记已联系群众").classes("text-bold")
            note = ui.textarea("联系情况（可不填）").props("outlined maxlength=5000").classes("w-full")
            self._end(dialog, BUTTONS["contact"], lambda: {"kind": "contact", "note": note.value or None})
        dialog.open()

    def give_back(self) -> None:
        """退回."""
        units = {code: name for code, name in self.desk.names.units.items() if code != self.desk.who.unit}
        with ui.dialog() as dialog, ui.card().style("width:480px"):
            ui.label("退回这件事").classes("text-bold")
            reason = ui.textarea("退回理由（必填）").props("outlined maxlength=1000").classes("w-full")
            basis = ui.input("依据（职责清单、文件）").props("outlined").classes("w-full")
            unit = ui.select(units, label="建议主责单位", clearable=True, with_input=True)
            unit.props("outlined").classes("w-full")
            self._end(
                dialog,
                "退回",
                lambda: {
                    "kind": "return",
                    "reason": reason.value.strip(),
                    "basis": basis.value or None,
                    "suggested_unit": unit.value,
                },
                lambda: bool((reason.value or "").strip()),
                "请写明退回理由",
            )
        dialog.open()

    def complete(self) -> None:
        """办结并反馈."""
        with ui.dialog() as dialog, ui.card().style("width:480px"):
            ui.label("办结并反馈").classes("text-bold")
            text = ui.textarea("办理结果（必填，会反馈给群众）").props("outlined maxlength=5000").classes("w-full")
            self._end(
                dialog,
                BUTTONS["complete"],
                lambda: {"kind": "complete", "text": text.value.strip()},
                lambda: bool((text.value or "").strip()),
                "请写明办理结果",
            )
        dialog.open()

    def _end(self, dialog: Any, word: str, action: Any, ready: Any = lambda: True, missing: str = "") -> None:
        async def go() -> None:
            if not ready():
                ui.notify(missing, type="warning", position="top")
                return
            dialog.close()
            await self.do(action())

        with ui.row().style("justify-content:flex-end;width:100%"):
            ui.button("不办了", on_click=dialog.close).props("flat")
            ui.button(word, on_click=go).props("unelevated")


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
    ui.timer(LOOK_S, view.glance)
