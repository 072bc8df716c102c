"""Proves the product's promises from the log and the databases: nothing lost, nothing twice, no gap.

It reads everything from the start and believes no service's own figures. It repairs nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from huying.contracts import incidents, orders, topics
from huying.contracts.clocks import ClockEvent
from huying.contracts.incidents import IncidentEvent
from huying.contracts.message import Event
from huying.contracts.moves import ACTIVE
from huying.contracts.reports import ReportAcceptedV1
from huying.contracts.ticks import TickV1

from .books import Books
from .logbook import Record, readable
from .replay.quiet import CONSUMES

INVARIANTS = (
    "lost",
    "in_two_incidents",
    "unknown_reports",
    "feed_differs",
    "double_dispatch",
    "dispatch_differs",
    "gaps",
    "conflicting",
    "clocks_fired_twice",
    "not_fired",
    "copy_differs",
    "ledger_differs",
    "unpublished",
)
"""What must be 0.

`lost`: on the log or let in by a door, and in no incident; `in_two_incidents`; `unknown_reports`: in an incident, and
never let in; `feed_differs`: the feed tells of another incident or state than routing's database; `double_dispatch`: two
active main dispatches; `dispatch_differs`: an incident without the active dispatch that its state has, with one that it has not, or with another
one than the feed tells; `gaps`: a version missing on the feed; `conflicting`: one event id, two contents; `clocks_fired_twice`;
`not_fired`: a deadline passed and nobody was told; `copy_differs`: a service that knows an incident at another version
than the feed tells last; `ledger_differs`: a ledger behind or ahead of its log, or none at all; `unpublished`: events that never left, or
are said to have left, to whatever broker, and are not on the log. What the log no longer keeps is believed.
"""

EXAMPLES = 5
COMING = (incidents.IncidentOpenedV1, incidents.IncidentReportJoinedV1)
ENDING = (incidents.IncidentReturnedV1, incidents.IncidentCompletedV1, orders.IncidentWithdrawnV1)
READ = (topics.REPORTS, topics.INCIDENTS, topics.CLOCKS, topics.TICKS)
"""Whose records are read; of the other topics only that one identity tells one thing."""
TOLD_WITHIN = timedelta(minutes=5)
"""A live clock may be told that late without being called late; a replay's is told by its tick."""


@dataclass(slots=True)
class Proof:
    """What was found: counts by invariant, a few examples each, and how much was looked at."""

    found: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    looked_at: dict[str, int] = field(default_factory=dict)
    parked: int = 0
    closed: int = 0

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
            "closed": self.closed,
            "invariant_violations": self.violations,
            "looked_at": self.looked_at,
            "examples": {name: list(some) for name, some in self.examples.items()},
        }


def prove(log: Mapping[str, Sequence[Record]], books: Books, cluster: str, without: Collection[str] = ()) -> Proof:
    """Hold log and books against each other. Pure.

    `without`: services that are said not to run here. Nothing else tells one of those from one whose database was lost.
    """
    proof = Proof()
    proof.parked, proof.closed = (sum(map(len, some.values())) for some in (books.parked, books.closed))
    proof.looked_at = {name: len(records) for name, records in log.items() if records}
    proof.looked_at |= {name: len(let_in) for name, let_in in books.doors.items() if let_in}
    _identities(proof, log)
    told = _told(proof, log)
    steps = _steps(told)
    whole = _is_whole(log.get(topics.INCIDENTS.name, ()))
    _reports(proof, told, books, steps, cluster, whole)
    _feed(proof, steps, whole)
    _incidents(proof, books, steps)
    _copies(proof, told, books, steps, cluster)
    _clocks(proof, told, books.read_at)
    _ledgers(proof, log, books, cluster, without)
    _outboxes(proof, log, books)
    return proof


Told = Mapping[str, Sequence[tuple[Record, Event]]]
"""By topic what a service can read."""
Steps = Mapping[str, Sequence[IncidentEvent]]
"""Incident to its steps by version, each once."""


def _told(proof: Proof, log: Mapping[str, Sequence[Record]]) -> Told:
    """What fits its contract; the rest is counted as unreadable."""
    told = {topic.name: readable(log.get(topic.name, ()), topic.events) for topic in READ}
    unreadable = sum(len(log.get(name, ())) - len(records) for name, records in told.items())
    if unreadable:
        proof.looked_at["unreadable"] = unreadable
    return told


