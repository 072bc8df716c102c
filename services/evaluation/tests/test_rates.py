"""Which cases count for which figure: a table of lives."""

from datetime import UTC, datetime, timedelta

import pytest
from evaluation_lives import Life, clock
from hypothesis import given
from hypothesis import strategies as st

from huying.evaluation.domain import Rules, decide_clock, decide_rating, decide_silence, decide_step
from huying.evaluation.rates import FIGURES, Period, figures, grades, marks, silent, taken

RULES = Rules(timedelta(days=15), timedelta(days=3))


def case_of(life, *clocks):
    cases = {}
    for event in life.steps:
        cases |= {case.incident_id: case for case in decide_step(cases, event, RULES).cases}
    for event in [event for told in clocks for event in told]:
        cases |= {case.incident_id: case for case in decide_clock(cases, event).cases}
    return cases["A"]


TABLE = [
    ("asked only", Life("A").opened(asked=True), [], set(), {"dispatched"}),
    ("merged away", Life("A").opened().merged("B"), [], set(), {"dispatched", "responded"}),
    ("just sent", Life("A").opened(), [], {"dispatched"}, {"responded", "on_time_n"}),
    (
        "a mass event's child that is covered from its beginning",
        Life("A").opened(asked=True).covered().completed(),
        [clock("r", "resolution", "on_time")],
        {"dispatched", "completed", "on_time", "invited", "unrated"},
        {"overdue", "returned"},
    ),
    (
        "taken late",
        Life("A").opened().accepted(),
        [clock("a", "acceptance", "breached", "late")],
        {"responded"},
        {"completed", "on_time_n", "overdue"},
    ),
    (
        "done in time",
        Life("A").opened().completed(),
        [clock("r", "response", "on_time")],
        {"completed", "on_time", "on_time_n", "invited", "unrated"},
        {"overdue", "extended", "rated"},
    ),
    (
        "in time by an extension: on time, and seen to be extended",
        Life("A").opened().completed(),
        [clock("r", "resolution", "extended", "on_time")],
        {"on_time", "extended"},
        {"overdue"},
    ),
    (
        "overdue and open",
        Life("A").opened(),
        [clock("r", "resolution", "breached")],
        {"overdue", "on_time_n"},
        {"on_time", "completed"},
    ),
    (
        "a void clock counts for nothing",
        Life("A").opened(),
        [clock("r", "resolution", "void")],
        {"dispatched"},
        {"on_time_n", "overdue"},
    ),
    (
        "one clock of two late",
        Life("A").opened().completed(),
        [clock("r", "resolution", "on_time"), clock("s", "response", "late")],
        {"overdue", "on_time_n"},
        {"on_time"},
    ),
    ("sent back once", Life("A").opened().returned().dispatched("U05"), [], {"returned"}, {"redone"}),
    (
        "done again",
        Life("A").opened().completed().dispatched(),
        [],
        {"redone", "completed_once"},
        {"completed"},
    ),
    (
        "done in time, begun anew, and its new clock still runs",
        Life("A").opened().completed().redone(),
        [clock("r", "resolution", "on_time"), clock("r2", "resolution"), clock("a", "acceptance", "on_time")],
        {"redone"},
        {"on_time", "on_time_n", "overdue"},
    ),
    (
        "late at first, and its new clock still runs: late it was",
        Life("A").opened().completed().redone(),
        [clock("r", "resolution", "late"), clock("r2", "resolution")],
        {"overdue", "on_time_n"},
        {"on_time"},
    ),
]


