"""Mass events: one parent, children visible, one dispatch a unit; flood mode gathers new ones and ends by itself."""

from datetime import timedelta

import pytest
from orders_bench import PACK, START, TOWN, County, screening

from huying.contracts import commands as c
from huying.contracts.orders import IncidentResumedV1
from huying.routing.domain.families import AT_ONCE
from huying.routing.repository import document, restore

HOUR = timedelta(hours=1)


@pytest.fixture
def county() -> County:
    return County()


def active(county: County, unit: str) -> list[str]:
    return [
        one.id
        for one in county.incidents.values()
        if one.state in {"dispatched", "accepted", "contacted", "suspended"} and one.unit == unit
    ]


def test_a_unit_keeps_one_dispatch_in_a_family_and_the_others_stay_visible(county: County) -> None:
    parent, same, other, third = county.arrives(), county.arrives(), county.arrives(matter="M04"), county.arrives()
    county.done(parent, c.Group(children=(same, other, third)))
    assert (active(county, "U02"), active(county, "U04")) == ([parent], [other])
    assert [county[name].state for name in (same, third)] == ["covered", "covered"]
    assert county[same].course.covered_by == parent
    assert county[parent].course.child_count == 3
    assert county.steps(same)[-3:] == ["grouped", "withdrawn", "covered"]


def test_the_one_order_is_completed_after_those_it_stands_for_or_with_them(county: County) -> None:
    parent, one, two = county.arrives(), county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(one, two)))
    county.done(parent, c.Accept())
    assert county.refused(parent, c.Complete(text="好")) == "not_possible"
    county.done(one, c.Contact(), "unit", "U02")
    county.done(one, c.Complete(text="这一盏修好了"), "unit", "U02")
    assert county[one].state == "completed"
    assert active(county, "U02") == [parent]
    county.done(parent, c.Complete(text="全部修好", with_covered=True))
    assert {county[name].state for name in (parent, one, two)} == {"completed"}


def test_who_was_spoken_with_stays_so_under_another_order_and_through_its_ruling(county: County) -> None:
    parent, child = county.arrives(), county.arrives()
    county.done(child, c.Accept())
    county.done(child, c.Contact())
    spoken = county.now
    county.passes(HOUR)
    county.done(parent, c.Group(children=(child,)))
    after = county[child].dispatch
    assert after is not None
    assert (county[child].state, after.contacted_at) == ("covered", spoken)
    for _ in range(2):
        county.done(parent, c.Return(reason="错", basis="职责清单"))
    county.done(parent, c.Rule(unit="U05", basis="一", scope="once"))
    after = county[child].dispatch
    assert after is not None
    assert (after.unit, after.contacted_at, county[child].course.contacted_at) == ("U05", spoken, spoken)


@pytest.mark.parametrize("merged", [False, True])
def test_who_was_spoken_with_stays_so_in_a_row_of_before_the_course_kept_it(county: County, merged: bool) -> None:
    parent, child, other = county.arrives(), county.arrives(), county.arrives(matter="M04")
    county.done(parent, c.Group(children=(child,)))
    county.done(child, c.Contact())
    spoken = county.now
    if merged:
        county.done(child, c.Merge(into=other, reason="同"))
    row = document(county[child])
    del (row["before"] if merged else row)["course"]["contacted_at"]
    county.incidents[child] = restore(row)
    if merged:
        county.done(child, c.UndoMerge(reason="不同"))
    county.passes(HOUR)
    county.done(parent, c.Assign(unit="U09", reason="更合适"))
    after = county[child].dispatch
    assert after is not None
    assert (after.unit, after.contacted_at, county[child].course.contacted_at) == ("U09", spoken, spoken)


def test_what_is_done_again_under_another_order_asks_for_a_new_contact(county: County) -> None:
    parent, child = county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(child,)))
    county.done(child, c.Contact())
    county.done(child, c.Complete(text="好"))
    after = county.done(child, c.Redo(reason="没好"))
    assert after.dispatch is not None
    assert (after.state, after.dispatch.contacted_at, after.course.contacted_at) == ("covered", None, None)
    county.passes(HOUR)
    assert county.done(child, c.Contact()).course.contacted_at == county.now


def test_those_that_are_covered_go_where_their_order_goes(county: County) -> None:
    parent, child = county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(child,)))
    county.done(parent, c.Assign(unit="U09", reason="更合适"))
    assert county[child].unit == "U09"
    for _ in range(2):
        county.done(parent, c.Return(reason="错", basis="职责清单"))
    assert (county[child].state, county[child].dispatch) == ("covered", None)
    assert county.refused(child, c.Complete(text="好")) == "not_possible"
    county.done(parent, c.Rule(unit="U05", basis="一", scope="once"))
    assert county[child].unit == "U05"


