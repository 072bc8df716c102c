"""The order's life: every step of the state table, its limits, and what a refusal says."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from orders_bench import HOUR, PACK, START, TOWN, County, accepted, adjudicating, in_state, screening

from huying.contracts import commands as c
from huying.contracts.orders import IncidentExtensionDecidedV1
from huying.contracts.places import Place
from huying.county import load
from huying.routing.domain import Catalogue, classify


def test_a_new_problem_is_opened_and_dispatched_to_the_catalogues_unit(county: County) -> None:
    incident = county[county.arrives()]
    assert (incident.state, incident.version, incident.unit) == ("dispatched", 2, "U02")


@pytest.mark.parametrize(
    ("clock", "alarm", "expected"),
    [
        ("public_service", False, ("public_service", False, False)),
        ("public_service", True, ("public_service", True, True)),
        ("emergency", True, ("emergency", False, False)),
    ],
)
def test_the_class_is_the_clock_of_screening_and_an_alarm_below_it_is_to_be_confirmed(
    clock: str, alarm: bool, expected: tuple[str, bool, bool]
) -> None:
    what = classify(replace(screening(0, alarm=alarm), clock=clock), PACK)
    assert (what.clock_class, what.alarm, what.needs_confirmation) == expected
    assert what.danger == alarm


def test_an_alarm_below_the_clocks_limit_goes_out_at_once_on_its_matters_clock(county: County) -> None:
    incident = county[county.arrives("ask", county.arrives(), alarm=True)]
    assert incident.state == "dispatched"
    assert (incident.classification.clock_class, incident.classification.alarm) == ("public_service", True)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (c.Confirm(clock_class="emergency"), ("emergency", False)),
        (c.Confirm(clock_class="public_service"), ("public_service", False)),
        (c.Confirm(matter="M04"), ("public_service", True)),
    ],
)
def test_a_person_answers_an_alarm_by_naming_the_class(
    county: County, wish: c.Confirm, expected: tuple[str, bool]
) -> None:
    what = county.done(county.arrives(alarm=True), wish).classification
    assert (what.clock_class, what.alarm) == expected
    assert what.needs_confirmation == what.alarm


def test_a_question_nobody_answers_runs_out_and_dispatches_at_its_own_time(county: County) -> None:
    waiting = county[county.arrives("ask", county.arrives())]
    assert waiting.ask is not None
    county.passes(30 * 24 * HOUR)
    after = county[waiting.id]
    assert (after.state, after.last_at) == ("dispatched", waiting.ask.until)


def test_the_second_return_waits_for_a_ruling_which_becomes_a_version_of_the_catalogue(county: County) -> None:
    incident = county.arrives()
    assert county.done(incident, c.Return(reason="不归我们管", basis="职责清单", suggested_unit="U05")).unit == "U05"
    waiting = county.done(incident, c.Return(reason="也不归我们管", basis="职责清单"))
    assert (waiting.state, waiting.dispatch, waiting.course.waiting_since) == ("adjudicating", None, START)
    ruled = county.done(incident, c.Rule(unit="U09", basis="会议纪要一号", scope="town"))
    assert (ruled.state, ruled.unit, ruled.course.waiting_since) == ("dispatched", "U09", None)
    assert ruled.dispatch is not None
    listed = PACK.county.catalogue_version
    assert (ruled.dispatch.catalogue, ruled.dispatch.basis) == (f"{listed}+1", "会议纪要一号")
    assert county.refused(incident, c.Return(reason="还是不归", basis="职责清单")) == "return_limit"
    later = county[county.arrives()]
    assert later.dispatch is not None
    assert (later.unit, later.dispatch.catalogue) == ("U09", f"{listed}+1")


def test_a_list_that_has_taken_a_ruling_in_says_the_same(county: County, tmp_path: Path) -> None:
    incident = adjudicating(county)
    county.done(incident, c.Rule(unit="U09", basis="一", scope="town"))
    what = county[incident].classification
    [rule] = county.catalogue.rulings
    duties = Path(shutil.copytree(PACK.path, tmp_path / "pack")) / "duties.csv"
    header, *lines = duties.read_text("utf-8").splitlines()
    taken = f"{rule.matter},any,{rule.main},,{rule.basis},county,,{rule.town_code},"
    duties.write_text("\n".join([f"{header},town,village", *(f"{line},," for line in lines), taken, ""]), "utf-8")
    listed = Catalogue(load(tmp_path / "pack"))
    for place in (Place(town_code=TOWN), Place(town_code=PACK.towns[1].code), Place()):
        assert listed.duty(what, place).main == county.catalogue.duty(what, place).main
    assert listed.duty(what, Place(town_code=TOWN)).main == "U09"


def test_a_ruling_holds_as_far_as_it_was_meant_and_a_later_one_takes_its_place(county: County) -> None:
    county.done(adjudicating(county), c.Rule(unit="U09", basis="一", scope="town"))
    what = county[county.arrives()].classification
    elsewhere = Place(town_code=PACK.towns[1].code)
    assert county.catalogue.duty(what, elsewhere).main == "U02"
    second = county.arrives()
    for _ in range(2):
        county.done(second, c.Return(reason="错", basis="职责清单"))
    county.done(second, c.Rule(unit="U11", basis="二", scope="town"))
    assert county.catalogue.duty(what, Place(town_code=TOWN)).main == "U11"
    third = adjudicating(county)
    version = county.catalogue.version
    county.done(third, c.Rule(unit="U12", basis="仅此", scope="once"))
    assert (county[third].unit, county.catalogue.version) == ("U12", version)
    assert county.refused(adjudicating(county), c.Rule(unit="U09", basis="三", scope="village")) == "not_possible"


def test_what_a_town_cannot_do_goes_to_the_county_and_the_town_assists(county: County) -> None:
    incident = county.arrives(matter="M23")
    town = county[incident].unit
    assert town is not None
    assert town.startswith("T")
    for level in ("town", "county"):
        assert county.done(incident, c.Escalate(reason="调不下来")).course.level == level
    dispatch = county[incident].dispatch
    assert dispatch is not None
    assert dispatch.unit == "U15"
    assert town in dispatch.assisting
    assert county.refused(incident, c.Escalate(reason="再升")) == "not_possible"


def test_a_whistle_calls_units_to_one_place_and_the_main_unit_stays(county: County) -> None:
    incident = accepted(county)
    called = county.done(
        incident, c.BlowWhistle(units=("U05", "U09"), meet_at="村口", reason="线杆要倒"), "grid_worker", "T01"
    )
    assert called.dispatch is not None
    assert (called.unit, set(called.dispatch.assisting) >= {"U05", "U09"}) == ("U02", True)
    there = county.done(incident, c.CheckIn(), "unit", "U05")
    assert there.course.whistle is not None
    assert there.course.whistle.arrived == ("U05",)
    assert county.refused(incident, c.CheckIn(), "unit", "U05") == "not_possible"
    assert county.refused(incident, c.CheckIn(unit="U09"), "unit", "U05") == "not_allowed"
    assert county.refused(incident, c.CheckIn(), "unit", "U07") == "not_allowed"


def test_a_joint_review_is_open_until_its_conclusion(county: County) -> None:
    incident = adjudicating(county)
    assert county.refused(incident, c.JointReview(conclusion="定了")) == "not_possible"
    assert county.done(incident, c.JointReview(units=("U02", "U05"), topic="谁来修")).course.review is not None
    assert county.done(incident, c.JointReview(conclusion="供电修")).course.review is None


def test_a_pause_ends_by_itself_and_goes_back_to_where_it_was(county: County) -> None:
    incident = accepted(county)
    county.done(incident, c.Contact())
    assert county.done(incident, c.Suspend(reason="等材料", until=START + 5 * HOUR)).state == "suspended"
    county.passes(6 * HOUR)
    assert (county[incident].state, county[incident].last_at) == ("contacted", START + 5 * HOUR)
    county.done(incident, c.Suspend(reason="等材料", until=county.now + HOUR))
    assert county.done(incident, c.Resume(), "unit", "U02").state == "contacted"
    too_long = c.Suspend(reason="等", until=START + timedelta(days=400))
    assert county.refused(incident, too_long) == "not_possible"


def test_extensions_are_requested_decided_counted_and_limited(county: County) -> None:
    incident = accepted(county)
    for n, days in enumerate((10, 20), 1):
        county.done(incident, c.RequestExtension(until=START + timedelta(days=days), reason="等配件"), "unit", "U02")
        assert county.refused(incident, c.ApproveExtension(), "unit", "U02") == "not_allowed"
        assert county.done(incident, c.ApproveExtension()).course.extensions == n
    again = c.RequestExtension(until=START + timedelta(days=30), reason="还等")
    assert county.refused(incident, again) == "limit_reached"
    other = accepted(county)
    county.done(other, c.RequestExtension(until=START + timedelta(days=3), reason="等"))
    after = county.done(other, c.RefuseExtension(reason="不够充分"))
    [decided] = [event for event in county.told(other) if isinstance(event, IncidentExtensionDecidedV1)]
    assert (after.course.extensions, after.course.request, decided.granted) == (0, None, False)


def test_a_redo_goes_to_the_same_unit_and_by_itself_only_once(county: County) -> None:
    incident = in_state(county, "completed")
    again = county.done(incident, c.Redo(reason="不满意"), "system")
    assert (again.state, again.unit, again.completed_at, again.course.redone) == ("dispatched", "U02", None, 1)
    county.done(incident, c.Accept())
    county.done(incident, c.Complete(text="又修了"))
    assert county.refused(incident, c.Redo(reason="还不满意"), "system") == "limit_reached"
    assert county.done(incident, c.Redo(reason="督办"), "supervisor").course.redone == 2


def test_confirming_another_matter_moves_it_to_that_matters_unit_unless_a_person_placed_it(county: County) -> None:
    incident = accepted(county)
    moved = county.done(incident, c.Confirm(matter="M04", place=Place(village_code=PACK.villages[0].code)))
    assert (moved.unit, moved.state, moved.classification.confidence) == ("U04", "dispatched", 1.0)
    assert moved.place.village == PACK.villages[0].name_zh
    placed = county.arrives()
    county.done(placed, c.Assign(unit="U09", reason="更合适"))
    assert county.done(placed, c.Confirm(matter="M04")).unit == "U09"
    assert county.refused(placed, c.Confirm(place=Place(village_code="nowhere"))) == "not_possible"


def test_an_order_that_goes_to_another_unit_is_withdrawn_from_the_first_before_it_is_dispatched(county: County) -> None:
    assigned, moved = county.arrives(), county.arrives()
    county.done(assigned, c.Assign(unit="U09", reason="更合适"))
    county.done(moved, c.Confirm(matter="M04"))
    assert county.steps(assigned) == ["opened", "dispatched", "withdrawn", "dispatched"]
    assert county.steps(moved) == ["opened", "dispatched", "confirmed", "withdrawn", "dispatched"]


def test_why_a_person_did_it_travels_with_the_step(county: County) -> None:
    def told(incident: str, wish: c.Action) -> list[str]:
        before = len(county.log)
        county.done(incident, wish)
        return [e.TYPE.split(".")[3] for e in county.log[before:] if getattr(e, "reason", None) == "有原因"]

    parent, child, asked = county.arrives(), county.arrives(), county.arrives("ask", county.arrives())
    twin = county.arrives("ask", county.arrives())
    assert told(asked, c.AnswerAsk(same=False, reason="有原因")) == ["ask-answered"]
    assert told(twin, c.AnswerAsk(same=True, reason="有原因")) == ["ask-answered", "merged"]
    assert told(parent, c.Group(children=(child,), reason="有原因")) == ["grouped"]
    assert told(child, c.Release(reason="有原因")) == ["released"]
    assert told(parent, c.OpenFlood(until=county.now + HOUR, reason="有原因")) == ["flood-opened"]
    assert told(parent, c.CloseFlood(reason="有原因")) == ["flood-closed"]
    order = accepted(county)
    county.done(order, c.RequestExtension(until=county.now + 90 * HOUR, reason="等"))
    assert told(order, c.ApproveExtension(reason="有原因")) == ["extension-decided"]
    county.done(order, c.Suspend(reason="等", until=county.now + HOUR))
    assert told(order, c.Resume(reason="有原因")) == ["resumed"]
    assert told(order, c.Confirm(matter="M04", reason="有原因"))[0] == "confirmed"


def test_a_circumstance_of_the_pack_is_confirmed(county: County) -> None:
    known = PACK.county.circumstances[0].code
    confirmed = county.done(county.arrives(), c.Confirm(circumstances=(known,), reason="看过"))
    assert confirmed.classification.circumstances == (known,)


def test_a_unit_that_is_called_to_another_place_checks_in_there_again(county: County) -> None:
    incident = county.arrives()
    county.done(incident, c.BlowWhistle(units=("U09", "U05"), meet_at="村口", reason="看"))
    for unit in ("U09", "U05"):
        county.done(incident, c.CheckIn(unit=unit))
    whistle = county.done(incident, c.BlowWhistle(units=("U09",), meet_at="桥头", reason="看")).course.whistle
    assert whistle is not None
    assert (whistle.units, whistle.arrived) == (("U09", "U05"), ("U05",))
    whistle = county.done(incident, c.CheckIn(unit="U09")).course.whistle
    assert whistle is not None
    assert whistle.arrived == ("U05", "U09")


def test_an_extension_whose_date_has_passed_is_refused_and_cannot_be_granted(county: County) -> None:
    incident = accepted(county)
    county.done(incident, c.RequestExtension(until=county.now + HOUR, reason="等配件"))
    county.passes(HOUR)
    assert county.refused(incident, c.ApproveExtension()) == "not_possible"
    after = county.done(incident, c.RefuseExtension(reason="已过"))
    assert (after.course.request, after.course.extensions) == (None, 0)
    county.done(incident, c.RequestExtension(until=county.now + HOUR, reason="等配件"))
    assert county.done(incident, c.ApproveExtension()).course.extensions == 1


def test_an_extension_has_a_farthest_date_also_where_an_older_version_had_none(county: County) -> None:
    incident, last = accepted(county), county.now + timedelta(days=PACK.county.orders.extension_days)
    for_ever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    for until in (last + HOUR, for_ever):
        declined = county.wishes(incident, c.RequestExtension(until=until, reason="等"), "unit", "U02").declined
        assert declined is not None
        assert "180 天之内" in declined.message
    asked = county.done(incident, c.RequestExtension(until=last, reason="等"), "unit", "U02")
    assert asked.course.request is not None
    request = asked.course.request.model_copy(update={"until": for_ever})
    course = asked.course.model_copy(update={"request": request})
    county.incidents[incident] = replace(asked, course=course)
    assert county.refused(incident, c.ApproveExtension()) == "not_possible"
    assert county.done(incident, c.RefuseExtension(reason="太远")).course.request is None


def test_a_joint_review_ends_with_the_result_and_can_be_convened_anew_when_it_is_done_again(county: County) -> None:
    incident = accepted(county)
    county.done(incident, c.JointReview(units=("U09",), topic="谁来修"))
    assert county.done(incident, c.Complete(text="修好了")).course.review is None
    county.done(incident, c.Redo(reason="没好"))
    county.done(incident, c.JointReview(units=("U09",), topic="谁来修"))
    assert county.done(incident, c.JointReview(conclusion="一起修")).course.review is None
