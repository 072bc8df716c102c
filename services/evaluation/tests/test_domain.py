"""Invitations, verdicts and call-backs, without any I/O."""

from datetime import timedelta

import pytest
from evaluation_lives import MONDAY, Life, clock

from huying.contracts.incidents import CommandDeclinedV1
from huying.evaluation import pages
from huying.evaluation.citizen import _ended
from huying.evaluation.domain import (
    Case,
    Decision,
    Rules,
    decide_clock,
    decide_declined,
    decide_rating,
    decide_silence,
    decide_step,
    redo_id,
)
from huying.evaluation.rates import marks

RULES = Rules(timedelta(days=15), timedelta(days=3))


def live(*events, cases=None):
    """Fold events over `cases`; the decisions in order."""
    cases = {} if cases is None else cases
    decisions = []
    for event in events:
        is_clock = not hasattr(event, "incident_version")
        decision = decide_clock(cases, event) if is_clock else decide_step(cases, event, RULES)
        cases |= {case.incident_id: case for case in decision.cases}
        decisions.append(decision)
    return cases, decisions


def invited(decisions):
    return [one for decision in decisions for _, one in decision.invited]


def test_every_reporter_of_a_completed_case_is_invited_once():
    life = Life("A").opened().joined("r2").joined("device", by=None).accepted().completed()
    cases, decisions = live(*life.steps)
    assert {one.report_id for one in invited(decisions)} == {"A-r1", "r2"}
    assert len(invited(decisions)) == 2
    assert all(one.expires_at - one.at == timedelta(days=15) for one in invited(decisions))
    assert invited(live(*life.steps, cases=cases)[1]) == []


def test_a_device_is_invited_to_nothing():
    _, decisions = live(*Life("A").opened(by=None).accepted().completed().steps)
    assert invited(decisions) == []


def test_a_report_that_joins_after_the_result_is_invited_when_it_joins():
    life = Life("A").opened().completed().joined("late", hours=2)
    cases, decisions = live(*life.steps)
    late = next(one for one in invited(decisions) if one.report_id == "late")
    assert late.at == life.at
    assert len(cases["A"].invitations) == 2


@pytest.mark.parametrize("merge_first", [True, False])
def test_a_merged_case_gives_its_reports_away_and_the_survivor_asks_their_people(merge_first):
    lost = Life("B").opened(asked=True).merged("A")
    kept = Life("A").opened().joined("B-r1").completed()
    steps = [*lost.steps, *kept.steps] if merge_first else [*kept.steps, *lost.steps]
    cases, decisions = live(*steps)
    assert {one.report_id for one in invited(decisions)} == {"A-r1", "B-r1"}
    assert cases["B"].invitations == ()
    assert cases["B"].reports == {}
    assert {case.incident_id for decision in decisions for case, _ in decision.invited} == {"A"}


def test_who_was_split_off_before_the_result_is_not_asked_about_it():
    cases, decisions = live(*Life("A").opened().joined("r2").parted("r2", "C").completed().steps)
    assert {one.report_id for one in invited(decisions)} == {"A-r1"}
    assert set(cases["A"].reports) == {"A-r1"}


def test_who_was_split_off_after_the_result_is_asked_about_it_no_more_and_again_when_it_comes_back():
    life = Life("A").opened(by=None).joined("r2").completed().parted("r2", into="B")
    cases, decisions = live(*life.steps)
    [link] = invited(decisions)
    assert decide_rating(cases["A"], link.rating_id, "dissatisfied", None, link.at).refusal == "moved"
    silence = decide_silence(cases["A"], link.at + timedelta(days=4))
    assert (silence.callbacks, silence.cases[0].callback_due_at) == ((), None), "nobody is left to call back"
    cases, _ = live(*life.joined("r2").steps)
    assert decide_rating(cases["A"], link.rating_id, "satisfied", None, link.at).refusal is None


def test_a_report_that_comes_back_after_nobody_was_left_to_call_has_its_call_back_once():
    life = Life("A").opened(by=None).joined("r2").completed().parted("r2", into="B")
    cases, decisions = live(*life.steps)
    [link] = invited(decisions)
    later = link.at + timedelta(days=4)
    (cases["A"],) = decide_silence(cases["A"], later).cases
    live(life.joined("device", by=None).steps[-1], cases=cases)
    assert cases["A"].callback_due_at is None
    live(life.joined("r2").steps[-1], cases=cases)
    called = decide_silence(cases["A"], later)
    assert [one for _, one in called.callbacks] == [link]
    (cases["A"],) = called.cases
    live(life.joined("r3").steps[-1], cases=cases)
    assert cases["A"].callback_due_at is None