def test_a_finished_order_stands_for_no_new_child_and_the_child_has_a_dispatch_of_its_own(county: County) -> None:
    parent, first, second = county.arrives(matter="M04"), county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(first,)))
    county.done(first, c.Accept())
    county.done(first, c.Complete(text="好"))
    county.done(parent, c.OpenFlood(until=START + HOUR, matters=("M02",)))
    county.done(parent, c.Group(children=(second,)))
    assert (county[second].state, county[second].course.covered_by) == ("dispatched", None)
    county.done(second, c.Accept())
    county.done(second, c.Complete(text="好"))
    third = county[county.arrives()]
    assert (third.state, third.unit, third.course.parent) == ("dispatched", "U02", parent)


def test_a_parent_that_comes_to_its_childs_unit_has_the_one_dispatch_and_every_move_of_an_order(county: County) -> None:
    parent, child = county.arrives(matter="M04"), county.arrives()
    county.done(parent, c.OpenFlood(until=START + 9 * HOUR, matters=("M02",)))
    county.done(parent, c.Group(children=(child,)))
    under = county.arrives()
    county.done(child, c.Accept())
    county.done(child, c.Contact())
    county.done(child, c.Suspend(reason="等", until=START + 9 * HOUR))
    county.done(parent, c.Assign(unit="U02", reason="更合适"))
    assert active(county, "U02") == [parent]
    assert [county[name].course.covered_by for name in (child, under, county.arrives())] == [parent] * 3
    assert county.steps(child)[-2:] == ["withdrawn", "covered"]
    assert (county[child].course.suspension, county[child].course.contacted_at) == (None, START)
    county.done(parent, c.Accept())
    county.done(parent, c.Contact())
    county.done(parent, c.RequestExtension(until=START + 90 * HOUR, reason="等配件"))
    county.done(parent, c.Suspend(reason="等", until=START + 9 * HOUR))
    county.done(parent, c.Resume())
    county.done(parent, c.Return(reason="错", basis="职责清单", suggested_unit="U09"))
    assert {county[name].unit for name in (parent, child, under)} == {"U09"}


def test_a_refusal_of_what_is_covered_names_the_order_that_stands_for_it(county: County) -> None:
    parent, child = county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(child,)))
    declined = county.wishes(child, c.Suspend(reason="等", until=START + HOUR), "unit", "U02").declined
    assert declined is not None
    assert (declined.reason, county[parent].number in declined.message) == ("illegal_move", True)
    assert "移出群体事件" in declined.message


def test_what_is_covered_has_its_own_clocks_and_so_more_time_of_its_own(county: County) -> None:
    parent, child, other = county.arrives(), county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(child, other)))
    until = START + 90 * HOUR
    wish = c.RequestExtension(until=until, reason="等水退")
    county.done(child, wish, "unit", "U02")
    assert county.refused(child, wish, "unit", "U02") == "not_possible", "one waits"
    county.done(child, c.RefuseExtension(reason="先处置"))
    county.done(child, wish, "unit", "U02")
    after = county.done(child, c.ApproveExtension())
    assert (after.state, after.course.extensions, after.course.extended_until) == ("covered", 1, until)
    county.done(other, wish, "unit", "U02")
    after = county.done(other, c.Release())
    assert (after.state, after.course.request) == ("dispatched", None), (
        "a wish ends with the order that it was made for"
    )
    county.done(child, c.RequestExtension(until=until + HOUR, reason="等水退"), "unit", "U02")
    for _ in range(2):
        county.done(parent, c.Return(reason="错", basis="职责清单"))
    assert (county[child].course.request, county.refused(child, wish)) == (None, "not_possible")


def test_an_incident_is_no_child_of_its_own_and_is_told_so(county: County) -> None:
    incident = county.arrives()
    county.done(done := county.arrives(), c.Accept())
    county.done(done, c.Complete(text="好"))
    declined = county.wishes(incident, c.Group(children=(done,))).declined
    assert declined is not None
    assert "已办结，不能并入群体事件" in declined.message
    declined = county.wishes(incident, c.Group(children=(incident,))).declined
    assert declined is not None
    assert declined.message == f"{county[incident].number} 不能并入自身"