def _is_whole(records: Sequence[Record]) -> bool:
    """Whether a topic's log has its beginning; what is older than the retention leaves it."""
    firsts: dict[int, int] = {}
    for record in records:
        firsts.setdefault(record.partition, record.offset)
    return not any(firsts.values())


def _steps(told: Told) -> Steps:
    steps: dict[str, dict[int, IncidentEvent]] = defaultdict(dict)
    for _, event in told[topics.INCIDENTS.name]:
        if isinstance(event, IncidentEvent):
            steps[event.incident_id][event.incident_version] = event
    return {incident: [some[version] for version in sorted(some)] for incident, some in steps.items()}


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


def _reports(proof: Proof, told: Told, books: Books, steps: Steps, cluster: str, whole: bool) -> None:
    accepted: set[str] = set()
    logged: set[str] = set()
    held = {*books.parked.get("routing", ()), *books.closed.get("routing", ())}  # what was given up is not lost
    for record, event in told[topics.REPORTS.name]:
        if not isinstance(event, ReportAcceptedV1):
            continue
        logged.add(event.report_id)
        if (cluster, record.topic, record.partition, record.offset) not in held:
            accepted.add(event.report_id)
    placed: dict[str, tuple[int, str]] = {}
    for incident, story in steps.items():
        for step in story:
            if isinstance(step, orders.IncidentPartedV1) and step.part.part_of in accepted:  # a report from then on
                accepted.add(step.part.report_id)
            if isinstance(step, COMING):  # the highest number of moves says where a report is now
                name, moves = step.report.report_id, step.report.moves
                placed[name] = max(placed.get(name, (-1, "")), (moves, incident))
    on_feed = {name: incident for name, (_, incident) in placed.items()}
    if not whole:  # how it came there was told too long ago
        on_feed = {**books.reports, **on_feed}
    where: dict[str, list[str]] = defaultdict(list)
    for incident, (state, _, reports) in books.incidents.items():
        for report in reports if state != "merged" else ():
            where[report].append(incident)
    for report in accepted:
        if report not in books.reports or report not in where:
            proof.break_("lost", f"{report}: accepted, and in no incident")
        elif len(where[report]) > 1:
            proof.break_("in_two_incidents", f"{report}: in {', '.join(where[report])}")
        elif not on_feed.get(report) == books.reports[report] == where[report][0]:
            kept = f"{books.reports[report]} in the database, among those of {where[report][0]}"
            proof.break_("feed_differs", f"{report}: in {on_feed.get(report)} on the feed, in {kept}")
    for door, had in books.doors.items():
        for report in had - logged - books.reports.keys():
            proof.break_("lost", f"{report}: let in by {door}, and not on the log")
    let_in = accepted.union(*books.doors.values())
    if not whole:  # so was its parting
        let_in |= {part for part, of in books.parts.items() if of in let_in}
    for report in books.reports.keys() - let_in:
        proof.break_("unknown_reports", f"{report}: in {books.reports[report]}, and never let in")


def _feed(proof: Proof, steps: Steps, whole: bool) -> None:
    for incident, story in steps.items():
        versions = [step.incident_version for step in story]
        first = 1 if whole else versions[0]
        if versions != list(range(first, first + len(versions))):
            proof.break_("gaps", f"{incident}: versions {versions}")
        active: set[str] = set()
        for step in story:
            if isinstance(step, incidents.IncidentDispatchedV1):
                active.add(step.dispatch.dispatch_id)
            elif isinstance(step, ENDING):
                active.discard(step.dispatch.dispatch_id)
            if len(active) > 1:
                at = step.incident_version
                proof.break_("double_dispatch", f"{incident}: {len(active)} active main dispatches at {at}")


def _incidents(proof: Proof, books: Books, steps: Steps) -> None:
    """What the database says of an incident, beside its own dispatches and what the feed told last."""
    active: dict[str, list[str]] = defaultdict(list)
    for incident, dispatch, unit in books.active:
        active[incident].append(f"{dispatch} to {unit}")
    for incident, given in active.items():
        if len(given) > 1:
            proof.break_("double_dispatch", f"{incident}: {len(given)} active main dispatches in the database")
        if incident not in books.incidents:
            proof.break_("dispatch_differs", f"{incident}: a dispatch of no incident")
    for incident, (state, version, _) in books.incidents.items():
        if (incident in active) != (state in ACTIVE):
            count = len(active.get(incident, ()))
            proof.break_("dispatch_differs", f"{incident}: {state}, and {count} active main dispatches")
        if incident in steps:  # older than the log's retention otherwise
            last = steps[incident][-1]
            if (last.incident_version, last.incident.state) != (version, state):
                on_feed = f"{last.incident.state} at {last.incident_version} on the feed"
                proof.break_("feed_differs", f"{incident}: {on_feed}, {state} at {version} in the database")
            told = last.incident.dispatch
            on_feed = f"{told.dispatch_id} to {told.unit}" if told else "none"
            if incident in active and on_feed not in active[incident]:
                kept = ", ".join(active[incident])
                proof.break_("dispatch_differs", f"{incident}: {on_feed} on the feed, {kept} in the database")


