"""How an order stands, out of what the feed told about the incidents it was ever in.

Every order of arrival gives the same standing: an incident counts by its latest version, an order by all its incidents.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from huying.contracts.incidents import (
    IncidentCompletedV1,
    IncidentEvent,
    IncidentMergedV1,
    IncidentOpenedV1,
    IncidentReportJoinedV1,
)

from .mapping import OrderState, OriginMapping


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
        "state": view.state,
        "at": event.at,
        "number": view.number,
        "merged_into": view.merged_into,
        "unit": dispatch.unit if dispatch else None,
        "unit_name": dispatch.unit_name if dispatch else None,
        "result": result if view.state == "completed" else None,
        "completed_at": view.completed_at,
    }


def reports_of(event: IncidentEvent) -> dict[str, str]:
    """Reports that the event puts into an incident: report id -> incident id."""
    if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1):
        return {event.report.report_id: event.incident_id}
    if isinstance(event, IncidentMergedV1):
        return dict.fromkeys(event.reports, event.into)
    return {}


def standing(incident_ids: Iterable[str], incidents: Mapping[str, Mapping[str, Any]]) -> Standing:
    """The standing of an order that was ever in `incident_ids`, as far as `incidents` are known.

    A merged incident only says so until the one that took it over is known; of several, the latest word counts.
    """
    known = [(name, incidents[name]) for name in sorted(set(incident_ids)) if name in incidents]
    if not known:
        return Standing("received")
    living = [(name, incident) for name, incident in known if incident["state"] != "merged"] or known
    name, incident = max(living, key=lambda pair: (pair[1]["at"], pair[0]))
    return Standing(
        state=incident["state"],
        at=incident["at"],
        incident_id=name,
        incident_number=incident["number"],
        unit=incident["unit"],
        unit_name=incident["unit_name"],
        result=incident["result"],
        completed_at=incident["completed_at"],
    )
