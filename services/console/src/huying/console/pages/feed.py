"""实时: the newest incidents, emergencies on top, with what is due. Every chip is a door, and stands in the address."""

from typing import Any

from nicegui import ui
from pymongo.errors import PyMongoError
from starlette.requests import Request

from huying.chassis.errors import Transient

from ..repository import PAGE, STATE_FILTERS, Shown, Wish
from .frame import RELOOK, Desk, desk_of, empty, frame, show_time, watch
from .rows import row_of

MOST = 20
"""Pages beside the first that an address opens at once."""
COLUMNS = (
    ("limit", "时限", "18%"),
    ("title", "事项", "30%"),
    ("place", "地点", "19%"),
    ("unit", "主责单位", "14%"),
    ("channels", "渠道", "9%"),
    ("state", "状态", "10%"),
)

BODY = """
<q-tr :props="props" class="hy-row" :class="{urgent: props.row.pinned}" tabindex="0"
  :data-href="'/incidents/' + props.row.id" @click="() => $parent.$emit('open', props.row.id)">
 <q-td><span class="hy-tag" :class="'t-' + props.row.limit_tone" :title="props.row.exact">{{ props.row.limit }}</span>
  <span class="line2 hy-quiet hy-small">{{ props.row.until }}
   <span v-if="props.row.extended" class="t-held"> {{ props.row.extended }}</span></span></q-td>
 <q-td><a class="matter" :href="'/incidents/' + props.row.id" @click.stop :title="props.row.title">
   <span v-if="props.row.danger" class="hy-tag urgent">{{ props.row.danger }}</span>{{ props.row.title }}</a>
  <span class="line2 hy-quiet hy-small">{{ props.row.number }} · {{ props.row.matter
   }}<span v-if="props.row.confirm" class="t-soon">（待确认）</span><span
   v-if="props.row.asked" class="t-held">（待研判）</span> ·
   <span :title="props.row.opened_exact">{{ props.row.opened }}</span></span></q-td>
 <q-td><span :title="props.row.place">{{ props.row.place }}</span></q-td>
 <q-td><span class="line1">{{ props.row.unit }}</span>
  <span class="line2 hy-quiet hy-small">{{ props.row.helping }}</span></q-td>
 <q-td><span v-for="c in props.row.doors" :key="c.name" :title="c.name" style="white-space:nowrap;margin-right:6px">
   <q-icon :name="c.icon" size="16px" :aria-label="c.name"></q-icon></span>
  <span class="hy-quiet hy-small" style="white-space:nowrap">{{ props.row.reports }} 件</span></q-td>
 <q-td><span class="hy-tag" :class="'t-' + props.row.tone">{{ props.row.state }}</span>
  <span class="line2 hy-quiet hy-small">{{ props.row.beside }}</span></q-td>
</q-tr>
"""


