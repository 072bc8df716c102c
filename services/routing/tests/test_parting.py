"""A report of two problems is parted by a person: a second incident from a piece of its words, the report stays."""

from datetime import timedelta

import pytest
from orders_bench import PACK, START, TOWN, County, screening

from huying.contracts import commands as c
from huying.contracts.identity import incident_id, part_id
from huying.contracts.incidents import IncidentOpenedV1
from huying.contracts.orders import IncidentPartedV1
from huying.contracts.places import Place

TWO = "村口路灯不亮三天了，另外家里自来水发黄没法喝"
LAMP, WATER = "村口路灯不亮三天了", "家里自来水发黄没法喝"
HOUR = timedelta(hours=1)
PART = part_id("r0", WATER)


@pytest.fixture
def county() -> County:
    made = County()
    made.arrives(text=TWO, at=START - HOUR)
    made.passes(2 * HOUR)
    return made


def parted(county: County, incident: str, **more: object) -> str:
    county.done(incident, c.PartReport(report="r0", text=WATER, reason="两件事", **more))  # type: ignore[arg-type]
    return county.where[PART]


def test_the_part_has_an_incident_with_its_own_unit_and_the_clock_of_its_report(county: County) -> None:
    first = county.where["r0"]
    before = county[first]
    second = county[parted(county, first, matter="M04")]
    assert second.id == incident_id(PART)
    assert (second.state, second.reports, second.title) == ("dispatched", (PART,), WATER)
    assert (second.classification.matter, second.classification.confidence) == ("M04", 1.0)
    assert second.unit == PACK.duty("M04", frozenset(), TOWN).main != before.unit
    assert (second.since, second.opened_at) == (START - HOUR, START + 2 * HOUR)
    assert county[first].reports == ("r0",)
    assert (county[first].dispatch, county[first].course) == (before.dispatch, before.course)
    [told] = [event for event in county.told(first) if isinstance(event, IncidentPartedV1)]
    assert (told.into, told.into_number, told.reason) == (second.id, second.number, "两件事")
    assert (told.actor and told.actor.id, told.command_id) == ("somebody", "c1")
    [opened] = [event for event in county.told(second.id) if isinstance(event, IncidentOpenedV1)]
    assert (opened.split_from, opened.report.part_of, opened.report.text) == (first, "r0", WATER)
    whole = county.reports["r0"]
    assert (opened.report.tracking_number, opened.report.reporter) == (whole.tracking_number, whole.reporter)
    assert whole.parted == (WATER,)


def test_a_person_may_say_where_the_second_problem_is(county: County) -> None:
    village = PACK.villages[3]
    second = county[parted(county, county.where["r0"], place=Place(village_code=village.code))]
    assert (second.place.village_code, second.place.town_code) == (village.code, village.town)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"report": "r9"}, "没有诉求"),
        ({"text": "桥塌了一个大洞"}, "原文"),
        ({"text": TWO}, "个字以上"),
        ({"text": "没法喝"}, "个字以上"),
        ({"matter": "M99"}, "matter：没有事项"),
        ({"place": Place(village_code="nowhere")}, "place：没有这个村"),
    ],
)
def test_what_cannot_be_parted_is_declined_in_words(county: County, wish: dict[str, object], says: str) -> None:
    asked = c.PartReport.model_validate({"report": "r0", "text": WATER, "reason": "两件事", **wish})
    declined = county.wishes(county.where["r0"], asked).declined
    assert declined is not None
    assert (declined.reason, says in declined.message) == ("not_possible", True)


def test_the_same_words_are_parted_once_and_only_by_the_centre(county: County) -> None:
    first = county.where["r0"]
    assert county.refused(first, c.PartReport(report="r0", text=WATER, reason="x"), "unit", "U05") == "not_allowed"
    parted(county, first)
    for text in (WATER, "自来水发黄", LAMP):
        assert county.refused(first, c.PartReport(report="r0", text=text, reason="再分")) == "not_possible"
    second = county.where[PART]
    assert county.refused(second, c.PartReport(report=PART, text="家里自来水", reason="再分")) == "not_possible"
    wish = c.PartReport(report="r0", text=LAMP, reason="x")
    assert county.wishes(first, wish, expected_version=1).declined.reason == "stale_version"  # type: ignore[union-attr]


def test_a_merge_takes_it_back_and_its_undoing_parts_it_again(county: County) -> None:
    first = county.where["r0"]
    second = parted(county, first)
    county.done(second, c.Merge(into=first, reason="其实是一件"))
    assert county[first].reports == ("r0", PART)
    assert county.refused(first, c.PartReport(report="r0", text=WATER, reason="再分")) == "not_possible"
    back = county.done(second, c.UndoMerge(reason="还是两件"))
    assert (back.reports, back.since, county[first].reports) == ((PART,), START - HOUR, ("r0",))


def test_a_part_of_a_finished_problem_is_still_to_be_done(county: County) -> None:
    first = county.where["r0"]
    county.done(first, c.Accept())
    county.done(first, c.Complete(text="路灯修好了"))
    second = parted(county, first)
    assert (county[first].state, county[second].state) == ("completed", "dispatched")


def test_a_part_has_the_danger_of_its_own_words_and_the_question_stays_with_the_first(county: County) -> None:
    first = county.arrives("ask", county.where["r0"], text=TWO)
    piece = part_id("r1", WATER)
    county.evidence = {piece: screening(1, emergency=True)}
    county.passes(HOUR / 12)
    county.done(first, c.PartReport(report="r1", text=WATER, reason="两件事"))
    second = county[county.where[piece]]
    assert (second.state, second.classification.clock_class, second.ask) == ("dispatched", "emergency", None)
    assert second.since == second.emergency_since == START + 2 * HOUR, "when its report was accepted"
    assert (county[first].state, county[first].classification.danger) == ("asked", False)
    county.done(first, c.AnswerAsk(same=True))
    assert (county[first].merged_into, county[second.id].state) == (county.where["r0"], "dispatched")


def test_a_part_that_is_merged_into_a_held_incident_brings_its_danger(county: County) -> None:
    held = county.arrives("ask", county.where["r0"], text=TWO)
    piece = part_id("r1", WATER)
    county.evidence = {piece: screening(1, alarm=True)}
    county.done(held, c.PartReport(report="r1", text=WATER, reason="两件事", matter="M04"))
    second = county.where[piece]
    assert (county[second].classification.matter, county[second].classification.alarm) == ("M04", True)
    county.done(second, c.Merge(into=held, reason="其实是一件"))
    assert (county[held].state, county[held].classification.alarm, county[held].ask is not None) == (
        "dispatched",
        True,
        True,
    )


def test_a_part_can_be_what_a_question_names(county: County) -> None:
    first = county.where["r0"]
    second = parted(county, first, matter="M04")
    asked = county.arrives("ask", first, rivals=(second,))
    county.done(asked, c.AnswerAsk(same=True, candidates=(second,)))
    assert (county[asked].merged_into, county[second].reports, county[first].reports) == (second, (PART, "r2"), ("r0",))
    back = county.done(asked, c.UndoMerge(reason="不是"))
    assert (back.reports, county[second].reports, county[second].since) == (("r2",), (PART,), START - HOUR)
