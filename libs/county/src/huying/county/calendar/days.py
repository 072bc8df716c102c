"""Which days and hours a county works; refuses to invent holidays for a year the State Council left open.

National holidays with their make-up days (调休) come from the kept library `chinesecalendar`; the pack adds
closures, openings and, until the library knows a new year, the notice itself.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from huying.contracts import dates
from huying.county.records import Record

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As the pack writes them, in the order of `date.weekday()`."""
WEEKDAYS_ZH = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
"""As people read them."""
LAST_SECOND = dt.time(23, 59, 59)
"""A day-unit deadline on a day that closes at 24:00 falls on its last second, so that it shows that day's date."""
SEARCH_LIMIT_DAYS = 3_700
"""Ten years: a calendar without an open day in that time is a mistake in the pack, not a long holiday."""

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Period(Record):
    """Opening hours within a day, minutes from midnight; `closes` may be 1440 (24:00)."""

    opens: int = Field(ge=0, lt=1440)
    closes: int = Field(gt=0, le=1440)

    @classmethod
    def parse(cls, text: str) -> Period:
        """A period from `08:30-12:00`.

        Raises:
            ValueError: not of that form, or it ends before it begins.
        """
        try:
            opens, closes = (int(h) * 60 + int(m) for h, m in (part.split(":") for part in text.split("-")))
        except (ValueError, AttributeError) as error:
            raise ValueError(f"working hours {text!r} are not of the form '08:30-12:00'; correct them") from error
        if not 0 <= opens < closes <= 1440:
            raise ValueError(f"working hours {text!r} end before they begin or pass 24:00; correct them")
        return cls(opens=opens, closes=closes)


def parse_periods(texts: object) -> tuple[Period, ...]:
    """Periods of a day in order.

    Raises:
        ValueError: a malformed period, or two that overlap.
    """
    if not isinstance(texts, list | tuple) or not texts:
        raise ValueError(f"working hours {texts!r} are not a list of periods; write e.g. ['08:30-12:00']")
    periods = tuple(text if isinstance(text, Period) else Period.parse(text) for text in texts)
    for before, after in pairwise(periods):
        if before.closes > after.opens:
            raise ValueError(f"working hours {texts!r} overlap or are out of order; list them from morning to evening")
    return periods


class Closure(Record):
    """A day on which the county's offices are closed, or (under `openings`) open against the rule."""

    on: dt.date
    reason_zh: str = Field(min_length=1)


class Notice(Record):
    """The State Council's notice for a year the library does not know yet, typed into the pack."""

    year: int
    source: str = Field(min_length=1)
    off: tuple[dt.date, ...]
    work: tuple[dt.date, ...]


