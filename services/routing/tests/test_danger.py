"""Danger on an incident that exists: the stricter class counts, and what is dangerous waits for nobody."""

from datetime import timedelta

import pytest
from orders_bench import PACK, START, County, screening

from huying.contracts import commands as c
from huying.contracts.incidents import Classification, IncidentAskAnsweredV1, IncidentMergedV1
from huying.contracts.orders import IncidentAlarmedV1, IncidentResumedV1
from huying.contracts.reports import Device
from huying.routing.domain.danger import stricter

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLAIN = Classification(matter="M02", matter_name="路灯照明", clock_class="public_service", confidence=0.9)
ALARM = PLAIN.model_copy(update={"alarm": True, "needs_confirmation": True})
EMERGENCY = PLAIN.model_copy(update={"clock_class": "emergency"})


@pytest.fixture
def county() -> County:
    return County()


def asked(county: County) -> str:
    name = county.arrives("ask", county.arrives())
    assert county[name].state == "asked"
    return name


def danger(county: County, name: str) -> tuple[str, bool]:
    what = county[name].classification
    return what.clock_class, what.alarm


@pytest.mark.parametrize(
    ("known", "told", "expected"),
    [
        (PLAIN, PLAIN, PLAIN),
        (PLAIN, ALARM, ALARM),
        (PLAIN, EMERGENCY, EMERGENCY),
        (ALARM, PLAIN, ALARM),
        (ALARM, ALARM, ALARM),
        (EMERGENCY, PLAIN, EMERGENCY),
        (EMERGENCY, ALARM, EMERGENCY),
        (ALARM, EMERGENCY, EMERGENCY.model_copy(update={"needs_confirmation": True})),
    ],
)
def test_the_stricter_counts_and_the_matter_stays(
    known: Classification, told: Classification, expected: Classification
) -> None:
    other = told.model_copy(update={"matter": "M04", "confidence": 0.2})
    assert stricter(known, other) == expected


def test_an_emergency_that_joins_makes_an_emergency_whose_clocks_start_then(county: County) -> None:
    name = county.arrives()
    county.passes(DAY)
    assert county.arrives("merge", name, emergency=True) == name
    assert county.steps(name) == ["opened", "dispatched", "report-joined", "alarmed"]
    told = county.told(name)[-1]
    assert isinstance(told, IncidentAlarmedV1)
    assert (told.before.clock_class, told.incident.classification.clock_class) == ("public_service", "emergency")
    assert (county[name].emergency_since, county[name].since) == (START + DAY, START)
    county.arrives("merge", name, emergency=True)
    assert county.steps(name).count("alarmed") == 1


def test_an_alarm_that_joins_is_visible_and_leaves_the_clocks_to_a_person(county: County) -> None:
    name = county.arrives()
    county.arrives("merge", name, alarm=True)
    county.arrives("merge", name, alarm=True)
    assert danger(county, name) == ("public_service", True)
    assert county[name].classification.needs_confirmation
    assert county.steps(name) == ["opened", "dispatched", "report-joined", "alarmed", "report-joined"]
    county.passes(HOUR)
    county.done(name, c.Confirm(clock_class="emergency"))
    assert danger(county, name) == ("emergency", False)
    assert county[name].emergency_since == START + HOUR


@pytest.mark.parametrize("told", [{"emergency": True}, {"alarm": True}])
def test_a_held_incident_that_becomes_dangerous_is_dispatched_at_once(county: County, told: dict[str, bool]) -> None:
    name = asked(county)
    county.arrives("merge", name, **told)
    assert county.steps(name) == ["opened", "asked", "report-joined", "alarmed", "dispatched"]
    assert county[name].ask is not None, "the question stands beside the dispatch"
    county.done(name, c.Accept())
    county.passes(30 * DAY)
    assert county.steps(name)[-2:] == ["accepted", "ask-answered"], "it runs out, and dispatches nothing a second time"
    answered = county.told(name)[-1]
    assert isinstance(answered, IncidentAskAnsweredV1)
    assert (answered.answer, county[name].ask, county[name].state) == ("expired", None, "accepted")


def test_a_person_who_confirms_an_emergency_ends_the_waiting_and_it_goes_where_the_matter_belongs(
    county: County,
) -> None:
    name = asked(county)
    assert county.done(name, c.Confirm(matter="M23")).state == "asked"
    after = county.done(name, c.Confirm(matter="M04", clock_class="emergency"))
    assert (after.state, after.classification.matter) == ("dispatched", "M04")
    assert after.unit == PACK.duty("M04", frozenset(), after.place.town_code).main
    assert county.steps(name)[-2:] == ["confirmed", "dispatched"]
    assert after.ask is not None


