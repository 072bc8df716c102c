"""Messages in, effects out: the feed, clocks, ratings, and what became of sent notices. Decides nothing itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from huying.chassis.measures import Measures
from huying.chassis.message import Document, Effects, Message, Stateless
from huying.contracts.clocks import ClockBreachedV1, ClockEvent, ClockWarnedV1
from huying.contracts.incidents import IncidentEvent
from huying.contracts.ratings import RatingInvitedV1, ReviewDueV1

from . import repository as store
from .delivery.outcome import Outcomes
from .domain import Desk, Notice
from .facts import Facts
from .repository import Known, Repository

_LATER = (ClockWarnedV1, ClockBreachedV1, RatingInvitedV1, ReviewDueV1)
"""Events that need an incident's facts and may come before them."""


@dataclass(slots=True)
class State:
    """What a batch knows and adds up to."""

    incidents: dict[str, Known] = field(default_factory=dict)
    waiting: dict[str, dict[str, Any]] = field(default_factory=dict)
    claimed: dict[str, dict[str, Document]] = field(default_factory=dict)
    intents: int = 0
    gaps: int = 0
    settled: list[tuple[str, str]] = field(default_factory=list)
    """(medium, outcome) of notices that are done with."""


class Notification(Stateless):
    """Tells the people concerned."""

    def __init__(self, repository: Repository, desk: Desk, measures: Measures, wake: Callable[[], None]) -> None:
        """`wake` is called when a committed batch has notices to send."""
        self._repository = repository
        self.desk = desk
        self._measures = measures
        self._wake = wake
        self._outcomes = measures.counter("notices_total", "Notices that are done with", "medium", "outcome")
        for medium in ("file", "webhook"):
            self._outcomes.labels(medium, "expired")  # 0 from the start: an alert does not see a series begin
        self._intents = measures.counter("notices_intended_total", "Notices written")

    async def load(self, messages: Sequence[Message]) -> State:
        """Incidents of the batch, what waits for those that are not known, and claimed notices."""
        wanted = sorted({m.body.incident_id for m in messages if isinstance(m.body, (IncidentEvent, *_LATER))})
        claims = [m.body.claim for m in messages if isinstance(m.body, Outcomes)]
        state = State()
        if wanted:
            state.incidents = await self._repository.known(wanted)
            held = [incident for incident, known in state.incidents.items() if known.held]
            if held:
                state.waiting = await self._repository.waiting(held)
        if claims:
            state.claimed = await self._repository.claimed(claims)
        return state

    def fold(self, state: State, message: Message, now: datetime) -> Effects:
        """Decide one message."""
        body, effects = message.body, Effects()
        if isinstance(body, IncidentEvent):
            self._incident(state, body, effects)
        elif isinstance(body, _LATER):
            self._later(state, message, effects)
        elif isinstance(body, Outcomes):
            self._settle(state, body, now, effects)
        return effects

    def _incident(self, state: State, event: IncidentEvent, effects: Effects) -> None:
        known = state.incidents.get(event.incident_id)
        facts = known.facts if known else None
        decided = self.desk.on_incident(facts, event)
        if decided is None:
            return
        after, notices = decided
        waiting = state.waiting.get(event.incident_id, {}) if facts is None else {}
        for event_id, later in waiting.items():
            notices.extend(self._written(after, later, event_id))
            store.release(event_id, effects)
        store.intend(notices, effects)
        fresh = store.know(known, after, effects)
        state.incidents[event.incident_id] = fresh
        if waiting:
            del state.waiting[event.incident_id]
        state.intents += len(notices)
        state.gaps += event.incident_version > (facts.version if facts else 0) + 1

    def _later(self, state: State, message: Message, effects: Effects) -> None:
        event = message.body
        known = state.incidents.get(event.incident_id)
        waiting = state.waiting.setdefault(event.incident_id, {})
        if known is None or known.facts is None:
            if message.id not in waiting:
                state.incidents[event.incident_id] = store.hold(known, event.incident_id, message, effects)
                waiting[message.id] = event
            return
        notices = self._written(known.facts, event, message.id)
        store.intend(notices, effects)
        state.intents += len(notices)

    def _written(self, facts: Facts, event: Any, event_id: str) -> list[Notice]:
        if isinstance(event, ClockEvent):
            return self.desk.on_clock(facts, event, event_id)
        return self.desk.on_rating(facts, event)

    def _settle(self, state: State, outcomes: Outcomes, now: datetime, effects: Effects) -> None:
        rows = state.claimed.pop(outcomes.claim, None)
        effects.answer = rows is not None
        if rows is None:
            return  # another replica took the claim over: its word counts
        own = outcomes.of(rows)
        store.settle(own, rows, now, effects)
        state.settled.extend(
            (rows[outcome.notice_id]["medium"], outcome.state) for outcome in own.results if outcome.state != "intent"
        )

    def committed(self, state: State) -> None:
        """Count what is now true, and send."""
        for medium, outcome in state.settled:
            self._outcomes.labels(medium, outcome).inc()
        for _ in range(state.gaps):
            self._measures.violation("version_gap")
        if state.intents:
            self._intents.inc(state.intents)
            self._wake()
