"""A county's incidents in memory, for the tests of the order's life: reports arrive, people command, time passes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from huying.contracts import commands as c
from huying.contracts.commands import Action, Actor, CommandIssuedV1
from huying.contracts.course import CatalogueRule
from huying.contracts.incidents import IncidentEvent, ReportRef, State
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1, ReporterRef
from huying.county import load
from huying.routing.domain import Arrival, Catalogue, Decision, Scene, facts_of, obey, receive, ref_of, wake, wakes_at
from huying.routing.incident import Cause, Incident
from huying.routing.judgement import Candidate, RankedMatter, Screening, Verdict

PACK = load(Path(__file__).parents[3] / "deploy/county/julu")
START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOWN = PACK.towns[0].code


def report(
    number: int, at: datetime | None = None, text: str = "路灯不亮", accepted: datetime | None = None, **more: Any
) -> ReportAcceptedV1:
    at = at or START + timedelta(minutes=number)
    return ReportAcceptedV1(
        report_id=f"r{number}",
        tracking_number=f"t{number}",
        jurisdiction=PACK.code,
        source="test",
        origin_id=str(number),
        channel="citizen_app",
        text=text,
        place=Place(town_code=TOWN),
        received_at=at,
        accepted_at=accepted or at,
        reporter=ReporterRef(ref=f"person{number}"),
        **more,
    )


def screening(
    number: int, emergency: bool = False, matter: str = "M02", alarm: bool = False, again: bool = False
) -> Screening:
    """Of an emergency, or with `alarm` of a danger too unsure for the emergency's clock; `again` says 又."""
    return Screening(
        report_id=f"r{number}",
        matters=(RankedMatter(matter, 0.9),),
        clock="emergency" if emergency else PACK.matter(matter).clock,
        emergency=emergency or alarm,
        emergency_confidence=0.9 if emergency else 0.1 if alarm else 0.0,
        urgency="emergency" if emergency or alarm else "normal",
        places=(),
        circumstances=(),
        follow_up=False,
        recurrence=again,
        second_matter=None,
        needs_person=False,
    )


