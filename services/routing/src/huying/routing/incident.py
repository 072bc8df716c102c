"""An incident as a value, and how a step is taken. Pure: a step gives the incident's successor and one event."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from huying.contracts.commands import Actor
from huying.contracts.course import Course
from huying.contracts.incidents import Candidate, Classification, Dispatch, IncidentEvent, IncidentView, Reason, State
from huying.contracts.places import Place

PLAIN = Course()
"""Nothing beside the main line: most orders, all their life."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An open question: is this the same problem as one of `candidates`, the likeliest first? Runs out at `until`.

    While the incident is `asked` its dispatch waits for the answer; beside any other state the question holds nothing.
    """

    candidates: tuple[Candidate, ...]
    until: datetime
    reasons: tuple[Reason, ...]
    """Why the likeliest."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a merge ended: where the order stood beside its main line, and who had it. An undoing brings both back."""

    course: Course
    dispatch: Dispatch | None


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
    course: Course = PLAIN
    gave: tuple[str, ...] = ()
    """Reports that a merge took from it: what an undoing brings back."""
    before: Before | None = None
    """What it was when they were taken; None while it is not merged."""
    children: tuple[str, ...] = ()
    risen: Mapping[str, datetime] = field(default_factory=dict)
    """Report to where an emergency's clocks start by it: what a merge brings leaves again with its reports."""

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
            course=None if self.course is PLAIN else self.course,
        )

    def changed(self, **course: Any) -> Course:
        """Its course with some of it changed."""
        return self.course.model_copy(update=course)

    @property
    def since(self) -> datetime:
        """Where its citizen's clocks start: when the earliest of its reports was accepted."""
        return self.course.citizen_since or self.opened_at

    @property
    def emergency_since(self) -> datetime:
        """Where they start while it is an emergency: when it became one."""
        return self.course.emergency_since or self.since

    def anchored(self, since: datetime, urgent: datetime | None = None) -> Course:
        """Its course with the citizen's clocks starting there, and an emergency's at `urgent`.

        It says so where they do not start by themselves: at the opening, and with the citizen's.
        """
        course = self.course if since == self.since else self.changed(citizen_since=since)
        if urgent is None or urgent == (course.emergency_since or since):
            return course
        return course.model_copy(update={"emergency_since": urgent})

    @property
    def rising(self) -> Mapping[str, datetime]:
        """The same of one that no merge has told of yet: all its reports have its own start."""
        if self.risen or self.classification.clock_class != "emergency":
            return self.risen
        return dict.fromkeys(self.reports, self.emergency_since)

    @property
    def unit(self) -> str | None:
        """The main unit that has it."""
        return self.dispatch.unit if self.dispatch else None

    @property
    def taking_part(self) -> frozenset[str]:
        """Units that assist or were called to the place."""
        helping = self.dispatch.assisting if self.dispatch else ()
        whistle = self.course.whistle
        return frozenset((*helping, *(whistle.units if whistle else ())))


_FIELDS = tuple(each.name for each in fields(Incident))
_VALUES_OF = attrgetter(*_FIELDS)
"""Read by hand: `replace` asks every field what it is, and every step of the feed makes a successor."""


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
    values = dict(zip(_FIELDS, _VALUES_OF(incident), strict=True))
    after = Incident(**values | changes | {"version": incident.version + 1, "last_at": at})
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
