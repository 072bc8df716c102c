"""Lives of incidents as routing tells them, for the tests of the clocks."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from huying.contracts import incidents
from huying.contracts.course import Course
from huying.contracts.incidents import Classification, Dispatch, IncidentView, ReportRef
from huying.contracts.places import Place

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    """`2026-03-02 17:00` on Shanghai's clocks, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


class Life:
    """One incident; each method is a step some time later, `steps` are the events in order."""

    def __init__(self, name: str, start: datetime, clock_class: Any = "public_service", **view: Any) -> None:
        self.name, self.at, self.clock_class = name, start, clock_class
        self.steps: list[incidents.IncidentEvent] = []
        self.view: dict[str, Any] = {"state": "dispatched", "opened_at": start, **view}
        self.dispatch: Dispatch | None = None

    def _step(self, kind: Any, later: timedelta, changes: dict[str, Any], **facts: Any) -> "Life":
        self.at += later
        self.view |= changes
        view = IncidentView(
            incident_id=self.name,
            number=f"N-{self.name}",
            jurisdiction="130529",
            classification=Classification(
                matter="M02", matter_name="路灯照明", clock_class=self.clock_class, confidence=0.9
            ),
            place=Place(town_code="130529100", town="巨鹿镇"),
            title="路灯不亮",
            report_count=1,
            channels=("citizen_app",),
            dispatch=self.dispatch,
            **self.view,
        )
        event = kind(
            incident_id=self.name,
            incident_version=len(self.steps) + 1,
            jurisdiction="130529",
            at=self.at,
            pack_hash="h",
            incident=view,
            **facts,
        )
        self.steps.append(event)
        return self

    def _report(self) -> ReportRef:
        return ReportRef(
            report_id=f"r{len(self.steps)}",
            tracking_number="T",
            channel="citizen_app",
            text="路灯不亮",
            source="t",
            accepted_at=self.at,
            received_at=self.at,
        )

    def opened(self, state: str = "dispatched") -> "Life":
        return self._step(incidents.IncidentOpenedV1, timedelta(), {"state": state}, report=self._report())

    def joined(self, later: timedelta = timedelta(), **changes: Any) -> "Life":
        self.at += later
        report = self._report()
        return self._step(
            incidents.IncidentReportJoinedV1, timedelta(), changes, report=report, how="merged", score=0.9
        )

    def dispatched(self, unit: str = "U02", later: timedelta = timedelta()) -> "Life":
        self.dispatch = Dispatch(
            dispatch_id=f"dp-{self.name}-{len(self.steps)}",
            unit=unit,
            unit_name=unit,
            catalogue="c",
            dispatched_at=self.at + later,
        )
        return self._step(incidents.IncidentDispatchedV1, later, {"state": "dispatched"}, dispatch=self.dispatch)

    def _answered(self, kind: Any, state: str, field: str, later: timedelta) -> "Life":
        assert self.dispatch is not None
        self.dispatch = self.dispatch.model_copy(update={field: self.at + later})
        return self._step(kind, later, {"state": state}, dispatch=self.dispatch)

    def accepted(self, later: timedelta) -> "Life":
        return self._answered(incidents.IncidentAcceptedV1, "accepted", "accepted_at", later)

    def contacted(self, later: timedelta) -> "Life":
        return self._answered(incidents.IncidentContactedV1, "contacted", "contacted_at", later)

    def returned(self, later: timedelta) -> "Life":
        return self._step(incidents.IncidentReturnedV1, later, {}, dispatch=self.dispatch, reason="不归我们管")

    def completed(self, later: timedelta) -> "Life":
        changes = {"state": "completed", "completed_at": self.at + later}
        return self._step(incidents.IncidentCompletedV1, later, changes, dispatch=self.dispatch, text="修好了")

    def beside(
        self, kind: Any, later: timedelta, state: str | None = None, *, course: Any = None, **facts: Any
    ) -> "Life":
        """A step beside the main line that leaves the course like this."""
        return self._step(kind, later, {"course": course, **({"state": state} if state else {})}, **facts)

    def awaits_ruling(self, later: timedelta) -> "Life":
        """The second return."""
        dispatch, self.dispatch = self.dispatch, None
        changes = {"state": "adjudicating", "returns": 2, "course": Course(waiting_since=self.at + later)}
        return self._step(incidents.IncidentReturnedV1, later, changes, dispatch=dispatch, reason="不归我们管")

    def merged(self, later: timedelta) -> "Life":
        self.dispatch = None
        return self._step(incidents.IncidentMergedV1, later, {"state": "merged"}, into="other", reports=())
