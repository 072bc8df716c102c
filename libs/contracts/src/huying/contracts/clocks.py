"""Clocks: legal deadlines of an incident, kept by sla-timer."""

from typing import ClassVar, Literal

from .incidents import ClockClass
from .message import Code, Event, Identifier, Instant

ClockKind = Literal["acceptance", "contact", "response", "resolution", "adjudication"]


class ClockEvent(Event):
    """What all clock events share. Identity is `clock_id` and the step."""

    clock_id: Identifier
    incident_id: Identifier
    jurisdiction: Code
    kind: ClockKind
    clock_class: ClockClass
    unit: Code | None = None
    at: Instant
    due_at: Instant
    started_at: Instant
    policy: str
    """Hash of the pack whose policy this clock is pinned to."""


class ClockStartedV1(ClockEvent):
    """A deadline is known. `explanation` says step by step how it came about."""

    TYPE: ClassVar[str] = "cn.huying.clock.started.v1"
    provisional: bool = False
    explanation: tuple[str, ...] = ()


class ClockWarnedV1(ClockEvent):
    """A share of the time is used up. `late` when it could not be told in time."""

    TYPE: ClassVar[str] = "cn.huying.clock.warned.v1"
    percent: int
    roles: tuple[str, ...] = ()
    late: bool = False


class ClockBreachedV1(ClockEvent):
    """The deadline passed. Fired exactly once."""

    TYPE: ClassVar[str] = "cn.huying.clock.breached.v1"
    roles: tuple[str, ...] = ()
    late: bool = False


class ClockPausedV1(ClockEvent):
    """The clock stands still, for a reason that everybody can see."""

    TYPE: ClassVar[str] = "cn.huying.clock.paused.v1"
    reason: str


class ClockResumedV1(ClockEvent):
    """The clock runs again; `due_at` has moved by what the pause was worth."""

    TYPE: ClassVar[str] = "cn.huying.clock.resumed.v1"


class ClockExtendedV1(ClockEvent):
    """More time was granted; extensions are counted apart from every rate."""

    TYPE: ClassVar[str] = "cn.huying.clock.extended.v1"
    reason: str
    count: int


class ClockStoppedV1(ClockEvent):
    """What the clock waited for happened, or no longer matters."""

    TYPE: ClassVar[str] = "cn.huying.clock.stopped.v1"
    verdict: Literal["on_time", "late", "void"]