def _copies(proof: Proof, told: Told, books: Books, steps: Steps, cluster: str) -> None:
    """What each reader of the feed knows, beside the feed; but for an incident whose record waits for a person there."""
    by_place = {
        (cluster, record.topic, record.partition, record.offset): step.incident_id
        for record, step in told[topics.INCIDENTS.name]
        if isinstance(step, IncidentEvent)
    }
    last = {incident: story[-1].incident_version for incident, story in steps.items()}
    for service, seen in books.copies.items():
        if not books.positions.get(service):
            continue  # it has read nothing: the ledgers tell
        held = {by_place.get(place) for place in (*books.parked.get(service, ()), *books.closed.get(service, ()))}
        for incident, version in last.items():
            if incident not in held and seen.get(incident, 0) != version:
                known = f"{service} knows it at {seen.get(incident, 0)}"
                proof.break_("copy_differs", f"{incident}: at {version} on the feed, {known}")


def _outboxes(proof: Proof, log: Mapping[str, Sequence[Record]], books: Books) -> None:
    """A relay sends what another broker had to this one when it starts; until then it is not there."""
    for service, count in books.unpublished.items():
        if count:
            proof.break_("unpublished", f"{service}: {count} events wait in its outbox")
    there = {(name, record.event.id) for name, records in log.items() for record in records if record.event}
    for service, rows in books.published.items():
        for topic, event in rows:
            if topic in log and (topic, event) not in there:
                proof.break_("unpublished", f"{service}: {event} was sent, it says, and is not on {topic}")


def _clocks(proof: Proof, told: Told, read_at: datetime) -> None:
    """Started, breached and stopped once each; a warning once a step, which its event id names. A breach when due."""
    once: dict[tuple[str, str], str] = {}
    seen: set[str] = set()
    due: dict[str, datetime | None] = {}
    for record, clock in told[topics.CLOCKS.name]:
        if record.event is None or not isinstance(clock, ClockEvent):
            continue
        what = clock.TYPE.removeprefix("cn.huying.clock.")
        if what in {"started.v1", "breached.v1", "stopped.v1"}:
            known = once.setdefault((clock.clock_id, what), record.event.id)
            if known != record.event.id:
                proof.break_("clocks_fired_twice", f"{clock.clock_id}: {what} as {known} and {record.event.id}")
        if record.event.id in seen:
            continue  # the relay may repeat what it told; a clock goes its way once
        seen.add(record.event.id)
        silent = what in {"breached.v1", "stopped.v1", "paused.v1"} or (clock.clock_id, "breached.v1") in once
        due[clock.clock_id] = None if silent else clock.due_at
    ticks = [tick.instant for _, tick in told[topics.TICKS.name] if isinstance(tick, TickV1)]
    told_to = max(ticks, default=read_at - TOLD_WITHIN)
    for name, deadline in due.items():
        if deadline is not None and deadline < told_to:
            proof.break_(
                "not_fired", f"{name}: due {deadline.isoformat()}, and nothing was told by {told_to.isoformat()}"
            )


def _ledgers(
    proof: Proof, log: Mapping[str, Sequence[Record]], books: Books, cluster: str, without: Collection[str]
) -> None:
    ends: dict[str, int] = {}
    for records in log.values():
        for record in records:
            name = f"{cluster}/{record.topic}/{record.partition}"
            ends[name] = max(record.offset, ends.get(name, -1))
    for service, positions in books.positions.items():
        if not positions:
            unread = sum(len(log.get(topic, ())) for topic in CONSUMES[service])
            if unread and service not in without:
                why = "its database is empty, so it was lost, or the service never ran here"
                proof.break_("ledger_differs", f"{service}: no ledger, and {unread} records for it on the log; {why}")
            continue
        for name, end in ends.items():
            if name.split("/")[1] in CONSUMES[service] and positions.get(name, -1) != end:
                proof.break_("ledger_differs", f"{service}: {name} at {positions.get(name)}, the log ends at {end}")