class County:
    """What routing's handler does around the domain, without a database."""

    def __init__(self) -> None:
        self.now = START
        self.incidents: dict[str, Incident] = {}
        self.reports: dict[str, ReportRef] = {}
        self.where: dict[str, str] = {}
        self.log: list[IncidentEvent] = []
        self.catalogue = Catalogue(PACK)
        self.opened = 0
        self.commands = 0
        self.evidence: dict[str, Screening] = {}
        """What judgement says of reports that a split moves, and of a piece that is parted."""

    def scene(self) -> Scene:
        floods = [name for name, one in self.incidents.items() if one.course.flood is not None]
        evidence = {name: (replace(facts_of(report(0)), report_id=name), said) for name, said in self.evidence.items()}
        return Scene(
            self.incidents,
            self.catalogue,
            self.reports,
            evidence,
            f"260302-{self.opened + 1:05d}",
            tuple(sorted(floods)),
        )

    def take(self, decision: Decision) -> Decision:
        self.incidents |= decision.incidents
        self.log += decision.events
        self.where |= dict(decision.joins)
        self.reports |= decision.moved
        self.reports |= {ref.report_id: ref for pair in decision.parts for ref in pair}
        self.opened += len(decision.opened)
        if decision.rule is not None:
            self.catalogue = self.catalogue.ruled(decision.rule)
        return decision

    def arrives(
        self,
        band: str = "new",
        target: str | None = None,
        emergency: bool = False,
        matter: str = "M02",
        at: datetime | None = None,
        rivals: Sequence[str] = (),
        alarm: bool = False,
        own: Screening | None = None,
        back_of: str | None = None,
        again: bool = False,
        **more: Any,
    ) -> str:
        """A report, received `at` or now and accepted at once or when `accepted` says; the id of its incident.

        `band` "meanwhile": asked about beside its dispatch. `own` is what its words alone say, `again` that they say 又,
        `back_of` the finished incident whose trouble came back.
        """
        number = len(self.reports)
        coming = report(number, at or self.now, **more)
        likely = tuple(Candidate(name, 0.4, True) for name in rivals)
        verdict = Verdict(f"r{number}", band, target, 0.7, (), back_of, likely)  # type: ignore[arg-type]
        if band == "meanwhile":
            verdict = Verdict(f"r{number}", "new", None, 0.7, (), back_of, likely, target)
        arrival = Arrival(coming, ref_of(coming), screening(number, emergency, matter, alarm, again), verdict, own)
        scene = self.scene()
        self.reports[f"r{number}"] = ref_of(coming)
        decision = self.take(receive(arrival, scene, Cause(self.now, PACK.hash)))
        return decision.joins[0][1]

    def wishes(
        self, incident: str, action: Action, role: str = "dispatcher", unit: str | None = None, **more: Any
    ) -> Decision:
        """A command by somebody of that role."""
        self.commands += 1
        command = CommandIssuedV1(
            command_id=f"c{self.commands}",
            jurisdiction=PACK.code,
            incident_id=incident,
            actor=Actor(id="somebody", role=role, unit=unit),  # type: ignore[arg-type]
            action=action,
            issued_at=self.now,
            **more,
        )
        return self.take(obey(command, self.scene(), self.now))

    def done(self, incident: str, action: Action, role: str = "dispatcher", unit: str | None = None) -> Incident:
        """A command that must be obeyed; the incident afterwards."""
        decision = self.wishes(incident, action, role, unit)
        assert decision.declined is None, decision.declined
        return self.incidents[incident]

    def refused(self, incident: str, action: Action, role: str = "dispatcher", unit: str | None = None) -> str:
        """A command that must be declined and change nothing; the reason."""
        decision = self.wishes(incident, action, role, unit)
        assert decision.declined is not None
        assert not decision.events
        return decision.declined.reason

    def passes(self, time: timedelta) -> None:
        """Time, with what runs out by itself."""
        self.now += time
        for name in sorted(self.incidents):
            at = wakes_at(self.incidents[name])
            while at is not None and at <= self.now:
                self.take(wake(self.incidents[name], self.scene()))
                at = wakes_at(self.incidents[name])

    def steps(self, incident: str) -> list[str]:
        """What was told of it: `opened dispatched ...`."""
        return [e.TYPE.removeprefix("cn.huying.incident.").removesuffix(".v1") for e in self.told(incident)]

    def told(self, incident: str) -> list[IncidentEvent]:
        return [event for event in self.log if event.incident_id == incident]

    def __getitem__(self, incident: str) -> Incident:
        return self.incidents[incident]


def rule_of(county: County) -> CatalogueRule:
    return county.catalogue.rulings[-1]


def accepted(county: County, matter: str = "M02") -> str:
    incident = county.arrives(matter=matter)
    county.done(incident, c.Accept())
    return incident


def adjudicating(county: County) -> str:
    incident = county.arrives()
    for _ in range(2):
        county.done(incident, c.Return(reason="不归我们管", basis="职责清单", suggested_unit="U05"))
    return incident


def in_state(county: County, state: State) -> str:
    """An incident brought to a state by commands alone."""
    if state == "asked":
        return county.arrives("ask", county.arrives())
    if state == "adjudicating":
        return adjudicating(county)
    if state == "covered":
        parent, child = county.arrives(), county.arrives()
        county.done(parent, c.Group(children=(child,)))
        return child
    incident = county.arrives()
    if state == "merged":
        county.done(incident, c.Merge(into=county.arrives(), reason="同一盏灯"))
    if state in {"accepted", "contacted", "suspended", "completed"}:
        county.done(incident, c.Accept())
    if state == "contacted":
        county.done(incident, c.Contact())
    if state == "suspended":
        county.done(incident, c.Suspend(reason="等材料", until=START + 9 * HOUR))
    if state == "completed":
        county.done(incident, c.Complete(text="已修好"))
    assert county[incident].state == state
    return incident
