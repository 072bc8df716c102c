"""What would have gone elsewhere under another pack: the log's incidents, judged again by other rules. Pure.

Which reports are one problem stays as it was lived, and who is covered by whose dispatch in a family; what is asked is
what each problem is and whose. A difference is one between the two packs: what people decided in between is in neither
answer.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeVar

from huying.contracts import topics
from huying.contracts.course import CatalogueRule
from huying.contracts.incidents import Classification, IncidentDispatchedV1, IncidentOpenedV1
from huying.contracts.message import Event
from huying.contracts.orders import IncidentCoveredV1, IncidentRuledV1
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1
from huying.county import Duty, Pack
from huying.routing.domain import Catalogue, classify, facts_of, locate
from huying.routing.judgement import Judge

from .logbook import Record, readable

E = TypeVar("E", bound=Event)
NOT_REPLAYED = {
    "哪些报件是同一件（correlation.yaml）": "which reports are one problem (thresholds and windows of correlation.yaml)",
    "群体事件中随谁派单": "who is covered by whose dispatch in a mass event",
    "裁决以外人所作的决定": "what people decided, but for their rulings",
}
"""What the answer says nothing about."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A pack and the judge that reads by it; without a judge, texts are not read again."""

    pack: Pack
    judge: Judge | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One incident that would have gone elsewhere, with others, or started at another level."""

    incident_id: str
    number: str
    at: datetime
    matter: str
    place: str
    old_unit: str
    old_name: str
    new_unit: str
    new_name: str
    old_assisting: tuple[str, ...]
    new_assisting: tuple[str, ...]
    old_level: str
    new_level: str
    reason: str

    @property
    def elsewhere(self) -> bool:
        """Whether the main unit is another."""
        return self.old_unit != self.new_unit


@dataclass(frozen=True, slots=True)
class Answer:
    """How many incidents were looked at, and which would have gone otherwise, in the order in which they came."""

    looked_at: int
    changed: tuple[Change, ...]

    def moved(self) -> list[dict[str, Any]]:
        """From, to and how many, the most frequent first."""
        counted = Counter((one.old_unit, one.new_unit) for one in self.changed if one.elsewhere)
        return [{"from": old, "to": new, "count": n} for (old, new), n in sorted(counted.items(), key=lambda i: -i[1])]

    def as_json(self) -> dict[str, Any]:
        """One object."""
        changed = [asdict(one) for one in self.changed]
        return {
            "looked_at": self.looked_at,
            "moved": self.moved(),
            "changed": changed,
            "not_replayed": list(NOT_REPLAYED.values()),
        }


@dataclass(frozen=True, slots=True)
class Case:
    """An incident when it was first dispatched, or covered by another's dispatch, and the report that opened it."""

    dispatched: IncidentDispatchedV1 | IncidentCoveredV1
    report: ReportAcceptedV1 | None


def what_if(log: Mapping[str, Sequence[Record]], old: Rules, new: Rules, since: datetime) -> Answer:
    """Judge every incident that first came to a unit since then by both rules."""
    cases = [case for case in _cases(log) if case.dispatched.at >= since]
    rulings = sorted(
        (event.rule for event in _told(log, topics.INCIDENTS, IncidentRuledV1) if event.rule is not None),
        key=lambda rule: rule.number,
    )
    read_old, read_new = _read(cases, old), _read(cases, new)
    changed: list[Change] = []
    for case in cases:
        event = case.dispatched
        what, where = event.incident.classification, event.incident.place
        before, after = read_old.get(event.incident_id), read_new.get(event.incident_id)
        fresh = after[0] if before and after and _otherwise(before[0], after[0]) else what
        spot = after[1] if before and after and before[1] != after[1] else where
        ruled = tuple(rule for rule in rulings if rule.at <= event.at)
        was, now = _duty(old.pack, ruled, what, where), _duty(new.pack, ruled, fresh, spot)
        if _terms(was) != _terms(now):
            changed.append(_change(event, fresh, (old.pack, was), (new.pack, now)))
    return Answer(len(cases), tuple(changed))


def _terms(duty: Duty) -> tuple[str, frozenset[str], str]:
    return duty.main, frozenset(duty.assisting), duty.level


def _duty(pack: Pack, rulings: tuple[CatalogueRule, ...], what: Classification, where: Place) -> Duty:
    """Whose it is by a pack and the rulings that held; a ruling for a unit that the pack has not does not hold."""
    known = {unit.code for unit in pack.units}
    return Catalogue(pack, tuple(rule for rule in rulings if rule.main in known)).duty(what, where)


def _read(cases: Sequence[Case], rules: Rules) -> dict[str, tuple[Classification, Place]]:
    """What judgement says of the opening reports; nothing without a judge."""
    reports = [(case.dispatched.incident_id, case.report) for case in cases if case.report is not None]
    if rules.judge is None or not reports:
        return {}
    screened = rules.judge.screen([facts_of(report) for _, report in reports])
    return {
        name: (classify(screening, rules.pack), locate(report.place, screening, rules.pack))
        for (name, report), screening in zip(reports, screened, strict=True)
    }


def _otherwise(one: Classification, other: Classification) -> bool:
    return (one.matter, one.circumstances) != (other.matter, other.circumstances)


def _change(
    event: IncidentDispatchedV1 | IncidentCoveredV1,
    fresh: Classification,
    old: tuple[Pack, Duty],
    new: tuple[Pack, Duty],
) -> Change:
    view = event.incident
    (before, was), (after, now) = old, new
    what = view.classification
    moved = f"事项由{what.matter_name}改判{fresh.matter_name}；" if fresh.matter != what.matter else ""
    return Change(
        incident_id=event.incident_id,
        number=view.number,
        at=event.at,
        matter=what.matter_name,
        place=f"{view.place.town or ''}{view.place.village or ''}",
        old_unit=was.main,
        old_name=before.unit(was.main).name_zh,
        new_unit=now.main,
        new_name=after.unit(now.main).name_zh,
        old_assisting=was.assisting,
        new_assisting=now.assisting,
        old_level=was.level,
        new_level=now.level,
        reason=moved + now.reason,
    )


def _cases(log: Mapping[str, Sequence[Record]]) -> list[Case]:
    """Incidents by when they first came to a unit: by a dispatch, or as a child of a mass event under another's."""
    reports = {report.report_id: report for report in _told(log, topics.REPORTS, ReportAcceptedV1)}
    opened = {event.incident_id: event.report.report_id for event in _told(log, topics.INCIDENTS, IncidentOpenedV1)}
    first: dict[str, IncidentDispatchedV1 | IncidentCoveredV1] = {}
    placed: list[IncidentDispatchedV1 | IncidentCoveredV1] = [*_told(log, topics.INCIDENTS, IncidentDispatchedV1)]
    placed += _told(log, topics.INCIDENTS, IncidentCoveredV1)
    for event in placed:
        known = first.get(event.incident_id)
        if known is None or event.incident_version < known.incident_version:
            first[event.incident_id] = event
    found = [Case(event, reports.get(opened.get(name, ""))) for name, event in first.items()]
    return sorted(found, key=lambda case: (case.dispatched.at, case.dispatched.incident.number))


def _told(log: Mapping[str, Sequence[Record]], topic: topics.Topic, kind: type[E]) -> Iterator[E]:
    return (event for _, event in readable(log.get(topic.name, ()), (kind,)))
