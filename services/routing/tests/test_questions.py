"""A question names up to three incidents; a person says which it is. Beside an emergency it holds nothing."""

from datetime import timedelta

import pytest
from orders_bench import PACK, START, County
from pydantic import ValidationError

from huying.contracts import commands as c
from huying.contracts.incidents import IncidentAskAnsweredV1, IncidentAskedV1, IncidentMergedV1
from huying.contracts.moves import CLOSED
from huying.routing.judgement import Candidate, Verdict
from huying.routing.judgement.facts import ASKED_AT_MOST
from huying.routing.repository import document, restore

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOLD = PACK.correlation_rule("M02").ask_hold_minutes * MINUTE


@pytest.fixture
def county() -> County:
    return County()


def question(
    county: County, band: str = "ask", *, emergency: bool = False, alarm: bool = False
) -> tuple[str, list[str]]:
    """An incident that is asked about, and the three that its question names."""
    named = [county.arrives() for _ in range(3)]
    county.passes(MINUTE)
    return county.arrives(band, named[0], emergency, rivals=named, alarm=alarm), named


def told(county: County, incident: str, kind: type) -> list:
    return [event for event in county.told(incident) if isinstance(event, kind)]


def test_a_question_names_the_winner_and_then_the_likeliest_open_ones_and_no_more_than_three() -> None:
    likely = (
        Candidate("rival", 0.5, True),
        Candidate("winner", 0.4, False),
        Candidate("finished", 0.4, False),
        Candidate("third", 0.1, True),
        Candidate("fourth", 0.05, True),
    )
    asked = Verdict("r", "ask", "winner", 0.6, (), None, likely).question()
    assert asked == (Candidate("winner", 0.6, False), likely[0], likely[3])
    assert len(asked) == ASKED_AT_MOST
    unlikely = (Candidate("winner", 0.6, True), Candidate("rival", 0.01, True))
    assert len(Verdict("r", "new", None, 0.6, (), None, unlikely, "winner").question()) == 1
    assert Verdict("r", "merge", "winner", 0.9, (), None, likely).question() == ()
    assert Verdict("r", "new", None, 0.1, (), None, likely).question() == ()


def test_the_feed_and_the_database_name_all_candidates_and_the_old_fields_the_likeliest(county: County) -> None:
    incident, named = question(county)
    [event] = told(county, incident, IncidentAskedV1)
    assert [one.incident_id for one in event.candidates] == named
    assert [one.number for one in event.candidates] == [county[name].number for name in named]
    assert (event.candidate, event.candidate_number, event.score) == (named[0], county[named[0]].number, 0.7)
    assert event.named() == event.candidates
    old = event.model_copy(update={"candidates": ()})
    assert [(one.incident_id, one.number) for one in old.named()] == [(named[0], county[named[0]].number)]
    row = document(county[incident])
    assert restore(row) == county[incident]
    before = {name: value for name, value in row["ask"].items() if name != "candidates"}
    stored = restore({**row, "ask": before}).ask
    assert stored is not None
    assert [one.incident_id for one in stored.candidates] == named[:1]


@pytest.mark.parametrize("band", ["meanwhile", "ask"])
@pytest.mark.parametrize("danger", [{"emergency": True}, {"alarm": True}], ids=["emergency", "alarm"])
def test_a_danger_is_dispatched_at_once_and_its_question_stands_beside_it(
    county: County, band: str, danger: dict[str, bool]
) -> None:
    incident, named = question(county, band, **danger)
    assert county.steps(incident) == ["opened", "dispatched", "asked"]
    asked = county[incident]
    assert (asked.state, asked.unit, asked.ask is not None) == ("dispatched", "U02", True)
    county.done(incident, c.Accept())
    county.done(incident, c.AnswerAsk(same=True, candidates=(named[1],)))
    assert county.steps(incident)[-3:] == ["ask-answered", "withdrawn", "merged"]
    assert (county[incident].merged_into, county[named[1]].reports) == (named[1], ("r1", "r3"))
    [answered] = told(county, incident, IncidentAskAnsweredV1)
    assert (answered.answer, answered.candidate, answered.candidates) == ("same", named[1], (named[1],))
    back = county.done(incident, c.UndoMerge(reason="不是同一件"))
    assert (back.state, back.ask, back.reports) == ("dispatched", None, ("r3",))


def test_a_no_or_its_time_closes_a_question_that_holds_nothing_and_changes_nothing_else(county: County) -> None:
    incident, named = question(county, "meanwhile", emergency=True)
    before = county[incident]
    after = county.done(incident, c.AnswerAsk(same=False))
    assert (after.ask, after.state, after.dispatch) == (None, before.state, before.dispatch)
    [answered] = told(county, incident, IncidentAskAnsweredV1)
    assert (answered.answer, list(answered.candidates)) == ("different", named)
    assert county.refused(incident, c.AnswerAsk(same=False)) == "no_ask"
    other, _ = question(county, "meanwhile", emergency=True)
    opened = county.now
    county.done(other, c.Accept())
    county.passes(24 * HOUR)
    assert county.steps(other)[-2:] == ["accepted", "ask-answered"]
    assert (county[other].ask, county[other].state, county[other].last_at) == (None, "accepted", opened + HOLD)


