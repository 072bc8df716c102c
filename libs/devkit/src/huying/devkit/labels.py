"""What people's merges, splits and answers teach: pairs of reports that are one problem, or are not. Reads the log."""

from collections.abc import Iterable, Mapping, Sequence

from huying.contracts import incidents as feed
from huying.contracts import orders, topics
from huying.contracts.course import Label
from huying.contracts.incidents import IncidentEvent

from .logbook import Record, readable

TEACHING = (feed.IncidentMergedV1, orders.IncidentSplitV1)
"""Events that carry labels of their own."""


def labels_of(log: Mapping[str, Sequence[Record]]) -> list[Label]:
    """Every pair that a person has judged, in the order of the business instant; the later word on a pair counts.

    An answered question teaches the first report of the asked incident against the first of those that it is the same
    as, or of all that it named when it is none of them.
    """
    first: dict[str, str] = {}
    found: dict[tuple[str, str], Label] = {}
    for event in sorted(_feed(log), key=lambda event: (event.at, event.incident_id, event.incident_version)):
        for label in _taught(event, first):
            found.pop(_pair(label), None)
            found[_pair(label)] = label
    return list(found.values())


def _taught(event: IncidentEvent, first: dict[str, str]) -> Iterable[Label]:
    if isinstance(event, feed.IncidentOpenedV1):
        first[event.incident_id] = event.report.report_id
    elif isinstance(event, TEACHING):
        return event.labels
    elif isinstance(event, feed.IncidentAskAnsweredV1) and event.answer in {"same", "different"}:
        one = first.get(event.incident_id)
        others = [first.get(name) for name in event.candidates or (event.candidate,)]
        same = event.answer == "same"
        return [Label(one=one, other=other, same=same) for other in others if one is not None and other is not None]
    return ()


def _pair(label: Label) -> tuple[str, str]:
    return (label.one, label.other) if label.one < label.other else (label.other, label.one)


def _feed(log: Mapping[str, Sequence[Record]]) -> list[IncidentEvent]:
    wanted: tuple[type[IncidentEvent], ...] = (feed.IncidentOpenedV1, feed.IncidentAskAnsweredV1, *TEACHING)
    told = readable(log.get(topics.INCIDENTS.name, ()), wanted)
    return list({record.event.id: event for record, event in told if record.event is not None}.values())