class CalendarChoices(Record):
    """What the pack decides. `same_day_late` settles reports after closing time or on a rest day (consultations)."""

    hours: tuple[Period, ...]
    week: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri")
    hours_by_day: dict[Weekday, tuple[Period, ...]] = Field(default_factory=dict)
    national_holidays: bool = True
    closures: tuple[Closure, ...] = ()
    openings: tuple[Closure, ...] = ()
    notices: tuple[Notice, ...] = ()
    same_day_ends_at: dt.time = LAST_SECOND
    same_day_late: Literal["that_day", "next_working_day"] = "that_day"

    @field_validator("hours", mode="before")
    @classmethod
    def _read_hours(cls, hours: object) -> tuple[Period, ...]:
        return parse_periods(hours)

    @field_validator("hours_by_day", mode="before")
    @classmethod
    def _read_hours_by_day(cls, by_day: object) -> dict[object, tuple[Period, ...]]:
        if isinstance(by_day, dict):
            return {day: parse_periods(hours) for day, hours in by_day.items()}
        raise ValueError(f"hours_by_day {by_day!r} is not a mapping of weekday to periods")

    @field_validator("week")
    @classmethod
    def _some_day_is_open(cls, week: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
        if not week:
            raise ValueError("week names no day; list at least one of mon ... sun")
        return week


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the county: its opening periods (none on a rest day), and why, in Chinese when it is not plain."""

    date: dt.date
    periods: tuple[Period, ...]
    reason_zh: str
    provisional: bool

    @property
    def is_working(self) -> bool:
        """Whether it counts as a working day."""
        return bool(self.periods)

    @property
    def label_zh(self) -> str:
        """`02-14 周六（春节调休上班）`."""
        plain = f"{self.date:%m-%d} {WEEKDAYS_ZH[self.date.weekday()]}"
        return f"{plain}（{self.reason_zh}）" if self.reason_zh else plain


@cache
def _national() -> tuple[dict[dt.date, str], dict[dt.date, str], frozenset[int]]:
    """Off days, make-up days and the years with a notice, from the library (read once, on first use)."""
    from chinese_calendar import Holiday, holidays, workdays

    chinese: dict[str, str] = {holiday.value: holiday.chinese for holiday in Holiday}
    off = {day: chinese.get(name, name) for day, name in holidays.items()}
    work = {day: chinese.get(name, name) for day, name in workdays.items()}
    return off, work, frozenset(day.year for day in off)


class WorkingCalendar:
    """The county's working time. Immutable; remembers the days it was asked about."""

    def __init__(self, choices: CalendarChoices, timezone: str = "Asia/Shanghai") -> None:
        self.choices = choices
        self.zone = ZoneInfo(timezone)
        self._closed = {closure.on: closure.reason_zh for closure in choices.closures}
        self._opened = {opening.on: opening.reason_zh for opening in choices.openings}
        self._notices = {notice.year: notice for notice in choices.notices}
        self._days: dict[dt.date, Day] = {}

    @cached_property
    def day_length(self) -> dt.timedelta:
        """Working time of an ordinary day: what a paused day is measured against."""
        return dt.timedelta(minutes=sum(period.closes - period.opens for period in self.choices.hours))

    def knows(self, year: int) -> bool:
        """Whether the year's holidays are published; without them weekends alone count and results are provisional."""
        return not self.choices.national_holidays or year in self._notices or year in _national()[2]

    def provisional_between(self, start: dt.datetime, end: dt.datetime) -> bool:
        """Whether a stretch of time touches a year without data."""
        years = range(self.local(start).year, self.local(end).year + 1)
        return any(not self.knows(year) for year in years)

    def day(self, date: dt.date) -> Day:
        """What kind of day a date is."""
        known = self._days.get(date)
        if known is None:
            known = self._days[date] = self._judge(date)
        return known

    def _judge(self, date: dt.date) -> Day:
        provisional = not self.knows(date.year)
        weekday: Weekday = WEEKDAYS[date.weekday()]  # type: ignore[assignment]  # a tuple's index has no literal type
        hours = self.choices.hours_by_day.get(weekday, self.choices.hours)
        if date in self._closed:
            return Day(date, (), self._closed[date], provisional)
        if date in self._opened:
            return Day(date, hours, self._opened[date], provisional)
        if self.choices.national_holidays and not provisional:
            off, work = self._named(date.year)
            if date in work:
                return Day(date, hours, f"{work[date]}调休上班", provisional)
            if date in off:
                return Day(date, (), f"{off[date]}放假", provisional)
        if weekday in self.choices.week:
            return Day(date, hours, "", provisional)
        return Day(date, (), "周末" if weekday in ("sat", "sun") else "休息日", provisional)

    def _named(self, year: int) -> tuple[dict[dt.date, str], dict[dt.date, str]]:
        notice = self._notices.get(year)
        if notice is None:
            return _national()[:2]
        return dict.fromkeys(notice.off, "节日"), dict.fromkeys(notice.work, "节日")

    def local(self, at: dt.datetime) -> dt.datetime:
        """The instant on the county's clocks.

        Raises:
            ValueError: the instant is naive.
        """
        if at.tzinfo is None:
            raise ValueError(f"{at!r} has no time zone; pass an aware instant")
        return dates.local(at, self.zone)

    def instant(self, date: dt.date, minutes: int) -> dt.datetime:
        """UTC instant of so many minutes after a day's local midnight."""
        shifted = date + dt.timedelta(days=minutes // 1440)
        local = dt.datetime.combine(shifted, dt.time(minutes % 1440 // 60, minutes % 60), self.zone)
        return dates.local(local, dt.UTC)

    def openings(self, date: dt.date) -> list[tuple[dt.datetime, dt.datetime]]:
        """A day's working periods as UTC instants, in order."""
        return [(self.instant(date, p.opens), self.instant(date, p.closes)) for p in self.day(date).periods]

    def working_time_between(self, start: dt.datetime, end: dt.datetime) -> dt.timedelta:
        """Working time in [start, end), of its first ten years at the most; zero when end is not after start."""
        total, first = dt.timedelta(), self.local(start).date()
        days = (self.local(end).date() - first).days
        for offset in range(min(days, SEARCH_LIMIT_DAYS) + 1):
            for opens, closes in self.openings(first + dt.timedelta(days=offset)):
                total += max(dt.timedelta(), min(closes, end) - max(opens, start))
        return total

    def add_working_time(self, start: dt.datetime, amount: dt.timedelta) -> dt.datetime:
        """The first instant by which so much working time has passed since start (before it, when negative).

        Raises:
            ValueError: no working time within ten years.
        """
        if amount < dt.timedelta():
            return self._back(start, -amount)
        left, date = amount, self.local(start).date()
        for _ in range(SEARCH_LIMIT_DAYS):
            for opens, closes in self.openings(date):
                begin = max(opens, start)
                if begin < closes and left <= closes - begin:
                    return (begin + left).astimezone(dt.UTC)
                left -= max(dt.timedelta(), closes - begin)
            date += dt.timedelta(days=1)
        raise ValueError("the calendar has no working time within ten years; open some days in clocks.yaml")

    def _back(self, start: dt.datetime, amount: dt.timedelta) -> dt.datetime:
        left, date = amount, self.local(start).date()
        for _ in range(SEARCH_LIMIT_DAYS):
            for opens, closes in reversed(self.openings(date)):
                end = min(closes, start)
                if opens < end and left <= end - opens:
                    return (end - left).astimezone(dt.UTC)
                left -= max(dt.timedelta(), end - opens)
            date -= dt.timedelta(days=1)
        raise ValueError("the calendar has no working time within ten years; open some days in clocks.yaml")

    def following_days(self, date: dt.date) -> list[Day]:
        """Days after a date up to and including the next working day."""
        days: list[Day] = []
        for offset in range(1, SEARCH_LIMIT_DAYS):
            days.append(self.day(date + dt.timedelta(days=offset)))
            if days[-1].is_working:
                return days
        raise ValueError("the calendar has no working day within ten years; open some days in clocks.yaml")

    def end_of_day(self, date: dt.date) -> dt.datetime:
        """When business stops on a day (Civil Code, article 203); the day's last second when it never does."""
        periods = self.day(date).periods
        if periods and periods[-1].closes < 1440:
            return self.instant(date, periods[-1].closes)
        return dt.datetime.combine(date, LAST_SECOND, self.zone).astimezone(dt.UTC)

    def add_working_days(self, start: dt.datetime, days: int) -> dt.datetime:
        """Close of business on the n-th working day after start's day, which does not count (Civil Code, article 201).

        Raises:
            ValueError: days is not positive, or there is no working day within ten years.
        """
        if days < 1:
            raise ValueError(f"cannot add {days!r} working days; give at least 1")
        date = self.local(start).date()
        for _ in range(days):
            date = self.following_days(date)[-1].date
        return self.end_of_day(date)