def test_what_runs_out_beside_each_other_runs_out_in_the_order_of_its_instants(county: County) -> None:
    incident, _ = question(county, "meanwhile", alarm=True)
    county.done(incident, c.Accept())
    county.done(incident, c.Suspend(reason="等", until=county.now + 5 * MINUTE))
    pause = county.now + 5 * MINUTE
    county.passes(2 * HOUR)
    resumed, expired = county.told(incident)[-2:]
    assert (resumed.TYPE, resumed.at) == ("cn.huying.incident.resumed.v1", pause)
    assert (expired.TYPE, expired.at) == ("cn.huying.incident.ask-answered.v1", pause - 5 * MINUTE + HOLD)


def test_old_callers_answer_about_the_likeliest(county: County) -> None:
    incident, named = question(county)
    county.done(incident, c.AnswerAsk(same=True))
    assert (county[incident].merged_into, county[named[1]].state) == (named[0], "dispatched")
    [merged] = told(county, incident, IncidentMergedV1)
    assert (merged.into, merged.reports) == (named[0], ("r3",))


def test_a_name_that_the_question_does_not_have_is_declined_with_the_field_and_the_candidates(county: County) -> None:
    incident, named = question(county)
    stranger = county.arrives()
    declined = county.wishes(incident, c.AnswerAsk(same=True, candidates=(named[1], stranger))).declined
    assert declined is not None
    assert (declined.reason, declined.message.startswith(f"candidates：{stranger}")) == ("not_possible", True)
    assert all(f"{name}（{county[name].number}）" in declined.message for name in named)
    assert county[incident].state == "asked"
    with pytest.raises(ValidationError, match="candidates"):
        c.AnswerAsk(same=False, candidates=(stranger,))


def test_several_that_are_named_become_one_incident_by_merges_that_can_each_be_undone(county: County) -> None:
    incident, named = question(county)
    county.done(named[2], c.Accept())
    county.done(incident, c.AnswerAsk(same=True, candidates=(named[2], named[0])))
    assert county[named[0]].reports == ("r0", "r3", "r2")
    assert [county[name].merged_into for name in (incident, *named)] == [named[0], None, None, named[0]]
    assert county.steps(named[2])[-2:] == ["withdrawn", "merged"]
    [event] = told(county, named[2], IncidentMergedV1)
    assert [(one.one, one.other, one.same) for one in event.labels] == [("r2", "r0", True)]
    assert county.done(named[2], c.UndoMerge(reason="不是")).reports == ("r2",)
    assert county.done(incident, c.UndoMerge(reason="不是")).reports == ("r3",)
    assert county[named[0]].since == START


def test_several_are_refused_where_one_cannot_be_merged_and_nothing_has_happened(county: County) -> None:
    incident, named = question(county)
    child = county.arrives()
    county.done(named[1], c.Group(children=(child,)))
    assert county.refused(incident, c.AnswerAsk(same=True, candidates=(named[0], named[1]))) == "not_possible"
    county.done(named[0], c.Accept())
    county.done(named[0], c.Complete(text="好"))
    assert county.refused(incident, c.AnswerAsk(same=True, candidates=(named[0], named[2]))) == "not_possible"
    assert county[incident].state == "asked"
    county.done(incident, c.AnswerAsk(same=True, candidates=(named[1],)))


def test_candidates_that_became_one_meanwhile_are_one(county: County) -> None:
    incident, named = question(county)
    county.done(named[1], c.Merge(into=named[0], reason="同"))
    county.done(incident, c.AnswerAsk(same=True, candidates=tuple(named[:2])))
    assert set(county[named[0]].reports) == {"r0", "r1", "r3"}


def test_a_candidate_that_came_to_the_asked_incident_has_answered_its_question(county: County) -> None:
    candidate = county.arrives()
    incident = county.arrives("ask", candidate)
    county.done(candidate, c.Merge(into=incident, reason="同"))
    assert county.steps(incident) == ["opened", "asked", "report-joined", "ask-answered", "dispatched"]
    [answered] = told(county, incident, IncidentAskAnsweredV1)
    assert (answered.answer, county[incident].state) == ("same", "dispatched")
    beside, named = question(county, "meanwhile", emergency=True)
    county.done(named[0], c.Merge(into=beside, reason="同"))
    assert county[beside].ask is not None, "two are still to be compared"
    after = county.done(beside, c.AnswerAsk(same=True))
    assert (after.state, after.ask, county[named[0]].merged_into) == ("dispatched", None, beside)