def test_a_matter_that_is_an_emergency_by_itself_is_never_held(county: County) -> None:
    flood = screening(1, matter="M20")
    assert (flood.emergency, flood.clock) == (False, "emergency")
    assert county[county.arrives("ask", county.arrives(), matter="M20")].state == "dispatched"
    name = asked(county)
    assert county.done(name, c.Confirm(matter="M20")).state == "dispatched"


def test_an_emergency_merged_into_a_normal_incident_leaves_an_emergency_on_its_own_clock(county: County) -> None:
    normal = county.arrives()
    county.passes(DAY)
    urgent = county.arrives(emergency=True)
    county.passes(HOUR)
    county.done(urgent, c.Merge(into=normal, reason="同"))
    assert danger(county, normal) == ("emergency", False)
    assert (county[normal].since, county[normal].emergency_since) == (START, START + DAY)
    county.done(urgent, c.UndoMerge(reason="不同"))
    assert danger(county, urgent) == danger(county, normal) == ("emergency", False)
    assert county[urgent].emergency_since == START + DAY
    county.done(normal, c.Confirm(clock_class="public_service"))
    assert danger(county, normal) == ("public_service", False)


def test_an_old_normal_incident_merged_into_an_emergency_does_not_make_it_late(county: County) -> None:
    normal = county.arrives()
    county.passes(DAY)
    urgent = county.arrives(emergency=True)
    county.done(normal, c.Merge(into=urgent, reason="同"))
    assert (county[urgent].since, county[urgent].emergency_since) == (START, START + DAY)


def test_an_alarm_merged_into_a_held_incident_ends_its_waiting(county: County) -> None:
    alarm, held = county.arrives(alarm=True), asked(county)
    county.done(alarm, c.Merge(into=held, reason="同"))
    assert (county[held].state, danger(county, held)) == ("dispatched", ("public_service", True))
    assert county[held].ask is not None


def test_an_answer_that_names_several_lifts_the_one_that_they_become_to_the_strictest_of_them(county: County) -> None:
    likeliest = county.arrives()
    county.passes(DAY)
    urgent, alarm = county.arrives(emergency=True), county.arrives(alarm=True)
    county.passes(HOUR)
    name = county.arrives("ask", likeliest, rivals=(urgent, alarm))
    county.done(name, c.AnswerAsk(same=True, candidates=(likeliest, alarm, urgent), reason="现场看过"))
    assert (danger(county, likeliest), set(county[likeliest].reports)) == (
        ("emergency", False),
        {"r0", "r1", "r2", "r3"},
    )
    assert (county[likeliest].since, county[likeliest].emergency_since) == (START, START + DAY)
    merged = [
        event for one in (name, urgent, alarm) for event in county.told(one) if isinstance(event, IncidentMergedV1)
    ]
    assert [event.reason for event in merged] == ["现场看过"] * 3


def test_an_alarm_that_was_asked_about_beside_its_dispatch_ends_the_waiting_of_what_it_is_the_same_as(
    county: County,
) -> None:
    held = asked(county)
    alarm = county.arrives("ask", held, alarm=True)
    assert (county[alarm].state, county[alarm].ask is not None) == ("dispatched", True)
    county.done(alarm, c.AnswerAsk(same=True))
    assert (county[held].state, danger(county, held)) == ("dispatched", ("public_service", True))
    assert county[held].ask is not None


def test_a_danger_that_a_person_took_back_with_its_question_open_is_not_held_again(county: County) -> None:
    name = county.arrives("ask", county.arrives(), alarm=True)
    after = county.done(name, c.Confirm(clock_class="public_service"))
    assert (after.state, after.ask is not None, after.classification.danger) == ("dispatched", True, False)
    county.passes(DAY)
    assert (county[name].state, county[name].ask) == ("dispatched", None)


def test_what_a_question_named_and_comes_to_the_held_incident_answers_it_and_its_danger_dispatches(
    county: County,
) -> None:
    candidate = county.arrives(emergency=True)
    held = county.arrives("ask", candidate)
    county.done(candidate, c.Merge(into=held, reason="同"))
    assert county.steps(held) == ["opened", "asked", "report-joined", "ask-answered", "alarmed", "dispatched"]
    assert (county[held].ask, danger(county, held)) == (None, ("emergency", False))


def test_an_answer_that_joins_an_emergency_leaves_its_clocks_alone(county: County) -> None:
    old = county.arrives()
    county.passes(HOUR)
    urgent = county.arrives(emergency=True)
    name = county.arrives("ask", urgent)
    county.done(old, c.Merge(into=urgent, reason="同"))
    county.done(name, c.AnswerAsk(same=True))
    assert danger(county, urgent) == ("emergency", False)
    assert county[urgent].emergency_since == START + HOUR


def test_a_split_out_incident_has_the_danger_of_any_of_its_reports(county: County) -> None:
    name = county.arrives()
    for _ in range(2):
        county.arrives("merge", name)
    county.evidence = {"r1": screening(1), "r2": screening(2, emergency=True)}
    county.done(name, c.Split(reports=("r1", "r2"), reason="两件"))
    assert danger(county, county.where["r2"]) == ("emergency", False)


