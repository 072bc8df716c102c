"""Incidents, the feed: one real problem, every step of its life, one event a step.

Every event carries the incident as it is after the step (`IncidentView`), so that a consumer needs nothing from
another topic to understand it.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .commands import Actor
from .course import Course, Label, Level
from .message import Code, Event, Identifier, Instant, Text, Value
from .places import Place
from .reports import Attachment, ReporterRef

State = Literal[
    "asked", "dispatched", "accepted", "contacted", "suspended", "adjudicating", "covered", "completed", "merged"
]
"""`adjudicating`: returned twice, no unit has it, the dispatch centre rules; `covered`: another incident of its family
has the one dispatch of their unit."""
ClockClass = Literal["emergency", "consultation", "public_service", "other"]
DeclineReason = Literal[
    "unknown_incident",
    "stale_version",
    "illegal_move",
    "not_allowed",
    "no_ask",
    "return_limit",
    "limit_reached",
    "not_possible",
]


class Reason(Value):
    """One piece of evidence in words a dispatcher understands. `weight` > 0 speaks for one problem."""

    code: Code
    text: str
    weight: float = 0.0


class Classification(Value):
    """What it is: one of the county's matters, the clock that it runs on, and how sure we are."""

    matter: Code
    matter_name: str
    clock_class: ClockClass
    confidence: Annotated[float, Field(ge=0, le=1)]
    circumstances: tuple[str, ...] = ()
    needs_confirmation: bool = False
    alarm: bool = False
    """A danger was reported that nobody has confirmed: it is told and shown at once, and waits for nobody; its clocks
    are the matter's until a person confirms the emergency."""

    @property
    def danger(self) -> bool:
        """An emergency, or an alarm that may turn out to be one."""
        return self.alarm or self.clock_class == "emergency"


class Dispatch(Value):
    """Who has it: one main unit, the assisting ones, and the rule that says so."""

    dispatch_id: Identifier
    unit: Code
    unit_name: str
    assisting: tuple[Code, ...] = ()
    basis: str | None = None
    catalogue: str
    """Version of the duty catalogue that was used."""
    level: Level | None = None
    """Where it starts by the catalogue."""
    dispatched_at: Instant
    accepted_at: Instant | None = None
    contacted_at: Instant | None = None


class ReportPart(Value):
    """A piece of a report's words that tells of a problem of its own, and its heading by first screening."""

    text: Text
    matter: Code
    matter_name: str


class ReportRef(Value):
    """A report of this incident, or the part of one that tells of this incident's problem."""

    report_id: Identifier
    tracking_number: Identifier
    channel: Code
    text: Text
    source: Identifier
    accepted_at: Instant
    received_at: Instant
    reporter: ReporterRef | None = None
    origin_number: str | None = None
    origin_due_at: Instant | None = None
    moves: Annotated[int, Field(ge=0)] = 0
    """How often it came to another incident than its first: the highest number says where it is now."""
    parts: tuple[ReportPart, ...] | None = None
    """How it could be parted, where first screening finds two problems in it: a person decides."""
    part_of: Identifier | None = None
    """The report that this is a part of: the same person, tracking number and times, and some of its words."""
    parted: tuple[Text, ...] | None = None
    """Pieces of its words that a person has given incidents of their own."""
    place: Place | None = None
    """Where this report says it is; absent where reports leave an incident, for they come to the other one with it."""
    attachments: tuple[Attachment, ...] | None = None
    """Its pictures and recordings, where the publisher keeps them; absent as `place` is."""


class IncidentView(Value):
    """An incident after a step."""

    incident_id: Identifier
    number: str
    jurisdiction: Code
    state: State
    classification: Classification
    place: Place
    title: str
    opened_at: Instant
    report_count: Annotated[int, Field(ge=0)]
    channels: tuple[Code, ...]
    dispatch: Dispatch | None = None
    returns: Annotated[int, Field(ge=0)] = 0
    recurrence_of: Identifier | None = None
    merged_into: Identifier | None = None
    completed_at: Instant | None = None
    origin_due_at: Instant | None = None
    course: Course | None = None
    """What lies beside the main line; absent while nothing does."""