def test_a_released_child_gets_a_dispatch_of_its_own(county: County) -> None:
    parent, child = county.arrives(), county.arrives()
    county.done(parent, c.Group(children=(child,)))
    after = county.done(child, c.Release())
    assert (after.state, after.unit, after.course.parent, after.course.covered_by) == ("dispatched", "U02", None, None)
    assert county[parent].course.child_count == 0
    assert county.refused(child, c.Release()) == "not_possible"


def test_flood_mode_gathers_new_incidents_of_its_matters_until_it_runs_out(county: County) -> None:
    parent = county.arrives(matter="M20", emergency=True)
    county.done(parent, c.OpenFlood(until=START + 10 * HOUR, matters=("M20", "M05"), towns=(TOWN,)))
    night = [county.arrives(matter=matter, emergency=True) for matter in ("M20", "M05", "M05", "M02")]
    assert [county[name].state for name in night] == ["covered", "dispatched", "covered", "dispatched"]
    assert [county[name].course.parent for name in night] == [parent, parent, parent, None]
    assert len(active(county, "U14")) == len(active(county, "U03")) == 1
    county.passes(11 * HOUR)
    assert county[parent].course.flood is None
    assert county[parent].last_at == START + 10 * HOUR
    assert county[county.arrives(matter="M20", emergency=True)].course.parent is None


def test_a_flood_mode_that_is_over_takes_nobody_in_and_one_for_another_town_neither(county: County) -> None:
    here, there, until = county.arrives(matter="M20"), county.arrives(matter="M05"), START + HOUR
    county.done(here, c.OpenFlood(until=until))
    county.done(there, c.OpenFlood(until=until + HOUR, matters=("M20",), towns=(PACK.towns[1].code,)))
    assert county[county.arrives(matter="M20")].course.parent == here
    for county.now in (until, until + timedelta(seconds=1)):
        late = county[county.arrives(matter="M20")]
        assert (late.state, late.course.parent) == ("dispatched", None)
    assert county[here].course.flood is not None, "nobody woke it"


def test_a_closed_flood_mode_leaves_its_family_and_what_its_order_stands_for_as_they_are(county: County) -> None:
    parent = county.arrives(matter="M20")
    county.done(parent, c.OpenFlood(until=START + HOUR, matters=("M20", "M05")))
    same, other = county.arrives(matter="M20"), county.arrives(matter="M05")
    county.done(parent, c.CloseFlood())
    assert (county[parent].children, county[parent].course.child_count) == ((same, other), 2)
    assert [county[name].course.parent for name in (same, other)] == [parent, parent]
    assert (county[same].state, county[same].course.covered_by) == ("covered", parent)
    county.done(parent, c.Accept())
    county.done(parent, c.Complete(text="水退了", with_covered=True))
    assert [county[name].state for name in (same, other)] == ["completed", "dispatched"]


def test_flood_mode_is_opened_and_closed_by_a_person_and_ends_with_its_parents_result(county: County) -> None:
    parent = county.arrives(matter="M20")
    until = START + HOUR
    assert county.refused(parent, c.OpenFlood(until=until), "unit", PACK.duty("M20").main) == "not_allowed"
    assert county.refused(parent, c.OpenFlood(until=START)) == "not_possible"
    days = timedelta(days=PACK.county.orders.flood_days)
    for wish, field in [
        (c.OpenFlood(until=START + days + HOUR), "until"),
        (c.OpenFlood(until=until, towns=(TOWN, "999")), "towns"),
        (c.OpenFlood(until=until, matters=("M999",)), "matters"),
    ]:
        declined = county.wishes(parent, wish).declined
        assert declined is not None
        assert (declined.reason, declined.message.startswith(f"{field}：")) == ("not_possible", True)
    county.done(parent, c.OpenFlood(until=until))
    assert county.refused(parent, c.OpenFlood(until=until)) == "not_possible"
    assert county.done(parent, c.CloseFlood()).course.flood is None
    county.done(parent, c.OpenFlood(until=until))
    county.done(parent, c.Accept())
    assert county.done(parent, c.Complete(text="水退了")).course.flood is None
    assert county.steps(parent)[-2:] == ["flood-closed", "completed"]


def test_what_is_split_off_during_a_flood_joins_its_family_and_has_no_second_dispatch(county: County) -> None:
    parent, other = county.arrives(matter="M20"), county.arrives(matter="M02")
    county.done(parent, c.OpenFlood(until=START + 100 * HOUR))
    county.arrives("merge", other, matter="M20")
    county.evidence["r2"] = screening(2, matter="M20")
    county.done(other, c.Split(reports=("r2",), reason="另一件"))
    fresh = county[county.where["r2"]]
    assert (fresh.state, fresh.course.parent, fresh.course.covered_by) == ("covered", parent, parent)
    assert active(county, county[parent].unit or "") == [parent]


