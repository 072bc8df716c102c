"""What the services remember, read once for the prover. It believes nothing and repairs nothing."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase

from huying.chassis.parking import CLOSED, HELD_STATES
from huying.chassis.relay import REFUSED
from huying.contracts import topics

from .databases import client_of, name_of, require
from .replay.quiet import CONSUMES

DOORS = {"intake": ("reports", "body_hash"), "hotline-bridge": ("orders", "digest")}
"""Who answers 202, where it remembers what it let in, and what only that has: of other doors' reports intake hears."""
COPIES = {
    "intake": ("progress", "version"),
    "hotline-bridge": ("incidents", "seen_version"),
    "sla-timer": ("cases", "version"),
    "notification": ("incidents", "version"),
    "evaluation": ("cases", "seen_version"),
    "console": ("feed", "version"),
}
"""Where each reader of the feed keeps, by incident, the version that it has seen."""


@dataclass(frozen=True, slots=True)
class Books:
    """What the services remember, read once."""

    reports: Mapping[str, str]
    """Report id to incident id, by routing."""
    incidents: Mapping[str, tuple[str, int, tuple[str, ...]]]
    """Incident id to state, version and reports, by routing."""
    parts: Mapping[str, str]
    """Part of a report to its report, by routing."""
    active: Sequence[tuple[str, str, str]]
    """Incident, id and unit of each active main dispatch."""
    positions: Mapping[str, Mapping[str, int]]
    """Service to ledger."""
    unpublished: Mapping[str, int]
    published: Mapping[str, Sequence[tuple[str, str]]]
    """Service to (topic, event) of what it says that it has sent."""
    parked: Mapping[str, Sequence[tuple[str, str, int, int]]]
    """Service to (cluster, topic, partition, offset) of records held."""
    closed: Mapping[str, Sequence[tuple[str, str, int, int]]]
    """The same of those that a person has given up."""
    doors: Mapping[str, Set[str]]
    """Door to the reports that it let in, without those whose event still waits in its outbox."""
    copies: Mapping[str, Mapping[str, int]]
    """Service to incident to the version that it has seen, of each that reads the feed."""
    read_at: datetime


Database = AsyncDatabase[dict[str, Any]]
UNSENT = {"published": {"$in": [None, REFUSED]}}


async def books_of(mongo_url: str, prefix: str) -> Books:
    """Read the services' databases.

    Raises:
        StackError: there is none.
    """
    await asyncio.to_thread(require, mongo_url, prefix)
    async with client_of(mongo_url) as client:
        of = {service: client[name_of(prefix, service)] for service in CONSUMES}
        reports, incidents, dispatches = (of["routing"][name] for name in ("reports", "incidents", "dispatches"))
        return Books(
            reports={row["_id"]: row["incident_id"] async for row in reports.find({}, {"incident_id": 1})},
            incidents={
                row["_id"]: (row["state"], row["version"], tuple(row["reports"]))
                async for row in incidents.find({}, {"state": 1, "version": 1, "reports": 1})
            },
            parts={row["_id"]: row["part_of"] async for row in reports.find({"part_of": {"$exists": True}})},
            active=[(row["incident_id"], row["_id"], row["unit"]) async for row in dispatches.find({"active": True})],
            positions={service: await _positions(database) for service, database in of.items()},
            unpublished={name: await database["outbox"].count_documents(UNSENT) for name, database in of.items()},
            published={service: await _published(database) for service, database in of.items()},
            parked={service: await _places(database, HELD_STATES) for service, database in of.items()},
            closed={service: await _places(database, [CLOSED]) for service, database in of.items()},
            doors={service: await _let_in(of[service], *where) for service, where in DOORS.items()},
            copies={service: await _copies(of[service], *where) for service, where in COPIES.items()},
            read_at=datetime.now(UTC),
        )


async def _positions(database: Database) -> dict[str, int]:
    return {row["_id"]: row["at"] async for row in database["positions"].find()}


async def _published(database: Database) -> list[tuple[str, str]]:
    rows = database["outbox"].find({"published": {"$nin": [None, REFUSED]}}, {"topic": 1, "event": 1})
    return [(row["topic"], row["event"]) async for row in rows]


async def _let_in(database: Database, kept: str, mark: str) -> set[str]:
    rows = database[kept].find({mark: {"$exists": True}}, {"_id": 1})
    waiting = database["outbox"].find({"topic": topics.REPORTS.name, **UNSENT}, {"event": 1})
    return {row["_id"] async for row in rows} - {row["event"] async for row in waiting}


async def _copies(database: Database, kept: str, version: str) -> dict[str, int]:
    return {row["_id"]: row.get(version, 0) async for row in database[kept].find({}, {version: 1})}


async def _places(database: Database, states: Sequence[str]) -> list[tuple[str, str, int, int]]:
    place = ("cluster", "topic", "partition", "offset")
    rows = database["parked"].find({"state": {"$in": states}}, dict.fromkeys(place, 1))
    return [(row["cluster"], row["topic"], row["partition"], row["offset"]) async for row in rows]
