"""A report about a finished incident never goes to nobody: the order is done again, or a new one is opened."""

from dataclasses import replace
from datetime import timedelta

import pytest
from orders_bench import PACK, County

from huying.contracts import commands as c
from huying.contracts.incidents import IncidentDispatchedV1
from huying.contracts.orders import IncidentRedoneV1
from huying.contracts.reports import Device
from huying.routing.domain.afterwards import stands

HOUR = timedelta(hours=1)
STILL = "路灯还是不亮，没人来修"
LIMIT = PACK.county.orders.redo_limit


@pytest.fixture
def county() -> County:
    return County()


def work(county: County, incident: str) -> None:
    """The unit takes it and completes it, and an hour passes."""
    county.done(incident, c.Accept())
    county.done(incident, c.Complete(text="已修好"))
    county.passes(HOUR)


def finished(county: County) -> str:
    incident = county.arrives()
    work(county, incident)
    return incident


def worn_out(county: County) -> str:
    """Done again as often as that happens by itself."""
    incident = finished(county)
    for _ in range(LIMIT):
        county.arrives("merge", incident, text=STILL)
        work(county, incident)
    return incident


@pytest.mark.parametrize("text", [STILL, "路灯不亮", "我家门口的灯也坏了，谢谢", "怎么还没有结果", "修好了两天就灭了"])
def test_a_further_report_after_the_result_has_the_same_unit_do_it_again_in_one_decision(
    county: County, text: str
) -> None:
    incident = finished(county)
    unit = county[incident].unit
    before = len(county.told(incident))
    assert county.arrives("merge", incident, text=text) == incident
    again = county[incident]
    assert (again.state, again.unit, again.course.redone, len(again.reports)) == ("dispatched", unit, 1, 2)
    assert county.steps(incident)[before:] == ["redone", "dispatched", "report-joined"]
    redone, dispatched, joined = county.told(incident)[before:]
    assert isinstance(redone, IncidentRedoneV1)
    assert isinstance(dispatched, IncidentDispatchedV1)
    assert redone.actor is not None
    assert (redone.actor.role, joined.actor, redone.incident.completed_at) == ("system", None, None)
    assert text not in redone.reason, "every reporter reads the reason"


@pytest.mark.parametrize(
    "text",
    ["感谢政府，路灯修好了", "谢谢你们，处理得不错", "已恢复正常", "请问上次反映的路灯处理结果怎么样", "有结果了吗？"],
)
def test_thanks_and_questions_about_the_result_join_and_change_nothing(county: County, text: str) -> None:
    incident = finished(county)
    assert county.arrives("merge", incident, text=text) == incident
    assert (county[incident].state, county[incident].course.redone) == ("completed", 0)
    assert county.steps(incident)[-1] == "report-joined"


@pytest.mark.parametrize("text", ["感谢，但是晚上又灭了", "修好了吗？灯还不亮", "说修好了是骗人的", "处理结果不满意"])
def test_one_word_of_doubt_weighs_more_than_all_thanks(county: County, text: str) -> None:
    incident = finished(county)
    assert not stands(county[incident], text, county.now, PACK)


def test_what_was_received_before_the_result_is_answered_by_it(county: County) -> None:
    incident = finished(county)
    county.arrives("merge", incident, text=STILL, at=county.now - HOUR)
    assert county[incident].state == "completed"


@pytest.mark.parametrize(("state", "after"), [("cleared", "completed"), ("raised", "dispatched")])
def test_an_all_clear_changes_nothing_and_an_alarm_does(county: County, state: str, after: str) -> None:
    incident = finished(county)
    device = Device.model_validate({"device_id": "lamp-1", "kind": "lamp", "alarm": "dark", "state": state})
    county.arrives("merge", incident, device=device)
    assert county[incident].state == after


def test_an_emergency_opens_a_linked_incident_with_the_clock_of_an_emergency(county: County) -> None:
    incident = finished(county)
    fresh = county[county.arrives("merge", incident, emergency=True)]
    assert (fresh.recurrence_of, fresh.state, fresh.classification.clock_class) == (incident, "dispatched", "emergency")
    assert county[incident].state == "completed"


