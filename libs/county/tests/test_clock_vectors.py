"""The fifteen clock vectors: each from a public bug thread or a State Council calendar."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from huying.county import ClockPolicy, Pause, WarningStep, WorkingCalendar, due_at, warning_times
from huying.county.calendar import CalendarChoices

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> dt.datetime:
    """`2026-03-02 17:00` on Shanghai's clocks."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def calendar(*hours: str, national: bool = False, **choices: object) -> WorkingCalendar:
    return WorkingCalendar(
        CalendarChoices.model_validate({"hours": list(hours), "national_holidays": national, **choices})
    )


def policy(amount: int, unit: str, **more: object) -> ClockPolicy:
    return ClockPolicy.model_validate(
        {"kind": "resolution", "clock_class": "other", "amount": amount, "unit": unit, **more}
    )


EIGHT_TO_SIX = calendar("08:00-18:00")
NINE_TO_FIVE = calendar("09:00-17:00")
OFFICE = calendar("08:30-12:00", "14:30-18:00")
ALL_HOURS = calendar("00:00-24:00", week=["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
ONLY_TUESDAY = calendar("09:00-17:00", week=["tue"])
CHINA = calendar("08:30-12:00", "14:30-18:00", national=True)
THAT_DAY = calendar("08:30-12:00", "14:30-18:00", national=True, same_day_late="that_day")
NEXT_DAY = calendar("08:30-12:00", "14:30-18:00", national=True, same_day_late="next_working_day")


@dataclass(frozen=True)
class Vector:
    number: str
    calendar: WorkingCalendar
    policy: ClockPolicy
    started: str
    due: str
    pauses: tuple[tuple[str, str], ...] = ()


VECTORS = [
    Vector("1", EIGHT_TO_SIX, policy(4, "working_hours"), "2026-03-02 17:00", "2026-03-03 11:00"),
    Vector("2", NINE_TO_FIVE, policy(1, "working_hours"), "2026-03-06 16:30", "2026-03-09 09:30"),
    Vector(
        "3",
        NINE_TO_FIVE,
        policy(8, "working_hours"),
        "2026-03-02 09:00",
        "2026-03-02 17:00",
        (("2026-03-02 17:00", "2026-03-03 09:00"),),
    ),
    Vector(
        "3 inside",
        NINE_TO_FIVE,
        policy(8, "working_hours"),
        "2026-03-02 10:00",
        "2026-03-03 10:00",
        (("2026-03-02 17:00", "2026-03-03 09:00"),),
    ),
    Vector(
        "4",
        EIGHT_TO_SIX,
        policy(3, "working_days"),
        "2026-03-05 10:00",
        "2026-03-10 18:00",
        (("2026-03-06 18:30", "2026-03-09 08:00"),),
    ),
    Vector(
        "4 within working time",
        OFFICE,
        policy(3, "working_days"),
        "2026-03-05 10:00",
        "2026-03-10 18:00",
        (("2026-03-06 17:00", "2026-03-09 09:30"),),
    ),
    Vector("6", ALL_HOURS, policy(3, "working_hours"), "2026-03-02 22:30", "2026-03-03 01:30"),
    Vector("7 over lunch", OFFICE, policy(2, "working_hours"), "2026-03-02 11:00", "2026-03-02 15:30"),
    Vector("7 in lunch", OFFICE, policy(1, "working_hours"), "2026-03-02 13:00", "2026-03-02 15:30"),
    Vector("8", ONLY_TUESDAY, policy(9, "working_hours"), "2026-03-03 09:00", "2026-03-10 10:00"),
    Vector("8 days", ONLY_TUESDAY, policy(1, "working_days"), "2026-03-03 09:00", "2026-03-10 17:00"),
    Vector("9", CHINA, policy(2, "working_days"), "2026-02-13 10:00", "2026-02-24 18:00"),
    Vector("10", CHINA, policy(7, "working_days"), "2026-02-13 10:00", "2026-03-02 18:00"),
    Vector("11", CHINA, policy(2, "working_days"), "2026-05-08 10:00", "2026-05-11 18:00"),
    Vector("12", CHINA, policy(7, "working_days"), "2026-09-30 10:00", "2026-10-15 18:00"),
    Vector("13", CHINA, policy(2, "working_days"), "2028-09-29 10:00", "2028-10-03 18:00"),
    Vector("14", CHINA, policy(2, "hours"), "2026-03-07 23:50", "2026-03-08 01:50"),
    Vector("15 plain", NEXT_DAY, policy(1, "same_day"), "2026-03-02 09:00", "2026-03-02 23:59:59"),
    Vector("15 late, that day", THAT_DAY, policy(1, "same_day"), "2026-03-02 23:40", "2026-03-02 23:59:59"),
    Vector("15 late, next", NEXT_DAY, policy(1, "same_day"), "2026-03-02 23:40", "2026-03-03 23:59:59"),
    Vector("15 rest day, that day", THAT_DAY, policy(1, "same_day"), "2026-02-17 09:00", "2026-02-17 23:59:59"),
    Vector("15 rest day, next", NEXT_DAY, policy(1, "same_day"), "2026-02-17 09:00", "2026-02-24 23:59:59"),
    Vector("15 make-up day", NEXT_DAY, policy(1, "same_day"), "2026-02-14 09:00", "2026-02-14 23:59:59"),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.number)
def test_a_deadline_falls_where_the_vector_says(vector: Vector) -> None:
    pauses = [Pause(at(start), at(end)) for start, end in vector.pauses]
    due = due_at(vector.policy, at(vector.started), vector.calendar, pauses)
    assert due.at.tzinfo is dt.UTC
    assert due.at.astimezone(SHANGHAI) == at(vector.due)
    assert due.provisional is (vector.number == "13")
    assert due.steps[-1].startswith(f"到期：{vector.due[:16]}")


def test_vector_1_warns_in_working_time_and_not_at_midnight() -> None:
    clock = policy(4, "working_hours", warnings=[WarningStep(percent=75, roles=("leader",))])
    started = at("2026-03-02 17:00")
    due = due_at(clock, started, EIGHT_TO_SIX).at
    (warned,) = warning_times(clock, started, due, EIGHT_TO_SIX)
    assert warned.at == at("2026-03-03 10:00")
    assert EIGHT_TO_SIX.add_working_time(due, dt.timedelta(hours=-1)) == at("2026-03-03 10:00")


def test_vector_5_a_pause_stays_credited_when_the_urgency_is_raised() -> None:
    started = at("2026-03-02 09:00")
    pause = Pause(at("2026-03-02 10:00"), at("2026-03-02 11:00"), "等待材料")
    before = due_at(policy(8, "working_hours"), started, NINE_TO_FIVE, [pause])
    raised = due_at(policy(2, "hours"), started, NINE_TO_FIVE, [pause])
    assert before.at == at("2026-03-03 10:00")
    assert raised.at == at("2026-03-02 12:00")
    assert any("暂停 2026-03-02 10:00" in step for step in raised.steps)


def test_vector_6_midnight_costs_a_clock_that_never_stops_nothing() -> None:
    start, end = at("2026-03-02 22:30"), at("2026-03-05 01:30")
    assert ALL_HOURS.working_time_between(start, end) == end - start


def test_vector_9_would_be_a_day_later_without_make_up_days() -> None:
    explanation = " ".join(due_at(policy(2, "working_days"), at("2026-02-13 10:00"), CHINA).steps)
    assert "第1个工作日：02-14 周六（春节调休上班）" in explanation
    assert "02-15 至 02-23 不计：春节放假" in explanation
    assert "第2个工作日：02-24 周二" in explanation


def test_vector_13_a_provisional_deadline_moves_when_the_notice_arrives() -> None:
    clock, started = policy(2, "working_days"), at("2028-09-29 10:00")
    before = due_at(clock, started, CHINA)
    assert any("2028年放假安排尚未公布" in step and "暂定" in step for step in before.steps)
    notice = {
        "year": 2028,
        "source": "test",
        "off": [f"2028-10-0{day}" for day in range(1, 8)],
        "work": ["2028-10-08"],
    }
    informed = calendar("08:30-12:00", "14:30-18:00", national=True, notices=[notice])
    after = due_at(clock, started, informed)
    assert not after.provisional
    assert after.at == at("2028-10-09 18:00")


@pytest.mark.parametrize(
    ("chosen", "words"), [(THAT_DAY, "本县规定：仍在当天答复"), (NEXT_DAY, "本县规定：顺延至下一工作日当天答复")]
)
def test_vector_15_the_explanation_shows_what_the_county_decided(chosen: WorkingCalendar, words: str) -> None:
    assert any(words in step for step in due_at(policy(1, "same_day"), at("2026-03-02 23:40"), chosen).steps)
