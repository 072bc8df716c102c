"""What people corrected in a running system, as labelled reports: what `huying learn --from feed` learns from.

Labelled are the reports of incidents that a person has merged, split, brought back, answered a question about or
confirmed, by where they are at the end. Everything else is left out: the engine's own merges teach it nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from huying.chassis.errors import ConfigurationError
from huying.contracts import incidents as feed
from huying.contracts import orders, topics
from huying.contracts.incidents import Classification, IncidentEvent
from huying.contracts.reports import ReportAcceptedV1
from huying.routing.domain import facts_of
from huying.routing.judgement.learning.labelled import LabelledReport

from .. import logbook
from ..labels import labels_of
from ..logbook import Record, readable
from ..stack import cluster

ZONE = ZoneInfo("Asia/Shanghai")
COMING = (feed.IncidentOpenedV1, feed.IncidentReportJoinedV1)


class NothingToLearnError(ConfigurationError):
    """The log holds no correction of a person; the message says what it holds."""


@dataclass(slots=True)
class _Corrected:
    """Where every report is in the end, which incidents a person looked at, and what they were said to be."""

    where: dict[str, str]
    touched: set[str]
    confirmed: dict[str, Classification]
    last: dict[str, Classification]


def corrections(log: Mapping[str, Sequence[Record]]) -> list[LabelledReport]:
    """The labelled reports of a log, in order of arrival, a period a month (`feed-2026-03`)."""
    known = _corrected(_steps(log))
    judged = {name for label in labels_of(log) for name in (label.one, label.other)}
    touched = known.touched | {known.where[name] for name in judged if name in known.where}
    labelled = []
    for name, report in _reports(log).items():
        incident = known.where.get(name, "")
        if incident not in touched:
            continue
        said, last = known.confirmed.get(name), known.last[incident]
        labelled.append(
            LabelledReport(
                facts=facts_of(report),
                problem=f"feed/{incident}",
                period=period_of(report.received_at),
                matter=said.matter if said else None,
                clock="emergency" if last.danger else last.clock_class,  # an alarm that nobody has dismissed is one
                relation="follow_up" if report.relates_to else None,
                town_code=report.place.town_code,
            )
        )
    return sorted(labelled, key=lambda item: (item.facts.received_at, item.facts.report_id))


def period_of(received_at: datetime) -> str:
    """The month of the feed that a report came in."""
    return f"feed-{received_at.astimezone(ZONE):%Y-%m}"


async def corrections_at(bootstrap: str) -> list[LabelledReport]:
    """The labelled reports of the system whose broker is at `bootstrap`.

    Raises:
        StackError: no broker answers there.
        NothingToLearnError: nobody has corrected anything yet.
    """
    await cluster.answering(bootstrap)
    log = await logbook.read(bootstrap, (topics.REPORTS, topics.INCIDENTS))
    found = corrections(log)
    if not found:
        reports = len(log[topics.REPORTS.name])
        raise NothingToLearnError(
            f"nothing to learn from at {bootstrap!r}: its log has {reports} reports, and nobody has merged, split, "
            "answered or confirmed any of them; correct some in the console, or learn --from FILE"
        )
    return found


def _corrected(steps: Sequence[IncidentEvent]) -> _Corrected:
    known = _Corrected({}, set(), {}, {})
    moves: dict[str, int] = {}
    said: dict[str, tuple[str, Classification]] = {}
    for event in steps:
        name = event.incident_id
        known.last[name] = event.incident.classification
        if isinstance(event, COMING) and event.report.moves >= moves.get(event.report.report_id, 0):
            known.where[event.report.report_id] = name
            moves[event.report.report_id] = event.report.moves
        elif isinstance(event, orders.IncidentConfirmedV1):
            known.touched.add(name)
            inside = [report for report, incident in known.where.items() if incident == name]
            said |= dict.fromkeys(inside, (name, event.incident.classification))
    known.confirmed = {report: what for report, (incident, what) in said.items() if known.where[report] == incident}
    return known


def _steps(log: Mapping[str, Sequence[Record]]) -> list[IncidentEvent]:
    told = {
        (step.incident_id, step.incident_version): step
        for _, step in readable(log.get(topics.INCIDENTS.name, ()), topics.INCIDENTS.events)
        if isinstance(step, IncidentEvent)
    }
    return sorted(told.values(), key=lambda step: (step.at, step.incident_id, step.incident_version))


def _reports(log: Mapping[str, Sequence[Record]]) -> dict[str, ReportAcceptedV1]:
    told = readable(log.get(topics.REPORTS.name, ()), (ReportAcceptedV1,))
    return {report.report_id: report for _, report in reversed(told)}
