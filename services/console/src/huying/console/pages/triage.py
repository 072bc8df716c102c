"""研判: one question at a time. Which of these is it, if any? All sides, what they share, and why the engine asks."""

import time
from collections.abc import Awaitable, Callable
from functools import wraps
from html import escape
from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError
from starlette.requests import Request

from huying.chassis.errors import Transient

from ..domain import sees_all
from ..evidence import marked
from ..repository import PAGE
from ..words import place, span, when
from . import dialogs, parts
from .frame import RELOOK, Desk, desk_of, empty, frame, give, show_time, watch

SCROLL = "const q=document.querySelector('.hy-queue'),e=q?.querySelector('.here');if(e)q.scrollTop=e.offsetTop-q.offsetTop-60"
"""Brings the question in front into sight in the queue, and moves nothing else."""
READ_S = 1.5
"""A key that was meant for the question before is pressed within this; a new question takes longer to read."""


def _one_at_a_time(step: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """What is pressed while a step is under way is not heard: it was meant for the question before.

    Only putting a question off waits for no routing.
    """
    name = step.__name__

    @wraps(step)
    async def alone(page: "TriagePage", *told: Any) -> None:
        if name in page.busy or (page.busy and name != "skip"):
            return
        page.busy.add(name)
        try:
            with ui.context.client.layout:  # the question may be drawn anew meanwhile, and its buttons with it
                await step(page, *told)
        finally:
            page.busy.discard(name)

    return alone


class TriagePage:
    """One person before the queue of questions."""

    def __init__(self, desk: Desk, chosen: str) -> None:
        """`chosen` is the incident that they want to see first."""
        self.desk, self.chosen = desk, chosen
        self.asks: list[dict[str, Any]] = []
        self.pages = 0
        """Pages of the queue that this person asked for beside the first."""
        self.shown: tuple[Any, ...] | None = None
        self.candidates: list[dict[str, Any]] = []
        """What the question in front names, the likeliest first."""
        self.finished: set[str] = set()
        """Those of them that are completed."""
        self.picked: tuple[str, set[str]] = ("", set())
        """The question in front, and the candidates that this person has ticked."""
        self.why: Any = None
        """Where they write why, as it was drawn last."""
        self.merged: list[tuple[str, str, dict[str, Any]]] = []
        """Id and number of what this person merged at this page and has not taken back, the last one at the end.

        And the command that takes it back: another one for each merge, so that pressing again asks after that one.
        """
        self.busy: set[str] = set()
        """Steps under way."""
        self.readable_at = 0.0
        """Until then a question stands in front that nobody has read: it came by itself in another's place."""
        self.scrolled_to = ""
        self.seen, self.glances = -1, 0

    @property
    def may(self) -> bool:
        """Whether this person answers questions."""
        return self.desk.who.actor.standing in {"dispatcher", "leader"}

    def draw(self) -> None:
        """The page's parts, still empty."""
        with ui.row().classes("items-center").style("gap:16px"):
            ui.html("<h1>研判：是不是同一件事？</h1>", sanitize=False)
            self.summary = ui.label("正在读取…").classes("hy-quiet")
        with ui.element("div").classes("hy-triage"):
            with ui.element("div").classes("hy-stack"):
                self.queue = ui.html("", sanitize=False).classes("hy-card hy-queue").style("padding:0")
                self.more = ui.button(on_click=self.show_more).props("flat")
                self.more.set_visibility(False)
            with ui.element("div"):
                self.question = ui.element("div").style("display:grid;gap:16px")
        self.undo = ui.button(on_click=self.take_back).props("outline color=negative data-key=u")
        self.undo.style("margin-top:12px")
        self._say_undo()
        ui.html(
            '<p class="hy-quiet hy-small hy-keys" style="margin-top:12px"><kbd>1</kbd> <kbd>2</kbd> <kbd>3</kbd> 选是哪一件　'
            "<kbd>y</kbd> 合并　<kbd>n</kbd> 都不是　<kbd>s</kbd> 先放一放　<kbd>u</kbd> 撤销上一次合并</p>",
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
            asked = await self.desk.board.asks(self.chosen, self.pages)
            self.asks = asked.rows
            if self.asks and self.chosen not in {one["_id"] for one in self.asks}:
                self.chosen = self.asks[0]["_id"]
            await self._show_question(now)
        except (Transient, PyMongoError):
            self.summary.text = "暂时读不到数据，正在重连；看到的是刚才的样子"
            return
        self.seen = before
        said = f"待研判 {asked.total} 件，其中 {asked.holding} 件等研判后派单；到时无人研判会自动单独派单"
        self.summary.text = said if self.asks else ""
        rest = min(asked.total - len(self.asks), PAGE)
        self.more.set_visibility(rest > 0)
        self.more.text = f"再显示 {rest} 件"
        self.queue.set_visibility(bool(self.asks))
        self.queue.content = "".join(self._line(one, now) for one in self.asks)
        if self.chosen != self.scrolled_to:
            self.scrolled_to = self.chosen
            ui.run_javascript(SCROLL)
        show_time(self.desk)

    async def show_more(self) -> None:
        """The next page of the queue."""
        self.pages += 1
        await self.look()

    def _line(self, one: dict[str, Any], now: Any) -> str:
        here = "here" if one["_id"] == self.chosen else ""
        left, holds = one["ask"]["until"] - now, _holds(one)
        said = f"还有 {span(left)}" if left.total_seconds() > 0 else "即将自动派单" if holds else "即将关闭"
        said = said if holds else f"已派单 · {said}"
        return (
            f'<a class="{here}" href="/triage?incident={escape(one["_id"])}"><b>{escape(one["number"])}</b> '
            f'<span class="hy-quiet hy-small">{said}</span><br>{escape(one["view"]["title"])}</a>'
        )

    async def _show_question(self, now: Any) -> None:
        ask = next((one for one in self.asks if one["_id"] == self.chosen), None)
        board = self.desk.board
        candidates = _candidates(ask["ask"]) if ask else []
        others = [await board.incident(one["incident_id"]) for one in candidates]
        stand = tuple(other and other["version"] for other in others)  # they come, or go on, while it waits
        shown = (ask["_id"], ask["version"], stand) if ask else ("none",)
        if shown == self.shown:
            return
        mine = await board.reports(ask["_id"]) if ask else []
        theirs = [await board.reports(other["_id"]) if other else [] for other in others]
        self.finished = {other["_id"] for other in others if other and other["state"] == "completed"}
        self.shown, self.candidates = shown, candidates  # after the last read: one that fails is made again
        typed = self.why.value if self.why is not None and ask and self.picked[0] == ask["_id"] else ""
        self.question.clear()
        with self.question:
            if ask is None:
                self.picked = "", set()
                empty("没有待研判的事件", "系统拿不准的并案会出现在这里，处理完就清空。")
                return
            if self.picked[0] != ask["_id"]:
                if self.picked[0] and not self.busy:
                    self.readable_at = time.monotonic() + READ_S
                    ui.notify("刚才那件已经有了结果，换成下一件了", type="info", position="top")
                self.picked = ask["_id"], {self.candidates[0]["incident_id"]}
            said, *marks = marked(*(reports[0]["text"] if reports else "" for reports in (mine, *theirs)))
            with ui.element("div").classes("hy-pair"):
                with ui.element("div").classes("hy-stack"):
                    self._side("这一件", ask, mine, said, now)
                    why = parts.reasons(ask["ask"]["reasons"], self.candidates[0])
                    ui.html(why, sanitize=False).classes("hy-card")
                    self._buttons(ask, mine, typed or "")
                with ui.element("div").classes("hy-stack"):
                    for n, (other, reports) in enumerate(zip(others, theirs, strict=True)):
                        if self.may and len(others) > 1:
                            self._choice(n)
                        if other is None:
                            empty("对方事件还没有传到", "稍等片刻会自动出现。")
                        else:
                            self._side("疑似同一件", other, reports, marks[n], now)

    def _choice(self, n: int) -> None:
        """Whether it is the n-th candidate."""
        one = self.candidates[n]

        def tick(event: Any) -> None:
            (self.picked[1].add if event.value else self.picked[1].discard)(one["incident_id"])
            self._say()

        word = f"{n + 1}　是 {one['number']}（相似度 {one['score']:.0%}）"
        ui.checkbox(word, value=one["incident_id"] in self.picked[1], on_change=tick).props(f"data-key={n + 1}")

    def _side(self, word: str, one: dict[str, Any], reports: list[dict[str, Any]], first: str, now: Any) -> None:
        view = one["view"]
        listed = "".join(
            parts.report(report, now, self.desk.names, first if n == 0 else None) for n, report in enumerate(reports)
        )
        ui.html(
            f'<div class="hy-quiet hy-small">{word} · <a href="/incidents/{escape(one["_id"])}">'
            f"{escape(one['number'])}</a> · {when(one['opened_at'], now)}</div>"
            f"<h2>{escape(view['title'])}</h2>"
            f"<div>{escape(view['classification']['matter_name'])} · {escape(place(view))}</div>"
            f"<div>{parts.standing(one)}</div>{listed}",
            sanitize=False,
        ).classes("hy-card")

    def _buttons(self, ask: dict[str, Any], reports: list[dict[str, Any]], typed: str) -> None:
        no, then = "不是同一件" if len(self.candidates) == 1 else "都不是", "单独派单" if _holds(ask) else "各办各的"
        with ui.element("div").classes("hy-actions").style("margin:0"):
            if not self.may:
                ui.label("只有调度员可以研判。").classes("hy-quiet")
                return
            self.why = ui.input("理由（可不填）", value=typed)
            self.why.props("outlined dense maxlength=1000").style("flex:1 1 100%")
            self.yes = ui.button(on_click=lambda: self.answer(ask, True)).props("unelevated data-key=y")
            ui.button(f"{no}，{then}", on_click=lambda: self.answer(ask, False)).props("outline data-key=n")
            ui.button("先放一放", on_click=self.skip).props("flat data-key=s")
            for piece in parts.proposals(reports):
                word = f"分件：{piece['matter_name']}另立一件"
                ui.button(word, on_click=lambda piece=piece: self.part(ask, reports, piece)).props("outline")
            if not _holds(ask):
                ui.label("已先行派单，研判不影响处置；合并会撤回这张派单。").classes("hy-quiet")
            self.then = ui.label().classes("hy-quiet")
            self._say()

    def _say(self) -> None:
        """What a yes would do, by what is ticked."""
        picked = [one for one in self.candidates if one["incident_id"] in self.picked[1]]
        numbers = [one["number"] for one in picked]
        done = "、".join(one["number"] for one in picked if one["incident_id"] in self.finished)
        several = "都是同一件，" if len(numbers) > 1 else ""
        self.yes.text = f"{several}合并到 {numbers[0]}" if numbers else "请先选是哪一件"
        self.yes.set_enabled(bool(numbers))
        self.then.text = f"{done} 已办结：办结后又反映的，合并即重办。" if done else ""

    def _say_undo(self) -> None:
        """What would be taken back next."""
        self.undo.set_visibility(bool(self.merged))
        self.undo.text = f"撤销上一次合并：{self.merged[-1][1]}" if self.merged else ""

    def part(self, ask: dict[str, Any], reports: list[dict[str, Any]], piece: dict[str, str]) -> None:
        """It tells of two problems: the second one gets an incident of its own, and the question stays for the first."""

        async def do(action: dict[str, Any], still: Callable[[], object]) -> bool | None:
            done = await give(self.desk, ask["_id"], ask["version"], action, still)
            await self.look()
            return done

        begun = piece | {"reason": "一件诉求说了两件事"}
        dialogs.ask("part_report", self.desk.names, self.desk.board, reports, do, begun)

    @_one_at_a_time
    async def answer(self, ask: dict[str, Any], same: bool) -> None:
        """Say it to routing, and go on with the next question."""
        if time.monotonic() < self.readable_at:
            ui.notify("刚换了一件，请看清再办", type="warning", position="top")
            return
        why = (self.why.value or "").strip()
        named = [one["incident_id"] for one in self.candidates if one["incident_id"] in self.picked[1]]
        wish = {"kind": "answer_ask", "same": same, "candidates": named if same else []}
        wish |= {"reason": why} if why else {}
        done = await give(self.desk, ask["_id"], ask["version"], wish)
        if done:
            if same:
                undo = {"kind": "undo_merge", "reason": "研判有误，撤销合并"}
                self.merged.append((ask["_id"], ask["number"], undo))
                self._say_undo()
            if self.chosen == ask["_id"]:  # a glance may have gone on already
                self._next()
        await self.look()

    @_one_at_a_time
    async def take_back(self) -> None:
        """The last merge was a slip: the incident lives again, with its reports and a dispatch. Again: the one before."""
        known = await self.desk.board.incident(self.merged[-1][0]) if self.merged else None
        if known is None:
            return
        done = await give(self.desk, known["_id"], known["version"], self.merged[-1][2])
        if done:
            self.merged.pop()
            self._say_undo()
        await self.look()

    @_one_at_a_time
    async def skip(self) -> None:
        """The next question; this one stays in the queue."""
        self._next()
        await self.look()

    def _next(self) -> None:
        names = [one["_id"] for one in self.asks]
        at = names.index(self.chosen) if self.chosen in names else -1
        self.chosen = names[(at + 1) % len(names)] if names else ""


def _holds(ask: dict[str, Any]) -> bool:
    """Whether dispatch waits for the answer; a danger's does not."""
    return bool(ask["state"] == "asked")


def _candidates(ask: dict[str, Any]) -> list[dict[str, Any]]:
    """What the question names; one alone in a row that was written before there were several."""
    alone = {"incident_id": ask.get("candidate"), "number": ask.get("candidate_number"), "score": ask.get("score")}
    return ask.get("candidates") or [alone]


@ui.page("/triage")
async def page(request: Request, incident: str = "") -> None:
    """The questions."""
    desk = desk_of(request)
    view = TriagePage(desk, incident)
    with frame(desk, "triage", "研判"):
        if not sees_all(desk.who.actor):
            empty("没有权限查看", "研判由县调度中心来做。您单位的事件在实时页。")
            return
        view.draw()
    await view.look()
    watch(desk, view.glance)
