"""Proves the product's promises from the log and the databases: nothing lost, nothing twice, no gap.

It reads everything from the start and believes no service's own figures. It repairs nothing.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo import AsyncMongoClient

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
    "ledger_differs",
    "unpublished",
)
"""What must be 0. `lost`: accepted, and in no incident; `in_two_incidents`; `unknown_reports`: in an incident, and never
accepted; `feed_differs`: the feed tells of another incident than the database; `double_dispatch`: two active main
dispatches; `gaps`: a version missing on the feed; `conflicting`: one event id, two contents; `clocks_fired_twice`;
`ledger_differs`: a ledger behind or ahead of its log; `unpublished`: events that never left."""

EXAMPLES = 5
HELD = ["parked", "waiting", "requested"]


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


async def books_of(mongo_url: str, prefix: str) -> Books:
    """Read the services' databases."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url, tz_aware=True)
    try:
        names = {service: f"{prefix}_{service.replace('-', '_')}" for service in CONSUMES}
        routing = client[names["routing"]]
        positions, unpublished, parked = {}, {}, {}
        for service, name in names.items():
            database = client[name]
            positions[service] = {row["_id"]: row["at"] async for row in database["positions"].find()}
            unpublished[service] = await database["outbox"].count_documents({"published": None})
            held = database["parked"].find({"state": {"$in": HELD}}, {"topic": 1, "partition": 1, "offset": 1})
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
        )
    finally:
        await client.close()


def prove(log: Mapping[str, Sequence[Record]], books: Books, cluster: str) -> Proof:
    """Hold log and books against each other. Pure."""
    proof = Proof()
    proof.parked = sum(map(len, books.parked.values()))
    proof.looked_at = {name: len(records) for name, records in log.items() if records}
    _identities(proof, log)
    steps = _steps(log)
    _reports(proof, log, books, steps)
    _feed(proof, steps)
    for incident, count in Counter(books.active).items():
        if count > 1:
            proof.break_("double_dispatch", f"{incident}: {count} active main dispatches in the database")
    _clocks(proof, log)
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
    held = set(books.parked.get("routing", ()))
    for record in log.get(topics.REPORTS.name, ()):
        report = _data(record).get("report_id")
        if report is not None and (record.topic, record.partition, record.offset) not in held:
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
    for report in set(books.reports) - accepted:
        proof.break_("unknown_reports", f"{report}: in {books.reports[report]}, and never accepted")


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


def _clocks(proof: Proof, log: Mapping[str, Sequence[Record]]) -> None:
    """Started, breached and stopped once each; a warning once a step, which its event id names."""
    once: dict[tuple[str, str], str] = {}
    for record in log.get(topics.CLOCKS.name, ()):
        data = _data(record)
        if record.event is None or "clock_id" not in data:
            continue
        what = record.event.type.removeprefix("cn.huying.clock.")
        if what in {"started.v1", "breached.v1", "stopped.v1"}:
            known = once.setdefault((data["clock_id"], what), record.event.id)
            if known != record.event.id:
                proof.break_("clocks_fired_twice", f"{data['clock_id']}: {what} as {known} and {record.event.id}")


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
