"""Which slots stand under a key (a word, a village, a cell ...): chains of small blocks, walked in machine code.

Refuses to know what a key means; equal keys are one list, and a list without slots is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Key = int | str
Ints = npt.NDArray[np.int32]
NONE = -1
"""End of a chain; no block, no slot, no row."""
NEXT, USED, FIRST, WIDTH = 0, 1, 2, 16
"""A block: the next one, how many slots it holds, and from FIRST on those slots. It fills a cache line; all blocks of a
chain but the first are full."""


class Postings:
    """Slots by key."""

    def __init__(self) -> None:
        self.number_of: dict[Key, int] = {}
        """Number of each key's list: its place in `heads` and `counts`."""
        self._spare: list[int] = []
        self.heads: Ints = np.full(1024, NONE, dtype=np.int32)
        self.counts: Ints = np.zeros(1024, dtype=np.int32)
        self.blocks: Ints = np.empty((1024, WIDTH), dtype=np.int32)
        self._room = np.array([NONE, 0], dtype=np.int64)
        """First block that was given back, and the first that was never used."""

    def enter(self, keys: Iterable[Key], slot: int) -> None:
        """Put `slot` under each key, where it must not stand already."""
        known = self.number_of.get
        numbers = [self._new(key) if (number := known(key)) is None else number for key in keys]
        if not numbers:
            return
        while self._room[1] + len(numbers) > len(self.blocks):
            self.blocks = np.concatenate([self.blocks, np.empty_like(self.blocks)])
        _enter(np.array(numbers, dtype=np.int32), slot, self.heads, self.counts, self.blocks, self._room)

    def strike(self, keys: Iterable[Key], slot: int) -> None:
        """Take `slot` away from each key, where it must stand."""
        known = list(keys)
        if not known:
            return
        numbers = np.array([self.number_of[key] for key in known], dtype=np.int32)
        _strike(numbers, slot, self.heads, self.counts, self.blocks, self._room)
        for place in np.flatnonzero(self.counts[numbers] == 0).tolist():
            self._spare.append(self.number_of.pop(known[place]))

    def _new(self, key: Key) -> int:
        number = self._spare.pop() if self._spare else len(self.number_of)
        self.number_of[key] = number
        if number == len(self.heads):
            self.heads = np.concatenate([self.heads, np.full_like(self.heads, NONE)])
            self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)])
        return number


@compiled
def _enter(numbers: Ints, slot: int, heads: Ints, counts: Ints, blocks: Ints, room: npt.NDArray[np.int64]) -> None:
    for number in numbers:
        head = heads[number]
        if head < 0 or blocks[head, USED] == WIDTH - FIRST:
            fresh = room[0]
            if fresh >= 0:
                room[0] = blocks[fresh, NEXT]
            else:
                fresh = room[1]
                room[1] += 1
            blocks[fresh, NEXT], blocks[fresh, USED] = head, 0
            heads[number] = head = fresh
        blocks[head, FIRST + blocks[head, USED]] = slot
        blocks[head, USED] += 1
        counts[number] += 1


@compiled
def _strike(numbers: Ints, slot: int, heads: Ints, counts: Ints, blocks: Ints, room: npt.NDArray[np.int64]) -> None:
    for number in numbers:
        head = heads[number]
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
            heads[number] = blocks[head, NEXT]
            blocks[head, NEXT] = room[0]
            room[0] = head
        counts[number] -= 1
