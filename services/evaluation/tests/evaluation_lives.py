"""Lives of incidents for the tests: the feed and the clocks as routing and sla-timer would tell them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from huying.contracts import clocks, incidents
from huying.contracts.incidents import Classification, Dispatch, IncidentView, ReportRef
from huying.contracts.orders import (
    IncidentCoveredV1,
    IncidentRedoneV1,
    IncidentRestoredV1,
    IncidentSplitV1,
    IncidentWithdrawnV1,
)
from huying.contracts.places import Place
from huying.contracts.reports import ReporterRef

MONDAY = datetime(2026, 3, 2, 0, 10, tzinfo=UTC)
HASH = "0" * 16


def report(name: str, reporter: str | None = "person") -> ReportRef:
    return ReportRef(
        report_id=name,
        tracking_number=f"T-{name}",
        channel="citizen_app" if reporter else "iot",
        text="路灯不亮了",
        source="test",
        accepted_at=MONDAY,
        received_at=MONDAY,
        reporter=ReporterRef(ref=f"{reporter}-{name}") if reporter else None,
    )


class Life:
    """One incident; each method is a step, `steps` are the events in order."""

    def __init__(self, name: str, unit: str = "U02", town: str = "130529100", start: datetime = MONDAY) -> None:
        self.name, self.unit, self.town, self.at = name, unit, town, start
        self.steps: list[incidents.IncidentEvent] = []
        self.dispatch: Dispatch | None = None
        self.state = "dispatched"
        self.completed_at: datetime | None = None
        self.merged_into: str | None = None
        self.opened_at = start
        self.times = 0

    def _common(self, hours: float) -> dict[str, Any]:
        self.at += timedelta(hours=hours)
        view = IncidentView(
            incident_id=self.name,
            number=f"PA-{self.name}",
            jurisdiction="130529",
            state=self.state,
            classification=Classification(
                matter="M02", matter_name="路灯照明", clock_class="public_service", confidence=0.9
            ),
            place=Place(town_code=self.town, town="巨鹿镇"),
            title="路灯不亮",
            opened_at=self.opened_at,
            report_count=1,
            channels=("citizen_app",),
            dispatch=self.dispatch,
            completed_at=self.completed_at,
            merged_into=self.merged_into,
        )
        return {
            "incident_id": self.name,
            "incident_version": len(self.steps) + 1,
            "jurisdiction": "130529",
            "at": self.at,
            "pack_hash": HASH,
            "incident": view,
        }

    def opened(self, *, by: str | None = "person", asked: bool = False) -> "Life":
        self.state = "asked" if asked else "dispatched"
        self.steps.append(incidents.IncidentOpenedV1(report=report(f"{self.name}-r1", by), **self._common(0)))
        return self if asked else self.dispatched()

    def dispatched(self, unit: str | None = None) -> "Life":
        self.unit, self.state, self.completed_at = unit or self.unit, "dispatched", None
        self.dispatch = Dispatch(
            dispatch_id=f"dp-{self.name}-{len(self.steps)}",
            unit=self.unit,
            unit_name=f"单位{self.unit}",
            catalogue="2026-03",
            dispatched_at=self.at,
        )
        self.steps.append(incidents.IncidentDispatchedV1(dispatch=self.dispatch, **self._common(0)))
        return self

    def covered(self, by: str = "P", hours: float = 1) -> "Life":
        """A child of a mass event: its unit's one dispatch is another's, and two months old."""
        self.state = "covered"
        self.dispatch = Dispatch(
            dispatch_id=f"dp-{by}",
            unit=self.unit,
            unit_name=f"单位{self.unit}",
            catalogue="2026-03",
            dispatched_at=self.at - timedelta(days=60),
        )
        told = {"by": by, "by_number": f"PA-{by}", "dispatch": self.dispatch}
        self.steps.append(IncidentCoveredV1(**told, **self._common(hours)))
        return self

    def joined(self, name: str, by: str | None = "person", hours: float = 1) -> "Life":
        common = self._common(hours)
        self.steps.append(incidents.IncidentReportJoinedV1(report=report(name, by), how="merged", score=0.9, **common))
        return self

    def accepted(self, hours: float = 1) -> "Life":
        assert self.dispatch
        self.state = "accepted"
        self.dispatch = self.dispatch.model_copy(update={"accepted_at": self.at + timedelta(hours=hours)})
        self.steps.append(incidents.IncidentAcceptedV1(dispatch=self.dispatch, **self._common(hours)))
        return self

    def returned(self, hours: float = 1) -> "Life":
        assert self.dispatch
        self.steps.append(
            incidents.IncidentReturnedV1(dispatch=self.dispatch, reason="不属本单位", **self._common(hours))
        )
        return self

    def completed(self, hours: float = 5) -> "Life":
        assert self.dispatch
        self.state, self.completed_at = "completed", self.at + timedelta(hours=hours)
        self.steps.append(
            incidents.IncidentCompletedV1(dispatch=self.dispatch, text="<b>已修好</b>", **self._common(hours))
        )
        return self

    def redone(self, hours: float = 1) -> "Life":
        """It is done again, and dispatched."""
        self.state, self.completed_at, self.times = "dispatched", None, self.times + 1
        facts = {"reason": "群众评价不满意", "count": self.times}
        self.steps.append(IncidentRedoneV1(**facts, **self._common(hours)))
        return self.dispatched()

    def parted(self, name: str, into: str, hours: float = 1) -> "Life":
        facts = {"into": into, "into_number": f"PA-{into}", "reports": (report(name),), "reason": "另一件事"}
        self.steps.append(IncidentSplitV1(**facts, **self._common(hours)))
        return self

    def withdrawn(self) -> "Life":
        assert self.dispatch
        taken, self.dispatch = self.dispatch, None
        self.steps.append(IncidentWithdrawnV1(dispatch=taken, reason="并入或改派", **self._common(0)))
        return self

    def restored(self) -> "Life":
        """A merge was undone, and it is dispatched again."""
        into, self.state, self.merged_into = self.merged_into, "dispatched", None
        self.steps.append(IncidentRestoredV1(merged_into=into, reason="合错了", **self._common(1)))
        return self.joined(f"{self.name}-r1").dispatched()

    def merged(self, into: str, hours: float = 1) -> "Life":
        self.state, self.merged_into = "merged", into
        self.steps.append(incidents.IncidentMergedV1(into=into, reports=(f"{self.name}-r1",), **self._common(hours)))
        return self


def clock(name: str, kind: str, *ends: str, at: datetime = MONDAY, incident: str = "A") -> list[clocks.ClockEvent]:
    """A clock that starts and then goes through `ends`: on_time, late, void, breached, extended."""
    common: dict[str, Any] = {
        "clock_id": name,
        "incident_id": incident,
        "jurisdiction": "130529",
        "kind": kind,
        "clock_class": "public_service",
        "unit": "U02",
        "due_at": at + timedelta(hours=9),
        "started_at": at,
        "policy": HASH,
    }
    events: list[clocks.ClockEvent] = [clocks.ClockStartedV1(at=at, **common)]
    for hour, end in enumerate(ends, 1):
        moment = at + timedelta(hours=hour)
        if end == "breached":
            events.append(clocks.ClockBreachedV1(at=moment, **common))
        elif end == "extended":
            events.append(clocks.ClockExtendedV1(at=moment, reason="等配件", count=1, **common))
        else:
            events.append(clocks.ClockStoppedV1(at=moment, verdict=end, **common))
    return events
