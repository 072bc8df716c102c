"""The order's life: no sequence of reports and commands reaches two active dispatches, a gap, or a lost report."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from huying.contracts.commands import Accept, Action, Actor, AnswerAsk, CommandIssuedV1, Complete, Contact, Return
from huying.contracts.incidents import IncidentEvent, ReportRef
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1
from huying.county import load
from huying.routing.domain import LEGAL, Arrival, Decision, obey, receive, ref_of, run_out
from huying.routing.incident import Incident
from huying.routing.judgement import RankedMatter, Screening, Verdict

PACK = load(Path(__file__).parents[3] / "deploy/county/julu")
START = datetime(2026, 3, 2, tzinfo=UTC)
TOWN = PACK.towns[0].code


def report(number: int) -> ReportAcceptedV1:
    at = START + timedelta(minutes=number)
    return ReportAcceptedV1(
        report_id=f"r{number}",
        tracking_number=f"t{number}",
        jurisdiction=PACK.code,
        source="test",
        origin_id=str(number),
        channel="citizen_app",
        text="路灯不亮",
        place=Place(town_code=TOWN),
        received_at=at,
        accepted_at=at,
    )


def screening(number: int, emergency: bool = False) -> Screening:
    return Screening(
        report_id=f"r{number}",
        matters=(RankedMatter("M02", 0.9),),
        clock="public_service",
        emergency=emergency,
        emergency_confidence=0.9 if emergency else 0.0,
        urgency="emergency" if emergency else "normal",
        places=(),
        circumstances=(),
        follow_up=False,
        recurrence=False,
        second_matter=None,
        needs_person=False,
    )


def arrival(number: int, band: str, incident: str | None = None, emergency: bool = False) -> Arrival:
    verdict = Verdict(f"r{number}", band, incident, 0.7, ())  # type: ignore[arg-type]
    return Arrival(report(number), screening(number, emergency), verdict, f"260302-{number:05d}")


def command(incident: str, action: Action, role: str = "dispatcher", unit: str | None = None) -> CommandIssuedV1:
    return CommandIssuedV1(
        command_id="c",
        jurisdiction=PACK.code,
        incident_id=incident,
        actor=Actor(id="somebody", role=role, unit=unit),  # type: ignore[arg-type]
        action=action,
        issued_at=START,
    )


def opened(band: str = "new", target: str | None = None, known: dict[str, Incident] | None = None) -> Incident:
    decision = receive(arrival(1, band, target), known or {}, PACK, START)
    return decision.incidents[decision.opened[0]]


def test_a_new_problem_is_opened_and_dispatched_to_the_catalogues_unit() -> None:
    incident = opened()
    assert (incident.state, incident.version) == ("dispatched", 2)
    assert incident.dispatch is not None
    assert incident.dispatch.unit == "U02"


def test_an_emergency_never_waits_for_an_answer() -> None:
    known = {"x": replace(opened(), id="x")}
    decision = receive(arrival(2, "ask", "x", emergency=True), known, PACK, START)
    assert decision.incidents[decision.opened[0]].state == "dispatched"


def test_a_question_nobody_answers_runs_out_and_dispatches_at_its_own_time() -> None:
    waiting = opened("ask", "x", {"x": replace(opened(), id="x")})
    assert waiting.ask is not None
    after = run_out(waiting, PACK).incidents[waiting.id]
    assert (after.state, after.dispatch is not None) == ("dispatched", True)
    assert after.last_at == waiting.ask.until


@pytest.mark.parametrize("state", sorted(LEGAL))
@pytest.mark.parametrize(
    "action", [Accept(), Contact(), Return(reason="不归我们管"), Complete(text="已修好"), AnswerAsk(same=False)]
)
def test_an_illegal_move_is_declined_with_the_legal_ones(state: str, action: Action) -> None:
    incident = replace(opened(), state=state)  # type: ignore[arg-type]
    if state == "asked":
        incident = replace(opened("ask", "x", {"x": replace(opened(), id="x")}), id=incident.id)
    decision = obey(command(incident.id, action), {incident.id: incident}, {}, PACK, START)
    if action.kind in LEGAL[state]:
        assert decision.declined is None
    else:
        assert decision.declined is not None
        assert (decision.declined.reason, decision.declined.legal) == ("illegal_move", LEGAL[state])
        assert not decision.events


@pytest.mark.parametrize(
    ("role", "unit", "reason"),
    [("unit", "U05", "not_allowed"), ("citizen", None, "not_allowed"), ("unit", "U02", None), ("leader", None, None)],
)
def test_only_the_responsible_unit_or_the_centre_may_accept(role: str, unit: str | None, reason: str | None) -> None:
    incident = opened()
    declined = obey(command(incident.id, Accept(), role, unit), {incident.id: incident}, {}, PACK, START).declined
    assert (declined.reason if declined else None) == reason


def test_a_command_on_old_news_is_declined_with_the_current_version() -> None:
    incident = opened()
    stale = command(incident.id, Accept()).model_copy(update={"expected_version": 1})
    declined = obey(stale, {incident.id: incident}, {}, PACK, START).declined
    assert declined is not None
    assert (declined.reason, declined.current_version) == ("stale_version", 2)


def test_the_second_return_goes_to_the_dispatch_centre_and_a_third_is_declined() -> None:
    known = {(incident := opened()).id: incident}
    units = []
    for suggested in ("U05", "U06", "U07"):
        back = Return(reason="不归我们管", suggested_unit=suggested)
        decision = obey(command(incident.id, back), known, {}, PACK, START)
        known |= decision.incidents
        dispatch = known[incident.id].dispatch
        units.append((dispatch.unit if dispatch else None, decision.declined.reason if decision.declined else None))
    assert units == [("U05", None), (PACK.county.dispatch_centre, None), (PACK.county.dispatch_centre, "return_limit")]


class OrdersLife(RuleBasedStateMachine):
    """Reports and commands in any order."""

    @initialize()
    def begin(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.reports: dict[str, ReportRef] = {}
        self.where: dict[str, str] = {}
        self.log: list[IncidentEvent] = []
        self.now = START

    def take(self, decision: Decision) -> None:
        self.incidents |= decision.incidents
        self.log += decision.events
        self.where |= dict(decision.joins)

    @rule(band=st.sampled_from(["merge", "ask", "new"]), emergency=st.booleans(), data=st.data())
    def a_report_arrives(self, band: str, emergency: bool, data: st.DataObject) -> None:
        number = len(self.reports)
        target = data.draw(st.sampled_from(sorted(self.incidents))) if self.incidents else None
        coming = arrival(number, band if target else "new", target, emergency)
        self.reports[f"r{number}"] = ref_of(coming.report)
        self.take(receive(coming, self.incidents, PACK, self.now))

    @rule(
        action=st.sampled_from(
            [Accept(), Contact(), Return(reason="错"), Complete(text="好"), AnswerAsk(same=True), AnswerAsk(same=False)]
        ),
        data=st.data(),
    )
    def somebody_commands(self, action: Action, data: st.DataObject) -> None:
        if self.incidents:
            target = data.draw(st.sampled_from(sorted(self.incidents)))
            self.take(obey(command(target, action), self.incidents, self.reports, PACK, self.now))

    @rule(minutes=st.integers(1, 90))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        for incident in list(self.incidents.values()):
            if incident.ask is not None and incident.ask.until <= self.now:
                self.take(run_out(incident, PACK))

    @invariant()
    def every_report_is_in_exactly_one_incident(self) -> None:
        inside = [name for incident in self.incidents.values() for name in incident.reports]
        assert sorted(inside) == sorted(self.reports)
        assert all(name in self.incidents[self.where[name]].reports for name in self.reports)

    @invariant()
    def versions_have_no_gap_and_time_does_not_go_back(self) -> None:
        for incident in self.incidents.values():
            steps = [event for event in self.log if event.incident_id == incident.id]
            assert [event.incident_version for event in steps] == list(range(1, incident.version + 1))
            assert [event.at for event in steps] == sorted(event.at for event in steps)

    @invariant()
    def one_active_main_dispatch_and_none_while_a_question_is_open(self) -> None:
        for incident in self.incidents.values():
            active = 0
            for event in self.log:
                if event.incident_id == incident.id:
                    active += event.TYPE == "cn.huying.incident.dispatched.v1"
                    active -= event.TYPE in {"cn.huying.incident.returned.v1", "cn.huying.incident.completed.v1"}
            assert active == (incident.state in {"dispatched", "accepted", "contacted"})

    @invariant()
    def the_citizens_clock_is_never_reset(self) -> None:
        for incident in self.incidents.values():
            assert all(e.incident.opened_at == incident.opened_at for e in self.log if e.incident_id == incident.id)


OrdersLife.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOrdersLife = OrdersLife.TestCase
