"""The plan of a chaos run: seeded, and fair to every part."""

from itertools import islice

from huying.devkit.chaos.faults import PARTS, faults


def test_one_seed_is_one_plan_and_every_part_breaks_before_any_breaks_twice() -> None:
    rounds = 3
    plan = list(islice(faults(7), rounds * len(PARTS)))
    assert plan == list(islice(faults(7), len(plan)))
    assert plan != list(islice(faults(8), len(plan)))
    for start in range(0, len(plan), len(PARTS)):
        assert sorted(fault.part for fault in plan[start : start + len(PARTS)]) == sorted(PARTS)
    assert {fault.kind for fault in plan} == {"kill", "freeze"}
