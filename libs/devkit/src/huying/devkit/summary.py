"""What a replayed month came to: counted from the log, judged by the labels at the very end. It decides nothing."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huying.contracts import clocks, incidents, notices, orders, ratings, topics

from .logbook import Record
from .verify import Proof

AUTOMATIC = frozenset({"merged", "follow_up", "device"})
"""Joins that the machine decided by itself; an answered ask is a person's."""

REDONE_BY = {"routing": "reported_again", "evaluation": "dissatisfied"}
"""Why an order was done again, by the service that wished it."""


@dataclass(frozen=True, slots=True)
class Month:
    """Facts of the log, each event once."""

    origin: Mapping[str, str]
    """Report id to the line's id."""
    channel: Mapping[str, str]
    first_incident: Mapping[str, str]
    """Report id to the incident that it was put into automatically."""
    figures: Mapping[str, Any]


def read(log: Mapping[str, Sequence[Record]]) -> Month:
    """Count the log."""
    events = {name: _once(records) for name, records in log.items()}
    origin, channel = {}, {}
    for _, data in events.get(topics.REPORTS.name, ()):
        origin[data["report_id"]] = data["origin_id"]
        channel[data["report_id"]] = data["channel"]
    place: dict[str, str] = {}
    how: Counter[str] = Counter()
    redone: Counter[str] = Counter()
    came_back = 0
    asked: set[str] = set()
    answers: Counter[str] = Counter()
    units: dict[str, str] = {}
    state: Counter[str] = Counter()
    latest: dict[str, tuple[int, str]] = {}
    for kind, data in events.get(topics.INCIDENTS.name, ()):
        incident = data["incident_id"]
        if "incident_version" in data:
            latest[incident] = max(latest.get(incident, (0, "")), (data["incident_version"], data["incident"]["state"]))
        if kind == incidents.IncidentOpenedV1.TYPE:
            place.setdefault(data["report"]["report_id"], incident)
            came_back += data["incident"].get("recurrence_of") is not None
        elif kind == incidents.IncidentReportJoinedV1.TYPE:
            how[data["how"]] += 1
            if data["how"] in AUTOMATIC:
                place[data["report"]["report_id"]] = incident
        elif kind == orders.IncidentRedoneV1.TYPE:
            redone[REDONE_BY.get((data["actor"] or {}).get("id", ""), "person")] += 1
        elif kind == incidents.IncidentAskedV1.TYPE:
            asked.add(incident)
        elif kind == incidents.IncidentAskAnsweredV1.TYPE:
            answers[data["answer"]] += 1
        elif kind == incidents.IncidentDispatchedV1.TYPE:
            units[incident] = data["dispatch"]["unit"]
    for _, name in latest.values():
        state[name] += 1
    merged = sum(how[name] for name in AUTOMATIC)
    figures = {
        "reports": len(origin),
        "reports_by_channel": _most_first(Counter(channel.values())),
        "incidents": len(latest) - state["merged"],
        "merged": merged,
        "merged_how": _most_first(how),
        "asked": len(asked),
        "asks": _most_first(answers),
        "new": len(set(latest) - asked),
        "dispatched": len(units),
        "dispatched_by_unit": _most_first(Counter(units.values())),
        "redone": _most_first(redone),
        "came_back": came_back,
        "states": _most_first(state),
        "clocks": _clocks(events.get(topics.CLOCKS.name, ())),
        "notices": _notices(events.get(topics.NOTICES.name, ())),
        "ratings": _ratings(events.get(topics.RATINGS.name, ())),
    }
    return Month(origin, channel, place, figures)


def _most_first(count: Counter[str]) -> dict[str, int]:
    """The largest first, equals by name: two summaries of one month are the same text."""
    return dict(sorted(count.items(), key=lambda pair: (-pair[1], pair[0])))


Facts = Sequence[tuple[str, dict[str, Any]]]


def _once(records: Sequence[Record]) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of each event, repeats of the log left out."""
    seen: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
    for record in records:
        if record.event is not None and record.event.type in topics.EVENTS:
            key = (record.event.source, record.event.id)
            if key not in seen:
                seen[key] = (record.event.type, json.loads(record.event.data))
    return list(seen.values())


def _clocks(facts: Facts) -> dict[str, int]:
    count: Counter[str] = Counter()
    names = {
        clocks.ClockStartedV1.TYPE: "started",
        clocks.ClockWarnedV1.TYPE: "warned",
        clocks.ClockBreachedV1.TYPE: "breached",
    }
    for kind, data in facts:
        if kind == clocks.ClockStoppedV1.TYPE:
            count[data["verdict"]] += 1
        elif kind in names:
            count[names[kind]] += 1
    return {name: count[name] for name in ("started", "on_time", "late", "void", "warned", "breached")}


def _notices(facts: Facts) -> dict[str, int]:
    count = Counter(kind for kind, _ in facts)
    unknown = sum(bool(data.get("unknown")) for _, data in facts)
    return {
        "delivered": count[notices.NoticeDeliveredV1.TYPE],
        "failed": count[notices.NoticeFailedV1.TYPE],
        "unknown": unknown,
    }


def _ratings(facts: Facts) -> dict[str, Any]:
    grades = Counter(data["grade"] for kind, data in facts if kind == ratings.IncidentRatedV1.TYPE)
    kinds = Counter(kind for kind, _ in facts)
    rated = grades.total()
    good = rated - grades["dissatisfied"]
    return {
        "invited": kinds[ratings.RatingInvitedV1.TYPE],
        "rated": rated,
        "grades": _most_first(grades),
        "satisfied_share": round(good / rated, 4) if rated else None,
        "callbacks_due": kinds[ratings.CallbackDueV1.TYPE],
        "reviews_due": kinds[ratings.ReviewDueV1.TYPE],
    }


def pairs(place: Mapping[str, str], truth: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Pairwise precision and recall of automatic merging over the reports that have a label; None without pairs."""
    both: Counter[tuple[str, str]] = Counter()
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    for report, problem in truth.items():
        cluster = place.get(report, f"lost {report}")
        both[cluster, problem] += 1
        ours[cluster] += 1
        theirs[problem] += 1
    hit, claimed, real = (_pairs(count) for count in (both, ours, theirs))
    return (round(hit / claimed, 4) if claimed else None, round(hit / real, 4) if real else None)


def _pairs(count: Mapping[Any, int]) -> int:
    return sum(n * (n - 1) // 2 for n in count.values())


def judge(month: Month, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Precision, recall and the fingerprint of all decisions; the only place that looks at the labels."""
    truth = {line["id"]: line["truth"]["problem"] for line in lines if line.get("truth")}
    place = {
        month.origin[report]: incident for report, incident in month.first_incident.items() if report in month.origin
    }
    precision, recall = pairs(place, truth)
    groups: dict[str, list[str]] = defaultdict(list)
    for line, incident in place.items():
        groups[incident].append(line)
    story = json.dumps([sorted(map(sorted, groups.values())), month.figures], sort_keys=True, ensure_ascii=False)
    return {
        "precision": precision,
        "recall": recall,
        "decisions": hashlib.sha256(story.encode()).hexdigest()[:16],
    }


def whole(
    log: Mapping[str, Sequence[Record]], proof: Proof, lines: Sequence[Mapping[str, Any]], seconds: float
) -> dict[str, Any]:
    """The object that `huying demo --json` prints."""
    month = read(log)
    return {
        **month.figures,
        "parked": proof.parked,
        **judge(month, lines),
        "invariant_violations": proof.violations,
        "invariants": {name: count for name, count in proof.as_json().items() if isinstance(count, int)},
        "seconds": round(seconds, 1),
    }
