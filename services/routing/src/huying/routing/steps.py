"""The steps of an incident's main line and of its regrouping. Pure; what is legal is decided in `domain` before.

The steps beside the main line are in `asides`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from huying.contracts import incidents as feed
from huying.contracts import orders
from huying.contracts.commands import Complete, Contact, Return
from huying.contracts.course import Label
from huying.contracts.identity import dispatch_id
from huying.contracts.incidents import Classification, Dispatch, IncidentEvent, Reason, ReportRef
from huying.contracts.places import Place
from huying.county import Duty, Pack

from .incident import PLAIN, Ask, Before, Cause, Incident, step

TITLE_CHARS = 40
"""A list's line shows about this much."""

How = Literal["merged", "answered", "follow_up", "device", "person", "split", "restored"]
Step = tuple[Incident, IncidentEvent]


def opened(
    incident: Incident, cause: Cause, report: ReportRef, reasons: Sequence[Reason], split_from: str | None = None
) -> Step:
    """The first step; `incident` comes with version 0. The citizen's clocks start when its report was accepted."""
    changes = {"course": incident.anchored(report.accepted_at)}
    facts = {"report": report, "reasons": tuple(reasons), "split_from": split_from}
    return step(incident, cause, feed.IncidentOpenedV1, changes, **facts)


def asked(incident: Incident, cause: Cause, ask: Ask, *, holds: bool) -> Step:
    """A person is asked; the dispatch waits for the answer, or goes on beside it."""
    likeliest = ask.candidates[0]
    return step(
        incident,
        cause,
        feed.IncidentAskedV1,
        {"state": "asked", "ask": ask} if holds else {"ask": ask},
        candidate=likeliest.incident_id,
        candidate_number=likeliest.number,
        score=likeliest.score,
        until=ask.until,
        reasons=ask.reasons,
        candidates=ask.candidates,
    )


def answered(
    incident: Incident,
    cause: Cause,
    answer: Literal["same", "different", "expired"],
    chosen: Sequence[str] = (),
    reason: str | None = None,
) -> Step:
    """The question is closed; `chosen` are those that it is the same as."""
    assert incident.ask is not None
    spoken = tuple(chosen) or tuple(one.incident_id for one in incident.ask.candidates)
    facts = {"candidate": spoken[0], "answer": answer, "candidates": spoken, "reason": reason}
    return step(incident, cause, feed.IncidentAskAnsweredV1, {"ask": None}, **facts)


def joined(
    incident: Incident,
    cause: Cause,
    report: ReportRef,
    how: How,
    score: float,
    reasons: Sequence[Reason],
    urgent: datetime | None = None,
    risen: Mapping[str, datetime] | None = None,
) -> Step:
    """A further report. Where it was accepted before all others, the citizen's clocks start there.

    `urgent` is where an emergency's clocks start from now on; None where it is none. `risen` is by which reports, where
    this one may leave again.
    """
    channels = incident.channels if report.channel in incident.channels else (*incident.channels, report.channel)
    theirs, ours = report.origin_due_at, incident.origin_due_at
    changes: dict[str, Any] = {
        "reports": (*incident.reports, report.report_id),
        "channels": channels,
        "origin_due_at": min(theirs, ours) if theirs and ours else ours or theirs,
        "course": incident.anchored(min(incident.since, report.accepted_at), urgent),
        "risen": incident.risen if risen is None else risen,
    }
    facts = {"report": report, "how": how, "score": score, "reasons": tuple(reasons)}
    return step(incident, cause, feed.IncidentReportJoinedV1, changes, **facts)


def merged(
    incident: Incident, cause: Cause, into: str, reason: str | None, labels: Sequence[Label], before: Incident
) -> Step:
    """It was another incident all along. `before` is this one before its dispatch was withdrawn."""
    changes = {
        "state": "merged",
        "merged_into": into,
        "reports": (),
        "gave": incident.reports,
        "before": Before(before.course, before.dispatch),
        "dispatch": None,
        "ask": None,
        "course": PLAIN.model_copy(update={"citizen_since": incident.course.citizen_since}),
    }
    facts = {"into": into, "reports": incident.reports, "reason": reason, "labels": tuple(labels)}
    return step(incident, cause, feed.IncidentMergedV1, changes, **facts)


