"""What a citizen sees of a report: the five steps, who has it, until when.

Built from the latest view of its incident, its clocks and its rating, which come by different topics: every order of
arrival gives the same page. It shows nobody's words but the result's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from huying.contracts import wording
from huying.contracts.clocks import (
    ClockBreachedV1,
    ClockEvent,
    ClockExtendedV1,
    ClockPausedV1,
    ClockStoppedV1,
)
from huying.contracts.incidents import IncidentCompletedV1, IncidentEvent, IncidentMergedV1
from huying.contracts.message import Instant, Value
from huying.contracts.orders import IncidentRedoneV1

StepCode = Literal["reported", "classified", "assigned", "handled", "answered", "rated"]
StepState = Literal["done", "current", "todo"]

STEPS_ZH: dict[StepCode, str] = {
    "reported": "事件上报",
    "classified": "分类受理",
    "assigned": "响应指定",
    "handled": "部门处置",
    "answered": "结果反馈",
    "rated": "满意度评价",
}
"""The five steps that everybody sees, and the rating after them."""

GRADES_ZH = {"satisfied": "满意", "basically_satisfied": "基本满意", "dissatisfied": "不满意"}
PROMISES = ("resolution", "response", "contact", "acceptance", "adjudication")
"""Which clock is the promise to the citizen: the one that ends the matter, else the next step's."""
FINAL = ("resolution", "response")
"""Clocks whose breach makes a completed matter late, as the county's rates count it."""

WAITING_ZH = dict.fromkeys(("adjudicating", "covered"), "归属有分歧，正在裁决由谁办理")
"""What a citizen reads where no unit has it: what is covered has none while the order that stands for it awaits a ruling."""


class Step(Value):
    """One step. `note` is for people."""

    code: StepCode
    name: str
    state: StepState
    at: Instant | None = None
    note: str | None = None


class Unit(Value):
    """Who has it."""

    code: str
    name: str


class Result(Value):
    """What was done."""

    text: str
    at: Instant
    pictures: tuple[str, ...] = ()


class Progress(Value):
    """Answer of `GET /v1/reports/{tracking_number}`."""

    tracking_number: str
    received_at: Instant
    incident_number: str | None = None
    matter: str | None = None
    state: str = "accepted"
    steps: tuple[Step, ...]
    unit: Unit | None = None
    until: Instant | None = None
    overdue: bool = False
    was_overdue: bool = False
    """More time was granted after it had run out."""
    paused: bool = False
    extensions: int = 0
    redone: int = 0
    """How often it was begun anew after a result that did not stand."""
    result: Result | None = None
    rating: str | None = None
    others: tuple["Progress", ...] = ()
    """Further problems that the same report tells of, each on its own way."""


def after_step(event: IncidentEvent) -> dict[str, Any]:
    """Fields of the incident's progress after a step of its life."""
    view = event.incident
    fields: dict[str, Any] = {
        "version": event.incident_version,
        "number": view.number,
        "state": view.state,
        "matter": view.classification.matter_name,
        "opened_at": view.opened_at,
        "dispatch": view.dispatch.model_dump(include=_OF_DISPATCH) if view.dispatch else None,
        "returns": view.returns,
        "redone": view.course.redone if view.course else 0,
        "completed_at": view.completed_at,
        "merged_into": event.into if isinstance(event, IncidentMergedV1) else view.merged_into,
    }
    if isinstance(event, IncidentCompletedV1):
        pictures = [a.url for a in event.attachments if a.media_type.startswith("image/")]
        text = wording.mask_numbers(wording.clean(event.text))
        fields["result"] = {"text": text, "at": event.at, "pictures": pictures}
    elif isinstance(event, IncidentRedoneV1):
        fields["result"] = None
    return fields


_OF_DISPATCH = {"unit", "unit_name", "dispatched_at", "accepted_at", "contacted_at"}


def after_clock(known: Mapping[str, Any] | None, event: ClockEvent) -> dict[str, Any] | None:
    """The clock after an event; None when the event is older than what is known."""
    stopped = isinstance(event, ClockStoppedV1)
    if known is not None and (known["state"] == "stopped" or (event.at < known["at"] and not stopped)):
        return None
    clock: dict[str, Any] = {"breached": False, "extensions": 0, **(known or {})}
    clock |= {"kind": event.kind, "due_at": event.due_at, "at": event.at}
    clock["state"] = "stopped" if stopped else "paused" if isinstance(event, ClockPausedV1) else "running"
    if isinstance(event, ClockStoppedV1):
        clock["verdict"] = event.verdict
    if isinstance(event, ClockBreachedV1):
        clock["breached"] = True
    elif isinstance(event, ClockExtendedV1):
        clock["extensions"] = event.count
        clock["was_breached"] = clock["breached"] or clock.get("was_breached", False)
        clock["breached"] = False
    return clock


