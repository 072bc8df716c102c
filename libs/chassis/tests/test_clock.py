"""Business time: live it is the wall clock, in a replay it is the driver's."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huying.chassis.clock import LiveClock, ReplayClock
from huying.chassis.errors import Transient
from huying.contracts.ticks import TickV1

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def tick(number: int, hours: int = 0) -> TickV1:
    return TickV1(number=number, instant=NOON + hours * HOUR, until=NOON + (hours + 1) * HOUR)


def test_a_live_clock_does_not_believe_its_senders() -> None:
    before = datetime.now(UTC)
    assert LiveClock().stamp(NOON) >= before


def test_a_replay_knows_no_time_before_its_first_tick() -> None:
    with pytest.raises(Transient, match="driver"):
        ReplayClock().now()


@given(st.integers(-10_000, 10_000).map(lambda minutes: NOON + timedelta(minutes=minutes)))
def test_inside_a_tick_an_event_keeps_its_instant_and_never_leaves_the_window(hint: datetime) -> None:
    clock = ReplayClock()
    assert clock.strike(tick(1))
    stamped = clock.stamp(hint)
    assert NOON <= stamped <= NOON + HOUR
    assert stamped == hint or not NOON <= hint <= NOON + HOUR


@pytest.mark.parametrize("late", [tick(1), tick(2, -1), tick(2)])
def test_ticks_never_go_back(late: TickV1) -> None:
    clock = ReplayClock()
    clock.strike(tick(2, 5))
    assert not clock.strike(late)
    assert clock.now() == NOON + 5 * HOUR