def test_a_pause_ends_and_time_that_was_granted_does_not_hold_for_an_emergency(county: County) -> None:
    name = county.arrives()
    county.done(name, c.Accept())
    county.done(name, c.RequestExtension(until=county.now + 9 * DAY, reason="等"))
    county.done(name, c.ApproveExtension())
    county.done(name, c.Suspend(reason="等", until=county.now + 5 * DAY))
    county.arrives("merge", name, alarm=True)
    assert county[name].state == "suspended", "nobody has confirmed it"
    county.arrives("merge", name, emergency=True)
    told = county.told(name)[-1]
    assert isinstance(told, IncidentResumedV1)
    assert (county[name].state, told.expired, bool(told.reason)) == ("accepted", False, True)
    assert (county[name].course.extended_until, county[name].course.extensions) == (None, 1)


def test_no_time_is_granted_to_an_emergency_not_even_what_was_asked_for_before(county: County) -> None:
    name = county.arrives()
    county.done(name, c.Accept())
    wish = c.RequestExtension(until=county.now + 9 * DAY, reason="等")
    county.done(name, wish)
    county.arrives("merge", name, emergency=True)
    declined = county.wishes(name, c.ApproveExtension()).declined
    assert declined is not None
    assert (declined.reason, "紧急" in declined.message) == ("not_possible", True)
    county.done(name, c.RefuseExtension(reason="有险情"))
    again = county.wishes(name, wish).declined
    assert again is not None
    assert again.reason == "not_possible"


def test_only_what_a_report_itself_says_is_news_to_the_incident_that_it_joins(county: County) -> None:
    name = county.arrives(alarm=True)
    county.done(name, c.Confirm(clock_class="public_service"))
    county.arrives("merge", name, emergency=True, own=screening(1))
    assert danger(county, name) == ("public_service", False), "a person has said that it is none"
    county.arrives("merge", name, own=screening(2, alarm=True))
    assert danger(county, name) == ("public_service", True)


def test_an_all_clear_and_what_comes_to_a_finished_incident_raise_nothing(county: County) -> None:
    name = county.arrives()
    county.arrives("merge", name, emergency=True, device=Device(device_id="d", alarm="gas", state="cleared"))
    assert danger(county, name) == ("public_service", False)
    county.done(name, c.Accept())
    county.done(name, c.Complete(text="好"))
    county.arrives("merge", name, emergency=True, text="感谢，火已扑灭", at=county.now + HOUR)
    assert (county[name].state, danger(county, name)) == ("completed", ("public_service", False))


def test_lowered_by_mistake_and_confirmed_again_it_goes_on_from_when_it_became_one(county: County) -> None:
    name = county.arrives(emergency=True)
    county.passes(HOUR)
    county.done(name, c.Confirm(clock_class="other"))
    county.passes(HOUR)
    county.done(name, c.Confirm(clock_class="emergency"))
    assert county[name].emergency_since == START


def test_an_emergency_starts_when_the_first_report_that_tells_of_it_was_accepted(county: County) -> None:
    """However late routing reads it; what tells of no danger moves the citizen's clocks alone."""
    name = county.arrives()
    county.passes(DAY)
    county.arrives("merge", name, emergency=True, accepted=county.now - HOUR)
    assert (county[name].since, county[name].emergency_since) == (START, START + DAY - HOUR)
    county.arrives("merge", name, emergency=True, accepted=county.now - 2 * HOUR)
    assert (county[name].since, county[name].emergency_since) == (START, START + DAY - 2 * HOUR)
    urgent = county.arrives(emergency=True)
    county.arrives("merge", urgent, accepted=START)
    assert (county[urgent].since, county[urgent].emergency_since) == (START, START + DAY)
    cleared = Device(device_id="d", alarm="gas", state="cleared")
    county.arrives("merge", urgent, emergency=True, accepted=START, device=cleared)
    assert county[urgent].emergency_since == START + DAY
    county.done(urgent, c.Merge(into=name, reason="同"))
    assert county[name].emergency_since == START + DAY - 2 * HOUR
    county.done(urgent, c.UndoMerge(reason="不同"))
    assert (county[urgent].since, county[urgent].emergency_since) == (START, START + DAY)


def test_a_split_out_emergency_runs_from_the_report_that_tells_of_it(county: County) -> None:
    name = county.arrives()
    county.arrives("merge", name)
    county.passes(DAY)
    county.arrives("merge", name, emergency=True)
    county.evidence = {"r1": screening(1), "r2": screening(2, emergency=True)}
    county.done(name, c.Split(reports=("r1", "r2"), reason="两件"))
    fresh = county[county.where["r2"]]
    assert (fresh.since, fresh.emergency_since) == (START, START + DAY)