@pytest.mark.parametrize(("again", "days"), [(True, 1), (False, 11)])
def test_what_is_back_or_comes_late_opens_a_linked_incident_whatever_led_it_there(
    county: County, again: bool, days: int
) -> None:
    """A follow-up by tracking number is about its own incident; that does not make the old result young."""
    incident = finished(county)
    county.passes(timedelta(days=days))
    assert county.arrives("merge", incident, text="感谢，修好了", again=again) == incident
    fresh = county.arrives("merge", incident, text=STILL, again=again)
    assert (county[fresh].recurrence_of, county[fresh].state) == (incident, "dispatched")
    assert (county[incident].state, county[incident].course.redone) == ("completed", 0)
    assert county.arrives("merge", incident, text=STILL, again=again) == fresh
    work(county, fresh)
    county.arrives("merge", incident, text=STILL)
    assert county[fresh].course.redone == 1, "its own result is of today"


def test_beyond_the_limit_a_linked_incident_is_opened_and_takes_what_comes_after(county: County) -> None:
    incident = worn_out(county)
    second = county.arrives("merge", incident, text=STILL)
    assert second != incident
    assert (county[second].recurrence_of, county[second].state) == (incident, "dispatched")
    assert county.arrives("merge", incident, text=STILL) == second, "no second dispatch of one problem"
    work(county, second)
    assert county.arrives("merge", incident, text=STILL) == second, "it has a redo of its own"
    assert county[second].course.redone == 1
    assert county[incident].state == "completed"


def test_what_came_back_is_found_behind_a_merge_even_where_it_leads_back(county: County) -> None:
    incident = worn_out(county)
    second = county.arrives("merge", incident, text=STILL)
    county.done(incident, c.Redo(reason="督办"), "supervisor")
    county.done(second, c.Merge(into=incident, reason="同一盏灯"))
    work(county, incident)
    third = county.arrives("merge", incident, text=STILL)
    assert third not in {incident, second}
    assert county[third].recurrence_of == incident


@pytest.mark.parametrize(("text", "state"), [(STILL, "dispatched"), ("感谢，修好了", "completed")])
def test_a_person_who_says_that_it_is_the_finished_problem_has_it_done_again_without_a_limit(
    county: County, text: str, state: str
) -> None:
    incident = worn_out(county)
    asked = county.arrives("ask", incident, text=text)
    assert county[asked].state == "asked"
    county.done(asked, c.AnswerAsk(same=True))
    assert (county[asked].state, county[incident].state) == ("merged", state)
    assert county[incident].course.redone == LIMIT + (state == "dispatched")


def test_a_question_about_an_incident_that_is_finished_meanwhile_does_not_open_it_again(county: County) -> None:
    incident = county.arrives()
    asked = county.arrives("ask", incident)
    county.passes(timedelta(minutes=1))
    county.done(incident, c.Accept())
    county.done(incident, c.Complete(text="已修好"))
    county.done(asked, c.AnswerAsk(same=True))
    assert (county[asked].state, county[incident].state) == ("merged", "completed")


def test_a_question_about_a_finished_incident_whose_successor_came_to_the_asked_one_is_answered_by_that(
    county: County,
) -> None:
    incident = finished(county)
    back = county.arrives("merge", incident, emergency=True)
    asked = county.arrives("ask", incident, text=STILL)
    county.done(back, c.Merge(into=asked, reason="同一盏灯"))
    assert county[asked].ask is not None
    after = county.done(asked, c.AnswerAsk(same=True))
    assert (after.state, after.merged_into, after.ask) == ("dispatched", None, None)
    assert county.arrives("merge", incident, text=STILL) == asked


def test_one_that_came_back_and_is_asked_about_what_it_came_back_from_goes_on_by_itself(county: County) -> None:
    incident = finished(county)
    asked = county.arrives("ask", incident, text=STILL, back_of=incident)
    after = county.done(asked, c.AnswerAsk(same=True))
    assert (after.state, after.merged_into, after.recurrence_of) == ("dispatched", None, incident)
    assert county.steps(asked)[-2:] == ["ask-answered", "dispatched"]
    assert county[incident].state == "completed"


def test_an_incident_that_was_stored_as_merged_into_itself_takes_in_nothing_and_stops_nobody(county: County) -> None:
    incident, given = county.arrives(), county.arrives()
    county.done(given, c.Merge(into=incident, reason="同一盏灯"))
    county.incidents[incident] = replace(county[incident], state="merged", merged_into=incident)
    assert county.arrives("merge", incident, text=STILL) not in {incident, given}
    assert county.refused(given, c.UndoMerge(reason="不同")) == "not_possible"