def split(
    incident: Incident,
    cause: Cause,
    leaving: Sequence[ReportRef],
    staying: Sequence[ReportRef],
    into: Incident,
    reason: str,
    labels: Sequence[Label],
    undone: bool,
) -> Step:
    """Reports leave for `into`; channels and every clock are those of the reports that stay.

    An emergency that only those told of which leave stays one, from when it was.
    """
    gone = {report.report_id for report in leaving}
    risen = {report: since for report, since in incident.risen.items() if report not in gone}
    changes = {
        "reports": tuple(report for report in incident.reports if report not in gone),
        "channels": tuple(dict.fromkeys(report.channel for report in staying)),
        "origin_due_at": _strictest(staying),
        "course": incident.anchored(_earliest(staying), min(risen.values(), default=None)),
        "risen": risen,
    }
    facts = {
        "into": into.id,
        "into_number": into.number,
        "reports": tuple(_bare(report) for report in leaving),
        "reason": reason,
        "undone": undone,
        "labels": tuple(labels),
    }
    return step(incident, cause, orders.IncidentSplitV1, changes, **facts)


def _bare(report: ReportRef) -> ReportRef:
    """As one of many in a record that has its limit: place and pictures come to the other incident with it."""
    return report.model_copy(update={"place": None, "attachments": None})


def _earliest(reports: Sequence[ReportRef]) -> datetime:
    """Where the citizen's clocks of an incident with these reports start."""
    return min(report.accepted_at for report in reports)


def _strictest(reports: Sequence[ReportRef]) -> datetime | None:
    """Until when their origins want them done; None where none says."""
    return min((report.origin_due_at for report in reports if report.origin_due_at), default=None)


def parted(incident: Incident, cause: Cause, part: ReportRef, into: Incident, reason: str) -> Step:
    """A part of one of its reports opens `into`; the report stays."""
    facts = {"into": into.id, "into_number": into.number, "part": part, "reason": reason}
    return step(incident, cause, orders.IncidentPartedV1, {}, **facts)


def restored(incident: Incident, cause: Cause, coming: Sequence[ReportRef], reason: str) -> Step:
    """A merge is undone: its course is what it was, the reports that come back and a dispatch follow as the next steps.

    A pause, a wish for more time and a place in a family ended with the dispatch. Who waits for a ruling waits on.
    """
    course, back = incident.before.course if incident.before else PLAIN, {report.report_id for report in coming}
    risen = {report: since for report, since in incident.risen.items() if report in back}
    if risen:
        course = course.model_copy(update={"emergency_since": min(risen.values())})
    ended = {"suspension": None, "request": None, "parent": None, "covered_by": None}
    own = {"citizen_since": _earliest(coming), "child_count": len(incident.children)}  # some may have left meanwhile
    changes = {
        "state": "dispatched" if course.waiting_since is None else "adjudicating",
        "merged_into": None,
        "gave": (),
        "before": None,
        "origin_due_at": _strictest(coming),
        "course": course.model_copy(update={**ended, **own}),
        "risen": risen,
    }
    facts = {"merged_into": incident.merged_into, "reason": reason}
    return step(incident, cause, orders.IncidentRestoredV1, changes, **facts)


def confirmed(incident: Incident, cause: Cause, what: Classification, where: Place, reason: str | None) -> Step:
    """A person said what it is and where. An emergency that was one before goes on from then."""
    facts = {"before": incident.classification, "place_before": incident.place, "reason": reason}
    changes = {"place": where, **_classified(incident, what, incident.course.emergency_since or cause.at)}
    return step(incident, cause, orders.IncidentConfirmedV1, changes, **facts)


def alarmed(incident: Incident, cause: Cause, what: Classification, reason: str, since: datetime) -> Step:
    """Something that joined tells of a danger."""
    facts = {"before": incident.classification, "reason": reason}
    return step(incident, cause, orders.IncidentAlarmedV1, _classified(incident, what, since), **facts)


def _classified(incident: Incident, what: Classification, since: datetime) -> dict[str, Any]:
    """An emergency's clocks start when it becomes one, and time that was granted before does not hold for them."""
    changes: dict[str, Any] = {"classification": what}
    was, now = (each.clock_class == "emergency" for each in (incident.classification, what))
    if now and not was:
        changes["course"] = incident.changed(emergency_since=since, extended_until=None)
    elif was and not now:
        changes |= {"course": incident.changed(emergency_since=incident.emergency_since), "risen": {}}
    return changes