def test_what_a_unit_has_already_does_not_wait_with_the_incident_that_it_is_merged_into(county: County) -> None:
    held, _ = question(county)
    emergency = county.arrives(emergency=True)
    county.done(emergency, c.Merge(into=held, reason="同"))
    assert (county[held].state, county[held].ask is not None) == ("dispatched", True)
    waiting, _ = question(county)
    other, _ = question(county)
    county.done(other, c.Merge(into=waiting, reason="同"))
    assert county[waiting].state == "asked"


@pytest.mark.parametrize("how", ["joins", "confirmed"])
def test_a_held_incident_that_turns_out_to_be_an_emergency_waits_no_longer(county: County, how: str) -> None:
    held, _ = question(county)
    if how == "joins":
        county.arrives("merge", held, emergency=True)
    else:
        county.done(held, c.Confirm(clock_class="emergency"))
    assert (county[held].state, county[held].ask is not None) == ("dispatched", True)
    county.passes(2 * HOLD)
    assert county.steps(held)[-1] == "ask-answered"


@pytest.mark.parametrize("end", ["completed", "merged", "answered", "expired"])
def test_whatever_ends_it_leaves_no_open_question(county: County, end: str) -> None:
    incident, named = question(county, "meanwhile", emergency=True)
    if end == "completed":
        county.done(incident, c.Accept())
        county.done(incident, c.Complete(text="好"))
        assert county.refused(incident, c.AnswerAsk(same=True)) == "illegal_move"
    elif end == "merged":
        county.done(incident, c.Merge(into=named[2], reason="同"))
    elif end == "answered":
        county.done(incident, c.AnswerAsk(same=True))
    else:
        county.passes(HOLD)
    assert county[incident].ask is None
    assert county.told(incident)[-1].incident.state in CLOSED or county.steps(incident)[-1] == "ask-answered"
    county.passes(48 * HOUR)
    assert county.steps(incident).count("ask-answered") == (end in {"answered", "expired"})


def test_a_question_outlives_returns_splits_and_families(county: County) -> None:
    incident, named = question(county, "meanwhile", emergency=True)
    county.arrives("merge", incident)
    county.done(incident, c.Split(reports=("r4",), reason="两件"))
    county.done(named[1], c.Group(children=(incident,)))
    assert (county[incident].state, county[incident].ask is not None) == ("covered", True)
    county.done(incident, c.AnswerAsk(same=True, candidates=(named[1],)))
    assert (county[incident].merged_into, county[named[1]].children) == (named[1], ())
    returned, _ = question(county, "meanwhile", emergency=True)
    for _ in range(2):
        county.done(returned, c.Return(reason="错", basis="职责清单"))
    assert (county[returned].state, county[returned].ask is not None) == ("adjudicating", True)
    county.passes(HOLD)
    assert (county[returned].state, county[returned].ask) == ("adjudicating", None)


def test_an_incident_that_others_hang_on_says_so_instead_of_merging(county: County) -> None:
    incident, _ = question(county, "meanwhile", emergency=True)
    child = county.arrives()
    county.done(incident, c.Group(children=(child,)))
    assert county.refused(incident, c.AnswerAsk(same=True)) == "not_possible"
    county.done(incident, c.AnswerAsk(same=False))


def test_a_family_whose_one_dispatch_would_be_merged_into_a_finished_child_is_left_as_it_is(county: County) -> None:
    parent, finished = county.arrives(matter="M04"), county.arrives()
    county.done(finished, c.Accept())
    county.done(parent, c.Group(children=(finished,)))
    county.done(finished, c.Complete(text="好"))
    county.passes(HOUR)
    incident = county.arrives("meanwhile", finished, emergency=True, text="又断线了")
    county.done(parent, c.Group(children=(incident,)))
    assert county.refused(incident, c.AnswerAsk(same=True)) == "not_possible", "the unit's one dispatch is its own"
    county.done(incident, c.Release())
    county.done(incident, c.AnswerAsk(same=True))
    assert (county[incident].merged_into, county[finished].state) == (finished, "dispatched")


def test_an_answer_takes_supervision_along_and_its_undoing_gives_everything_back(county: County) -> None:
    incident, named = question(county, "meanwhile", emergency=True)
    county.done(incident, c.Assign(unit="U05", reason="更合适"))
    county.done(incident, c.Supervise(reason="拖"), "supervisor")
    county.done(incident, c.AnswerAsk(same=True, candidates=tuple(named[:2])))
    assert county[named[0]].course.supervision is not None
    back = county.done(incident, c.UndoMerge(reason="不是"))
    assert (back.unit, back.course.supervision is not None, back.ask) == ("U05", True, None)
    assert (back.classification.clock_class, back.since) == ("emergency", START + MINUTE)
    assert county.done(named[1], c.UndoMerge(reason="不是")).reports == ("r1",)
