"""What the feed, the clocks and the ratings tell, for the tests of notices."""

from datetime import UTC, datetime, timedelta
from typing import Any

from huying.contracts import incidents, orders
from huying.contracts.clocks import ClockBreachedV1, ClockStoppedV1, ClockWarnedV1
from huying.contracts.incidents import Classification, Dispatch, IncidentView, ReportRef
from huying.contracts.places import Place
from huying.contracts.ratings import RatingInvitedV1
from huying.contracts.reports import ReporterRef
from huying.notification.domain import Desk, Notice
from huying.notification.facts import Facts

START = datetime(2026, 3, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLACE = Place(town_code="130529100", town="巨鹿镇", village_code="130529100001", village="南街居委会")

PLAIN = Classification(matter="M02", matter_name="路灯照明", clock_class="public_service", confidence=0.9)


class Life:
    """One incident; each method is an hour later, `steps` are the events in order."""

    def __init__(self, name: str, place: Place = PLACE) -> None:
        self.name, self.place, self.at = name, place, START
        self.steps: list[incidents.IncidentEvent] = []
        self.dispatch: Dispatch | None = None
        self.danger: dict[str, Any] = {}
        """What the classification says of danger from the next step on."""

    def _step(self, kind: Any, state: str, **facts: Any) -> "Life":
        view = IncidentView(
            incident_id=self.name,
            number=f"N-{self.name}",
            jurisdiction="130529",
            state=state,
            classification=PLAIN.model_copy(update=self.danger),
            place=self.place,
            title="{{ 7*7 }}路灯不亮",
            opened_at=START,
            report_count=1,
            channels=("citizen_app",),
            dispatch=self.dispatch,
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
        self.at += HOUR
        return self

    def _report(self, by: str | None) -> ReportRef:
        return ReportRef(
            report_id=f"r{len(self.steps)}",
            tracking_number=f"T{len(self.steps)}",
            channel="citizen_app",
            text="路灯不亮",
            source="t",
            accepted_at=self.at,
            received_at=self.at,
            reporter=ReporterRef(ref=by) if by else None,
        )

    def opened(self, by: str | None = "wang") -> "Life":
        return self._step(incidents.IncidentOpenedV1, "dispatched", report=self._report(by))

    def asked(self) -> "Life":
        facts: dict[str, Any] = {"candidate": "X", "candidate_number": "N-X", "score": 0.6, "until": self.at + HOUR}
        return self._step(incidents.IncidentAskedV1, "asked", **facts)

    def asked_beside(self) -> "Life":
        named = tuple(incidents.Candidate(incident_id=name, number=f"N-{name}", score=0.5) for name in "XYZ")
        facts: dict[str, Any] = {"candidate": "X", "candidate_number": "N-X", "score": 0.5, "until": self.at + HOUR}
        return self._step(incidents.IncidentAskedV1, "dispatched", candidates=named, **facts)

    def joined(self, by: str | None, how: str = "merged", state: str = "dispatched") -> "Life":
        return self._step(incidents.IncidentReportJoinedV1, state, report=self._report(by), how=how, score=0.9)

    def dispatched(self, unit: str = "U02", assisting: tuple[str, ...] = ()) -> "Life":
        self.dispatch = self._dispatch(unit, assisting)
        return self._step(incidents.IncidentDispatchedV1, "dispatched", dispatch=self.dispatch)

    def covered(self, unit: str | None = "U02") -> "Life":
        """Under the dispatch of incident B; without a unit while that one is ruled upon."""
        self.dispatch = self._dispatch(unit) if unit else None
        return self._step(orders.IncidentCoveredV1, "covered", by="B", by_number="N-B", dispatch=self.dispatch)

    def _dispatch(self, unit: str, assisting: tuple[str, ...] = ()) -> Dispatch:
        return Dispatch(
            dispatch_id=f"dp-{len(self.steps)}",
            unit=unit,
            unit_name=f"单位{unit}",
            assisting=assisting,
            basis="《城市照明管理规定》",
            catalogue="2026-03",
            dispatched_at=self.at,
        )

    def returned(self, state: str = "dispatched") -> "Life":
        gone, self.dispatch = self.dispatch, None if state == "adjudicating" else self.dispatch
        return self._step(incidents.IncidentReturnedV1, state, dispatch=gone, reason="不归我们管")

    def parted(self, *reports: ReportRef) -> "Life":
        facts = {"into": "C", "into_number": "N-C", "reports": reports, "reason": "另一盏灯"}
        return self._step(orders.IncidentSplitV1, "dispatched", **facts)

    def merged(self) -> "Life":
        return self._step(incidents.IncidentMergedV1, "merged", into="B", reports=("r0",))

    def beside(self, kind: Any, state: str = "accepted", **facts: Any) -> "Life":
        """A step beside the main line."""
        return self._step(kind, state, **facts)

    def completed(self) -> "Life":
        return self._step(incidents.IncidentCompletedV1, "completed", dispatch=self.dispatch, text="灯修好了")


def _clock(incident: str, **facts: Any) -> dict[str, Any]:
    return {
        "clock_id": f"ck-{incident}",
        "incident_id": incident,
        "jurisdiction": "130529",
        "kind": "response",
        "clock_class": "public_service",
        "unit": "U02",
        "at": START + 2 * HOUR,
        "due_at": datetime(2026, 3, 4, 10, tzinfo=UTC),
        "started_at": START,
        "policy": "h",
        **facts,
    }


def warned(incident: str, percent: int, *roles: str, **facts: Any) -> ClockWarnedV1:
    return ClockWarnedV1(percent=percent, roles=roles, **_clock(incident, **facts))


def breached(incident: str, *roles: str, **facts: Any) -> ClockBreachedV1:
    return ClockBreachedV1(roles=roles, **_clock(incident, **facts))


def stopped(incident: str) -> ClockStoppedV1:
    return ClockStoppedV1(verdict="on_time", **_clock(incident))


def invited(incident: str, reporter: str = "wang") -> RatingInvitedV1:
    return RatingInvitedV1(
        incident_id=incident,
        jurisdiction="130529",
        at=START + 9 * HOUR,
        rating_id=f"rt-{incident}",
        report_id="r0",
        reporter=reporter,
        unit="U02",
        path="/r/abc",
    )


def tell(desk: Desk, life: Life) -> tuple[Facts, list[list[Notice]]]:
    facts, told = None, []
    for event in life.steps:
        decided = desk.on_incident(facts, event)
        assert decided is not None
        facts, notices = decided
        told.append(notices)
    assert facts is not None
    return facts, told


def pairs(notices: list[Notice]) -> list[tuple[str, str]]:
    return [(notice.recipient.id, notice.template) for notice in notices]


DUTY = ("unit:U02:duty_officer", "dispatched")

GRID = "village:130529100001:grid_worker"
