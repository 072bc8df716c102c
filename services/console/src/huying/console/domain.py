"""What the console remembers of an event: a card for the feed, a line for the history, a report. Pure.

It draws no conclusion that routing or sla-timer has not drawn; it only says theirs in the county's words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from huying.contracts import clocks as deadlines
from huying.contracts import incidents as feed
from huying.contracts.clocks import ClockEvent
from huying.contracts.commands import Actor
from huying.contracts.incidents import IncidentEvent, ReportRef
from huying.contracts.moves import CLOSED, ROLE_WORDS, legal, permitted
from huying.contracts.orders import IncidentCoveredV1, IncidentRedoneV1

from .history import aside
from .words import CLOCKS, FINAL, OPEN_STATES, Names, dated, leading, place

Clock = dict[str, Any]
HOW = {
    "merged": "自动并案",
    "answered": "人工并案",
    "follow_up": "催办、补充",
    "device": "设备重复告警",
    "person": "人工合并",
    "split": "拆分转来",
    "restored": "撤销合并转回",
}
ANSWERS = {"same": "是同一件事", "different": "不是同一件事", "expired": "到时无人研判，单独派单"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an incident's history; `detail` opens below it."""

    id: str
    incident_id: str
    at: datetime
    order: int
    kind: str
    word: str
    text: str
    detail: str = ""
    who: str = ""
    holder: str = ""
    """The unit that has it from this line on; holding times are computed from these."""
    free: bool = False
    """Whether no unit has it from this line on."""


def card(event: IncidentEvent) -> dict[str, Any]:
    """The feed's own part of an incident after a step."""
    view = event.incident
    changed: dict[str, Any] = {
        "version": event.incident_version,
        "jurisdiction": event.jurisdiction,
        "at": event.at,
        "view": view.model_dump(exclude_none=True),
        "number": view.number,
        "state": view.state,
        "opened_at": view.opened_at,
        "pinned": view.classification.danger and view.state in OPEN_STATES,
        "unit": view.dispatch.unit if view.dispatch else None,
        "town_code": view.place.town_code,
        "where": place({"place": view.place.model_dump()}),
        "merged_into": view.merged_into,
        "parent": view.course.parent if view.course else None,
    }
    if isinstance(event, feed.IncidentAskedV1):
        named = [one.model_dump() for one in event.named()]
        changed["ask"] = event.model_dump(include={"until", "reasons", "at"}) | {"candidates": named}
    elif isinstance(event, feed.IncidentAskAnsweredV1) or view.state in CLOSED:
        changed["ask"] = None
    if isinstance(event, IncidentRedoneV1):
        changed |= {"result": None, "attachments": []}
    if isinstance(event, feed.IncidentCompletedV1):
        changed["result"] = event.text
        changed["attachments"] = [item.model_dump() for item in event.attachments]
    return changed


def clock_after(known: Clock | None, event: ClockEvent) -> Clock | None:
    """The clock after an event; None when it is no news. A stopped clock stays stopped, a breach stays a breach."""
    if known is not None and (event.at < known["at"] or _over(known, event)):
        return None
    clock: Clock = {
        "kind": event.kind,
        "state": "running",
        "breached": False,
        "extended": 0,
        "verdict": None,
        **(known or {}),
        "unit": event.unit,
        "due_at": event.due_at,
        "started_at": event.started_at,
        "at": event.at,
    }
    match event:
        case deadlines.ClockBreachedV1():
            clock["breached"] = True
        case deadlines.ClockPausedV1():
            clock |= {"state": "paused", "reason": event.reason}
        case deadlines.ClockResumedV1():
            clock["state"] = "running"
        case deadlines.ClockExtendedV1():
            clock["extended"] = max(clock["extended"], event.count)
        case deadlines.ClockStoppedV1():
            clock |= {"state": "stopped", "verdict": event.verdict}
        case _:
            pass
    return None if clock == known else clock


