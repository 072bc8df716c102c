"""Working time, pauses, warnings and explanations beyond the vectors."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from huying.county import ClockPolicy, Pause, WorkingCalendar, due_at, reminder_at, warning_times
from huying.county.calendar import CalendarChoices, Period

SHANGHAI = ZoneInfo("Asia/Shanghai")
PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "calendar"
"""holiday-cn's files, where a development machine has them beside the project."""
OFFICE = WorkingCalendar(CalendarChoices.model_validate({"hours": ["08:30-12:00", "14:30-18:00"]}))

instants = st.integers(0, 92_000_000).map(lambda s: dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=s))
"""January 2024 to November 2026: years whose holidays are published."""
spans = st.timedeltas(dt.timedelta(seconds=1), dt.timedelta(hours=100))


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def policy(unit: str, amount: int = 1, **more: object) -> ClockPolicy:
    return ClockPolicy.model_validate(
        {"kind": "resolution", "clock_class": "other", "amount": amount, "unit": unit, **more}
    )


STEPS = [{"percent": percent, "roles": ["leader"]} for percent in (50, 75, 90, 100)]


@pytest.mark.parametrize("year", range(2019, 2027))
def test_every_day_agrees_with_the_state_councils_calendar(year: int) -> None:
    file = PUBLISHED / f"{year}.json"
    if not file.exists():
        pytest.skip(f"holiday-cn's {year}.json is not beside the project: the cross-check needs it")
    published = {
        dt.date.fromisoformat(day["date"]): not day["isOffDay"] for day in json.loads(file.read_text("utf-8"))["days"]
    }
    first = dt.date(year, 1, 1)
    days = [first + dt.timedelta(days=n) for n in range((dt.date(year + 1, 1, 1) - first).days)]
    expected = {day: published.get(day, day.weekday() < 5) for day in days}
    assert {day: OFFICE.day(day).is_working for day in days} == expected


@given(start=instants, amount=spans)
def test_adding_working_time_and_measuring_it_agree(start: dt.datetime, amount: dt.timedelta) -> None:
    end = OFFICE.add_working_time(start, amount)
    assert OFFICE.working_time_between(start, end) == amount
    assert OFFICE.working_time_between(start, end - dt.timedelta(seconds=1)) == amount - dt.timedelta(seconds=1)


@given(start=instants, amount=spans)
def test_walking_back_returns_working_time_in_full(start: dt.datetime, amount: dt.timedelta) -> None:
    begin = OFFICE.add_working_time(start, -amount)
    assert begin <= start
    assert OFFICE.working_time_between(begin, start) == amount


@given(start=instants, pause_after=spans, pause_for=spans, unit=st.sampled_from(["hours", "working_hours"]))
def test_a_clock_in_hours_gets_exactly_what_it_stood_still(
    start: dt.datetime, pause_after: dt.timedelta, pause_for: dt.timedelta, unit: str
) -> None:
    clock = policy(unit, 20)
    pause = Pause(start + pause_after, start + pause_after + pause_for)
    due = due_at(clock, start, OFFICE, [pause]).at
    if unit == "hours":
        run = (due - start) - max(dt.timedelta(), min(due, pause.ended_at) - pause.started_at)
    else:
        run = OFFICE.working_time_between(start, due) - OFFICE.working_time_between(
            pause.started_at, min(due, pause.ended_at)
        )
    assume(due >= pause.started_at)
    assert run == dt.timedelta(hours=20)


@given(start=instants, days=st.integers(1, 15), longer=st.integers(1, 5))
def test_a_longer_limit_is_never_due_earlier(start: dt.datetime, days: int, longer: int) -> None:
    one, two = OFFICE.add_working_days(start, days), OFFICE.add_working_days(start, days + longer)
    assert start < one < two


@given(start=instants, unit=st.sampled_from(["minutes", "hours", "working_hours", "working_days", "same_day"]))
def test_warnings_come_in_order_between_start_and_deadline(start: dt.datetime, unit: str) -> None:
    clock = policy(unit, 1 if unit == "same_day" else 7, warnings=STEPS)
    due = due_at(clock, start, OFFICE).at
    warned = warning_times(clock, start, due, OFFICE)
    times = [warning.at for warning in warned]
    assert times == sorted(times)
    assert start <= times[0] <= times[-1] == due
    assert [warning.percent for warning in warned] == [50, 75, 90, 100]


def test_a_pause_of_whole_working_days_moves_a_clock_in_days_by_them() -> None:
    pause = Pause(at("2026-03-03 08:30"), at("2026-03-05 08:30"))
    assert due_at(policy("working_days", 2), at("2026-03-02 10:00"), OFFICE, [pause]).at == at("2026-03-06 18:00")


def test_two_half_day_pauses_add_up_to_one_working_day() -> None:
    halves = [
        Pause(at("2026-03-03 08:30"), at("2026-03-03 12:00")),
        Pause(at("2026-03-04 08:30"), at("2026-03-04 12:00")),
    ]
    clock, start = policy("working_days", 2), at("2026-03-02 10:00")
    assert due_at(clock, start, OFFICE, halves[:1]).at == at("2026-03-04 18:00")
    assert due_at(clock, start, OFFICE, halves).at == at("2026-03-05 18:00")