def incident_of(links: Mapping[str, int], incidents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The incident that a report belongs to now.

    Args:
        links: incident id to the number of moves with which the report came to it; the highest counts.
        incidents: progress by incident id, merge targets included as far as they are known.
    """
    for incident_id in sorted(links, key=lambda one: (links[one], one), reverse=True):
        found, seen = incidents.get(incident_id), {incident_id}
        while found and (into := found.get("merged_into")) and into not in seen:  # a ring, which routing forbids, ends
            target = incidents.get(into)
            if target is None or not target.get("version"):
                break
            seen.add(into)
            found = target
        if found is not None and found.get("version"):
            return found
    return None


def page(
    report: Mapping[str, Any], incidents: Mapping[str, Mapping[str, Any]], ratings: Mapping[str, Mapping[str, Any]]
) -> Progress:
    """The page of one report: its problem, and those of its parts that have incidents of their own.

    Args:
        report: as intake keeps it.
        incidents: progress by incident id, merge targets included.
        ratings: verdicts on its parts, by the part's id.
    """
    here = incident_of(report.get("incidents", {}), incidents)
    others: list[Progress] = []
    shown = {here["number"]} if here else set()
    for name, links in sorted(report.get("parts", {}).items()):
        found = incident_of(links, incidents)
        if found is not None and found["number"] not in shown:  # a part that was put back has the report's own way
            shown.add(found["number"])
            others.append(_way({**report, "rating": ratings.get(name)}, found))
    return _way(report, here).model_copy(update={"others": tuple(others)})


def _way(report: Mapping[str, Any], incident: Mapping[str, Any] | None) -> Progress:
    """One problem's way; without an incident it was only reported so far."""
    rating = (report.get("rating") or {}).get("grade")
    dispatch = (incident or {}).get("dispatch")
    result = (incident or {}).get("result")
    completed = bool(incident and incident["completed_at"])
    clocks = list(((incident or {}).get("clocks") or {}).values())
    promises = _kept(clocks) if completed else _running(clocks)[:1]
    promise = promises[0] if promises else None
    return Progress(
        tracking_number=report["tracking_number"],
        received_at=report["received_at"],
        incident_number=incident["number"] if incident else None,
        matter=incident["matter"] if incident else None,
        state=incident["state"] if incident else "accepted",
        steps=_steps(report, incident, rating),
        unit=Unit(code=dispatch["unit"], name=dispatch["unit_name"]) if dispatch else None,
        until=promise["due_at"] if promise else None,
        overdue=any(map(_late, promises)),
        was_overdue=any(clock.get("was_breached", False) for clock in promises),
        paused=bool(promise and promise["state"] == "paused"),
        extensions=max((clock["extensions"] for clock in promises), default=0),
        redone=(incident or {}).get("redone", 0),
        result=Result(text=result["text"], at=result["at"], pictures=tuple(result["pictures"])) if result else None,
        rating=rating,
    )


def _running(clocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What is promised now, the promise to the citizen first."""
    running = [clock for clock in clocks if clock["state"] != "stopped"]
    return sorted(running, key=lambda clock: (PROMISES.index(clock["kind"]), clock["due_at"]))


def _kept(clocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What was promised of a completed matter, the last promise first: what was late or extended stays to be seen."""
    ended = [one for one in clocks if one["state"] == "stopped" and one.get("verdict") != "void"]
    final = [one for one in ended if one["kind"] in FINAL]
    return sorted(final, key=lambda one: (-PROMISES.index(one["kind"]), one["at"]), reverse=True)


def _late(clock: Mapping[str, Any]) -> bool:
    return bool(clock["breached"] or clock.get("verdict") == "late")


def _steps(report: Mapping[str, Any], incident: Mapping[str, Any] | None, rating: str | None) -> tuple[Step, ...]:
    dispatch = (incident or {}).get("dispatch") or {}
    completed_at = (incident or {}).get("completed_at")
    state_now = incident["state"] if incident else ""
    asked = state_now == "asked"
    times: dict[StepCode, datetime | None] = {
        "reported": report["accepted_at"],
        "classified": incident["opened_at"] if incident and not asked else None,
        "assigned": dispatch.get("dispatched_at"),
        "handled": completed_at,
        "answered": completed_at,
        "rated": (report.get("rating") or {}).get("at"),
    }
    notes: dict[StepCode, str | None] = {
        "classified": "正在核对是否与已有事件为同一问题" if asked else (incident or {}).get("matter"),
        "assigned": f"主责单位：{dispatch['unit_name']}" if dispatch else WAITING_ZH.get(state_now),
        "handled": _handling(state_now, dispatch) if dispatch and not completed_at else None,
        "rated": GRADES_ZH[rating] if rating else None,
    }
    steps: list[Step] = []
    for code, name in STEPS_ZH.items():
        at = times[code]
        before = not steps or steps[-1].state == "done"
        state: StepState = "done" if at is not None else "current" if before else "todo"
        steps.append(Step(code=code, name=name, state=state, at=at, note=notes.get(code)))
    return tuple(steps)


def _handling(state: str, dispatch: Mapping[str, Any]) -> str:
    if state == "suspended":
        return "因故暂缓办理，时限已暂停"
    if dispatch.get("contacted_at"):
        return "已与反映人联系，正在处置"
    if state == "covered":  # nobody accepts it: its unit has the other's order
        return "与同一群体事件一并办理"
    return "责任单位已签收，正在处置" if dispatch.get("accepted_at") else "等待责任单位签收"
