"""Clocks as documents and decisions as effects. It decides nothing.

A clock that was read from the database is changed through a guard on (id, next step, state), so of two replicas
that fire one step only one commits. A clock that this batch itself starts is an insert, which no other can repeat.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pymongo import IndexModel, InsertOne, UpdateOne

from huying.chassis.message import Document, Effects, Guard, Outgoing
from huying.chassis.mongo import Mongo
from huying.contracts.topics import CLOCKS
from huying.county import ClockPolicy, Pause

from .clocks import Clock, Step
from .domain import Case, Decision

CASES = "cases"
TIMERS = "timers"
INDEXES = {
    TIMERS: [
        IndexModel([("state", 1), ("next_at", 1)]),
        IndexModel([("incident_id", 1)]),
        IndexModel([("counted_with", 1)], partialFilterExpression={"provisional": True, "state": "armed"}),
    ]
}
DUE_LIMIT = 500
"""Timers looked at in one go: as many as a batch of the log."""
DUE_INCIDENTS = 50
"""Incidents told of in one transaction: after a long stop each may have dozens of steps to catch up with."""

_MOVING = (
    *("next_step", "breached_at", "stopped_at", "verdict", "steps", "provisional", "explanation", "counted_with"),
    *("due_at", "origin_due_at", "pauses", "paused_at", "pause_reason", "extended", "extended_to"),
)


def document(clock: Clock) -> Document:
    """A clock as it is stored: `state` armed or stopped, `next_at` null when it has nothing more to tell."""
    return {
        "_id": clock.id,
        "state": "armed" if clock.armed else "stopped",
        "next_at": clock.next_at,
        "next_step": clock.next_step,
        "incident_id": clock.incident_id,
        "jurisdiction": clock.jurisdiction,
        "kind": clock.kind,
        "clock_class": clock.clock_class,
        "run": clock.run,
        "unit": clock.unit,
        "started_at": clock.started_at,
        "due_at": clock.due_at,
        "created_at": clock.created_at,
        "pack_hash": clock.pack_hash,
        "policy": clock.policy.model_dump(mode="json"),
        "provisional": clock.provisional,
        "explanation": list(clock.explanation),
        "steps": [
            {"name": step.name, "at": step.at, "percent": step.percent, "roles": list(step.roles)}
            for step in clock.steps
        ],
        "origin_due_at": clock.origin_due_at,
        "counted_with": clock.counted_with,
        "breached_at": clock.breached_at,
        "stopped_at": clock.stopped_at,
        "verdict": clock.verdict,
        "pauses": [{"from": one.started_at, "to": one.ended_at, "reason": one.reason} for one in clock.pauses],
        "paused_at": clock.paused_at,
        "pause_reason": clock.pause_reason,
        "extended": clock.extended,
        "extended_to": clock.extended_to,
    }


def read(row: Document) -> Clock:
    """A clock out of its document."""
    facts: dict[str, Any] = {name: row[name] for name in Clock.__dataclass_fields__ if name in row and name != "steps"}
    facts["policy"] = ClockPolicy.model_validate(row["policy"])
    facts["explanation"] = tuple(row["explanation"])
    facts["pauses"] = tuple(Pause(one["from"], one["to"], one["reason"]) for one in row.get("pauses", ()))
    steps = tuple(Step(s["name"], s["at"], s["percent"], tuple(s["roles"])) for s in row["steps"])
    return Clock(id=row["_id"], steps=steps, **facts)


def effects_of(decision: Decision, before: Case | None, fresh: Iterable[str]) -> Effects:
    """What a decision writes and tells. `fresh` are clocks that this batch inserts: no guard can find them yet."""
    effects, case = Effects(), decision.case
    if before is None or (before.version, before.unit) != (case.version, case.unit):
        facts = {name: getattr(case, name) for name in ("jurisdiction", "version", "unit", "town_unit")}
        effects.write(CASES, UpdateOne({"_id": case.incident_id}, {"$set": facts}, upsert=True))
    inserted = set(fresh)
    known = before.clocks if before else {}
    for clock in decision.changed.values():
        was = known.get(clock.id)
        if was is None:
            effects.write(TIMERS, InsertOne(document(clock)))
            continue
        whole = document(clock)
        change = {"$set": {name: whole[name] for name in (*_MOVING, "state", "next_at")}}
        if clock.id in inserted:
            effects.write(TIMERS, UpdateOne({"_id": clock.id}, change))
        else:
            held = {"_id": clock.id, "state": "armed", "next_step": was.next_step}
            effects.guards.append(Guard(TIMERS, held, change))
    for told in decision.told:
        effects.publish(Outgoing(CLOCKS, case.incident_id, told.id, told.event, told.event.at))
    return effects


class Repository:
    """What sla-timer asks its own database."""

    def __init__(self, mongo: Mongo) -> None:
        """One a service."""
        self._mongo = mongo

    async def cases(self, incidents: Sequence[str]) -> dict[str, Case]:
        """Cases with all their clocks; unknown incidents are absent."""
        clocks: dict[str, dict[str, Clock]] = {}
        async for row in self._mongo.collection(TIMERS).find({"incident_id": {"$in": list(incidents)}}):
            clocks.setdefault(row["incident_id"], {})[row["_id"]] = read(row)
        found = self._mongo.collection(CASES).find({"_id": {"$in": list(incidents)}})
        return {
            row["_id"]: Case(
                row["_id"],
                row["jurisdiction"],
                row["version"],
                row["unit"],
                _ordered(clocks.get(row["_id"], {})),
                row.get("town_unit"),
            )
            async for row in found
        }

    async def due(self, now: datetime) -> list[str]:
        """Incidents with something to tell by `now`, the longest overdue first, without repetition."""
        query = {"state": "armed", "next_at": {"$lte": now}}
        rows = self._mongo.collection(TIMERS).find(query, {"incident_id": 1}).sort("next_at", 1).limit(DUE_LIMIT)
        return list(dict.fromkeys([row["incident_id"] async for row in rows]))[:DUE_INCIDENTS]

    async def next_due(self) -> datetime | None:
        """When the next clock has something to tell; None when none is armed."""
        query = {"state": "armed", "next_at": {"$ne": None}}
        row = await self._mongo.collection(TIMERS).find_one(query, {"next_at": 1}, sort=[("next_at", 1)])
        return row["next_at"] if row is not None else None

    async def provisional(self, pack_hash: str) -> list[tuple[str, str]]:
        """(incident, clock) of running provisional clocks that were not counted with this pack."""
        query = {"provisional": True, "state": "armed", "counted_with": {"$ne": pack_hash}}
        rows = self._mongo.collection(TIMERS).find(query, {"incident_id": 1}).limit(DUE_LIMIT)
        return [(row["incident_id"], row["_id"]) async for row in rows]


def _ordered(clocks: dict[str, Clock]) -> dict[str, Clock]:
    return dict(sorted(clocks.items(), key=lambda item: (item[1].created_at, item[0])))
