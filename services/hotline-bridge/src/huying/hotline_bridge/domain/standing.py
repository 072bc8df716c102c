"""How an order stands, out of what the feed told about the incidents it was ever in.

Every order of arrival gives the same standing: an incident counts by its latest version, an order by all its incidents.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from huying.contracts.incidents import (
    IncidentCompletedV1,
    IncidentEvent,
    IncidentMergedV1,
    IncidentOpenedV1,
    IncidentReportJoinedV1,
)

from .mapping import OrderState, OriginMapping

OURS: Mapping[str, OrderState] = {"suspended": "accepted", "adjudicating": "asked", "covered": "dispatched"}
"""Origins know the main line only: what lies beside it is told as the state that it looks like from there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An order's place in the world, for its origin."""

    state: OrderState
    at: datetime | None = None
    incident_id: str | None = None
    incident_number: str | None = None
    unit: str | None = None
    unit_name: str | None = None
    result: str | None = None
    completed_at: datetime | None = None

    def told(self, mapping: OriginMapping | None) -> dict[str, Any]:
        """As a part of a document; `origin_state` in the origin's own words when it has a mapping file."""
        theirs = mapping.states[self.state].model_dump() if mapping else None
        return {
            "state": self.state,
            "origin_state": theirs,
            "at": self.at,
            "incident_id": self.incident_id,
            "incident_number": self.incident_number,
            "unit": self.unit,
            "unit_name": self.unit_name,
            "result": self.result,
            "completed_at": self.completed_at,
        }


def incident_after(event: IncidentEvent, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is kept of an incident after `event`, which is newer than `before`."""
    view = event.incident
    dispatch = view.dispatch
    result = (before or {}).get("result")
    if isinstance(event, IncidentCompletedV1):
        result = event.text
    return {
        "seen_version": event.incident_version,
        "state": OURS.get(view.state, view.state),
        "at": event.at,
        "number": view.number,
        "merged_into": view.merged_into,
        "unit": dispatch.unit if dispatch else None,
        "unit_name": dispatch.unit_name if dispatch else None,
        "result": result if view.state == "completed" else None,
        "completed_at": view.completed_at,
    }


UNTOLD = -1
"""Moves of a report to an incident that has not told of it yet."""


def reports_of(event: IncidentEvent) -> dict[str, tuple[str, int]]:
    """Reports that the event puts into an incident: report id -> incident id, with how many moves it came there."""
    if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1):
        return {event.report.report_id: (event.incident_id, event.report.moves)}
    if isinstance(event, IncidentMergedV1):
        return dict.fromkeys(event.reports, (event.into, UNTOLD))
    return {}


def whole_of(event: IncidentEvent) -> str | None:
    """The report whose part the event puts into an incident."""
    return event.report.part_of if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1) else None


def together(whole: Standing, parts: Sequence[Standing]) -> Standing:
    """The standing of an order of several problems: it is done when all are, with all results."""
    own = {one.incident_id: one for one in parts if one.incident_id not in {None, whole.incident_id}}
    if whole.state != "completed" or not own:
        return whole
    for one in own.values():
        if one.state != "completed":
            return one
    all_of = (whole, *own.values())
    return replace(
        whole,
        at=max(one.at for one in all_of if one.at),
        result="\n".join(one.result for one in all_of if one.result),
        completed_at=max(one.completed_at for one in all_of if one.completed_at),
    )


def standing(members: Mapping[str, int], incidents: Mapping[str, Mapping[str, Any]]) -> Standing:
    """The standing of an order that was ever in these incidents, as far as `incidents` are known.

    Args:
        members: incident id to the number of moves with which the order came there; the highest counts.
        incidents: what is known of them. A merged one only says so until the one that took it over is known.
    """
    known = [(name, incidents[name]) for name in sorted(members) if name in incidents]
    if not known:
        return Standing("received")
    told = [pair for pair in known if members[pair[0]] != UNTOLD]
    living = [pair for pair in told if pair[1]["state"] != "merged"]
    name, incident = max(told or known, key=lambda pair: (members[pair[0]], pair in living, pair[1]["at"], pair[0]))
    seen = {name}
    while (into := incident["merged_into"]) in incidents and into not in seen:
        seen.add(into)
        name, incident = into, incidents[into]
    return Standing(
        state=cast("OrderState", incident["state"]),
        at=incident["at"],
        incident_id=name,
        incident_number=incident["number"],
        unit=incident["unit"],
        unit_name=incident["unit_name"],
        result=incident["result"],
        completed_at=incident["completed_at"],
    )
