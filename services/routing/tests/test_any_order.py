"""No sequence of reports, commands and hours reaches two active dispatches, a lost report, a gap, or a reset clock."""

from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from orders_bench import PACK, County
from orders_wishes import PIECES, TWO, UNITS, Wishing

from huying.contracts import commands as c
from huying.contracts.course import Course
from huying.contracts.incidents import (
    IncidentAskAnsweredV1,
    IncidentAskedV1,
    IncidentContactedV1,
    IncidentOpenedV1,
    IncidentReportJoinedV1,
)
from huying.contracts.moves import ACTIVE, CLOSED, MOVES, OPEN
from huying.contracts.orders import IncidentConfirmedV1, IncidentRedoneV1, IncidentRuledV1, IncidentSupervisedV1
from huying.routing.incident import PLAIN

pytestmark = pytest.mark.timeout(600)  # two hundred lives, and a busy machine gives a tenth of itself

ROLES = st.sampled_from(["dispatcher", "dispatcher", "leader", "supervisor", "unit", "grid_worker", "system"])
STARTS = "cn.huying.incident.dispatched.v1"
ENDS = {f"cn.huying.incident.{what}.v1" for what in ("returned", "completed", "withdrawn")}


class OrdersLife(Wishing):
    """Reports and commands in any order."""

    @initialize()
    def begin(self) -> None:
        self.county = County()
        self.checked = self.looked = self.looked_at = self.heard = 0
        self.spoken: dict[str, datetime | None] = {}
        self.courses: dict[str, Course] = {}
        self.active: dict[str, set[str]] = {}
        self.versions: dict[str, int] = {}
        self.anchors: dict[str, datetime] = {}
        self.classes: dict[str, str] = {}

    @rule(
        band=st.sampled_from(["merge", "ask", "meanwhile", "new"]),
        danger=st.sampled_from(["none", "alarm", "emergency"]),
        matter=st.sampled_from(["M02", "M04", "M20", "M23"]),
        text=st.sampled_from(["路灯不亮", "路灯还是不亮", "感谢，修好了", TWO]),
        hours=st.sampled_from([0, 0, 6, 20]),
        late=st.sampled_from([0, 0, 1, 90]),
        origin=st.sampled_from([None, None, 5, 50]),
        data=st.data(),
    )
    def a_report_arrives(
        self,
        band: str,
        danger: str,
        matter: str,
        text: str,
        hours: int,
        late: int,
        origin: int | None,
        data: st.DataObject,
    ) -> None:
        """Its channel had it for hours before it was accepted, and routing reads it minutes late."""
        target = self.some(data) if self.county.incidents else None
        rivals = [self.some(data) for _ in range(data.draw(st.integers(0, 2)))] if target else []
        band = band if target else "new"
        if band == "meanwhile" and danger == "none":
            danger = "emergency"
        told = {"emergency": danger == "emergency", "alarm": danger == "alarm"}
        accepted = self.county.now - timedelta(minutes=late)
        at = accepted - timedelta(hours=hours)
        due = at + timedelta(hours=origin) if origin else None
        name = self.county.arrives(
            band, target, matter=matter, at=at, rivals=rivals, text=text, accepted=accepted, origin_due_at=due, **told
        )
        joined = self.county[name]
        assert joined.classification.danger or danger == "none" or joined.state not in OPEN
        assert joined.state in OPEN or "感谢" in text or (joined.completed_at or at) >= at

    @rule(contact=st.booleans(), emergency=st.booleans(), again=st.booleans(), data=st.data())
    def a_result_is_doubted(self, contact: bool, emergency: bool, again: bool, data: st.DataObject) -> None:
        finished = sorted(name for name, one in self.county.incidents.items() if one.state == "completed")
        if finished:
            self.county.passes(timedelta(minutes=5))
            name = data.draw(st.sampled_from(finished))
            joined = self.county[self.county.arrives("merge", name, emergency, text="路灯还是不亮", again=again)]
            assert joined.state in OPEN - {"asked"}
            if contact and joined.state == "dispatched":
                self.county.wishes(joined.id, c.Accept(), "unit", joined.unit)
                self.county.wishes(joined.id, c.Complete(text="好"), "unit", joined.unit)

    @rule(back=st.sampled_from(["emergency", "ask", None]), merge=st.booleans(), data=st.data())
    def a_question_is_about_a_finished_incident_whose_trouble_came_back(
        self, back: str | None, merge: bool, data: st.DataObject
    ) -> None:
        """And what came back is perhaps merged into the one that asks, or asks itself."""
        county = self.county
        finished = sorted(name for name, one in county.incidents.items() if one.state == "completed")
        if finished:
            county.passes(timedelta(minutes=5))
            name = data.draw(st.sampled_from(finished))
            fresh = county.arrives("merge", name, True, text="路灯又不亮") if back == "emergency" else None
            asked = county.arrives("ask", name, text="路灯还是不亮", back_of=name if back == "ask" else None)
            if fresh and merge:
                county.wishes(fresh, c.Merge(into=asked, reason="同"))
            county.wishes(asked, c.AnswerAsk(same=True))

    @rule(kind=st.sampled_from(sorted(MOVES)), role=ROLES, data=st.data())
    def somebody_commands(self, kind: str, role: str, data: st.DataObject) -> None:
        if not self.county.incidents:
            return
        name = self.some(data)
        wish = self.wish(kind, name, data)
        decision = self.county.wishes(name, wish, role, self.county[name].unit)
        assert (decision.declined is None) != (not decision.events)
        if decision.declined is None:
            assert decision.commanded == name

    @rule(data=st.data())
    def somebody_does_what_is_legal(self, data: st.DataObject) -> None:
        if self.county.incidents:
            name = self.some(data)
            kind = data.draw(st.sampled_from(self.legal(name)))
            role = sorted(MOVES[kind].roles & {"leader", "dispatcher"})[0]
            self.county.wishes(name, self.wish(kind, name, data), role)

    @rule(contact=st.booleans(), data=st.data())
    def a_unit_takes_what_it_got(self, contact: bool, data: st.DataObject) -> None:
        ready = sorted(name for name, one in self.county.incidents.items() if one.state == "dispatched")
        if ready:
            name = data.draw(st.sampled_from(ready))
            self.county.wishes(name, c.Accept(), "unit", self.county[name].unit)
            if contact:
                self.county.wishes(name, c.Contact(), "unit", self.county[name].unit)

    @rule(data=st.data())
    def a_dispute_is_carried_to_its_ruling(self, data: st.DataObject) -> None:
        waiting = sorted(name for name, one in self.county.incidents.items() if one.state in MOVES["return"].states)
        if waiting:
            name = data.draw(st.sampled_from(waiting))
            self.county.wishes(name, c.Return(reason="错", basis="职责清单", suggested_unit=data.draw(UNITS)))
            self.county.wishes(name, c.Return(reason="错", basis="职责清单"))
            self.county.wishes(name, self.wish("rule", name, data))

    @rule(pause=st.booleans(), early=st.booleans(), data=st.data())
    def what_an_order_stands_for_becomes_an_emergency_and_the_order_stands_still(
        self, pause: bool, early: bool, data: st.DataObject
    ) -> None:
        """In either order: it is paused, or nobody wants it."""
        county = self.county
        if not any(one.state == "covered" for one in county.incidents.values()):
            parent, child = county.arrives(), county.arrives()
            county.wishes(parent, c.Group(children=(child,)))
        covered = sorted(name for name, one in county.incidents.items() if one.state == "covered")
        if covered:
            name = data.draw(st.sampled_from(covered))
            order = county[name].course.covered_by or ""
            if early:
                county.arrives("merge", name, True)
            county.wishes(order, c.Accept())
            if pause:
                county.wishes(order, c.Suspend(reason="等", until=county.now + timedelta(hours=9)))
            else:
                for _ in range(2):
                    county.wishes(order, c.Return(reason="错", basis="职责清单"))
            county.arrives("merge", name, True)

    @rule(contact=st.booleans(), again=st.booleans(), data=st.data())
    def a_family_is_worked(self, contact: bool, again: bool, data: st.DataObject) -> None:
        """Incidents whose unit has perhaps spoken with the citizen come together, are done, and done again."""
        county = self.county
        parent, child = county.arrives(), county.arrives()
        for name in (parent, child):
            county.wishes(name, c.Accept())
            if contact:
                county.wishes(name, c.Contact())
        county.wishes(parent, c.Group(children=tuple({child, self.some(data)})))
        if again:
            county.wishes(child, c.Contact())
            county.wishes(child, c.Complete(text="好"))
            county.wishes(child, c.Redo(reason="没好"))

    @rule(data=st.data())
    def a_parent_comes_to_a_childs_unit(self, data: st.DataObject) -> None:
        parents = sorted(name for name, one in self.county.incidents.items() if one.children)
        if parents:
            name = data.draw(st.sampled_from(parents))
            child = data.draw(st.sampled_from(self.county[name].children))
            self.county.wishes(name, c.Assign(unit=self.county[child].unit or "U09", reason="更合适"))

    @rule(piece=st.sampled_from(PIECES), merge=st.booleans(), undo=st.booleans(), data=st.data())
    def a_report_of_two_problems_is_parted(self, piece: str, merge: bool, undo: bool, data: st.DataObject) -> None:
        """And perhaps a person puts it back, and takes that back, too."""
        double = sorted(name for name, one in self.county.reports.items() if one.text == TWO)
        if double:
            name = data.draw(st.sampled_from(double))
            where = self.county.where[name]
            wish = c.PartReport(
                report=name, text=piece, reason="两件", matter=data.draw(st.sampled_from(["M09", None]))
            )
            made = self.county.wishes(where, wish).opened
            assert self.county.refused(where, wish) in {"not_possible", "illegal_move"}
            if made and merge:
                self.county.wishes(made[0], c.Merge(into=where, reason="是一件"))
                if undo:
                    self.county.wishes(made[0], c.UndoMerge(reason="是两件"))

    @precondition(lambda self: len(self.county.incidents) > 1)
    @rule(what=st.sampled_from(["supervise", "request_extension"]), data=st.data())
    def a_merge_is_undone(self, what: str, data: st.DataObject) -> None:
        name, into = self.some(data), self.some(data)
        self.county.wishes(name, self.wish(what, name, data), "leader")
        if what == "request_extension":
            self.county.wishes(name, c.ApproveExtension())
        before = {one: self.county[one] for one in (name, into)}
        if self.county.wishes(name, c.Merge(into=into, reason="同")).declined is None:
            self.county.passes(timedelta(minutes=data.draw(st.integers(0, 90))))
            undone = self.county.wishes(name, c.UndoMerge(reason="不同")).declined is None
            for one, was in before.items():
                if undone and was.classification.clock_class == "emergency":
                    assert self.county[one].emergency_since == was.emergency_since

    @rule(how=st.sampled_from(["complete", "suspend", "merge", "candidate comes"]), data=st.data())
    def something_happens_beside_an_open_question(self, how: str, data: st.DataObject) -> None:
        county = self.county
        asked = sorted(name for name, one in county.incidents.items() if one.ask and one.state in ACTIVE)
        if not asked:
            asked = [county.arrives("meanwhile", self.some(data) if county.incidents else county.arrives(), True)]
        name = data.draw(st.sampled_from(asked))
        ask = county[name].ask
        assert ask is not None
        candidate = ask.candidates[0].incident_id
        if how == "merge":
            county.wishes(name, c.Merge(into=candidate, reason="同"))
        elif how == "candidate comes":
            county.wishes(candidate, c.Merge(into=name, reason="同"))
        else:
            county.wishes(name, c.Accept())
            later = county.now + timedelta(minutes=data.draw(st.integers(1, 60)))
            county.wishes(name, c.Complete(text="好") if how == "complete" else c.Suspend(reason="等", until=later))

    @rule(data=st.data())
    def a_question_is_answered(self, data: st.DataObject) -> None:
        open_ones = sorted(name for name, one in self.county.incidents.items() if one.ask is not None)
        if open_ones:
            name = data.draw(st.sampled_from(open_ones))
            held = self.county[name].state == "asked"
            decision = self.county.wishes(name, self.answer(name, data))
            if decision.declined is None:
                assert self.county[name].ask is None
            else:
                assert decision.declined.reason == "not_possible"
            assert decision.declined is not None or not held or self.county[name].state != "asked"

    @rule(minutes=st.integers(1, 900))
    def time_passes(self, minutes: int) -> None:
        self.county.passes(timedelta(minutes=minutes))

    @invariant()
    def every_report_is_in_exactly_one_living_incident_and_the_feed_says_which(self) -> None:
        county = self.county
        inside = [name for incident in county.incidents.values() for name in incident.reports]
        assert sorted(inside) == sorted(county.reports)
        assert all(name in county[county.where[name]].reports for name in county.reports)
        assert all(county[county.where[name]].state != "merged" for name in county.reports)
        for report in county.reports.values():
            whole = county.reports[report.part_of or report.report_id]
            assert (report.tracking_number, report.accepted_at) == (whole.tracking_number, whole.accepted_at)
            assert report is whole or report.text in (whole.parted or ())
        told: dict[str, tuple[int, str]] = {}
        for event in county.log:
            if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1):
                name = event.report.report_id
                told[name] = max(told.get(name, (-1, "")), (event.report.moves, event.incident_id))
        assert {name: where for name, (_, where) in told.items()} == county.where

    @invariant()
    def versions_have_no_gap_time_does_not_go_back_and_one_dispatch_is_active(self) -> None:
        for event in self.county.log[self.checked :]:
            known = self.versions.get(event.incident_id, 0)
            assert event.incident_version == known + 1
            self.versions[event.incident_id] = event.incident_version
            active = self.active.setdefault(event.incident_id, set())
            if event.TYPE == STARTS:
                active.add(event.dispatch.dispatch_id)  # type: ignore[attr-defined]
            elif event.TYPE in ENDS:
                active.discard(event.dispatch.dispatch_id)  # type: ignore[attr-defined]
            assert len(active) <= 1
        self.checked = len(self.county.log)
        for incident in self.county.incidents.values():
            assert incident.version == self.versions[incident.id]
            assert bool(self.active[incident.id]) == (incident.state in ACTIVE)
            assert (incident.dispatch is None) <= (incident.state in {"asked", "adjudicating", "covered", "merged"})

    @invariant()
    def a_question_is_open_exactly_as_long_as_the_feed_says(self) -> None:
        for name, incident in self.county.incidents.items():
            is_open = False
            for event in self.county.told(name):
                closed = event.incident.state in CLOSED or isinstance(event, IncidentAskAnsweredV1)
                is_open = isinstance(event, IncidentAskedV1) or (is_open and not closed)
            assert (incident.ask is not None) == is_open
            assert incident.ask is None or (incident.ask.until > self.county.now and incident.state in OPEN)
            assert incident.state != "asked" or incident.ask is not None

    @invariant()
    def what_an_order_has_used_up_and_who_watches_it_outlasts_a_merge_that_is_undone(self) -> None:
        for event in self.county.log[self.looked_at :]:
            course, before = event.incident.course or PLAIN, self.courses.get(event.incident_id, PLAIN)
            if event.incident.state == "merged":
                continue
            assert (course.extensions, course.redone) >= (before.extensions, before.redone)
            lifted = isinstance(event, IncidentSupervisedV1) and not event.listed
            assert bool(course.supervision) >= bool(before.supervision) or lifted
            self.courses[event.incident_id] = course
        self.looked_at = len(self.county.log)

    @invariant()
    def a_unit_has_one_dispatch_in_a_family_and_what_is_covered_has_somebody_who_does_it(self) -> None:
        incidents = self.county.incidents
        for parent in incidents.values():
            units = [
                one.unit
                for one in (parent, *(incidents[child] for child in parent.children))
                if one.state in ACTIVE and (one.id == parent.id or one.course.parent == parent.id)
            ]
            if parent.children:
                assert len(units) == len(set(units))
        for one in incidents.values():
            if one.state == "covered":
                assert one.course.parent is not None, "whoever leads a family is covered by nobody"
                holder = incidents[one.course.covered_by or ""]
                assert holder.state in ACTIVE | {"adjudicating"}
                assert holder.unit == one.unit
                urgent = one.classification.clock_class == "emergency"
                assert not urgent or holder.state in ACTIVE - {"suspended"}

    @invariant()
    def a_citizen_who_was_spoken_with_stays_so_until_it_is_done_again(self) -> None:
        for event in self.county.log[self.heard :]:
            course, state = event.incident.course or PLAIN, event.incident.state
            spoken = self.spoken.get(event.incident_id)
            if isinstance(event, IncidentContactedV1):
                spoken = spoken or event.at
            elif isinstance(event, IncidentRedoneV1):
                spoken = None
            self.spoken[event.incident_id] = spoken
            assert course.contacted_at == spoken or state == "merged"
            dispatch = event.incident.dispatch if state == "covered" else None
            assert dispatch is None or (dispatch.contacted_at is None) == (spoken is None)
        self.heard = len(self.county.log)

    @invariant()
    def flood_mode_is_open_on_an_open_incident_only(self) -> None:
        assert all(one.state in OPEN for one in self.county.incidents.values() if one.course.flood is not None)

    @invariant()
    def nothing_that_somebody_is_to_decide_stays_open_beside_a_result(self) -> None:
        done = [one.course for one in self.county.incidents.values() if one.state == "completed"]
        assert not any(course.request or course.review for course in done)

    @invariant()
    def the_citizens_clock_starts_when_the_earliest_report_was_accepted_and_the_opening_is_never_rewritten(
        self,
    ) -> None:
        for incident in self.county.incidents.values():
            earliest = min((self.county.reports[name].accepted_at for name in incident.reports), default=None)
            assert incident.since == earliest or earliest is None
            opened = self.anchors.setdefault(incident.id, incident.opened_at)
            assert incident.opened_at == opened

    @invariant()
    def an_origins_deadline_is_that_of_the_reports_that_an_incident_has(self) -> None:
        for incident in self.county.incidents.values():
            wished = [self.county.reports[name].origin_due_at for name in incident.reports]
            strictest = min((due for due in wished if due is not None), default=None)
            assert incident.origin_due_at == strictest or not wished

    @invariant()
    def no_question_holds_a_danger_no_pause_an_emergency_and_only_a_person_takes_an_emergency_back(self) -> None:
        for incident in self.county.incidents.values():
            assert incident.state != "asked" or not incident.classification.danger
            assert incident.state != "suspended" or incident.classification.clock_class != "emergency"
        for event in self.county.log[self.looked :]:
            now = event.incident.classification.clock_class
            fell = self.classes.get(event.incident_id) == "emergency" != now
            assert not fell or isinstance(event, IncidentConfirmedV1)
            self.classes[event.incident_id] = now
        self.looked = len(self.county.log)

    @invariant()
    def every_ruling_is_the_next_version_of_the_catalogue(self) -> None:
        made = [event.rule for event in self.county.log if isinstance(event, IncidentRuledV1) and event.rule]
        assert [rule.number for rule in made] == list(range(1, len(made) + 1))
        assert tuple(made) == self.county.catalogue.rulings
        assert [rule.version for rule in made] == [f"{PACK.county.catalogue_version}+{rule.number}" for rule in made]


OrdersLife.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestOrdersLife = OrdersLife.TestCase
