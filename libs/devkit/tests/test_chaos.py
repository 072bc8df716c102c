"""The plan of a chaos run: seeded, and fair to every part. Its judgement of a restart."""

from itertools import islice

import pytest

from huying.devkit.chaos.faults import PARTS, Fault, Healed, Kind, faults


def test_one_seed_is_one_plan_and_every_part_breaks_before_any_breaks_twice() -> None:
    rounds = 3
    plan = list(islice(faults(7), rounds * len(PARTS)))
    assert plan == list(islice(faults(7), len(plan)))
    assert plan != list(islice(faults(8), len(plan)))
    for start in range(0, len(plan), len(PARTS)):
        assert sorted(fault.part for fault in plan[start : start + len(PARTS)]) == sorted(PARTS)
    assert {fault.kind for fault in plan} == {"kill", "freeze"}


@pytest.mark.parametrize(
    ("kind", "recovery_s", "late"), [("kill", 3.0, False), ("kill", 3.1, True), ("freeze", 30.0, False)]
)
def test_a_restarted_part_has_three_seconds_and_a_thawed_one_its_time(
    kind: Kind, recovery_s: float, late: bool
) -> None:
    assert Healed(Fault(kind, "routing", 1.0, 1.0), recovery_s).late is late