def dispatched(incident: Incident, cause: Cause, duty: Duty, pack: Pack) -> Step:
    """One unit is responsible from now on."""
    at = max(cause.at, incident.last_at)
    dispatch = Dispatch.model_construct(
        dispatch_id=dispatch_id(incident.id, incident.version + 1),
        unit=duty.main,
        unit_name=pack.unit(duty.main).name_zh,
        assisting=tuple(duty.assisting),
        basis=duty.basis or duty.reason,
        catalogue=f"{duty.version}",
        level=duty.level,
        dispatched_at=at,
        accepted_at=None,
        contacted_at=None,
    )
    previous = incident.dispatch.unit if incident.dispatch else None
    changes: dict[str, Any] = {"state": "dispatched", "dispatch": dispatch}
    if incident.course.waiting_since is not None or incident.course.covered_by is not None:
        changes["course"] = incident.changed(waiting_since=None, covered_by=None, request=None)
    return step(incident, cause, feed.IncidentDispatchedV1, changes, dispatch=dispatch, previous_unit=previous)


def withdrawn(incident: Incident, cause: Cause, reason: str) -> Step:
    """The unit does not have it any more; what follows says why and who does."""
    changes: dict[str, Any] = {"dispatch": None}
    if incident.course.suspension or incident.course.request:
        changes["course"] = incident.changed(suspension=None, request=None)
    return step(incident, cause, orders.IncidentWithdrawnV1, changes, dispatch=current(incident), reason=reason)


def current(incident: Incident) -> Dispatch:
    """The dispatch that it must have in its state."""
    assert incident.dispatch is not None
    return incident.dispatch


def accepted(incident: Incident, cause: Cause) -> Step:
    """The unit took it."""
    dispatch = current(incident).model_copy(update={"accepted_at": max(cause.at, incident.last_at)})
    changes = {"state": "accepted", "dispatch": dispatch}
    return step(incident, cause, feed.IncidentAcceptedV1, changes, dispatch=dispatch)


def contacted(incident: Incident, cause: Cause, action: Contact) -> Step:
    """The unit spoke with the reporter; one that is covered stays so."""
    at = max(cause.at, incident.last_at)
    dispatch = current(incident).model_copy(update={"contacted_at": at})
    changes: dict[str, Any] = {
        "state": "covered" if incident.state == "covered" else "contacted",
        "dispatch": dispatch,
        "course": incident.changed(contacted_at=incident.course.contacted_at or at),
    }
    return step(incident, cause, feed.IncidentContactedV1, changes, dispatch=dispatch, note=action.note)


def returned(incident: Incident, cause: Cause, action: Return, ruling: bool) -> Step:
    """The unit gave it back. A new dispatch follows as the next step, or the dispatch centre's ruling is awaited."""
    dispatch = current(incident)
    changes: dict[str, Any] = {"returns": incident.returns + 1}
    if ruling:
        waiting = incident.changed(waiting_since=max(cause.at, incident.last_at), request=None)
        changes |= {"state": "adjudicating", "dispatch": None, "course": waiting}
    elif incident.course.request is not None:
        changes["course"] = incident.changed(request=None)
    facts = {"dispatch": dispatch, "reason": action.reason, "basis": action.basis}
    return step(incident, cause, feed.IncidentReturnedV1, changes, **facts)


def completed(incident: Incident, cause: Cause, action: Complete) -> Step:
    """The unit reports the result; a question, a request and a joint review that stood beside it are closed with it."""
    changes: dict[str, Any] = {"state": "completed", "completed_at": max(cause.at, incident.last_at), "ask": None}
    beside = incident.course
    if beside.request is not None or beside.covered_by is not None or beside.review is not None:
        changes["course"] = incident.changed(request=None, covered_by=None, review=None)
    facts = {"dispatch": current(incident), "text": action.text, "attachments": action.attachments}
    return step(incident, cause, feed.IncidentCompletedV1, changes, **facts)


def reopened(incident: Incident, cause: Cause, reason: str) -> Step:
    """The result does not stand; a dispatch follows as the next step."""
    count = incident.course.redone + 1
    at = max(cause.at, incident.last_at)
    changes = {
        "state": "dispatched",
        "completed_at": None,
        "course": incident.changed(redone=count, redone_at=at, extended_until=None, contacted_at=None),
    }
    return step(incident, cause, orders.IncidentRedoneV1, changes, reason=reason, count=count)


def title_of(text: str) -> str:
    """One line out of a report's words."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


def numbered(report: ReportRef) -> ReportRef:
    """The report as it comes to another incident."""
    return report.model_copy(update={"moves": report.moves + 1})