def _over(known: Clock, event: ClockEvent) -> bool:
    return known["state"] == "stopped" and not isinstance(event, deadlines.ClockStoppedV1)


def derived(clocks: Mapping[str, Clock]) -> dict[str, Any]:
    """What the feed filters by, out of all clocks of an incident."""
    running = [clock for clock in clocks.values() if clock["kind"] in FINAL and clock["state"] == "running"]
    lead = leading(clocks)
    return {
        "lead": dict(lead) if lead else None,
        "final_due_at": min((clock["due_at"] for clock in running), default=None),
        "extended": max((clock["extended"] for clock in clocks.values()), default=0),
    }


def report_of(event: IncidentEvent) -> ReportRef | None:
    """The report that came with a step."""
    if isinstance(event, feed.IncidentOpenedV1 | feed.IncidentReportJoinedV1):
        return event.report
    return None


def line_of_step(event: IncidentEvent, names: Names) -> Line:
    """A step of the feed as a line."""
    word, text, detail = _step(event, names)
    given = event.dispatch if isinstance(event, feed.IncidentDispatchedV1 | IncidentCoveredV1) else None
    return Line(
        id=f"{event.incident_id}/{event.incident_version}",
        incident_id=event.incident_id,
        at=event.at,
        order=event.incident_version,
        kind="step",
        word=word,
        text=text,
        detail=detail,
        who=_who(event.actor, names),
        holder=given.unit_name if given else "",
        free=event.incident.dispatch is None or event.incident.state in CLOSED,
    )


def line_of_clock(event: ClockEvent, identity: str, names: Names) -> Line:
    """A clock's step as a line."""
    name = CLOCKS[event.kind]
    detail = ""
    match event:
        case deadlines.ClockStartedV1():
            text, detail = f"{name}时限到 {dated(event.due_at, event.at)}", "\n".join(event.explanation)
        case deadlines.ClockWarnedV1():
            text = f"{name}时限已用 {event.percent}%" + ("（补发）" if event.late else "")
        case deadlines.ClockBreachedV1():
            text = f"{name}超期" + ("（补发）" if event.late else "")
        case deadlines.ClockPausedV1():
            text = f"{name}时限暂停：{event.reason}"
        case deadlines.ClockResumedV1():
            text = f"{name}时限恢复，到 {dated(event.due_at, event.at)}"
        case deadlines.ClockExtendedV1():
            text = f"{name}第 {event.count} 次延期到 {dated(event.due_at, event.at)}：{event.reason}"
        case deadlines.ClockStoppedV1():
            text = {"on_time": f"{name}按时", "late": f"{name}超期后完成", "void": f"{name}时限不再计"}[event.verdict]
        case _:
            text = name
    return Line(identity, event.incident_id, event.at, 1_000_000, "clock", "时限", text, detail, names.unit(event.unit))


def _step(event: IncidentEvent, names: Names) -> tuple[str, str, str]:
    match event:
        case feed.IncidentOpenedV1():
            channel = names.channels.get(event.report.channel, event.report.channel)
            return "事件上报", f"{channel}上报，登记为 {event.incident.number}", _reasons(event.reasons)
        case feed.IncidentAskedV1():
            beside = "" if event.incident.state == "asked" else "；已派单，研判不影响处置"
            numbers = "、".join(one.number for one in event.named())
            return "待研判", f"疑似与 {numbers} 是同一件事{beside}", _reasons(event.reasons)
        case feed.IncidentAskAnsweredV1():
            held = event.incident.state == "asked" or event.answer != "expired"
            return "研判", ANSWERS[event.answer] if held else "到时无人研判，处置照常", event.reason or ""
        case feed.IncidentReportJoinedV1():
            channel = names.channels.get(event.report.channel, event.report.channel)
            return "并案", f"{HOW[event.how]}：{channel} {event.report.tracking_number}", _reasons(event.reasons)
        case feed.IncidentMergedV1():
            return "合并", "并入另一事件，诉求一并转去", event.reason or ""
        case feed.IncidentDispatchedV1():
            moved = f"（由{names.unit(event.previous_unit)}转来）" if event.previous_unit else ""
            helping = "、".join(names.unit(code) for code in event.dispatch.assisting)
            text = f"主责 {event.dispatch.unit_name}{moved}" + (f"，配合 {helping}" if helping else "")
            return "响应指定", text, event.dispatch.basis or ""
        case feed.IncidentAcceptedV1():
            return "签收", f"{event.dispatch.unit_name}已签收", ""
        case feed.IncidentContactedV1():
            return "先行联系", f"{event.dispatch.unit_name}已联系群众", event.note or ""
        case feed.IncidentReturnedV1():
            return "退回", f"{event.dispatch.unit_name}退回：{event.reason}", event.basis or ""
        case feed.IncidentCompletedV1():
            return "部门处置", f"{event.dispatch.unit_name}办结", event.text
        case _:
            return aside(event, names) or ("更新", event.incident.number, "")


