"""Proves the product's promises from the log and the databases: nothing lost, nothing twice, no gap.

It reads everything from the start and believes no service's own figures. It repairs nothing.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import AsyncMongoClient

from huying.chassis.parking import HELD_STATES
from huying.chassis.relay import REFUSED
from huying.contracts import topics

from .logbook import Record
from .replay.quiet import CONSUMES

INVARIANTS = (
    "lost",
    "in_two_incidents",
    "unknown_reports",
    "feed_differs",
    "double_dispatch",
    "gaps",
    "conflicting",
    "clocks_fired_twice",
    "not_fired",
    "ledger_differs",
    "unpublished",
)
"""What must be 0. `lost`: on the log or let in by a door, and in no incident; `in_two_incidents`; `unknown_reports`: in an
incident, and never let in; `feed_differs`: the feed tells of another incident than the database; `double_dispatch`: two active main
dispatches; `gaps`: a version missing on the feed; `conflicting`: one event id, two contents; `clocks_fired_twice`;
`not_fired`: a deadline passed and nobody was told; `ledger_differs`: a ledger behind or ahead of its log; `unpublished`: events that never left."""

EXAMPLES = 5
DOORS = {"intake": ("reports", "body_hash"), "hotline-bridge": ("orders", "digest")}
"""Who answers 202, where it remembers what it let in, and what only that has: of other doors' reports intake hears."""
TOLD_WITHIN = timedelta(minutes=5)
"""A live clock may be told that late without being called late; a replay's is told by its tick."""


@dataclass(slots=True)
class Proof:
    """What was found: counts by invariant, a few examples each, and how much was looked at."""

    found: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    looked_at: dict[str, int] = field(default_factory=dict)
    parked: int = 0

    def break_(self, invariant: str, what: str) -> None:
        """Note one violation."""
        self.found[invariant] += 1
        if len(self.examples[invariant]) < EXAMPLES:
            self.examples[invariant].append(what)

    @property
    def violations(self) -> int:
        """All of them."""
        return self.found.total()

    def as_json(self) -> dict[str, Any]:
        """One flat object."""
        return {
            **{name: self.found[name] for name in INVARIANTS},
            "parked": self.parked,
            "invariant_violations": self.violations,
            "looked_at": self.looked_at,
            "examples": {name: list(some) for name, some in self.examples.items()},
        }


@dataclass(frozen=True, slots=True)
class Books:
    """What the services remember, read once."""

    reports: Mapping[str, str]
    """Report id to incident id, by routing."""
    incidents: Mapping[str, tuple[str, tuple[str, ...]]]
    """Incident id to state and reports, by routing."""
    active: Sequence[str]
    """Incident of each active main dispatch."""
    positions: Mapping[str, Mapping[str, int]]
    """Service to ledger."""
    unpublished: Mapping[str, int]
    parked: Mapping[str, Sequence[tuple[str, int, int]]]
    """Service to (topic, partition, offset) of records held."""
    doors: Mapping[str, Set[str]]
    """Door to the reports that it let in, without those whose event still waits in its outbox."""
    read_at: datetime


