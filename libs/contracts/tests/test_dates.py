"""Dates at the doors, and those at the ends of all years."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from huying.contracts import dates
from huying.contracts.reports import ReportSubmittedV1

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
FIRST = datetime(1, 1, 1, tzinfo=UTC)


def told(**moments: datetime) -> ReportSubmittedV1:
    return ReportSubmittedV1(jurisdiction="130529", channel="citizen_app", text="路灯坏了", **moments)  # type: ignore[arg-type]


@pytest.mark.parametrize("due", [LAST, FIRST, NOW + timedelta(days=3_660), NOW - timedelta(days=3_660)])
def test_a_deadline_that_no_order_has_is_named(due: datetime) -> None:
    wrong = dates.wrong_date(told(origin_due_at=due), NOW, dates.CLOCK_LEEWAY)
    assert wrong is not None
    assert (wrong.reason, wrong.field) == ("implausible_date", "origin_due_at")
    assert "leave it out" in wrong.message


@pytest.mark.parametrize("due", [NOW, NOW + dates.FARTHEST, NOW - dates.FARTHEST])
def test_a_deadline_within_ten_years_may_be_told(due: datetime) -> None:
    assert dates.wrong_date(told(origin_due_at=due), NOW, dates.CLOCK_LEEWAY) is None


def test_what_was_long_ago_may_be_told_and_what_is_to_come_may_not() -> None:
    assert dates.wrong_date(told(received_at=FIRST, happened_at=FIRST), NOW, timedelta()) is None
    wrong = dates.wrong_date(told(happened_at=LAST), NOW, timedelta())
    assert wrong is not None
    assert (wrong.reason, wrong.field) == ("future_date", "happened_at")


def test_every_date_stands_on_some_day_of_every_clock() -> None:
    assert dates.local(NOW, ZoneInfo("Asia/Shanghai")).hour == 9
    assert dates.local(LAST, ZoneInfo("Asia/Shanghai")).year == 9999
    assert dates.local(FIRST, ZoneInfo("America/New_York")).year == 1