def test_overlapping_pauses_count_once() -> None:
    one = Pause(at("2026-03-02 10:00"), at("2026-03-02 11:00"))
    clock, start = policy("hours", 2), at("2026-03-02 09:30")
    assert due_at(clock, start, OFFICE, [one, one]).at == due_at(clock, start, OFFICE, [one]).at


def test_a_pause_after_the_deadline_saves_nobody() -> None:
    late = Pause(at("2026-03-05 08:30"), at("2026-03-10 08:30"))
    clock, start = policy("working_days", 2), at("2026-03-02 10:00")
    assert due_at(clock, start, OFFICE, [late]).at == due_at(clock, start, OFFICE).at


def test_a_pause_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        due_at(policy("hours"), at("2026-03-02 10:00"), OFFICE, [Pause(at("2026-03-03 10:00"), at("2026-03-02 10:00"))])


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        due_at(policy("working_days", 2), at("2026-03-02 10:00").replace(tzinfo=None), OFFICE)


def test_a_county_closure_and_an_opening_override_the_nation() -> None:
    choices = {
        "hours": ["08:30-12:00", "14:30-18:00"],
        "closures": [{"on": "2026-03-03", "reason_zh": "政务大厅搬迁"}],
        "openings": [{"on": "2026-03-07", "reason_zh": "集中办理日"}],
    }
    county = WorkingCalendar(CalendarChoices.model_validate(choices))
    due = due_at(policy("working_days", 4), at("2026-03-02 10:00"), county)
    assert due.at == at("2026-03-07 18:00")
    assert any("政务大厅搬迁" in step for step in due.steps)
    assert any("集中办理日" in step for step in due.steps)


def test_an_emergency_needs_no_calendar_and_is_never_provisional() -> None:
    assert due_at(policy("hours", 2), at("2028-10-01 23:30"), OFFICE).provisional is False


def test_a_deadline_that_reaches_into_an_unpublished_year_is_provisional() -> None:
    due = due_at(policy("working_days", 7), at("2026-12-28 10:00"), OFFICE)
    assert due.provisional is (not OFFICE.knows(2027))


def test_reminders_after_a_breach_keep_to_the_clocks_own_time() -> None:
    due = at("2026-03-06 18:00")
    assert reminder_at(policy("working_days", 2, every_after_breach_hours=7), due, 1, OFFICE) == at("2026-03-09 18:00")
    assert reminder_at(policy("hours", 2, every_after_breach_hours=1), due, 3, OFFICE) == at("2026-03-06 21:00")
    assert reminder_at(policy("hours", 2), due, 1, OFFICE) is None


def test_a_calendar_that_never_opens_is_an_error_and_not_an_endless_search() -> None:
    start = dt.date(2026, 3, 2)
    closures = [{"on": start + dt.timedelta(days=n), "reason_zh": "停办"} for n in range(4_000)]
    shut = WorkingCalendar(CalendarChoices.model_validate({"hours": ["08:30-18:00"], "closures": closures}))
    with pytest.raises(ValueError, match="within ten years"):
        due_at(policy("working_days"), at("2026-03-02 10:00"), shut)
    with pytest.raises(ValueError, match="within ten years"):
        due_at(policy("working_hours"), at("2026-03-02 10:00"), shut)


LAST, FIRST = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC)
ROUND_THE_CLOCK = WorkingCalendar(CalendarChoices.model_validate({"hours": ["00:00-24:00"]}))


@pytest.mark.parametrize("calendar", [OFFICE, ROUND_THE_CLOCK])
@pytest.mark.parametrize("unit", ["hours", "working_days"])
@pytest.mark.parametrize("due", [at("2040-03-02 10:00"), at("2500-03-02 10:00"), LAST, FIRST])
def test_no_deadline_is_too_far_for_the_calendar(calendar: WorkingCalendar, unit: str, due: dt.datetime) -> None:
    clock = policy(unit, 7, warnings=STEPS, every_after_breach_hours=7)
    start = at("2026-03-02 10:00")
    warned = [warning.at for warning in warning_times(clock, start, due, calendar)]
    assert warned == sorted(warned)
    assert warned[-1] == due
    again = reminder_at(clock, due, 1, calendar)
    assert again is None if due is LAST else again is not None
    assert calendar.working_time_between(min(start, due), max(start, due)) > dt.timedelta(days=700)
    assert len(calendar._days) < 15_000, "nobody walks over centuries day by day"


@pytest.mark.parametrize("text", ["8-12", "12:00-08:30", "08:30-25:00", "", "morning"])
def test_working_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="working hours"):
        Period.parse(text)


def test_overlapping_periods_are_refused() -> None:
    with pytest.raises(ValidationError, match="overlap"):
        CalendarChoices.model_validate({"hours": ["08:30-12:00", "11:00-18:00"]})
