"""When a clock is due, when it warns, and how that came about step by step; refuses to move an agreed date.

Rules of counting: hours are measured, days are counted. A pause gives a clock in hours exactly the time
it stood still (working time, where the clock runs in working time); a clock in days gets whole working days.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from huying.contracts import dates
from huying.county.calendar.days import LAST_SECOND, Day, WorkingCalendar
from huying.county.clocks import ClockPolicy

_MINUTES = {"minutes": 1, "hours": 60, "working_minutes": 1, "working_hours": 60}


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which the clock stood still, with the reason everybody can see."""

    started_at: dt.datetime
    ended_at: dt.datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A deadline (UTC). `provisional` when it rests on a year without published holidays; `steps` in Chinese."""

    at: dt.datetime
    provisional: bool
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning to give: at this instant (UTC), for this percent of the time, to these roles."""

    percent: int
    at: dt.datetime
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ruler:
    """Measures and adds the time a clock runs in: by the wall, or working time only."""

    measure: Callable[[dt.datetime, dt.datetime], dt.timedelta]
    add: Callable[[dt.datetime, dt.timedelta], dt.datetime]


def _elapsed(start: dt.datetime, end: dt.datetime) -> dt.timedelta:
    return max(dt.timedelta(), end - start)


def _ruler(working: bool, calendar: WorkingCalendar) -> _Ruler:
    if working:
        return _Ruler(calendar.working_time_between, calendar.add_working_time)
    return _Ruler(_elapsed, lambda start, amount: (start + amount).astimezone(dt.UTC))


def _merged(pauses: Iterable[Pause], started_at: dt.datetime) -> list[Pause]:
    """Pauses in order, clipped to the clock's life, overlaps counted once.

    Raises:
        ValueError: a pause ends before it begins.
    """
    merged: list[Pause] = []
    for pause in sorted(pauses, key=lambda pause: (pause.started_at, pause.ended_at)):
        if pause.ended_at < pause.started_at:
            raise ValueError(f"pause {pause!r} ends before it begins; close it with a later instant")
        begin = max(pause.started_at, started_at, merged[-1].ended_at if merged else started_at)
        if pause.ended_at > begin:
            merged.append(Pause(begin, pause.ended_at, pause.reason))
    return merged


def _walk(ruler: _Ruler, start: dt.datetime, amount: dt.timedelta, pauses: list[Pause]) -> dt.datetime:
    """The instant by which `amount` has run, not counting pauses; a pause that begins at or after it adds nothing."""
    at = ruler.add(start, amount)
    for pause in pauses:
        if pause.started_at >= at:
            break
        at = ruler.add(pause.ended_at, ruler.measure(pause.started_at, at))
    return at


def _zh(at: dt.datetime, calendar: WorkingCalendar) -> str:
    return f"{calendar.local(at):%Y-%m-%d %H:%M}"


