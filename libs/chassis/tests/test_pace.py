"""Small batches are spaced out, full ones are not."""

import pytest

from huying.chassis import pace
from huying.chassis.pace import LONGEST_REST_S, LONGEST_YIELD_S, RESTS, Pace, give_way


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What was slept, on a clock that stands still."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(max(0.0, seconds))

    monkeypatch.setattr(pace.asyncio, "sleep", sleep)
    monkeypatch.setattr(pace.time, "monotonic", lambda: 100.0)
    return found


@pytest.mark.parametrize(
    ("records", "seconds", "rest"),
    [
        pytest.param(1, 0.01, RESTS * 0.01, id="one record rests as its transaction was long"),
        pytest.param(124, 0.04, RESTS * 0.04, id="so does a small batch"),
        pytest.param(125, 0.04, 0.0, id="a backlog does not wait"),
        pytest.param(0, 0.04, 0.0, id="nor does what had no records"),
        pytest.param(1, 30.0, LONGEST_REST_S, id="a database that was away is not rested after"),
    ],
)
async def test_a_batch_rests_by_what_it_took(slept: list[float], records: int, seconds: float, rest: float) -> None:
    paced = Pace(500)
    await paced.rest()
    paced.took(records, seconds)
    await paced.rest()
    assert slept == pytest.approx([0.0, rest])


async def test_a_replay_never_rests(slept: list[float]) -> None:
    paced = Pace(0)
    paced.took(1, 0.04)
    await paced.rest()
    assert slept == [0.0]


async def test_who_loses_for_hours_waits_no_longer_than_who_loses_for_a_minute(slept: list[float]) -> None:
    await give_way(60)
    await give_way(5_000)
    assert all(LONGEST_YIELD_S / 2 <= pause <= LONGEST_YIELD_S for pause in slept)