class IncidentEvent(Event):
    """What all events of the feed share. Identity is (`incident_id`, `incident_version`)."""

    incident_id: Identifier
    incident_version: Annotated[int, Field(ge=1)]
    jurisdiction: Code
    at: Instant
    pack_hash: str
    incident: IncidentView
    command_id: Identifier | None = None
    actor: Actor | None = None


class IncidentOpenedV1(IncidentEvent):
    """A new problem, and the report that told of it."""

    TYPE: ClassVar[str] = "cn.huying.incident.opened.v1"
    report: ReportRef
    reasons: tuple[Reason, ...] = ()
    split_from: Identifier | None = None


class Candidate(Value):
    """An incident that a question names. `score`: how likely it is the same problem, 0 to 1."""

    incident_id: Identifier
    number: str
    score: float


class IncidentAskedV1(IncidentEvent):
    """Perhaps the same problem as one of `candidates`, the likeliest first: a person is asked until `until`.

    In state `asked` dispatch waits for the answer; in any other the question holds nothing. It is open until it is
    answered, or the incident is completed or merged. The single fields and `reasons` speak of the likeliest.
    """

    TYPE: ClassVar[str] = "cn.huying.incident.asked.v1"
    candidate: Identifier
    candidate_number: str
    score: float
    until: Instant
    reasons: tuple[Reason, ...] = ()
    candidates: tuple[Candidate, ...] = ()

    def named(self) -> tuple[Candidate, ...]:
        """All that the question names; the one alone in an event from before there were several."""
        alone = Candidate(incident_id=self.candidate, number=self.candidate_number, score=self.score)
        return self.candidates or (alone,)


class IncidentAskAnsweredV1(IncidentEvent):
    """The question is closed: by a person, or because its time ran out.

    `candidates` are those that it is the same as, or all that the question named; `candidate` is the first of them.
    """

    TYPE: ClassVar[str] = "cn.huying.incident.ask-answered.v1"
    candidate: Identifier
    answer: Literal["same", "different", "expired"]
    candidates: tuple[Identifier, ...] = ()
    reason: str | None = None


class IncidentReportJoinedV1(IncidentEvent):
    """A further report of this problem."""

    TYPE: ClassVar[str] = "cn.huying.incident.report-joined.v1"
    report: ReportRef
    how: Literal["merged", "answered", "follow_up", "device", "person", "split", "restored"]
    score: float
    reasons: tuple[Reason, ...] = ()


class IncidentMergedV1(IncidentEvent):
    """This incident was the same as `into`; its reports went there. The end of its own life."""

    TYPE: ClassVar[str] = "cn.huying.incident.merged.v1"
    into: Identifier
    reports: tuple[Identifier, ...]
    reason: str | None = None
    labels: tuple[Label, ...] = ()


class IncidentDispatchedV1(IncidentEvent):
    """One unit is responsible from now on (响应指定)."""

    TYPE: ClassVar[str] = "cn.huying.incident.dispatched.v1"
    dispatch: Dispatch
    previous_unit: Code | None = None


class IncidentAcceptedV1(IncidentEvent):
    """The unit took it."""

    TYPE: ClassVar[str] = "cn.huying.incident.accepted.v1"
    dispatch: Dispatch


class IncidentContactedV1(IncidentEvent):
    """The unit spoke with the reporter."""

    TYPE: ClassVar[str] = "cn.huying.incident.contacted.v1"
    dispatch: Dispatch
    note: Text | None = None


class IncidentReturnedV1(IncidentEvent):
    """The unit gave it back."""

    TYPE: ClassVar[str] = "cn.huying.incident.returned.v1"
    dispatch: Dispatch
    reason: str
    basis: str | None = None


class IncidentCompletedV1(IncidentEvent):
    """The unit reports the result (部门处置, 结果反馈)."""

    TYPE: ClassVar[str] = "cn.huying.incident.completed.v1"
    dispatch: Dispatch
    text: Text
    attachments: tuple[Attachment, ...] = ()


class CommandDeclinedV1(Event):
    """A command that could not be obeyed, with the state that forbids it and what would be legal.

    Travels on the feed under the incident's key, but is no step in its life: it carries no version of its own.
    """

    TYPE: ClassVar[str] = "cn.huying.command.declined.v1"

    command_id: Identifier
    incident_id: Identifier
    jurisdiction: Code
    at: Instant
    reason: DeclineReason
    message: str
    state: State | None = None
    legal: tuple[str, ...] = ()
    current_version: int | None = None
