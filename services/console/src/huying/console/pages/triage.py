"""研判: one question at a time. Are these the same problem? Both sides, what they share, and why the engine asks."""

from html import escape
from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError
from starlette.requests import Request

from huying.chassis.errors import Transient

from ..evidence import marked
from ..words import place, span, when
from . import dialogs, parts
from .frame import LOOK_S, RELOOK, Desk, desk_of, empty, frame, show_time


class TriagePage:
    """One person before the queue of questions."""

    def __init__(self, desk: Desk, chosen: str) -> None:
        """`chosen` is the incident that they want to see first."""
        self.desk, self.chosen = desk, chosen
        self.asks: list[dict[str, Any]] = []
        self.shown: tuple[Any, ...] | None = None
        self.merged = ""
        """The incident that this person merged last, until it is undone."""
        self.seen, self.glances = -1, 0

    @property
    def may(self) -> bool:
        """Whether this person answers questions."""
        return self.desk.who.role in {"dispatcher", "leader"}

    def draw(self) -> None:
        """The page's parts, still empty."""
        with ui.row().classes("items-center").style("gap:16px"):
            ui.html("<h1>研判：是不是同一件事？</h1>", sanitize=False)
            self.summary = ui.label("正在读取…").classes("hy-quiet")
        with ui.element("div").classes("hy-triage"):
            self.queue = ui.html("", sanitize=False).classes("hy-card hy-queue").style("padding:0")
            with ui.element("div"):
                self.question = ui.element("div").style("display:grid;gap:16px")
        self.undo = ui.button("撤销上一次合并", on_click=self.take_back).props("outline color=negative data-key=u")
        self.undo.style("margin-top:12px").set_visibility(False)
        ui.html(
            '<p class="hy-quiet hy-small" style="margin-top:12px"><kbd>y</kbd> 合并　<kbd>n</kbd> 不是同一件　'
            "<kbd>s</kbd> 先放一放　<kbd>u</kbd> 撤销上一次合并</p>",
            sanitize=False,
        )

    async def glance(self) -> None:
        """Look when something changed, or when the ages have moved on."""
        self.glances += 1
        projection = self.desk.projection
        if (projection.changes if projection else -1) != self.seen or self.glances % RELOOK == 0:
            await self.look()

    async def look(self) -> None:
        """Read the queue, and the question in front."""
        projection = self.desk.projection
        before = projection.changes if projection else -1
        try:
            now = self.desk.now()
            self.asks = await self.desk.board.asks()
            if self.asks and self.chosen not in {one["_id"] for one in self.asks}:
                self.chosen = self.asks[0]["_id"]
            await self._show_question(now)
        except (Transient, PyMongoError):
            self.summary.text = "暂时读不到数据，正在重连；看到的是刚才的样子"
            return
        self.seen = before
        self.summary.text = f"待研判 {len(self.asks)} 件；到时无人研判会自动单独派单" if self.asks else ""
        self.queue.set_visibility(bool(self.asks))
        self.queue.content = "".join(self._line(one, now) for one in self.asks)
        show_time(self.desk)

    def _line(self, one: dict[str, Any], now: Any) -> str:
        here = "here" if one["_id"] == self.chosen else ""
        left = one["ask"]["until"] - now
        said = f"还有 {span(left)}" if left.total_seconds() > 0 else "即将自动派单"
        return (
            f'<a class="{here}" href="/triage?incident={escape(one["_id"])}"><b>{escape(one["number"])}</b> '
            f'<span class="hy-quiet hy-small">{said}</span><br>{escape(one["view"]["title"])}</a>'
        )

    async def _show_question(self, now: Any) -> None:
        ask = next((one for one in self.asks if one["_id"] == self.chosen), None)
        shown = (ask["_id"], ask["version"]) if ask else ("none",)
        if shown == self.shown:
            return
        self.shown = shown
        board = self.desk.board
        other = await board.incident(ask["ask"]["candidate"]) if ask else None
        mine = await board.reports(ask["_id"]) if ask else []
        theirs = await board.reports(other["_id"]) if other else []
        self.question.clear()
        with self.question:
            if ask is None:
                empty("没有待研判的事件", "系统拿不准的并案会出现在这里，处理完就清空。")
                return
            left, right = marked(mine[0]["text"] if mine else "", theirs[0]["text"] if theirs else "")
            with ui.element("div").classes("hy-pair"):
                self._side("这一件", ask, mine, left, now)
                if other is None:
                    empty("对方事件还没有传到", "稍等片刻会自动出现。")
                else:
                    self._side("疑似同一件", other, theirs, right, now)
            ui.html(parts.reasons(ask["ask"]["reasons"], ask["ask"]["score"]), sanitize=False).classes("hy-card")
            self._buttons(ask, mine)

    def _side(self, word: str, one: dict[str, Any], reports: list[dict[str, Any]], first: str, now: Any) -> None:
        view = one["view"]
        listed = "".join(
            parts.report(report, now, self.desk.names, first if n == 0 else None) for n, report in enumerate(reports)
        )
        ui.html(
            f'<div class="hy-quiet hy-small">{word} · <a href="/incidents/{escape(one["_id"])}">'
            f"{escape(one['number'])}</a> · {when(one['opened_at'], now)}</div>"
            f"<h2>{escape(view['title'])}</h2>"
            f"<div>{escape(view['classification']['matter_name'])} · {escape(place(view))}</div>{listed}",
            sanitize=False,
        ).classes("hy-card")

    def _buttons(self, ask: dict[str, Any], reports: list[dict[str, Any]]) -> None:
        number = ask["ask"]["candidate_number"]
        with ui.element("div").classes("hy-actions").style("margin:0"):
            if not self.may:
                ui.label("只有调度员可以研判。").classes("hy-quiet")
                return
            ui.button(f"合并到 {number}", on_click=lambda: self.answer(ask, True)).props("unelevated data-key=y")
            ui.button("不是同一件，单独派单", on_click=lambda: self.answer(ask, False)).props("outline data-key=n")
            ui.button("先放一放", on_click=self.skip).props("flat data-key=s")
            for piece in parts.proposals(reports):
                word = f"分件：{piece['matter_name']}另立一件"
                ui.button(word, on_click=lambda piece=piece: self.part(ask, reports, piece)).props("outline")

    def part(self, ask: dict[str, Any], reports: list[dict[str, Any]], piece: dict[str, str]) -> None:
        """It tells of two problems: the second one gets an incident of its own, and the question stays for the first."""

        async def do(action: dict[str, Any]) -> None:
            done, said = await self.desk.command(ask["_id"], ask["version"], action)
            ui.notify(said, type="positive" if done else "negative", position="top", timeout=6000)
            await self.look()

        begun = piece | {"reason": "一件诉求说了两件事"}
        dialogs.ask("part_report", self.desk.names, self.desk.board, reports, do, begun)

    async def answer(self, ask: dict[str, Any], same: bool) -> None:
        """Say it to routing, and go on with the next question."""
        done, said = await self.desk.command(ask["_id"], ask["version"], {"kind": "answer_ask", "same": same})
        ui.notify(said, type="positive" if done else "negative", position="top", timeout=6000)
        if done:
            if same:
                self.merged = ask["_id"]
                self.undo.set_visibility(True)
            self._next()
        await self.look()

    async def take_back(self) -> None:
        """The merge was a slip: the incident lives again, with its reports and a dispatch."""
        known = await self.desk.board.incident(self.merged) if self.merged else None
        if known is None:
            return
        wish = {"kind": "undo_merge", "reason": "研判有误，撤销合并"}
        done, said = await self.desk.command(self.merged, known["version"], wish)
        ui.notify(said, type="positive" if done else "negative", position="top", timeout=6000)
        if done:
            self.merged = ""
            self.undo.set_visibility(False)
        await self.look()

    async def skip(self) -> None:
        """The next question; this one stays in the queue."""
        self._next()
        await self.look()

    def _next(self) -> None:
        names = [one["_id"] for one in self.asks]
        at = names.index(self.chosen) if self.chosen in names else -1
        self.chosen = names[(at + 1) % len(names)] if names else ""


@ui.page("/triage")
async def page(request: Request, incident: str = "") -> None:
    """The questions."""
    desk = desk_of(request)
    view = TriagePage(desk, incident)
    with frame(desk, "triage", "研判"):
        view.draw()
    await view.look()
    ui.timer(LOOK_S, view.glance)
