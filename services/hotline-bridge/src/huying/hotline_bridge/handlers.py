"""What the bridge does with its messages: takes in orders and alarms, keeps how they stand by the feed."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from huying.chassis.errors import Broken
from huying.chassis.measures import Measures
from huying.chassis.message import API, Effects, Message, Outgoing, Stateless, WriteOp
from huying.chassis.mongo import Mongo
from huying.chassis.parking import PARKED
from huying.contracts.incidents import IncidentEvent
from huying.contracts.ratings import IncidentRatedV1
from huying.contracts.topics import REPORTS
from huying.county import Pack

from . import repository
from .domain.acceptance import Accepted, Arrival, Keys, Known, Refused, decide
from .domain.mapping import OriginMapping
from .domain.standing import UNTOLD, Standing, incident_after, reports_of, standing, together, whole_of

LINES = "mqtt"
"""The way by which lines of devices come: in place of a cluster's id and of a topic where they are parked."""


@dataclass(frozen=True, slots=True)
class RefusedAlarm:
    """A device's line that could not be used. `parked` keeps it sealed, because nobody knows what is in it."""

    parked: WriteOp


@dataclass(slots=True)
class State:
    """What a batch needs, and what it changed so far."""

    orders: dict[str, dict[str, Any]]
    incidents: dict[str, dict[str, Any]]
    orders_met: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By origin and outcome."""
    refused_alarms: int = 0
    version_gaps: int = 0


class Bridge(Stateless):
    """The bridge's handler."""

    def __init__(
        self, mongo: Mongo, measures: Measures, pack: Pack, mappings: Mapping[str, OriginMapping], keys: Keys
    ) -> None:
        """One a process."""
        self._mongo = mongo
        self._measures = measures
        self.pack = pack
        self.mappings = mappings
        self.keys = keys
        self._orders = measures.counter("orders_total", "Orders and alarms at the door", "origin", "outcome")
        self._refused_alarms = measures.counter("refused_alarms_total", "Lines of devices that could not be used")

    async def load(self, messages: Sequence[Message]) -> State:
        """Orders that arrive or are told of, and every incident they were ever in: two queries."""
        reports: set[str] = set()
        incidents: set[str] = set()
        for message in messages:
            if isinstance(message.body, Arrival):
                reports.add(message.body.report_id)
            elif isinstance(message.body, IncidentEvent):
                incidents.add(message.body.incident_id)
                reports.update(reports_of(message.body))
                reports.update(filter(None, [whole_of(message.body)]))
                incidents.update(incident for incident, _ in reports_of(message.body).values())
        orders = await repository.find_orders(self._mongo, reports, incidents)
        for order in orders.values():
            incidents.update(order["incidents"])
        return State(orders, await repository.find_incidents(self._mongo, incidents))

    def fold(self, state: State, message: Message, now: datetime) -> Effects:
        """One message."""
        body = message.body
        if isinstance(body, Arrival):
            return self._on_arrival(state, body, now, message.topic)
        if isinstance(body, RefusedAlarm):
            state.refused_alarms += 1
            return Effects().write(PARKED, body.parked)
        if message.topic != API and isinstance(body, IncidentEvent):
            return self._on_incident(state, body)
        effects = Effects()
        if isinstance(body, IncidentRatedV1):
            repository.save_rating(effects, body.report_id, body.grade, body.at)
        return effects

    def committed(self, state: State) -> None:
        """Count what is in the database now, so that a batch tried again is not counted twice."""
        for labels, times in state.orders_met.items():
            self._orders.labels(*labels).inc(times)
        self._refused_alarms.inc(state.refused_alarms)
        for _ in range(state.version_gaps):
            self._measures.violation("version_gap")

    def refused(self, arrival: Arrival, decision: Refused) -> Refused:
        """A refusal at the door, counted as those of a batch are."""
        self._orders.labels(arrival.source, decision.reason).inc()
        return decision

    def _on_arrival(self, state: State, arrival: Arrival, now: datetime, way: str) -> Effects:
        before = state.orders.get(arrival.report_id)
        known = Known(before["_id"], before["tracking_number"], before["digest"]) if before else None
        decision = decide(known, arrival, self.pack, self.keys, now)
        effects = Effects(answer=decision)
        if isinstance(decision, Accepted):
            event = decision.event
            told = Standing("received").told(self.mappings.get(arrival.source))
            document = repository.order_document(event, arrival.digest, told)
            repository.save_order(effects, document)
            effects.publish(Outgoing(REPORTS, event.jurisdiction, event.report_id, event, event.received_at))
            state.orders[arrival.report_id] = document
        outcome = decision.reason if isinstance(decision, Refused) else type(decision).__name__.lower()
        state.orders_met[arrival.source, outcome] += 1
        if way == LINES and isinstance(decision, Refused):  # out of the parking, where it stays: nobody waits for words
            raise Broken(decision.reason, f"{decision.field}: {decision.message}")
        return effects

    def _on_incident(self, state: State, event: IncidentEvent) -> Effects:
        effects = Effects()
        before = state.incidents.get(event.incident_id)
        seen = before["seen_version"] if before else 0
        if event.incident_version <= seen:
            return effects
        if event.incident_version > seen + 1:
            state.version_gaps += 1
        after = incident_after(event, before)
        incidents = {**state.incidents, event.incident_id: after}
        changed = dict(self._moved(state, event, incidents))
        repository.save_incident(effects, event.incident_id, after)
        for report_id, order in changed.items():
            seen = state.orders[report_id].get("revision")  # None in a row of before
            order["revision"] = (seen or 0) + 1
            repository.save_standing(effects, report_id, order, seen)
        state.incidents[event.incident_id] = after
        state.orders.update(changed)
        return effects

    def _moved(
        self, state: State, event: IncidentEvent, incidents: Mapping[str, Mapping[str, Any]]
    ) -> Iterable[tuple[str, dict[str, Any]]]:
        """Orders whose standing the event changes, as they are after it."""
        joined, whole = reports_of(event), whole_of(event)
        for report_id, order in state.orders.items():
            before: dict[str, int] = order.get("moves", {})
            known: dict[str, dict[str, int]] = order.get("parts", {})
            mine = {name for name in joined if name in known or (whole == report_id and name != report_id)}
            members = _moved_to(before, joined.get(report_id), event)
            parts = known | {name: _moved_to(known.get(name, {}), joined[name], event) for name in mine}
            ever = set(members).union(*parts.values())
            if event.incident_id in ever or (members, parts) != (before, known):
                each = [standing(places, incidents) for _, places in sorted(parts.items())]
                told = together(standing(members, incidents), each).told(self.mappings.get(order["origin"]))
                changed = {"incidents": sorted(ever), "moves": members, "parts": parts, "standing": told}
                yield report_id, {**order, **changed}


def _moved_to(before: Mapping[str, int], coming: tuple[str, int] | None, event: IncidentEvent) -> dict[str, int]:
    """Where a report ever was, after the event that puts it somewhere."""
    members = dict(before)
    if coming is not None:
        incident, moves = coming
        members[incident] = max(moves, before.get(incident, UNTOLD))
        members.setdefault(event.incident_id, UNTOLD)
    return members
