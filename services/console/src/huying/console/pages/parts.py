"""Pieces of HTML for the incident and the triage page. Pure; every word that a person wrote is escaped here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from huying.contracts.course import LEVEL_ZH
from huying.contracts.moves import STATE_WORDS

from ..words import CLASSES, CLOCKS, TONES, Names, danger, deadline, exact, extended, place, span, when

STEPS = ("事件上报", "分类受理", "响应指定", "部门处置", "结果反馈")
CLOCK_ORDER = tuple(CLOCKS)
UNPLACED = {"adjudicating": "等待裁决由谁主责", "covered": "随群体事件等待裁决由谁主责", "merged": "已并入另一事件"}
"""Why no unit has it any more, by state."""

Line = dict[str, Any]


def title_line(document: dict[str, Any], now: datetime) -> str:
    """Number, matter, place, state and the leading clock."""
    view = document["view"]
    word, tone = STATE_WORDS[document["state"]], TONES[document["state"]]
    warned = danger(view)
    urgent = f'<span class="hy-tag urgent">{warned}</span>' if warned else ""
    lead = document.get("lead")
    limit = ""
    if lead:
        said = deadline(lead, now)
        until = f" · {said.until}" if said.until else ""
        limit = f'<span class="hy-tag t-{said.tone}" title="{said.exact}">{said.text}{until}</span>'
    longer = extended(document.get("extended") or 0, lead, now)
    more = f'<span class="t-held">{longer}</span>' if longer else ""
    course = view.get("course") or {}
    more += '<span class="hy-tag t-overdue">挂牌督办</span>' if course.get("supervision") else ""
    more += '<span class="hy-tag t-held">延期待批</span>' if course.get("request") else ""
    more += '<span class="hy-tag t-held">待研判</span>' if document.get("ask") and document["state"] != "asked" else ""
    more += '<span class="hy-tag t-soon">汛期模式</span>' if course.get("flood") else ""
    return (
        f'<div class="hy-quiet">{escape(document["number"])} · {escape(view["classification"]["matter_name"])} · '
        f"{escape(place(view))}</div><h1>{urgent}{escape(view['title'])}</h1>"
        f'<div style="display:flex;gap:16px;flex-wrap:wrap;margin-top:4px">'
        f'<span class="hy-tag t-{tone}">{word}</span>{limit}{more}</div>'
    )


def standing(document: dict[str, Any]) -> str:
    """Its state, and the unit that has it."""
    word, tone = STATE_WORDS[document["state"]], TONES[document["state"]]
    unit = (document["view"].get("dispatch") or {}).get("unit_name")
    return f'<span class="hy-tag t-{tone}">{word}</span>' + (f" {escape(unit)}" if unit else "")


def stepper(document: dict[str, Any], now: datetime) -> str:
    """The five steps, what is done, since when, and where it stands."""
    view = document["view"]
    dispatch = view.get("dispatch") or {}
    state = document["state"]
    handled = dispatch.get("accepted_at")
    moments = (
        view["opened_at"],
        None if state == "asked" else dispatch.get("dispatched_at") or view["opened_at"],
        dispatch.get("dispatched_at"),
        view.get("completed_at"),
        view.get("completed_at"),
    )
    notes = (
        "" if state == "merged" else f"{view['report_count']} 件诉求",
        "待研判" if state == "asked" else CLASSES[view["classification"]["clock_class"]],
        dispatch.get("unit_name") or UNPLACED.get(state, ""),
        f"{when(handled, now)} 签收" if handled else "",
        "已反馈" if view.get("completed_at") else "",
    )
    current = next((n for n, moment in enumerate(moments) if moment is None), len(STEPS))
    items = []
    for n, (name, moment, note) in enumerate(zip(STEPS, moments, notes, strict=True)):
        kind = "done" if moment else ("now" if n == current and state != "merged" else "")
        mark = "✓ " if moment else ""
        said = when(moment, now) if moment else ("进行中" if kind == "now" else "")
        items.append(
            f'<li class="{kind}"><b>{mark}{name}</b><span class="hy-small">{said}</span> '
            f'<span class="hy-small hy-quiet">{escape(note)}</span></li>'
        )
    return f'<ol class="hy-steps">{"".join(items)}</ol>'


def report(document: Line, now: datetime, names: Names, text: str | None = None) -> str:
    """One report: its words, by which channel, when, from whom, where that says it is, and its pictures."""
    channel = names.channels.get(document["channel"], document["channel"])
    said = text if text is not None else escape(document["text"])
    who = (document.get("reporter") or {}).get("masked") or ""
    number = document.get("origin_number") or document["tracking_number"]
    received = document["received_at"]
    piece = " · 分出的一件" if document.get("part_of") else ""
    where = f" · {escape(place(document))}" if document.get("place") else ""
    return (
        f'<div class="hy-report"><div class="hy-quiet hy-small">{escape(channel)} · {escape(number)} · '
        f'<span title="{exact(received)}">{when(received, now)}</span> {escape(who)}{piece}{where}</div>'
        f"<p>{said}{_links(document)}</p>{_proposal(document)}</div>"
    )


def _links(document: Line) -> str:
    """Pictures and recordings stand where their publisher keeps them: nothing is loaded before somebody opens it."""
    return "".join(
        f' <a href="{escape(item["url"])}" target="_blank" rel="noopener noreferrer">附件 {n}</a>'
        for n, item in enumerate(document.get("attachments") or (), 1)
    )


def proposals(reports: Sequence[Line]) -> list[dict[str, str]]:
    """Pieces that could be parted, as first screening proposes: what a person begins with in 分件."""
    return [
        {
            "report": one["report_id"],
            "text": piece["text"],
            "matter": piece["matter"],
            "matter_name": piece["matter_name"],
        }
        for one in reports
        for piece in (one.get("parts") or ())[1:]
        if not one.get("parted")
    ]


def _proposal(document: Line) -> str:
    found = document.get("parts") or ()
    if not found or document.get("parted"):
        return ""
    pieces = "".join(f"<li>{escape(one['matter_name'])}：{escape(one['text'])}</li>" for one in found)
    return f'<div class="hy-quiet hy-small">好像说了两件事，可以分件：<ul>{pieces}</ul></div>'


def unit_card(document: dict[str, Any], now: datetime, names: Names, history: Sequence[Line]) -> str:
    """Who has it, on what ground, and how long each unit had it."""
    view = document["view"]
    dispatch = view.get("dispatch")
    facts = _dispatched(document, dispatch, now, names) if dispatch else ""
    said = facts or f'<p class="hy-quiet">{UNPLACED.get(document["state"], "还没有派单")}。</p>'
    held = "".join(
        f"<dt>{escape(unit)}</dt><dd>{span(length)}</dd>"
        for unit, length in holding(history, view.get("completed_at") or now)
    )
    return f"<h2>责任单位</h2>{said}" + (
        '<h2 style="margin-top:12px">各单位持有时长</h2>'
        f'<dl class="hy-facts" style="grid-template-columns:auto 1fr">{held}</dl>'
        if held
        else ""
    )


def _dispatched(document: dict[str, Any], dispatch: dict[str, Any], now: datetime, names: Names) -> str:
    before = (document["view"].get("course") or {}).get("contacted_at")  # by a unit that had it earlier
    contacted = dispatch.get("contacted_at") or before
    helping = "、".join(names.unit(code) for code in dispatch.get("assisting") or ()) or "无"
    unaccepted = "随群体事件办理，不另签收" if document["state"] == "covered" else "未签收"
    facts = {
        "主责": dispatch["unit_name"],
        "配合": helping,
        "依据": dispatch.get("basis") or f"职责清单 {dispatch['catalogue']}",
        "派单": when(dispatch["dispatched_at"], now),
        "签收": when(dispatch["accepted_at"], now) if dispatch.get("accepted_at") else unaccepted,
        "联系群众": when(contacted, now) if contacted else "未联系",
    }
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f'<dl class="hy-facts">{rows}</dl>'


def holding(history: Sequence[Line], until: datetime) -> list[tuple[str, timedelta]]:
    """How long each main unit had it, in order; `history` has the newest first."""
    turns: list[tuple[str, datetime]] = []
    for line in reversed(history):
        unit = line["holder"]
        if (unit or line.get("free")) and (not turns or turns[-1][0] != unit):
            turns.append((unit, line["at"]))
    ends = [*(at for _, at in turns), until][1:]
    return [(unit, max(end - at, timedelta())) for (unit, at), end in zip(turns, ends, strict=True) if unit]


def clocks(document: dict[str, Any], now: datetime) -> str:
    """All clocks of the incident, each in words; none that counts no more beside another of its kind."""
    told = document.get("clocks", {}).values()
    counted = {one["kind"] for one in told if one.get("verdict") != "void"}
    known = sorted(
        (one for one in told if one.get("verdict") != "void" or one["kind"] not in counted),
        key=lambda one: (CLOCK_ORDER.index(one["kind"]), one["started_at"]),
    )
    if not known:
        return '<h2>时限</h2><p class="hy-quiet">还没有时限。</p>'
    rows = []
    for clock in known:
        said = deadline(clock, now)
        longer = extended(clock["extended"], clock, now)
        more = f' <span class="t-held">{longer}</span>' if longer else ""
        until = f' <span class="hy-quiet hy-small">{said.until}</span>' if said.until else ""
        rows.append(
            f'<dt>{CLOCKS[clock["kind"]]}</dt><dd title="{said.exact}">'
            f'<span class="hy-tag t-{said.tone}">{said.text}</span>{until}{more}</dd>'
        )
    return f'<h2>时限</h2><dl class="hy-facts">{"".join(rows)}</dl>'


def timeline(history: Sequence[Line], now: datetime) -> str:
    """The whole history, newest first, one line each; what has more opens."""
    items = []
    for line in history:
        who = f' <span class="hy-quiet hy-small">{escape(line["who"])}</span>' if line["who"] else ""
        detail = (
            f'<details><summary class="hy-small">展开</summary>{escape(line["detail"]).replace(chr(10), "<br>")}</details>'
            if line["detail"]
            else ""
        )
        items.append(
            f'<li class="{line["kind"]}"><span class="hy-quiet hy-small" title="{exact(line["at"])}">'
            f"{when(line['at'], now)}</span> <b>{escape(line['word'])}</b> {escape(line['text'])}{who}{detail}</li>"
        )
    return f'<h2>办理过程</h2><ol class="hy-time">{"".join(items)}</ol>'


def result(document: dict[str, Any]) -> str:
    """What the unit reported, with its pictures."""
    if not document.get("result"):
        return ""
    said = escape(document["result"]) + _links(document)
    return f'<div class="hy-card" style="margin-top:16px"><h2>办理结果</h2>{said}</div>'


def reasons(found: Sequence[dict[str, Any]], likeliest: dict[str, Any]) -> str:
    """Why the engine asks: short sentences about the likeliest with their weights, for and against."""
    rows = "".join(
        f'<li><b class="{"t-on_time" if one.get("weight", 0) >= 0 else "t-overdue"}">{one.get("weight", 0):+.2f}</b>'
        f"<span>{escape(one['text'])}</span></li>"
        for one in found
    )
    head = f"系统依据：{escape(likeliest['number'])}（相似度 {likeliest['score']:.0%}）"
    return f'<h2>{head}</h2><ul class="hy-reasons">{rows}</ul>'


def beside(document: dict[str, Any], now: datetime, names: Names, children: Sequence[Line]) -> str:
    """What stands beside the main line: supervision, pause, extension, whistle, review, family, flood mode."""
    course = document["view"].get("course") or {}
    facts: dict[str, str] = {}
    if level := course.get("level"):
        facts["层级"] = LEVEL_ZH[level]
    if waiting := course.get("waiting_since"):
        facts["待裁决"] = f"自 {when(waiting, now)}"
    if pause := course.get("suspension"):
        facts["挂起"] = f"最晚到 {when(pause['until'], now)}：{pause['reason']}"
    if request := course.get("request"):
        facts["延期待批"] = f"延到 {when(request['until'], now)}：{request['reason']}"
    if course.get("extensions"):
        facts["已延期"] = f"{course['extensions']} 次"
    if course.get("redone"):
        facts["已重办"] = f"{course['redone']} 次"
    if listed := course.get("supervision"):
        facts["挂牌督办"] = f"{when(listed['since'], now)}：{listed['reason']}"
    if called := course.get("whistle"):
        there = set(called["arrived"])
        units = "、".join(names.unit(unit) + ("（已到）" if unit in there else "（未到）") for unit in called["units"])
        facts["吹哨"] = f"{called['meet_at']}：{units}"
    if review := course.get("review"):
        facts["联席会商"] = f"{review['topic']}：{'、'.join(names.unit(unit) for unit in review['units'])}"
    if flood := course.get("flood"):
        facts["汛期模式"] = f"到 {when(flood['until'], now)} 自动结束"
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    links = ""
    if parent := course.get("parent"):
        links += f'<dt>群体事件</dt><dd><a href="/incidents/{escape(parent)}">打开父事件</a></dd>'
    if children:
        listed_children = "<br>".join(
            f'<a href="/incidents/{escape(one["_id"])}">{escape(one["number"])}</a> {STATE_WORDS[one["state"]]} '
            f'<span class="hy-quiet">{escape(one["view"]["title"])}</span>'
            for one in children
        )
        links += f"<dt>子事件 {len(children)} 件</dt><dd>{listed_children}</dd>"
    return f'<h2>办件情况</h2><dl class="hy-facts">{rows}{links}</dl>' if rows or links else ""
