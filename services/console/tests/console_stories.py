"""A morning in a county for the tests: feed and clocks as routing and sla-timer would tell them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from huying.contracts import clocks, incidents, orders
from huying.contracts.commands import Actor
from huying.contracts.course import Course, Whistle
from huying.contracts.incidents import Classification, Dispatch, IncidentView, Reason, ReportRef
from huying.contracts.places import Place
from huying.contracts.reports import Attachment, ReporterRef

HASH = "0" * 16
COUNTY = "130529"


class Story:
    """One incident; each method is a step, `events` are feed and clocks in order."""

    def __init__(
        self,
        name: str,
        number: str,
        text: str,
        start: datetime,
        *,
        matter: tuple[str, str] = ("M02", "路灯照明"),
        clock_class: str = "public_service",
        unit: tuple[str, str] = ("U02", "县城市管理综合行政执法局"),
        where: tuple[str, str, str] = ("130529100", "巨鹿镇", "西平社区南门"),
        channel: str = "citizen_app",
    ) -> None:
        self.name, self.number, self.text, self.at = name, number, text, start
        self.matter, self.clock_class, self.unit, self.where = matter, clock_class, unit, where
        self.opened_at, self.channel = start, channel
        self.feed: list[incidents.IncidentEvent] = []
        self.clocks: list[clocks.ClockEvent] = []
        self.channels: list[str] = []
        self.state = "dispatched"
        self.dispatch: Dispatch | None = None
        self.completed_at: datetime | None = None
        self.merged_into: str | None = None
        self.returns = 0

    @property
    def events(self) -> list[Any]:
        return [*self.feed, *self.clocks]

    def _common(self, after: timedelta = timedelta(), actor: Actor | None = None) -> dict[str, Any]:
        self.at += after
        view = IncidentView(
            incident_id=self.name,
            number=self.number,
            jurisdiction=COUNTY,
            state=self.state,
            classification=Classification(
                matter=self.matter[0], matter_name=self.matter[1], clock_class=self.clock_class, confidence=0.91
            ),
            place=Place(town_code=self.where[0], town=self.where[1], address=self.where[2]),
            title=self.text[:40],
            opened_at=self.opened_at,
            report_count=len(self.channels),
            channels=tuple(self.channels),
            dispatch=self.dispatch,
            returns=self.returns,
            completed_at=self.completed_at,
            merged_into=self.merged_into,
        )
        return {
            "incident_id": self.name,
            "incident_version": len(self.feed) + 1,
            "jurisdiction": COUNTY,
            "at": self.at,
            "pack_hash": HASH,
            "incident": view,
            "actor": actor,
        }

    def report(self, text: str, channel: str) -> ReportRef:
        self.channels.append(channel)
        name = f"{self.name}-r{len(self.channels)}"
        return ReportRef(
            report_id=name,
            tracking_number=f"HY-{self.number[3:]}-{len(self.channels)}",
            channel=channel,
            text=text,
            source="test",
            accepted_at=self.at,
            received_at=self.at,
            reporter=ReporterRef(ref=name, masked="王**"),
            place=Place(town_code=self.where[0], town=self.where[1], address=self.where[2]),
            attachments=(Attachment(url="https://pictures.example/1.jpg", media_type="image/jpeg"),),
        )

    def opened(self) -> "Story":
        report = self.report(self.text, self.channel)
        self.feed.append(incidents.IncidentOpenedV1(report=report, **self._common()))
        return self

    def asked(self, other: "Story", *more: "Story", until: timedelta = timedelta(minutes=30)) -> "Story":
        """A question; beside a dispatch it holds nothing."""
        self.state = "asked" if self.dispatch is None else self.state
        self.feed.append(
            incidents.IncidentAskedV1(
                candidate=other.name,
                candidate_number=other.number,
                score=0.63,
                until=self.at + until,
                candidates=tuple(
                    incidents.Candidate(incident_id=one.name, number=one.number, score=0.63 / (n + 1))
                    for n, one in enumerate((other, *more))
                ),
                reasons=(
                    Reason(code="near", text="相距 40 米，同在西平社区", weight=1.8),
                    Reason(code="words", text="都说到“灯杆”“蹭歪”", weight=1.1),
                    Reason(code="time", text="相隔 2 小时", weight=-0.3),
                ),
                **self._common(),
            )
        )
        return self

    def dispatched(self, unit: tuple[str, str] | None = None) -> "Story":
        previous, self.unit, self.state = self.unit[0] if unit else None, unit or self.unit, "dispatched"
        self.dispatch = Dispatch(
            dispatch_id=f"dp-{self.name}-{len(self.feed)}",
            unit=self.unit[0],
            unit_name=self.unit[1],
            assisting=("U01",),
            basis="职责清单（2026-03）路灯照明：主责县城管局",
            catalogue="2026-03",
            dispatched_at=self.at,
        )
        self.feed.append(
            incidents.IncidentDispatchedV1(dispatch=self.dispatch, previous_unit=previous, **self._common())
        )
        return self

    def whistled(self, *units: str) -> "Story":
        called = {"units": units, "meet_at": "南门路口", "reason": "灯杆要倒"}
        common = self._common()
        course = Course(whistle=Whistle(at=self.at, **called))
        common["incident"] = common["incident"].model_copy(update={"course": course})
        self.feed.append(orders.IncidentWhistledV1(**called, **common))
        return self

    def joined(self, text: str, channel: str, after: timedelta = timedelta(minutes=20)) -> "Story":
        self.at += after
        report = self.report(text, channel)
        reasons = (Reason(code="near", text="相距 12 米", weight=2.0),)
        self.feed.append(
            incidents.IncidentReportJoinedV1(report=report, how="merged", score=0.94, reasons=reasons, **self._common())
        )
        return self

    def accepted(self, after: timedelta = timedelta(minutes=15)) -> "Story":
        assert self.dispatch
        self.state = "accepted"
        self.dispatch = self.dispatch.model_copy(update={"accepted_at": self.at + after})
        actor = Actor(id="wang", role="unit", unit=self.unit[0])
        self.feed.append(incidents.IncidentAcceptedV1(dispatch=self.dispatch, **self._common(after, actor)))
        return self

    def returned(self, after: timedelta = timedelta(minutes=30), *, ruling: bool = False) -> "Story":
        """Given back; with `ruling` for the last time, and the centre rules whose it is."""
        assert self.dispatch
        self.returns += 1
        gone = self.dispatch
        if ruling:
            self.state, self.dispatch = "adjudicating", None
        self.feed.append(
            incidents.IncidentReturnedV1(dispatch=gone, reason="灯杆属供电公司产权", **self._common(after))
        )
        return self

    def covered(self, by: "Story") -> "Story":
        """Under the other's dispatch, or waiting with it for a ruling."""
        self.state, self.dispatch = "covered", by.dispatch
        self.feed.append(
            orders.IncidentCoveredV1(by=by.name, by_number=by.number, dispatch=by.dispatch, **self._common())
        )
        return self

    def redone(self, after: timedelta = timedelta(days=1)) -> "Story":
        self.state, self.completed_at = "dispatched", None
        self.feed.append(orders.IncidentRedoneV1(reason="又不亮了", count=1, **self._common(after)))
        return self

    def completed(self, after: timedelta = timedelta(hours=2)) -> "Story":
        assert self.dispatch
        self.state, self.completed_at = "completed", self.at + after
        self.feed.append(
            incidents.IncidentCompletedV1(
                dispatch=self.dispatch, text="<b>灯杆已扶正</b>，螺栓更换，亮灯正常。", **self._common(after)
            )
        )
        return self

    def merged(self, into: "Story") -> "Story":
        self.state, self.merged_into, self.dispatch = "merged", into.name, None
        self.feed.append(incidents.IncidentMergedV1(into=into.name, reports=(f"{self.name}-r1",), **self._common()))
        return self

    def clock(self, kind: str, start: datetime, length: timedelta, *ends: tuple[str, timedelta]) -> "Story":
        """A clock and what happens to it: `("on_time", after)`, late, void, breached, extended, paused."""
        common: dict[str, Any] = {
            "clock_id": f"cl-{self.name}-{kind}",
            "incident_id": self.name,
            "jurisdiction": COUNTY,
            "kind": kind,
            "clock_class": self.clock_class,
            "unit": self.unit[0],
            "started_at": start,
            "policy": HASH,
        }
        due = start + length
        self.clocks.append(
            clocks.ClockStartedV1(at=start, due_at=due, explanation=("2 个工作日", "午休不计"), **common)
        )
        for end, after in ends:
            moment = start + after
            if end == "breached":
                self.clocks.append(clocks.ClockBreachedV1(at=moment, due_at=due, **common))
            elif end == "extended":
                due += timedelta(days=1)
                self.clocks.append(clocks.ClockExtendedV1(at=moment, due_at=due, reason="等配件", count=1, **common))
            elif end == "paused":
                self.clocks.append(clocks.ClockPausedV1(at=moment, due_at=due, reason="等群众在家", **common))
            else:
                self.clocks.append(clocks.ClockStoppedV1(at=moment, due_at=due, verdict=end, **common))
        return self


