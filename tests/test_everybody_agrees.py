"""Whatever people do to orders, everybody who reads the feed ends up with the same picture, in any order of incidents.

Routing's own domain tells the feed; the pure parts of the consumers read it, incident by incident, as a bus that orders
by key alone may deliver it.
"""

import random
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from huying.console.domain import card, line_of_step
from huying.console.words import Names
from huying.contracts.incidents import IncidentEvent, IncidentOpenedV1, IncidentReportJoinedV1
from huying.contracts.moves import CLOSED
from huying.evaluation.domain import Case, Rules, decide_step
from huying.hotline_bridge.domain.standing import incident_after, reports_of, standing
from huying.intake.domain import progress
from huying.notification.audience import Audience
from huying.notification.domain import Desk
from huying.notification.facts import Facts
from huying.notification.wording import Wording
from huying.sla_timer import domain as clocks
from huying.sla_timer.clocks import Rulebook, to_ms

sys.path.insert(0, str(Path(__file__).parents[1] / "services/routing/tests"))

from orders_bench import PACK, County
from test_any_order import OrdersLife  # type: ignore[import-not-found]

DAY = timedelta(days=1)
POLICIES = {(policy.kind, policy.clock_class): policy for policy in PACK.clocks.policies}
RULES = Rulebook(PACK.hash, dict(POLICIES), PACK.calendar, PACK.county.dispatch_centre)
DESK = Desk(PACK, Audience(PACK, "file:"), Wording(PACK), "http://x", "http://y")
NAMES = Names(PACK.name_zh, {unit.code: unit.name_zh for unit in PACK.units}, {}, {})
FINAL = {"resolution", "response"}


def delivered(county: County, seed: int) -> list[IncidentEvent]:
    """The feed with every incident in its own order and nothing between incidents, some of it twice."""
    chance = random.Random(seed)
    lanes = [county.told(name) for name in sorted(county.incidents)]
    places, mixed = [0] * len(lanes), []
    while waiting := [n for n, lane in enumerate(lanes) if places[n] < len(lane)]:
        which = chance.choice(waiting)
        mixed.append(lanes[which][places[which]])
        places[which] += -1 if places[which] and chance.random() < 0.1 else 1
    return mixed


def clocks_agree(county: County, feed: Sequence[IncidentEvent]) -> None:
    cases: dict[str, Any] = {}
    told: list[str] = []
    for event in feed:
        decision = clocks.on_incident(cases.get(event.incident_id), event, RULES, event.at, DAY)
        if decision is not None:
            assert not decision.gap
            cases[event.incident_id] = decision.case
            told += [one.id for one in decision.told]
    assert len(told) == len(set(told)), "a clock's step is told once"
    for incident in county.incidents.values():
        running = [clock for clock in cases[incident.id].clocks.values() if clock.armed]
        if incident.state in CLOSED:
            assert not running
            continue
        assert all(
            (clock.paused_at is not None) == (incident.state == "suspended")
            for clock in running
            if clock.kind not in {"adjudication", "acceptance"}
        )
        last = county.told(incident.id)[-1]
        wanted = {order.kind: order for order in clocks.orders(last.incident, RULES)}
        waits = wanted.keys() - {"acceptance"} - ({"contact", "response"} if incident.course.contacted_at else set())
        assert {clock.kind for clock in running} - {"acceptance"} == waits, "who waits has a clock, who was heard none"
        assert [clock.kind for clock in running].count("adjudication") == (incident.state == "adjudicating")
        if not incident.course.redone:
            for clock in running:
                urgent = incident.classification.clock_class == "emergency"
                since = incident.emergency_since if urgent else incident.since
                if clock.kind not in FINAL or clock.breached_at or clock.started_at == to_ms(since):
                    continue  # a start before office hours moves nothing: a clock with the same deadline runs on
                fresh = RULES.clock(wanted[clock.kind], incident.id, "130529", last.at, 1, clock.pauses)
                assert clock.extended or clock.due_at == fresh.due_at, "it runs from the first report"


def pages_agree(county: County, feed: Sequence[IncidentEvent]) -> None:
    links: dict[str, dict[str, int]] = {}
    known: dict[str, dict[str, Any]] = {}
    orders: dict[str, dict[str, int]] = {}
    seen: dict[str, dict[str, Any]] = {}
    asks: dict[str, Any] = {}
    for event in feed:
        name = event.incident_id
        if event.incident_version <= known.get(name, {}).get("version", 0):
            continue
        known[name] = {**known.get(name, {}), **progress.after_step(event)}
        seen[name] = incident_after(event, seen.get(name))
        if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1):
            places = links.setdefault(event.report.report_id, {})
            places[name] = max(event.report.moves, places.get(name, -1))
        for report, (incident, moves) in reports_of(event).items():
            members = orders.setdefault(report, {})
            members[incident] = max(moves, members.get(incident, -1))
        shown = card(event)
        assert shown["state"] == event.incident.state
        asks[name] = shown.get("ask", asks.get(name))
        assert line_of_step(event, NAMES).word != "更新", event.TYPE
    for name, incident in county.incidents.items():
        named = [one.incident_id for one in incident.ask.candidates] if incident.ask else []
        assert [one["incident_id"] for one in (asks[name] or {}).get("candidates", ())] == named
    for report, where in county.where.items():
        found = progress.incident_of(links[report], known)
        assert found is not None
        assert found["number"] == county[where].number
        assert standing(orders[report], seen).incident_id == where


def cases_agree(county: County, feed: Sequence[IncidentEvent]) -> None:
    cases: dict[str, Case] = {}
    facts: dict[str, Facts] = {}
    rules = Rules(DAY, DAY)
    for event in feed:
        decision = decide_step(cases, event, rules)
        assert not decision.gap
        cases |= {case.incident_id: case for case in decision.cases}
        told = DESK.on_incident(facts.get(event.incident_id), event)
        if told is not None:
            facts[event.incident_id] = told[0]
    for incident in county.incidents.values():
        assert set(cases[incident.id].reports) == set(incident.reports)
        tracked = {county.reports[name].tracking_number for name in incident.reports}
        assert {one.tracking for one in facts[incident.id].reporters} == tracked


pytestmark = pytest.mark.timeout(600)  # a failure is shortened for up to five minutes before it is shown


class EverybodyAgrees(OrdersLife):  # type: ignore[misc]
    """Any life of orders, and what its readers make of it."""

    def teardown(self) -> None:
        county = getattr(self, "county", None)
        if county is None or not county.log:
            return
        for seed in range(2):
            feed = delivered(county, seed)
            clocks_agree(county, feed)
            pages_agree(county, feed)
            cases_agree(county, feed)


EverybodyAgrees.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestEverybodyAgrees = EverybodyAgrees.TestCase
