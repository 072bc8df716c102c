"""The feed as routing would tell it, for the bridge's tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from huying.contracts import incidents
from huying.contracts.incidents import Classification, Dispatch, IncidentEvent, IncidentView, ReportRef
from huying.contracts.orders import IncidentRestoredV1
from huying.contracts.places import Place

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


class Incident:
    """One incident; each method is a step, `steps` are the events in order."""

    def __init__(self, name: str) -> None:
        self.name, self.at, self.state = name, MONDAY, "dispatched"
        self.dispatch: Dispatch | None = None
        self.into: str | None = None
        self.result = "已清理并立牌"
        self.steps: list[IncidentEvent] = []

    def _step(self, kind: type[IncidentEvent], **told: Any) -> "Incident":
        self.at += timedelta(hours=1)
        view = IncidentView(
            incident_id=self.name,
            number=f"JL-{self.name}",
            jurisdiction="130529",
            state=self.state,
            classification=Classification(
                matter="M09", matter_name="垃圾清运", clock_class="public_service", confidence=0.9
            ),
            place=Place(town="西郭城镇"),
            title="垃圾",
            opened_at=MONDAY,
            report_count=1,
            channels=("hotline_12345",),
            dispatch=self.dispatch,
            merged_into=self.into,
            completed_at=self.at if self.state == "completed" else None,
        )
        self.steps.append(
            kind(
                incident_id=self.name,
                incident_version=len(self.steps) + 1,
                jurisdiction="130529",
                at=self.at,
                pack_hash="0" * 16,
                incident=view,
                **told,
            )
        )
        return self

    def opened(self, report_id: str) -> "Incident":
        self._step(incidents.IncidentOpenedV1, report=report(report_id))
        self.dispatch = Dispatch(
            dispatch_id=f"dp-{self.name}", unit="U02", unit_name="城管局", catalogue="2026-03", dispatched_at=self.at
        )
        return self._step(incidents.IncidentDispatchedV1, dispatch=self.dispatch)

    def opened_by_part(self, report_id: str, of: str) -> "Incident":
        told = report(report_id).model_copy(update={"part_of": of})
        return self._step(incidents.IncidentOpenedV1, report=told)

    def joined(self, report_id: str, moves: int = 0) -> "Incident":
        told = report(report_id).model_copy(update={"moves": moves})
        return self._step(incidents.IncidentReportJoinedV1, report=told, how="merged", score=0.9)

    def restored(self) -> "Incident":
        self.state, before, self.into = "dispatched", self.into, None
        return self._step(IncidentRestoredV1, merged_into=before, reason="不是同一件")

    def accepted(self) -> "Incident":
        self.state = "accepted"
        return self._step(incidents.IncidentAcceptedV1, dispatch=self.dispatch)

    def completed(self) -> "Incident":
        self.state = "completed"
        return self._step(incidents.IncidentCompletedV1, dispatch=self.dispatch, text=self.result)

    def merged(self, into: str, *reports: str) -> "Incident":
        self.state, self.into = "merged", into
        return self._step(incidents.IncidentMergedV1, into=into, reports=reports)


def report(report_id: str) -> ReportRef:
    return ReportRef(
        report_id=report_id,
        tracking_number="T",
        channel="hotline_12345",
        text="垃圾",
        source="hotline_12345",
        accepted_at=MONDAY,
        received_at=MONDAY,
    )