@pytest.mark.parametrize(
    ("life", "clocks", "holds", "not_holds"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_a_case_counts_for_what_happened_to_it(life, clocks, holds, not_holds):
    found = set(marks(case_of(life, *clocks)))
    assert holds <= found
    assert not found & not_holds


def test_every_counted_case_is_in_its_n():
    for _, life, clocks, _, _ in TABLE:
        found = set(marks(case_of(life, *clocks)))
        assert all(base in found for figure, (_, base) in FIGURES.items() if figure in found)


def test_an_acceptance_counts_for_the_unit_whose_it_was_and_late_though_another_has_it_now():
    late, mine = clock("a", "acceptance", "breached", "late"), clock("b", "acceptance", "on_time")
    mine = [event.model_copy(update={"unit": "U05"}) for event in mine]
    gone, open_still = clock("c", "acceptance", "void"), clock("d", "acceptance")
    case = case_of(Life("A").opened().returned().dispatched("U05").accepted(), late, mine, gone, open_still)
    assert (case.unit, taken(case)) == (
        "U05",
        [{"unit": "U02", "timely": False}, {"unit": "U05", "timely": True}],
    )
    assert taken(case_of(Life("A").opened(), clock("a", "acceptance", "breached"))) == [
        {"unit": "U02", "timely": False}
    ]
    line = figures({"taken": 2, "timely": 1})["timely_acceptance"]
    assert line == {"name": "及时受理率", "count": 1, "n": 2, "rate": 0.5}


def test_a_silent_citizen_is_never_a_satisfied_one():
    case = case_of(Life("A").opened().joined("r2").joined("r3").completed())
    first, second, _ = case.invitations
    for one, grade in ((first, "basically_satisfied"), (second, "dissatisfied")):
        [case] = decide_rating(case, one.rating_id, grade, None, one.at).cases
    line = figures(grades(case) | {"silent": len(silent(case))})["satisfied"]
    assert line == {
        "name": "满意率",
        "count": 1,
        "n": 2,
        "rate": 0.5,
        "unrated": 1,
        "satisfied_count": 0,
        "basically_satisfied_count": 1,
        "dissatisfied_count": 1,
    }


def test_who_rated_the_new_result_is_not_silent_because_a_redo_ended_their_first_link():
    case = case_of(Life("A").opened().joined("r2").completed().redone().completed())
    assert (len(case.invitations), silent(case)) == (4, {"A-r1", "r2"}), "people, not links"
    for one in case.invitations[2:]:
        [case] = decide_rating(case, one.rating_id, "satisfied", None, one.at).cases
    assert (silent(case), "unrated" in marks(case)) == (set(), False)


def test_a_result_waits_for_a_call_back_from_when_it_is_due_until_somebody_says_how_it_went_or_it_is_done_again():
    def waits(case) -> bool:
        return "callback" in marks(case)

    life = Life("A").opened().completed()
    case = case_of(life)
    assert not waits(case)
    [due] = decide_silence(case, case.callback_due_at).cases
    assert waits(due)
    [said] = decide_rating(due, due.invitations[0].rating_id, "satisfied", None, due.callback_at).cases
    assert not waits(said)
    for event in life.redone(24 * 5).completed().steps[-3:]:
        [due] = decide_step({"A": due}, event, RULES).cases
        assert not waits(due)
    [due] = decide_silence(due, due.callback_due_at).cases
    assert waits(due)
    gone = Life("A").opened().completed().parted("A-r1", into="B").steps[-1]
    [alone] = decide_step({"A": due}, gone.model_copy(update={"incident_version": 99}), RULES).cases
    assert not waits(alone), "nobody is left to be called"


def test_who_was_split_off_is_not_silent_about_what_is_not_theirs():
    case = case_of(Life("A").opened().joined("r2").completed().parted("r2", into="B"))
    assert silent(case) == {"A-r1"}


def test_a_rate_of_nothing_is_no_rate():
    table = figures({})
    assert table["on_time"]["rate"] is None
    assert table["satisfied"]["rate"] is None


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-03", (2026, 2, 28, 16), (2026, 3, 31, 16)),
        ("2026-12", (2026, 11, 30, 16), (2026, 12, 31, 16)),
        ("2026-Q1", (2025, 12, 31, 16), (2026, 3, 31, 16)),
        ("2026-H2", (2026, 6, 30, 16), (2026, 12, 31, 16)),
        ("2026", (2025, 12, 31, 16), (2026, 12, 31, 16)),
    ],
)
def test_a_period_is_the_countys_own_months(text, start, end):
    period = Period.parse(text)
    assert (period.start, period.end) == (datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "2026-13", "2026-00", "2026-Q5", "03-2026", "2026-3", "1999", "2026-03 "])
def test_what_is_no_period_is_refused_with_the_forms(text):
    with pytest.raises(ValueError, match="2026-Q1"):
        Period.parse(text)


@given(st.integers(2000, 2998), st.integers(1, 11))
def test_months_follow_one_another_without_gap(year, month):
    assert Period.parse(f"{year}-{month:02}").end == Period.parse(f"{year}-{month + 1:02}").start


def test_a_covered_child_belongs_to_the_month_in_which_it_was_covered_and_is_no_dispatch_of_its_own() -> None:
    life = Life("A").opened(asked=True).covered()
    case = case_of(life)
    assert (case.dispatched_at, case.unit, case.held_by) == (life.steps[-1].at, "U02", ())


@pytest.mark.parametrize(
    ("life", "held"),
    [
        (Life("A").opened().withdrawn().merged("B").restored(), ("U02",)),
        (Life("A").opened().withdrawn().merged("B").restored().withdrawn().merged("C").restored(), ("U02",)),
        (Life("A").opened().returned().dispatched("U05").withdrawn().merged("B").restored(), ("U02", "U05")),
        (Life("A").opened().withdrawn().dispatched("U05"), ("U02", "U05")),
    ],
    ids=["undone", "undone twice", "sent back before", "assigned to another"],
)
def test_a_merge_that_was_undone_leaves_one_dispatch_as_if_it_had_never_been(life, held):
    case = case_of(life)
    assert (case.held_by, "dispatched" in marks(case)) == (held, True)
