"""Which slots stand under a key (a word, a village, a cell ...): linked lists in arrays, walked in machine code.

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
"""End of a list; no node, no slot, no row."""


class Postings:
    """Slots by key."""

    def __init__(self) -> None:
        self.number_of: dict[Key, int] = {}
        """Number of each key's list: its place in `heads` and `counts`."""
        self._spare: list[int] = []
        self.heads: Ints = np.full(1024, NONE, dtype=np.int32)
        self.counts: Ints = np.zeros(1024, dtype=np.int32)
        self.nodes: Ints = np.empty((4096, 2), dtype=np.int32)
        """Slot, and the number of the next node."""
        self._room = np.array([NONE, 0], dtype=np.int64)
        """First node that was given back, and the first that was never used."""

    def enter(self, keys: Iterable[Key], slot: int) -> None:
        """Put `slot` under each key, where it must not stand already."""
        numbers = [self.number_of[key] if key in self.number_of else self._new(key) for key in keys]
        if not numbers:
            return
        while self._room[1] + len(numbers) > len(self.nodes):
            self.nodes = np.concatenate([self.nodes, np.empty_like(self.nodes)])
        _enter(np.array(numbers, dtype=np.int32), slot, self.heads, self.counts, self.nodes, self._room)

    def strike(self, keys: Iterable[Key], slot: int) -> None:
        """Take `slot` away from each key, where it must stand."""
        known = list(keys)
        if not known:
            return
        numbers = np.array([self.number_of[key] for key in known], dtype=np.int32)
        _strike(numbers, slot, self.heads, self.counts, self.nodes, self._room)
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
def _enter(numbers: Ints, slot: int, heads: Ints, counts: Ints, nodes: Ints, room: npt.NDArray[np.int64]) -> None:
    for number in numbers:
        node = room[0]
        if node >= 0:
            room[0] = nodes[node, 1]
        else:
            node = room[1]
            room[1] += 1
        nodes[node, 0] = slot
        nodes[node, 1] = heads[number]
        heads[number] = node
        counts[number] += 1


@compiled
def _strike(numbers: Ints, slot: int, heads: Ints, counts: Ints, nodes: Ints, room: npt.NDArray[np.int64]) -> None:
    for number in numbers:
        before, node = -1, heads[number]
        while node >= 0 and nodes[node, 0] != slot:
            before, node = node, nodes[node, 1]
        if node < 0:
            raise KeyError("the slot does not stand under the key")
        if before < 0:
            heads[number] = nodes[node, 1]
        else:
            nodes[before, 1] = nodes[node, 1]
        nodes[node, 1] = room[0]
        room[0] = node
        counts[number] -= 1