def _span_zh(amount: dt.timedelta) -> str:
    minutes = int(amount.total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    return "".join((f"{hours}小时" if hours else "", f"{rest}分钟" if rest or not hours else ""))


def _skipped_zh(days: list[Day]) -> str:
    reasons = dict.fromkeys(day.reason_zh for day in days)
    first, last = f"{days[0].date:%m-%d}", f"{days[-1].date:%m-%d}"
    return f"{first if first == last else f'{first} 至 {last}'} 不计：{'、'.join(reasons)}"


def _count_days(start: dt.date, count: int, calendar: WorkingCalendar, steps: list[str]) -> dt.date:
    date = start
    for number in range(1, count + 1):
        days = calendar.following_days(date)
        if days[:-1]:
            steps.append(_skipped_zh(days[:-1]))
        date = days[-1].date
        steps.append(f"第{number}个工作日：{days[-1].label_zh}")
    return date


def _paused_days(
    due: Callable[[int], dt.datetime], pauses: list[Pause], calendar: WorkingCalendar
) -> tuple[int, dt.timedelta]:
    """Whole working days the pauses are worth, and their working time; one after the deadline is worth none."""
    total, credit = dt.timedelta(), 0
    for pause in pauses:
        if pause.started_at >= due(credit):
            break
        total += calendar.working_time_between(pause.started_at, pause.ended_at)
        credit = total // calendar.day_length
    return credit, total


def _same_day(started_at: dt.datetime, calendar: WorkingCalendar, steps: list[str]) -> dt.date:
    """The day on which a `same_day` clock ends; the pack decides for late reports and rest days."""
    local = calendar.local(started_at)
    day = calendar.day(local.date())
    if day.is_working and started_at < calendar.end_of_day(day.date):
        steps.append(f"{day.label_zh} 工作日下班前提出，当天答复")
        return day.date
    why = f"{day.label_zh} 为休息日" if not day.is_working else f"{day.label_zh} 已过下班时间"
    if calendar.choices.same_day_late == "that_day":
        steps.append(f"{why}；本县规定：仍在当天答复")
        return day.date
    steps.append(f"{why}；本县规定：顺延至下一工作日当天答复")
    return _count_days(day.date, 1, calendar, steps)


def _end_of_answer_day(date: dt.date, started_at: dt.datetime, calendar: WorkingCalendar) -> dt.datetime:
    """The hour at which a `same_day` clock ends; a day already past that hour lasts to its last second."""
    for hour in (calendar.choices.same_day_ends_at, LAST_SECOND):
        at = dt.datetime.combine(date, hour, calendar.zone).astimezone(dt.UTC)
        if at > started_at:
            return at
    return _end_of_answer_day(date + dt.timedelta(days=1), started_at, calendar)


def _due_by_days(
    policy: ClockPolicy, started_at: dt.datetime, calendar: WorkingCalendar, pauses: list[Pause], steps: list[str]
) -> dt.datetime:
    start = calendar.local(started_at).date()
    if policy.unit == "same_day":
        first = _same_day(started_at, calendar, steps)

        def due(credit: int) -> dt.datetime:
            date = _count_days(first, credit, calendar, [])
            return _end_of_answer_day(date, started_at, calendar)
    else:
        steps.append("起算当日不计，从次日起数工作日（民法典第二百零一条）")

        def due(credit: int) -> dt.datetime:
            return calendar.add_working_days(started_at, policy.amount + credit)

    credit, paused = _paused_days(due, pauses, calendar)
    if pauses:
        steps.append(
            f"暂停期间工作时间合计{_span_zh(paused)}，折合{credit}个工作日（不足一日不计），期限顺延{credit}日"
        )
    if policy.unit == "working_days":
        _count_days(start, policy.amount + credit, calendar, steps)
    elif credit:
        _count_days(first, credit, calendar, steps)
    return due(credit)


def due_at(
    policy: ClockPolicy, started_at: dt.datetime, calendar: WorkingCalendar, pauses: Iterable[Pause] = ()
) -> Due:
    """When a clock that started then is due, with its explanation.

    Args:
        policy: the clock's policy, as pinned when it started.
        started_at: aware instant.
        calendar: the county's working time.
        pauses: closed pauses of the clock, in any order; overlaps count once, a pause after the deadline nothing.

    Raises:
        ValueError: a naive instant, a pause that ends before it begins, or a calendar without working time.
    """
    steps = [f"起算：{_zh(started_at, calendar)}，时限{policy.limit_zh}"]
    merged = _merged(pauses, started_at)
    if policy.unit in _MINUTES:
        ruler = _ruler(not policy.ignores_calendar, calendar)
        steps.append(
            "不分昼夜连续计时，不受节假日影响" if policy.ignores_calendar else "只计工作时间（扣除午休、夜间和休息日）"
        )
        for pause in merged:
            worth = ruler.measure(pause.started_at, pause.ended_at)
            span = f"{_zh(pause.started_at, calendar)} 至 {_zh(pause.ended_at, calendar)}"
            steps.append(f"暂停 {span}，扣除{_span_zh(worth)}")
        amount = dt.timedelta(minutes=policy.amount * _MINUTES[policy.unit])
        at = _walk(ruler, started_at, amount, merged)
    else:
        at = _due_by_days(policy, started_at, calendar, merged, steps)
    provisional = not policy.ignores_calendar and calendar.provisional_between(started_at, at)
    if provisional:
        years = range(calendar.local(started_at).year, calendar.local(at).year + 1)
        year = next(year for year in years if not calendar.knows(year))
        steps.append(f"{year}年放假安排尚未公布，暂按周末休息推算（暂定），公布后重算")
    steps.append(f"到期：{_zh(at, calendar)}")
    return Due(at, provisional, tuple(steps))


def warning_times(
    policy: ClockPolicy,
    started_at: dt.datetime,
    due: dt.datetime,
    calendar: WorkingCalendar,
    pauses: Iterable[Pause] = (),
) -> tuple[Warned, ...]:
    """When each warning step falls, in the time the clock runs in: never in the night for a working-time clock.

    Shares of more than ten years fall by the wall: nobody walks them day by day.
    """
    merged = _merged(pauses, started_at)
    for working in (False,) if policy.ignores_calendar or dates.is_far(due, started_at) else (True, False):
        ruler = _ruler(working, calendar)
        paused = (ruler.measure(pause.started_at, min(pause.ended_at, due)) for pause in merged)
        total = ruler.measure(started_at, due) - sum(paused, dt.timedelta())
        if total > dt.timedelta():
            break  # a same-day question put after closing time has no working time to share out: by the wall then
    return tuple(
        Warned(
            step.percent,
            due if step.percent == 100 else min(due, _walk(ruler, started_at, total * step.percent / 100, merged)),
            step.roles,
        )
        for step in policy.warnings
    )


def reminders_by(policy: ClockPolicy, due: dt.datetime, moment: dt.datetime, calendar: WorkingCalendar) -> int:
    """How many reminders after a breach have fallen by then."""
    if policy.every_after_breach_hours is None:
        return 0
    passed = _ruler(not policy.ignores_calendar, calendar).measure(due, moment)
    return passed // dt.timedelta(hours=policy.every_after_breach_hours)


def reminder_at(policy: ClockPolicy, due: dt.datetime, number: int, calendar: WorkingCalendar) -> dt.datetime | None:
    """When the n-th reminder (from 1) after a breach falls; None when the policy tells of a breach once.

    None too where the calendar itself ends before it.
    """
    if policy.every_after_breach_hours is None:
        return None
    hours = dt.timedelta(hours=policy.every_after_breach_hours * number)
    try:
        return _ruler(not policy.ignores_calendar, calendar).add(due, hours)
    except OverflowError:
        return None
