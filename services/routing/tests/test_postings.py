"""The index's lists: what was entered and not yet struck stands under its key, however crowded the table."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huying.routing.judgement.postings import FEW, FIRST, KEY, NEXT, NONE, USED, Postings, _home

KEYS = [key for key in range(30_000) if _home(key, FEW) in (0, FEW - 1)][:6]
"""All would stand in two neighbouring rows of a new table, its last and its first."""


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40), st.sets(st.sampled_from(KEYS))), max_size=120))
def test_postings_hold_what_was_entered_and_not_yet_struck(steps):
    postings, held = Postings(), {}
    for slot, keys in steps:
        before = held.get(slot, set())
        postings.strike(sorted(before - keys), slot)
        postings.enter(sorted(keys - before), slot)
        held[slot] = keys
    found = {}
    for key, head, count, _ in postings.lists[postings.lists[:, KEY] != NONE].tolist():
        found[key], block = set(), head
        while block != NONE:
            used = postings.blocks[block, USED]
            found[key] |= set(postings.blocks[block, FIRST : FIRST + used].tolist())
            block = postings.blocks[block, NEXT]
        assert len(found[key]) == count == postings.count_of(key)
    expected = {key: {slot for slot, keys in held.items() if key in keys} for key in set().union(*held.values())}
    assert (found, len(postings)) == (expected, len(expected))


def test_lists_that_stand_in_each_others_places_are_found_after_growth_and_after_others_are_gone():
    postings = Postings()
    crowd = [key for key in range(400_000) if _home(key, 1024) in (0, 1, 1022, 1023)][:400]
    for key in crowd:
        postings.enter([key], 1)
    assert {postings.count_of(key) for key in crowd} == {1}
    postings.enter(list(range(10**6, 10**6 + 5_000)), 2)
    assert {postings.count_of(key) for key in crowd} == {1}
    for key in crowd[::2]:
        postings.strike([key], 1)
    assert [postings.count_of(key) for key in crowd] == [0, 1] * 200
    with pytest.raises(KeyError):
        postings.strike([crowd[0]], 1)