def test_who_joins_after_nobody_was_left_to_call_has_a_call_back_of_their_own():
    life = Life("A").opened().completed().parted("A-r1", into="B")
    cases, decisions = live(*life.steps)
    [gone] = invited(decisions)
    (cases["A"],) = decide_silence(cases["A"], gone.at + timedelta(days=4)).cases
    [fresh] = invited(live(life.joined("late", hours=100).steps[-1], cases=cases)[1])
    assert cases["A"].callback_due_at == fresh.at + RULES.callback_after
    live(life.joined("A-r1").steps[-1], cases=cases)
    (cases["A"],) = decide_rating(cases["A"], fresh.rating_id, "satisfied", None, fresh.at).cases
    live(life.joined("r3").steps[-1], cases=cases)
    assert cases["A"].callback_due_at is None, "somebody said how it went"


def test_a_gap_in_the_versions_is_told_and_a_repeat_is_not():
    steps = Life("A").opened().accepted().completed().steps
    cases, decisions = live(steps[0], steps[2])
    assert [decision.gap for decision in decisions] == [False, True]
    assert live(steps[1], cases=cases)[1] == [Decision()]


def one_invited():
    cases, decisions = live(*Life("A").opened().accepted().completed().steps)
    return cases["A"], invited(decisions)[0]


def test_a_verdict_is_taken_once():
    case, invitation = one_invited()
    first = decide_rating(case, invitation.rating_id, "satisfied", "好", invitation.at + timedelta(hours=1))
    [case] = first.cases
    assert [one.grade for _, one in first.rated] == ["satisfied"]
    again = decide_rating(case, invitation.rating_id, "dissatisfied", None, invitation.at + timedelta(hours=2))
    assert again == Decision(refusal="used")


@pytest.mark.parametrize("between", ["", "\u200e", "\u202d", "\x00"])
def test_a_comment_is_kept_without_numbers_of_persons(between: str):
    case, invitation = one_invited()
    comment = f"打１３８ 12{between}34 5678{between}找我，身份证1305{between}2919900101123X"
    decision = decide_rating(case, invitation.rating_id, "satisfied", comment, invitation.at + timedelta(hours=1))
    [(kept, rated)] = decision.rated
    assert rated.comment == "打138****5678找我，身份证13**************3X"
    assert kept.invitation(invitation.rating_id) == rated


@pytest.mark.parametrize(
    ("after", "refusal"),
    [
        (timedelta(days=15) - timedelta(milliseconds=1), None),
        (timedelta(days=15), "expired"),
        (timedelta(days=400), "expired"),
    ],
)
def test_a_link_is_good_until_its_last_moment_and_not_at_it(after, refusal):
    case, invitation = one_invited()
    decision = decide_rating(case, invitation.rating_id, "satisfied", None, invitation.at + after)
    assert decision.refusal == refusal


def test_a_link_of_nobody_is_refused():
    case, _ = one_invited()
    assert decide_rating(case, "rt-unknown", "satisfied", None, MONDAY).refusal == "unknown"
    assert decide_rating(None, "rt-unknown", "satisfied", None, MONDAY).refusal == "unknown"


def test_silence_makes_one_callback_and_a_verdict_makes_none():
    case, invitation = one_invited()
    due = invitation.at + timedelta(days=3)
    assert decide_silence(case, due - timedelta(seconds=1)) == Decision()
    called = decide_silence(case, due + timedelta(days=1))
    [after] = called.cases
    assert [(c.callback_at, one.rating_id) for c, one in called.callbacks] == [(due, invitation.rating_id)]
    assert decide_silence(after, due + timedelta(days=2)) == Decision()
    [rated] = decide_rating(case, invitation.rating_id, "satisfied", None, invitation.at).cases
    assert decide_silence(rated, due) == Decision()


def test_a_verdict_after_the_due_time_brings_the_callback_first_as_a_tick_would_have():
    case, invitation = one_invited()
    late = invitation.at + timedelta(days=4)
    [ticked] = decide_silence(case, late).cases
    by_tick = decide_rating(ticked, invitation.rating_id, "satisfied", None, late)
    at_once = decide_rating(case, invitation.rating_id, "satisfied", None, late)
    assert at_once.cases == by_tick.cases
    assert len(at_once.callbacks) == 1


def test_a_clock_told_again_changes_nothing_and_a_breach_stays():
    events = clock("c1", "resolution", "breached", "extended", "late")
    cases, _ = live(*events)
    again, decisions = live(*events, cases=dict(cases))
    assert again == cases
    assert decisions == [Decision()] * len(events)
    assert cases["A"].clocks["c1"].breached
    assert cases["A"] == Case(incident_id="A", jurisdiction="130529", clocks=cases["A"].clocks)


def rate(cases, invitation, grade="dissatisfied", hours=1):
    """The verdict's decision; the case goes on with it."""
    decision = decide_rating(cases["A"], invitation.rating_id, grade, "差", invitation.at + timedelta(hours=hours))
    assert decision.refusal is None
    cases["A"] = decision.cases[-1]
    return decision


def reopened(life, cases):
    """It was done again and completed; who is invited now."""
    known = len(life.steps)
    return invited(live(*life.redone().accepted().completed().steps[known:], cases=cases)[1])