def _reasons(reasons: tuple[feed.Reason, ...]) -> str:
    return "\n".join(f"{reason.text}（{reason.weight:+.2f}）" if reason.weight else reason.text for reason in reasons)


def _who(actor: Actor | None, names: Names) -> str:
    if actor is None:
        return ""
    unit = names.unit(actor.unit)
    return f"{unit} {actor.id}".strip() if unit else f"{ROLE_WORDS[actor.role]} {actor.id}"


def allowed(document: Mapping[str, Any], actor: Actor, here: str | None = None) -> tuple[str, ...]:
    """Which commands a person may be offered on an incident: by the common table, and where there is something to it.

    Routing has the last word; this only spares people buttons that it would refuse. `here` is the unit of its town.
    """
    view = document["view"]
    course, dispatch = view.get("course") or {}, view.get("dispatch") or {}
    called = _called(view)
    there = {
        "answer_ask": bool(document.get("ask")),
        "check_in": "whistle" in course,
        "lift_supervision": "supervision" in course,
        "supervise": "supervision" not in course,
        "approve_extension": "request" in course,
        "refuse_extension": "request" in course,
        "request_extension": "request" not in course,
        "suspend": view["classification"]["clock_class"] != "emergency",
        "release": "parent" in course,
        "open_flood": "flood" not in course,
        "close_flood": "flood" in course,
        "split": view["report_count"] > 1,
    }
    unit = dispatch.get("unit")
    return tuple(
        kind
        for kind in legal(document["state"])
        if there.get(kind, True) and permitted(kind, actor, unit, called, here)
    )


def sees_all(actor: Actor) -> bool:
    """Whether they see every unit's incidents, and 研判, where those stand side by side."""
    return actor.standing in {"dispatcher", "leader", "supervisor"}


@dataclass(frozen=True, slots=True)
class Own:
    """Which incidents a person sees who does not see all: the unit's, those that it takes part in, a town's."""

    unit: str
    town: str | None = None


def own_of(actor: Actor, names: Names) -> Own | None:
    """A unit's people see their unit's, a grid worker those of the town too; none where nobody said which unit."""
    if sees_all(actor):
        return None
    towns = names.town_units.items() if actor.standing == "grid_worker" else ()
    return Own(actor.unit or "", next((town for town, unit in towns if unit == actor.unit), None))


def takes_part(document: Mapping[str, Any], own: Own) -> bool:
    """Whether they may look at an incident: it is their unit's, that assists or was called, or it is in their town."""
    theirs = document.get("unit") == own.unit or own.unit in _called(document["view"])
    return theirs or (own.town is not None and document.get("town_code") == own.town)


def _called(view: Mapping[str, Any]) -> frozenset[str]:
    course, dispatch = view.get("course") or {}, view.get("dispatch") or {}
    return frozenset((*dispatch.get("assisting", ()), *(course.get("whistle") or {}).get("units", ())))