def test_a_released_child_stays_with_the_unit_that_a_person_gave_it(county: County) -> None:
    parent, child = county.arrives(), county.arrives()
    for one in (parent, child):
        county.done(one, c.Assign(unit="U09", assisting=("U05",), reason="更合适"))
    before = county[parent].dispatch
    county.done(parent, c.Group(children=(child,)))
    after = county.done(child, c.Release()).dispatch
    assert before is not None
    assert after is not None
    assert (after.unit, after.assisting, after.basis) == ("U09", ("U05",), before.basis)


@pytest.mark.parametrize("how", ["group", "flood", "a report", "a person", "another order comes under it"])
def test_the_one_orders_pause_ends_when_it_stands_for_an_emergency(county: County, how: str) -> None:
    parent, order, child, other, urgent = (
        county.arrives(matter=matter, emergency=matter == "M05") for matter in ("M02", "M04", "M04", "M05", "M05")
    )
    county.done(parent, c.OpenFlood(until=START + 24 * HOUR, matters=("M04",)))
    county.done(parent, c.Group(children=(order, child, other)))
    county.done(order, c.Accept())
    county.done(order, c.Suspend(reason="等料", until=START + 20 * HOUR))
    unit = county[order].unit or ""
    if how == "group":
        county.done(urgent, c.Assign(unit=unit, reason="更合适"))
        county.done(parent, c.Group(children=(urgent,)))
    elif how == "flood":
        urgent = county.arrives(matter="M04", emergency=True)
    elif how == "a report":
        urgent = county.arrives("merge", child, emergency=True)
    elif how == "a person":
        urgent = county.done(child, c.Confirm(clock_class="emergency", reason="险情")).id
    else:
        county.done(parent, c.Group(children=(urgent,)))
        county.done(other, c.Confirm(clock_class="other", reason="不是险情"))
        county.done(other, c.Assign(unit=unit, reason="更合适"))
    assert (county[urgent].state, county[urgent].course.covered_by) == ("covered", order)
    assert (county[order].state, county[order].course.suspension) == ("accepted", None)
    [resumed] = [event for event in county.told(order) if isinstance(event, IncidentResumedV1)]
    assert resumed.reason == AT_ONCE
    declined = county.wishes(order, c.Suspend(reason="等料", until=START + 20 * HOUR)).declined
    assert declined is not None
    assert (declined.reason, county[urgent].number in declined.message) == ("not_possible", True)


def test_an_emergency_does_not_wait_for_the_ruling_about_the_order_that_stood_for_it(county: County) -> None:
    parent, urgent, second, plain = (county.arrives(emergency=each in {1, 2}) for each in range(4))
    county.done(parent, c.Group(children=(urgent, second, plain)))
    county.done(parent, c.Return(reason="错", basis="职责清单", suggested_unit="U09"))
    county.done(parent, c.Return(reason="错", basis="职责清单"))
    assert [county[name].state for name in (parent, urgent, second, plain)] == [
        "adjudicating",
        "dispatched",
        "covered",
        "covered",
    ]
    assert (county[urgent].unit, county[second].course.covered_by) == ("U09", urgent)
    assert (county[plain].course.covered_by, county[plain].dispatch) == (parent, None)
    county.arrives("merge", plain, emergency=True)
    assert (county[plain].state, county[plain].unit) == ("dispatched", PACK.duty("M02").main)
    county.done(parent, c.Rule(unit="U09", basis="一", scope="once"))
    assert [county[name].course.covered_by for name in (parent, urgent, second)] == [None, parent, parent]


def test_a_parent_whose_merge_is_undone_counts_the_children_that_it_has_then() -> None:
    county = County()
    parent, child, other = county.arrives(), county.arrives(matter="M20"), county.arrives()
    county.done(child, c.Assign(unit="U04", reason="更合适"))
    county.done(parent, c.Group(children=(child,)))
    county.done(child, c.Accept())
    county.done(child, c.Complete(text="好"))
    county.done(parent, c.Merge(into=other, reason="同"))
    county.done(child, c.Redo(reason="没好"))
    county.done(child, c.Release())
    after = county.done(parent, c.UndoMerge(reason="不同"))
    assert (after.children, after.course.child_count) == ((), 0)
