"""Which slots stand under a key (a word, a village, a cell ...): a hash table of chains of small blocks, in machine code.

Refuses to know what a key means; equal keys are one list, and a list without slots is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Lists = npt.NDArray[np.int64]
Blocks = npt.NDArray[np.int32]
NONE = -1
"""End of a chain; no block, no slot, no row, and no key: keys are not negative."""
KEY, HEAD, COUNT = 0, 1, 2
"""A list: its key, its first block, how many slots stand in it. Four columns wide, so that each lies in one cache line."""
FEW = 32
"""Lists to begin with: a rehearsal outgrows them, so that growing is machine code before the first true report."""
NEXT, USED, FIRST, WIDTH = 0, 1, 2, 16
"""A block: the next one, how many slots it holds, and from FIRST on those slots. It fills a cache line; all blocks of a
chain but the first are full."""
_FRESH, _UNUSED, _HELD = 0, 1, 2
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
"""2**64 by the golden ratio: products of keys that follow each other lie far apart (Knuth, TAOCP 3, 6.4)."""


class Postings:
    """Slots by key. A key's list stands where its hash says, or in the next free place (linear probing)."""

    def __init__(self) -> None:
        self.lists: Lists = np.full((FEW, 4), NONE, dtype=np.int64)
        self.blocks: Blocks = np.empty((1024, WIDTH), dtype=np.int32)
        self._room = np.array([NONE, 0, 0], dtype=np.int64)
        """First block that was given back, the first that was never used, and how many lists there are."""

    def __len__(self) -> int:
        return int(self._room[_HELD])

    def count_of(self, key: int) -> int:
        """How many slots stand under a key."""
        return int(count_of(self.lists, key))

    def enter(self, keys: Sequence[int], slot: int) -> None:
        """Put `slot` under each key, where it must not stand already."""
        if not keys:
            return
        while 2 * (self._room[_HELD] + len(keys)) > len(self.lists):
            self.lists = _twice_as_wide(self.lists)
        while self._room[_UNUSED] + len(keys) > len(self.blocks):
            self.blocks = np.concatenate([self.blocks, np.empty_like(self.blocks)])
        _enter(np.array(keys, dtype=np.int64), slot, self.lists, self.blocks, self._room)

    def strike(self, keys: Sequence[int], slot: int) -> None:
        """Take `slot` away from each key, where it must stand."""
        if keys:
            _strike(np.array(keys, dtype=np.int64), slot, self.lists, self.blocks, self._room)


@compiled
def _home(key: int, places: int) -> int:
    return int((np.uint64(key) * _SPREAD) >> np.uint64(32)) & (places - 1)


@compiled
def place_of(lists: Lists, key: int) -> int:
    """Row of the key's list, or the free row in which it would stand."""
    at = _home(key, len(lists))
    while lists[at, KEY] != key and lists[at, KEY] != NONE:
        at = (at + 1) & (len(lists) - 1)
    return at


@compiled
def count_of(lists: Lists, key: int) -> int:
    """How many slots stand under a key."""
    at = place_of(lists, key)
    return lists[at, COUNT] if lists[at, KEY] == key else 0


@compiled
def _twice_as_wide(lists: Lists) -> Lists:
    wide = np.full((2 * len(lists), lists.shape[1]), NONE, dtype=np.int64)
    for own in lists:
        if own[KEY] != NONE:
            wide[place_of(wide, own[KEY])] = own
    return wide


@compiled
def _forget(lists: Lists, gap: int) -> None:
    """Empty a row; lists that had to stand behind it move up, or a search for them would end too early."""
    last, at = len(lists) - 1, gap
    while True:
        at = (at + 1) & last
        if lists[at, KEY] == NONE:
            break
        if (at - _home(lists[at, KEY], len(lists))) & last >= (at - gap) & last:
            lists[gap] = lists[at]
            gap = at
    lists[gap, KEY] = NONE


@compiled
def _enter(keys: Lists, slot: int, lists: Lists, blocks: Blocks, room: Lists) -> None:
    for key in keys:
        own = lists[place_of(lists, key)]
        if own[KEY] == NONE:
            own[KEY], own[HEAD], own[COUNT] = key, NONE, 0
            room[_HELD] += 1
        head = own[HEAD]
        if head < 0 or blocks[head, USED] == WIDTH - FIRST:
            fresh = room[_FRESH]
            if fresh >= 0:
                room[_FRESH] = blocks[fresh, NEXT]
            else:
                fresh = room[_UNUSED]
                room[_UNUSED] += 1
            blocks[fresh, NEXT], blocks[fresh, USED] = head, 0
            own[HEAD] = head = fresh
        blocks[head, FIRST + blocks[head, USED]] = slot
        blocks[head, USED] += 1
        own[COUNT] += 1


@compiled
def _strike(keys: Lists, slot: int, lists: Lists, blocks: Blocks, room: Lists) -> None:
    for key in keys:
        at = place_of(lists, key)
        own = lists[at]
        if own[KEY] == NONE:
            raise KeyError("nothing stands under the key")
        head = own[HEAD]
        block, place = head, FIRST
        while blocks[block, place] != slot:
            place += 1
            if place == FIRST + blocks[block, USED]:
                block, place = blocks[block, NEXT], FIRST
                if block < 0:
                    raise KeyError("the slot does not stand under the key")
        blocks[head, USED] -= 1
        blocks[block, place] = blocks[head, FIRST + blocks[head, USED]]
        if blocks[head, USED] == 0:
            own[HEAD] = blocks[head, NEXT]
            blocks[head, NEXT] = room[_FRESH]
            room[_FRESH] = head
        own[COUNT] -= 1
        if own[COUNT] == 0:
            _forget(lists, at)
            room[_HELD] -= 1