def declined(command_id: str, incident_id: str, message: str = "有人先办了一步") -> incidents.CommandDeclinedV1:
    """Routing's no."""
    return incidents.CommandDeclinedV1(
        command_id=command_id,
        incident_id=incident_id,
        jurisdiction=COUNTY,
        at=datetime.now(UTC),
        reason="stale_version",
        message=message,
    )


def morning(prefix: str, now: datetime) -> list[Story]:
    """Seven incidents in every state that the feed shows; `now` is the moment at which one looks."""
    hour, day = timedelta(hours=1), timedelta(days=1)
    lamp = Story(f"{prefix}-lamp", "PA-0312", "西平社区南门灯杆被货车蹭歪，倾斜约15度，底座螺栓松。", now - 5 * hour)
    lamp.opened().dispatched().joined("南门那根路灯杆歪了，怕砸着人", "hotline_12345").accepted()
    lamp.clock("acceptance", now - 5 * hour, 2 * hour, ("on_time", timedelta(minutes=35)))
    lamp.clock("response", now - 5 * hour, 2 * day)
    gas = Story(
        f"{prefix}-gas",
        "PA-0319",
        "育红街饭店后厨有很浓的煤气味，人已经跑出来了，阀门关不上",
        now - timedelta(minutes=50),
        matter=("M07", "燃气安全"),
        clock_class="emergency",
        unit=("U03", "县住房和城乡建设局"),
        where=("130529100", "巨鹿镇", "育红街中段"),
        channel="hotline_12345",
    )
    gas.opened().dispatched().clock("resolution", now - timedelta(minutes=50), 2 * hour)
    twin = Story(
        f"{prefix}-twin",
        "PA-0318",
        "西平社区灯杆让车蹭歪了，快倒了 <script>alert(1)</script>",
        now - 2 * hour,
        channel="qr_code",
    )
    road = Story(
        f"{prefix}-road",
        "PA-0296",
        "官亭村口回填没夯实，塌了个坑，电动车摔了俩人",
        now - 26 * hour,
        matter=("M01", "道路设施"),
        unit=("U01", "县交通运输局"),
        where=("130529103", "官亭镇", "官亭村口"),
        channel="partner",
    )
    road.opened().dispatched().returned().dispatched(("U04", "县供水服务中心"))
    road.clock("response", now - 26 * hour, 28 * hour, ("extended", hour))
    twin.opened().asked(lamp, road, until=2 * hour + timedelta(minutes=25))
    water = Story(
        f"{prefix}-water",
        "PA-0290",
        "村里停水两天了，说是换水管，没人通知什么时候来水",
        now - 3 * day,
        matter=("M04", "供水"),
        unit=("U04", "县供水服务中心"),
        where=("130529101", "王虎寨镇", "王虎寨镇后官庄村"),
        channel="secretary_hotline",
    )
    water.opened().dispatched().accepted()
    water.clock("response", now - 3 * day, 2 * day, ("breached", 2 * day))
    garbage = Story(
        f"{prefix}-garbage",
        "PA-0301",
        "垃圾点都满得溢出来了，三天没人拉，野狗扒得满道都是",
        now - day,
        matter=("M09", "垃圾清运"),
        channel="grid_worker",
        where=("130529100", "巨鹿镇", "北街北头垃圾点"),
    )
    garbage.opened().dispatched().accepted().completed()
    garbage.clock("response", now - day, 2 * day, ("on_time", 3 * hour))
    soon = Story(
        f"{prefix}-policy",
        "PA-0315",
        "城乡医保还能补交不？去年在外头打工忘交了，现在住院能报吗",
        now - 7 * hour,
        matter=("M28", "政策咨询"),
        clock_class="consultation",
        unit=("U22", "县综合调度中心"),
        where=("130529102", "西郭城镇", ""),
        channel="mayor_mailbox",
    )
    soon.opened().dispatched().accepted().clock("resolution", now - 7 * hour, 8 * hour)
    return [lamp, gas, twin, water, garbage, road, soon]
