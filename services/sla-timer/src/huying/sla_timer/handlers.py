"""Messages in, effects out: the feed, and what fell due. Decides nothing itself; see `domain`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from huying.chassis.measures import Measures
from huying.chassis.message import TIMER, Effects, Message, Stateless
from huying.contracts.incidents import IncidentEvent

from .clocks import Rulebook, Told
from .domain import Case, Decision, on_calendar, on_due, on_incident
from .repository import Repository, effects_of


@dataclass(frozen=True, slots=True)
class FellDue:
    """Body of a timer message: everything of this incident up to then."""

    incident_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class CountAgain:
    """Body of a timer message: a provisional deadline, and a pack that may know more."""

    incident_id: str
    clock_id: str


@dataclass(slots=True)
class State:
    """Cases of a batch, and what the batch adds up to."""

    cases: dict[str, Case]
    fresh: set[str] = field(default_factory=set)
    """Clocks that this batch inserts."""
    told: list[Told] = field(default_factory=list)
    gaps: int = 0
    read_to: datetime | None = None
    """Instant of the youngest event of the feed in this batch."""


class SlaTimer(Stateless):
    """Keeps the clocks of every incident of the feed; of what it remembers, how far the feed was read, nothing is stale."""

    def __init__(
        self,
        repository: Repository,
        rules: Rulebook,
        measures: Measures,
        tolerance: timedelta,
        caught_up: Callable[[], Awaitable[bool]],
    ) -> None:
        """`caught_up` says whether the feed has been read to its end, as far as this process can know."""
        self._repository = repository
        self._rules = rules
        self._measures = measures
        self._tolerance = tolerance
        self._caught_up = caught_up
        self._read_to: datetime | None = None
        self._recounted = False
        self._count = {
            "started": measures.counter("clocks_started_total", "Clocks started", "kind", "clock_class"),
            "warned": measures.counter("clocks_warned_total", "Warning steps told", "kind", "clock_class"),
            "breached": measures.counter("clocks_breached_total", "Deadlines that passed", "kind", "clock_class"),
            "paused": measures.counter("clocks_paused_total", "Clocks paused", "kind", "clock_class"),
            "resumed": measures.counter("clocks_resumed_total", "Clocks that run again", "kind", "clock_class"),
            "extended": measures.counter("clocks_extended_total", "Extensions granted", "kind", "clock_class"),
            "stopped": measures.counter("clocks_stopped_total", "Clocks stopped", "kind", "clock_class"),
        }
        self._late = measures.counter("clocks_told_late_total", "Steps told late", "kind", "clock_class")

    async def load(self, messages: Sequence[Message]) -> State:
        """Cases and clocks of the batch's incidents, in two queries."""
        wanted = {incident for message in messages if (incident := _incident_of(message)) is not None}
        return State(await self._repository.cases(sorted(wanted)) if wanted else {})

    def fold(self, state: State, message: Message, now: datetime) -> Effects:
        """Decide one message."""
        body = message.body
        decision: Decision | None = None
        incident = _incident_of(message)
        before = state.cases.get(incident) if incident is not None else None
        if isinstance(body, IncidentEvent):
            decision = on_incident(before, body, self._rules, now, self._tolerance)
        elif isinstance(body, FellDue) and before is not None:
            decision = on_due(before, body.until, self._rules, now, self._tolerance)
        elif isinstance(body, CountAgain) and before is not None:
            decision = on_calendar(before, body.clock_id, self._rules, now)
        if isinstance(body, IncidentEvent):
            state.read_to = max(state.read_to or body.at, body.at)
        if decision is None:
            return Effects()
        effects = effects_of(decision, before, state.fresh)
        known = before.clocks if before else {}
        state.fresh.update(clock for clock in decision.changed if clock not in known)
        state.cases[decision.case.incident_id] = decision.case
        state.told.extend(decision.told)
        state.gaps += decision.gap
        return effects

    def committed(self, state: State) -> None:
        """Count what is now true."""
        for told in state.told:
            labels = (told.event.kind, told.event.clock_class)
            self._count[told.what].labels(*labels).inc()
            if getattr(told.event, "late", False):
                self._late.labels(*labels).inc()
        for _ in range(state.gaps):
            self._measures.violation("version_gap")
        if state.read_to is not None:
            self._read_to = max(self._read_to or state.read_to, state.read_to)

    async def due(self, now: datetime) -> Sequence[Message]:
        """One message for each incident with something to tell.

        While the feed still has records that were not read (after a restart), nothing younger than what was read
        is told: the record that stops the clock may be among them.
        """
        again = [] if self._recounted else await self._repository.provisional(self._rules.pack_hash)
        self._recounted = not again
        recounts = [Message(TIMER, f"{c}/recount", CountAgain(i, c), key=i) for i, c in again]
        until = now if await self._caught_up() else self._read_to
        if until is None:
            return recounts
        until = min(now, until)
        first = {incident for incident, _ in again}
        return recounts + [
            Message(TIMER, f"{incident}/{until.isoformat()}", FellDue(incident, until), key=incident, time=until)
            for incident in await self._repository.due(until)
            if incident not in first
        ]

    async def next_due(self) -> datetime | None:
        """When the next clock has something to tell."""
        return await self._repository.next_due()


def _incident_of(message: Message) -> str | None:
    body = message.body
    if isinstance(body, IncidentEvent | FellDue | CountAgain):
        return body.incident_id
    return None