def declined(reason, command=None):
    return CommandDeclinedV1(
        command_id=command or redo_id("A"),
        incident_id="A",
        jurisdiction="130529",
        at=MONDAY,
        reason=reason,
        message="不能",
    )


def test_the_first_dissatisfied_verdict_has_it_done_again_and_others_on_the_same_result_add_nothing():
    cases, decisions = live(*Life("A").opened().joined("r2").joined("r3").completed().steps)
    one, two, three = invited(decisions)
    assert [len(rate(cases, each, grade).redos) for each, grade in ((one, "satisfied"), (two, "dissatisfied"))] == [
        0,
        1,
    ]
    again = rate(cases, three, hours=2)
    assert (again.redos, again.reviews) == ((), ())
    assert "review" not in marks(cases["A"])


def test_the_new_result_has_new_links_for_all_and_ends_those_that_nobody_used():
    life = Life("A").opened().joined("r2").completed()
    cases, decisions = live(*life.steps)
    used, unused = invited(decisions)
    rate(cases, used)
    fresh = reopened(life, cases)
    assert sorted(one.report_id for one in fresh) == ["A-r1", "r2"]
    assert {one.rating_id for one in fresh}.isdisjoint({used.rating_id, unused.rating_id})
    late = decide_rating(cases["A"], unused.rating_id, "satisfied", None, fresh[0].at)
    assert late.refusal == "expired"
    assert cases["A"].callback_due_at == fresh[0].at + RULES.callback_after
    assert {"redone", "completed_once"} <= set(marks(cases["A"]))
    known = dict(cases)
    assert invited(live(*life.steps, cases=cases)[1]) == []
    assert cases == known


def test_dissatisfied_with_the_new_result_is_one_review_and_no_redo():
    life = Life("A").opened().joined("r2").completed()
    cases, decisions = live(*life.steps)
    rate(cases, invited(decisions)[0])
    first, second = reopened(life, cases)
    again = rate(cases, first)
    assert again.redos == ()
    [(case, given, because)] = again.reviews
    assert (case.redone, given.rating_id, because) == (1, first.rating_id, "dissatisfied_again")
    assert "review" in marks(cases["A"])
    assert rate(cases, second).reviews == ()
    reopened(life, cases)
    assert "review" not in marks(cases["A"]), "a supervisor had it done again"


def test_a_verdict_while_it_is_being_done_again_asks_for_nothing():
    life = Life("A").opened().completed()
    cases, decisions = live(*life.steps)
    live(*life.redone().steps[-2:], cases=cases)
    decision = rate(cases, invited(decisions)[0])
    assert (decision.redos, decision.reviews) == ((), ())


def test_silence_about_the_new_result_makes_a_callback_of_its_own_and_none_while_it_is_done_again():
    life = Life("A").opened().completed()
    cases, _ = live(*life.steps)
    live(*life.redone().steps[-2:], cases=cases)
    assert cases["A"].callback_due_at is None
    [fresh] = invited(live(*life.accepted().completed().steps[-2:], cases=cases)[1])
    [(_, asked)] = decide_silence(cases["A"], fresh.at + RULES.callback_after).callbacks
    assert asked == fresh


@pytest.mark.parametrize(
    ("event", "reviews"),
    [
        (declined("limit_reached"), 1),
        (declined("illegal_move"), 0),
        (declined("limit_reached", command="of-somebody-else"), 0),
    ],
)
def test_what_is_not_done_again_by_itself_is_reviewed_once(event, reviews):
    cases, decisions = live(*Life("A").opened().completed().steps)
    assert decide_declined(cases["A"], event) == Decision(), "nothing was asked yet"
    rate(cases, invited(decisions)[0])
    decision = decide_declined(cases["A"], event)
    assert [because for _, _, because in decision.reviews] == ["redo_declined"] * reviews
    for case in decision.cases:
        assert decide_declined(case, event) == Decision()
    assert decide_declined(None, event) == Decision()


def test_the_page_says_what_follows_a_verdict_and_only_what_the_rules_do():
    def said(**case: object) -> str:
        return pages.thanks(Case(incident_id="A", **case), "dissatisfied")

    assert "这件事会重新办理" in said(state="completed")
    assert "正在重新办理" in said(state="accepted", redone=1)
    assert "督查人员复核" in said(state="completed", redone=1)
    assert "重新办理" not in said(state="merged")
    assert "重新办理" not in pages.thanks(Case(incident_id="A", state="completed"), "satisfied")


def test_a_link_that_a_redo_ended_points_to_the_new_one():
    life = Life("A").opened().completed()
    cases, decisions = live(*life.steps)
    [first] = invited(decisions)
    assert _ended(cases["A"], first) == "expired"
    [second] = reopened(life, cases)
    assert _ended(cases["A"], first) == "renewed"
    assert _ended(cases["A"], second) == "expired"
