"""An incident and the steps of its life. Pure: every step takes an incident and returns its successor and one event.

It refuses nothing here: what is legal is decided in `domain`, before a step is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from huying.contracts import incidents as feed
from huying.contracts.commands import Actor, Complete, Contact, Return
from huying.contracts.identity import dispatch_id
from huying.contracts.incidents import Classification, Dispatch, IncidentEvent, IncidentView, Reason, ReportRef, State
from huying.contracts.places import Place
from huying.county import Duty, Pack

TITLE_CHARS = 40
"""A list's line shows about this much."""

How = Literal["merged", "answered", "follow_up", "device"]


@dataclass(frozen=True, slots=True)
class Ask:
    """An open question: is this the same problem as `candidate`? Runs out at `until`."""

    candidate: str
    candidate_number: str
    score: float
    until: datetime
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """One real problem, as routing knows it."""

    id: str
    version: int
    number: str
    jurisdiction: str
    state: State
    classification: Classification
    place: Place
    title: str
    opened_at: datetime
    last_at: datetime
    reports: tuple[str, ...]
    channels: tuple[str, ...]
    dispatch: Dispatch | None = None
    returns: int = 0
    ask: Ask | None = None
    recurrence_of: str | None = None
    merged_into: str | None = None
    completed_at: datetime | None = None
    origin_due_at: datetime | None = None

    def view(self) -> IncidentView:
        """As the feed shows it. Built from values that were validated when they came in."""
        return IncidentView.model_construct(
            incident_id=self.id,
            number=self.number,
            jurisdiction=self.jurisdiction,
            state=self.state,
            classification=self.classification,
            place=self.place,
            title=self.title,
            opened_at=self.opened_at,
            report_count=len(self.reports),
            channels=self.channels,
            dispatch=self.dispatch,
            returns=self.returns,
            recurrence_of=self.recurrence_of,
            merged_into=self.merged_into,
            completed_at=self.completed_at,
            origin_due_at=self.origin_due_at,
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a step is taken: when, under which pack, by whose command."""

    at: datetime
    pack_hash: str
    command_id: str | None = None
    actor: Actor | None = None


def step(
    incident: Incident, cause: Cause, kind: type[IncidentEvent], changes: dict[str, Any], **facts: Any
) -> tuple[Incident, IncidentEvent]:
    """The incident one version further, and the event that says so."""
    at = max(cause.at, incident.last_at)
    after = replace(incident, version=incident.version + 1, last_at=at, **changes)
    event = kind.model_construct(
        incident_id=after.id,
        incident_version=after.version,
        jurisdiction=after.jurisdiction,
        at=at,
        pack_hash=cause.pack_hash,
        incident=after.view(),
        command_id=cause.command_id,
        actor=cause.actor,
        **facts,
    )
    return after, event


def opened(
    incident: Incident, cause: Cause, report: ReportRef, reasons: Sequence[Reason]
) -> tuple[Incident, IncidentEvent]:
    """The first step; `incident` comes with version 0."""
    return step(incident, cause, feed.IncidentOpenedV1, {}, report=report, reasons=tuple(reasons))


def asked(incident: Incident, cause: Cause, ask: Ask) -> tuple[Incident, IncidentEvent]:
    """A person is asked."""
    return step(
        incident,
        cause,
        feed.IncidentAskedV1,
        {"state": "asked", "ask": ask},
        candidate=ask.candidate,
        candidate_number=ask.candidate_number,
        score=ask.score,
        until=ask.until,
        reasons=ask.reasons,
    )


def answered(
    incident: Incident, cause: Cause, answer: Literal["same", "different", "expired"]
) -> tuple[Incident, IncidentEvent]:
    """The question is closed."""
    assert incident.ask is not None
    facts = {"candidate": incident.ask.candidate, "answer": answer}
    return step(incident, cause, feed.IncidentAskAnsweredV1, {"ask": None}, **facts)


def joined(
    incident: Incident, cause: Cause, report: ReportRef, how: How, score: float, reasons: Sequence[Reason]
) -> tuple[Incident, IncidentEvent]:
    """A further report."""
    channels = incident.channels if report.channel in incident.channels else (*incident.channels, report.channel)
    changes = {"reports": (*incident.reports, report.report_id), "channels": channels}
    facts = {"report": report, "how": how, "score": score, "reasons": tuple(reasons)}
    return step(incident, cause, feed.IncidentReportJoinedV1, changes, **facts)


def merged(incident: Incident, cause: Cause, into: str) -> tuple[Incident, IncidentEvent]:
    """It was another incident all along."""
    changes = {"state": "merged", "merged_into": into, "reports": (), "dispatch": None}
    return step(incident, cause, feed.IncidentMergedV1, changes, into=into, reports=incident.reports)


def dispatched(incident: Incident, cause: Cause, duty: Duty, pack: Pack) -> tuple[Incident, IncidentEvent]:
    """One unit is responsible from now on."""
    at = max(cause.at, incident.last_at)
    dispatch = Dispatch.model_construct(
        dispatch_id=dispatch_id(incident.id, incident.version + 1),
        unit=duty.main,
        unit_name=pack.unit(duty.main).name_zh,
        assisting=tuple(duty.assisting),
        basis=duty.basis or duty.reason,
        catalogue=f"{duty.version}",
        dispatched_at=at,
        accepted_at=None,
        contacted_at=None,
    )
    previous = incident.dispatch.unit if incident.dispatch else None
    changes = {"state": "dispatched", "dispatch": dispatch}
    return step(incident, cause, feed.IncidentDispatchedV1, changes, dispatch=dispatch, previous_unit=previous)


def _of(incident: Incident) -> Dispatch:
    assert incident.dispatch is not None
    return incident.dispatch


def accepted(incident: Incident, cause: Cause) -> tuple[Incident, IncidentEvent]:
    """The unit took it."""
    dispatch = _of(incident).model_copy(update={"accepted_at": max(cause.at, incident.last_at)})
    changes = {"state": "accepted", "dispatch": dispatch}
    return step(incident, cause, feed.IncidentAcceptedV1, changes, dispatch=dispatch)


def contacted(incident: Incident, cause: Cause, action: Contact) -> tuple[Incident, IncidentEvent]:
    """The unit spoke with the reporter."""
    dispatch = _of(incident).model_copy(update={"contacted_at": max(cause.at, incident.last_at)})
    changes = {"state": "contacted", "dispatch": dispatch}
    return step(incident, cause, feed.IncidentContactedV1, changes, dispatch=dispatch, note=action.note)


def returned(incident: Incident, cause: Cause, action: Return) -> tuple[Incident, IncidentEvent]:
    """The unit gave it back; a new dispatch follows as the next step."""
    facts = {"dispatch": _of(incident), "reason": action.reason, "basis": action.basis}
    return step(incident, cause, feed.IncidentReturnedV1, {"returns": incident.returns + 1}, **facts)


def completed(incident: Incident, cause: Cause, action: Complete) -> tuple[Incident, IncidentEvent]:
    """The unit reports the result."""
    changes = {"state": "completed", "completed_at": max(cause.at, incident.last_at)}
    facts = {"dispatch": _of(incident), "text": action.text, "attachments": action.attachments}
    return step(incident, cause, feed.IncidentCompletedV1, changes, **facts)


def title_of(text: str) -> str:
    """One line out of a report's words."""
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"