async def books_of(mongo_url: str, prefix: str) -> Books:
    """Read the services' databases."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url, tz_aware=True)
    try:
        names = {service: f"{prefix}_{service.replace('-', '_')}" for service in CONSUMES}
        routing = client[names["routing"]]
        positions, unpublished, parked, doors = {}, {}, {}, {}
        for service, name in names.items():
            database = client[name]
            positions[service] = {row["_id"]: row["at"] async for row in database["positions"].find()}
            unsent = {"published": {"$in": [None, REFUSED]}}
            unpublished[service] = await database["outbox"].count_documents(unsent)
            if service in DOORS:
                kept, mark = DOORS[service]
                let_in = database[kept].find({mark: {"$exists": True}}, {"_id": 1})
                waiting = database["outbox"].find({"topic": topics.REPORTS.name, **unsent}, {"event": 1})
                doors[service] = {row["_id"] async for row in let_in} - {row["event"] async for row in waiting}
            held = database["parked"].find({"state": {"$in": HELD_STATES}}, {"topic": 1, "partition": 1, "offset": 1})
            parked[service] = [(row["topic"], row["partition"], row["offset"]) async for row in held]
        return Books(
            reports={row["_id"]: row["incident_id"] async for row in routing["reports"].find({}, {"incident_id": 1})},
            incidents={
                row["_id"]: (row["state"], tuple(row["reports"]))
                async for row in routing["incidents"].find({}, {"state": 1, "reports": 1})
            },
            active=[row["incident_id"] async for row in routing["dispatches"].find({"active": True})],
            positions=positions,
            unpublished=unpublished,
            parked=parked,
            doors=doors,
            read_at=datetime.now(UTC),
        )
    finally:
        await client.close()


def prove(log: Mapping[str, Sequence[Record]], books: Books, cluster: str) -> Proof:
    """Hold log and books against each other. Pure."""
    proof = Proof()
    proof.parked = sum(map(len, books.parked.values()))
    proof.looked_at = {name: len(records) for name, records in log.items() if records}
    proof.looked_at |= {name: len(let_in) for name, let_in in books.doors.items() if let_in}
    _identities(proof, log)
    steps = _steps(log)
    _reports(proof, log, books, steps)
    _feed(proof, steps)
    for incident, count in Counter(books.active).items():
        if count > 1:
            proof.break_("double_dispatch", f"{incident}: {count} active main dispatches in the database")
    _clocks(proof, log, books.read_at)
    _ledgers(proof, log, books, cluster)
    for service, count in books.unpublished.items():
        if count:
            proof.break_("unpublished", f"{service}: {count} events wait in its outbox")
    return proof


Step = tuple[int, str, dict[str, Any]]
"""Version, event type, data."""


def _steps(log: Mapping[str, Sequence[Record]]) -> dict[str, list[Step]]:
    """Incident to its steps by version, each once."""
    steps: dict[str, dict[int, Step]] = defaultdict(dict)
    for record in log.get(topics.INCIDENTS.name, ()):
        data = _data(record)
        if data and "incident_version" in data and record.event is not None:
            version = data["incident_version"]
            steps[data["incident_id"]][version] = (version, record.event.type, data)
    return {incident: [some[version] for version in sorted(some)] for incident, some in steps.items()}


def _data(record: Record) -> dict[str, Any]:
    if record.event is None:
        return {}
    try:
        data = json.loads(record.event.data)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _identities(proof: Proof, log: Mapping[str, Sequence[Record]]) -> None:
    for topic in topics.SOURCES:
        if topic in (topics.INBOUND, topics.TICKS):
            continue  # strangers' and the driver's
        seen: dict[tuple[str, str], bytes] = {}
        for record in log.get(topic.name, ()):
            if record.event is None:
                continue
            identity = (record.event.source, record.event.id)
            if seen.setdefault(identity, record.event.data) != record.event.data:
                proof.break_("conflicting", f"{topic.name}: {record.event.id} tells two things")


def _reports(
    proof: Proof, log: Mapping[str, Sequence[Record]], books: Books, steps: Mapping[str, Sequence[Step]]
) -> None:
    accepted: set[str] = set()
    logged: set[str] = set()
    held = set(books.parked.get("routing", ()))
    for record in log.get(topics.REPORTS.name, ()):
        report = _data(record).get("report_id")
        if report is None:
            continue
        logged.add(report)
        if (record.topic, record.partition, record.offset) not in held:
            accepted.add(report)
    placed: dict[str, tuple[int, str]] = {}
    for incident, story in steps.items():
        for _, _, data in story:
            if "part" in data and data["part"]["part_of"] in accepted:  # a report of its own from then on
                accepted.add(data["part"]["report_id"])
            if "report" in data:  # the highest number of moves says where a report is now
                name, moves = data["report"]["report_id"], data["report"].get("moves", 0)
                placed[name] = max(placed.get(name, (-1, "")), (moves, incident))
    told = {name: incident for name, (_, incident) in placed.items()}
    where: dict[str, list[str]] = defaultdict(list)
    for incident, (state, reports) in books.incidents.items():
        for report in reports if state != "merged" else ():
            where[report].append(incident)
    for report in accepted:
        if report not in books.reports or report not in where:
            proof.break_("lost", f"{report}: accepted, and in no incident")
        elif len(where[report]) > 1:
            proof.break_("in_two_incidents", f"{report}: in {', '.join(where[report])}")
        elif not told.get(report) == books.reports[report] == where[report][0]:
            proof.break_(
                "feed_differs", f"{report}: {told.get(report)} on the feed, {where[report][0]} in the database"
            )
    for door, let_in in books.doors.items():
        for report in let_in - logged - books.reports.keys():
            proof.break_("lost", f"{report}: let in by {door}, and not on the log")
    for report in books.reports.keys() - accepted - set().union(*books.doors.values()):
        proof.break_("unknown_reports", f"{report}: in {books.reports[report]}, and never let in")


def _feed(proof: Proof, steps: Mapping[str, Sequence[Step]]) -> None:
    for incident, story in steps.items():
        versions = [version for version, _, _ in story]
        if versions != list(range(1, len(versions) + 1)):
            proof.break_("gaps", f"{incident}: versions {versions}")
        active: set[str] = set()
        for version, kind, data in story:
            if kind.endswith("incident.dispatched.v1"):
                active.add(data["dispatch"]["dispatch_id"])
            elif kind.endswith(("incident.returned.v1", "incident.completed.v1", "incident.withdrawn.v1")):
                active.discard(data["dispatch"]["dispatch_id"])
            if len(active) > 1:
                proof.break_("double_dispatch", f"{incident}: {len(active)} active main dispatches at {version}")


def _clocks(proof: Proof, log: Mapping[str, Sequence[Record]], read_at: datetime) -> None:
    """Started, breached and stopped once each; a warning once a step, which its event id names. A breach when due."""
    once: dict[tuple[str, str], str] = {}
    seen: set[str] = set()
    due: dict[str, datetime | None] = {}
    for record in log.get(topics.CLOCKS.name, ()):
        data = _data(record)
        if record.event is None or "clock_id" not in data:
            continue
        what = record.event.type.removeprefix("cn.huying.clock.")
        if what in {"started.v1", "breached.v1", "stopped.v1"}:
            known = once.setdefault((data["clock_id"], what), record.event.id)
            if known != record.event.id:
                proof.break_("clocks_fired_twice", f"{data['clock_id']}: {what} as {known} and {record.event.id}")
        if record.event.id in seen:
            continue  # the relay may repeat what it told; a clock goes its way once
        seen.add(record.event.id)
        silent = what in {"breached.v1", "stopped.v1", "paused.v1"} or (data["clock_id"], "breached.v1") in once
        due[data["clock_id"]] = None if silent else datetime.fromisoformat(data["due_at"])
    struck = (_data(record).get("instant") for record in log.get(topics.TICKS.name, ()))
    ticks = [datetime.fromisoformat(instant) for instant in struck if instant]
    told_to = max(ticks, default=read_at - TOLD_WITHIN)
    for clock, deadline in due.items():
        if deadline is not None and deadline < told_to:
            proof.break_(
                "not_fired", f"{clock}: due {deadline.isoformat()}, and nothing was told by {told_to.isoformat()}"
            )


def _ledgers(proof: Proof, log: Mapping[str, Sequence[Record]], books: Books, cluster: str) -> None:
    ends: dict[str, int] = {}
    for records in log.values():
        for record in records:
            name = f"{cluster}/{record.topic}/{record.partition}"
            ends[name] = max(record.offset, ends.get(name, -1))
    for service, positions in books.positions.items():
        if not positions:
            continue  # it never ran here
        for name, end in ends.items():
            if name.split("/")[1] in CONSUMES[service] and positions.get(name, -1) != end:
                proof.break_("ledger_differs", f"{service}: {name} at {positions.get(name)}, the log ends at {end}")