class FeedPage:
    """One person's feed: a wish, a table, and a glance every second."""

    def __init__(self, desk: Desk, wish: Wish) -> None:
        """Nothing is drawn yet."""
        self.desk, self.wish = desk, wish
        self.seen = -1
        self.glances = 0
        self.urgent: set[str] | None = None
        self.counts: dict[str, int] | None = None

    def draw(self) -> None:
        """The page's parts, still empty."""
        with ui.row().classes("items-center").style("gap:16px;width:100%"):
            ui.html("<h1>实时事件</h1>", sanitize=False)
            self.summary = ui.label("正在读取…").classes("hy-quiet")
            ui.space()
            self.search = (
                ui.input(placeholder="搜编号、事项、地点、单位（按 / ）", value=self.wish.q)
                .props("dense outlined clearable debounce=300 aria-label=搜索")
                .classes("hy-search")
                .style("width:300px")
                .on_value_change(lambda change: self.change(q=change.value or ""))
            )
        with ui.element("div").classes("hy-chips"):
            self.chips = ui.element("div").classes("hy-chips").style("margin:0")
            self.selects = ui.element("div").classes("hy-chips").style("margin:0")
        self.body = ui.column().style("width:100%;gap:8px")
        with self.body:
            columns = [
                {"name": name, "label": label, "field": name, "align": "left", "headerStyle": f"width:{width}"}
                for name, label, width in COLUMNS
            ]
            self.table = ui.table(columns=columns, rows=[], row_key="id").classes("hy-table")
            self.table.props("flat separator=none hide-pagination :rows-per-page-options=[0] hide-no-data")
            self.table.add_slot("body", BODY)
            self.table.on("open", lambda event: ui.navigate.to(f"/incidents/{event.args}"))
            self.nothing = ui.column().style("width:100%")
            self.more = ui.button("再显示 200 件", on_click=lambda: self.change(more=self.wish.more + 1))
            self.more.props("flat no-caps")
        ui.html(
            '<p class="hy-quiet hy-small hy-keys"><kbd>j</kbd> <kbd>k</kbd> 上下选择　<kbd>Enter</kbd> 打开　<kbd>/</kbd> 搜索</p>',
            sanitize=False,
        )

    async def change(self, **changes: Any) -> None:
        """Another wish: into the address, and look at once."""
        if "more" not in changes:
            changes["more"] = 0
        self.wish = Wish(**{**_plain(self.wish), **changes})
        ui.run_javascript(f"history.replaceState(null,'',{self.wish.address()!r})")
        self.counts = None
        await self.look()

    async def glance(self) -> None:
        """Look when something changed, or when the countdowns have moved on."""
        self.glances += 1
        projection = self.desk.projection
        changes = projection.changes if projection else -1
        if changes != self.seen or self.glances % RELOOK == 0:
            await self.look()

    async def look(self) -> None:
        """Read and show."""
        projection = self.desk.projection
        before, wish = projection.changes if projection else -1, self.wish
        try:
            now = self.desk.now()
            shown = await self.desk.board.shown(wish, now, self.desk.own)
        except (Transient, PyMongoError):
            self.summary.text = "暂时读不到数据，正在重连；看到的是刚才的样子"
            return
        if wish != self.wish:  # another was wished for meanwhile, and its own look shows it
            return
        self.seen = before
        rows = [row_of(document, now, self.desk.names) for document in shown.rows]
        if rows != self.table.rows:
            self.table.rows = rows
        self._say(shown, len(rows))
        self._draw_chips(shown)
        self._alarm(shown.urgent, {row["id"] for row in rows})
        show_time(self.desk)

    def _say(self, shown: Shown, rows: int) -> None:
        first = "最新" if self.desk.own is None or self.wish.state == "completed" else "最急"
        self.summary.text = f"现在 {shown.total} 件" + (f"，显示{first} {rows} 件" if shown.total > rows else "")
        self.table.set_visibility(rows > 0)
        self.more.set_visibility(shown.total > rows >= PAGE)
        self.nothing.clear()
        if rows == 0:
            with self.nothing:
                if self.wish == Wish():
                    empty("还没有事件", "收到第一件上报后会马上出现在这里。")
                else:
                    empty("没有符合条件的事件", "去掉一两个筛选条件再看。")

    def _draw_chips(self, shown: Shown) -> None:
        if shown.counts == self.counts:
            return
        wished = self.counts is None
        self.counts = shown.counts
        self.chips.clear()
        with self.chips:
            self._chip("全部", shown.counts.get("all", 0), not self.wish.state, "")
            for name, (word, _) in STATE_FILTERS.items():
                self._chip(word, shown.counts.get(name, 0), self.wish.state == name, name)
        if not wished:  # an open menu must not vanish because a number changed
            return
        self.selects.clear()
        with self.selects:
            self._select("乡镇", dict(self.desk.names.towns), self.wish.town, "town")
            if self.desk.own is None:
                self._select("单位", dict(self.desk.names.units), self.wish.unit, "unit")

    def _chip(self, word: str, n: int, on: bool, name: str) -> None:
        chip = ui.element("button").classes("hy-chip on" if on else "hy-chip")
        chip.props(f"type=button aria-pressed={'true' if on else 'false'}")
        chip.on("click", lambda: self.change(state="" if on else name))
        with chip:
            ui.html(f"{word} <b>{n}</b>", sanitize=False, tag="span")

    def _select(self, word: str, options: dict[str, str], chosen: str, name: str) -> None:
        label = options.get(chosen, chosen or f"全部{word}")
        with ui.element("button").classes("hy-chip on" if chosen else "hy-chip").props("type=button"):
            ui.label(f"{label} ▾")
            with ui.menu().props("auto-close"):
                ui.menu_item(f"全部{word}", lambda: self.change(**{name: ""}))
                for code, said in options.items():
                    ui.menu_item(said, lambda code=code: self.change(**{name: code}))

    def _alarm(self, urgent: dict[str, str], seen: set[str]) -> None:
        """A new danger is heard, and named where the filter hides it."""
        fresh = urgent.keys() - self.urgent if self.urgent is not None else set()
        if fresh:
            ui.run_javascript("hyBeep()")
        if hidden := "、".join(sorted(urgent[one] for one in fresh - seen)):
            ui.notify(f"新的紧急事件：{hidden}（不在当前筛选里）", type="negative", position="top", timeout=10_000)
        self.urgent = set(urgent)


def _plain(wish: Wish) -> dict[str, Any]:
    return {"state": wish.state, "town": wish.town, "unit": wish.unit, "q": wish.q, "more": wish.more}


def _pages(more: str) -> int:
    return min(int(more[:9]), MOST) if more.isdecimal() else 0


@ui.page("/")
async def page(request: Request, state: str = "", town: str = "", unit: str = "", q: str = "", more: str = "") -> None:
    """The feed. An address is typed and cut by hand, too: what makes no sense in it is not wished."""
    desk = desk_of(request)
    view = FeedPage(desk, Wish(state if state in STATE_FILTERS else "", town, unit, q[:100], _pages(more)))
    with frame(desk, "feed", "实时"):
        view.draw()
    await view.look()
    watch(desk, view.glance)
