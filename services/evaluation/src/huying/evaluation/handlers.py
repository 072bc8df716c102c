"""From messages to effects: loads the cases of a batch, asks the domain, writes what it says. It decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from huying.chassis.measures import Measures
from huying.chassis.message import API, TIMER, Effects, Message, Stateless
from huying.chassis.mongo import Mongo
from huying.contracts.clocks import ClockEvent
from huying.contracts.incidents import CommandDeclinedV1, IncidentEvent
from huying.contracts.message import Instant, Text, Value
from huying.contracts.ratings import Grade

from . import repository
from .domain import (
    Case,
    Decision,
    Rules,
    decide_clock,
    decide_declined,
    decide_rating,
    decide_silence,
    decide_step,
)
from .repository import CASES
from .tickets import Tickets

DUE_AT_ONCE = 500
"""Call-backs taken in one transaction; the rest follows at once."""


class Verdict(Value):
    """A citizen's verdict as it comes through the door."""

    rating_id: str
    grade: Grade
    comment: Text | None = None
    rated_at: Instant | None = None


@dataclass(slots=True)
class Cases:
    """The cases of a batch and what it did, to be counted once it is in the database."""

    cases: dict[str, Case] = field(default_factory=dict)
    by_rating: dict[str, str] = field(default_factory=dict)
    invited: int = 0
    callbacks: int = 0
    redos: int = 0
    reviews: int = 0
    gaps: int = 0
    grades: list[Grade] = field(default_factory=list)


class Evaluation(Stateless):
    """Keeps cases; invites, takes verdicts, has done again what dissatisfied, and asks for a call-back or a review."""

    def __init__(self, mongo: Mongo, measures: Measures, rules: Rules, tickets: Tickets) -> None:
        """One a service."""
        self._mongo, self._rules, self._tickets, self._measures = mongo, rules, tickets, measures
        self._invitations = measures.counter("invitations_total", "Citizens invited to rate")
        self._callbacks = measures.counter("callbacks_total", "Cases that nobody rated in time")
        self._redos = measures.counter("redos_total", "Cases done again because a citizen was dissatisfied")
        self._reviews = measures.counter("reviews_total", "Cases that a supervisor has to review")
        self._ratings = measures.counter("ratings_total", "Verdicts of citizens", "grade")

    async def load(self, messages: Sequence[Message]) -> Cases:
        """The batch's cases, and those its verdicts belong to."""
        wanted = {message.key for message in messages if message.key and message.topic != API}
        ratings = [message.body.rating_id for message in messages if message.topic == API]
        state = Cases()
        query: dict[str, Any] = {"_id": {"$in": sorted(wanted)}}
        if ratings:
            query = {"$or": [query, {"invitations.rating_id": {"$in": ratings}}]}
        if wanted or ratings:
            async for row in self._mongo.collection(CASES).find(query):
                case = repository.read(row)
                state.cases[case.incident_id] = case
                state.by_rating |= {one.rating_id: case.incident_id for one in case.invitations}
        return state

    def fold(self, state: Cases, message: Message, now: datetime) -> Effects:
        """Decide one message, then remember it for the rest of the batch."""
        body = message.body
        if isinstance(body, Verdict):
            case = state.cases.get(state.by_rating.get(body.rating_id, ""))
            decision = decide_rating(case, body.rating_id, body.grade, body.comment, now)
        elif message.topic == TIMER:
            decision = decide_silence(state.cases[body], now)
        elif isinstance(body, IncidentEvent):
            decision = decide_step(state.cases, body, self._rules)
        elif isinstance(body, CommandDeclinedV1):
            decision = decide_declined(state.cases.get(body.incident_id), body)
        elif isinstance(body, ClockEvent):
            decision = decide_clock(state.cases, body)
        else:
            decision = Decision()
        return self._effects(state, decision)

    def _effects(self, state: Cases, decision: Decision) -> Effects:
        effects = Effects(answer=decision.refusal or "rated")
        effects.publish(*(repository.callback(*pair) for pair in decision.callbacks))
        effects.publish(*(repository.invited(*pair, self._tickets) for pair in decision.invited))
        effects.publish(*(repository.rated(*pair) for pair in decision.rated))
        effects.publish(*(repository.redo(*pair) for pair in decision.redos))
        effects.publish(*(repository.review(*due) for due in decision.reviews))
        written = [repository.write(case) for case in decision.cases]
        for case, operation in written:
            effects.write(CASES, operation)
            state.cases[case.incident_id] = case
            state.by_rating |= {one.rating_id: case.incident_id for one in case.invitations}
        state.invited += len(decision.invited)
        state.callbacks += len(decision.callbacks)
        state.redos += len(decision.redos)
        state.reviews += len(decision.reviews)
        state.gaps += decision.gap
        state.grades += [one.grade for _, one in decision.rated if one.grade]
        return effects

    def committed(self, state: Cases) -> None:
        """Count what is in the database now."""
        self._invitations.inc(state.invited)
        self._callbacks.inc(state.callbacks)
        self._redos.inc(state.redos)
        self._reviews.inc(state.reviews)
        for grade in state.grades:
            self._ratings.labels(grade).inc()
        for _ in range(state.gaps):
            self._measures.violation("version_gap")

    async def due(self, now: datetime) -> Sequence[Message]:
        """Cases that nobody rated by now, oldest first."""
        wanted = {"$lte": now, "$type": "date"}  # the type, too: without it the partial index is not used
        rows = self._mongo.collection(CASES).find({"callback_due_at": wanted}, {"callback_due_at": 1})
        found = rows.sort("callback_due_at", 1).limit(DUE_AT_ONCE)
        return [
            Message(TIMER, f"{row['_id']}/callback", row["_id"], key=row["_id"], time=row["callback_due_at"])
            async for row in found
        ]

    async def next_due(self) -> datetime | None:
        """When the next case has waited long enough for a rating."""
        query = {"callback_due_at": {"$type": "date"}}
        row = await self._mongo.collection(CASES).find_one(query, {"callback_due_at": 1}, sort=[("callback_due_at", 1)])
        return row["callback_due_at"] if row is not None else None
