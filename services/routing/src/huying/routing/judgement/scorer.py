"""Evaluates learned trees over a report's candidates, eight abreast.

Refuses to learn: training lives in `learning`, and the running service never imports it. Every split of every tree is
tested: what a failed test rules out is a bit mask over the tree's leaves, and the lowest leaf left is the answer
(QuickScorer, Lucchese et al., SIGIR 2015). No step depends on what the one before found, so the processor never guesses.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .lanes import LANES, narrow
from .model import LEAF, Trees

Floats = npt.NDArray[np.float32]


Masks = npt.NDArray[np.int32]
Written = tuple[Masks, Masks, Floats, Floats, float]
"""Features and masks of the splits of each tree, their limits, the leaves' values, and the offset of all."""
ALL = 0xFFFF
"""All leaves of a tree are possible: at most sixteen."""
_PLACES = 0x09AF
_LEAVES = np.array([0, 1, 2, 5, 3, 9, 6, 11, 15, 4, 8, 10, 14, 7, 13, 12], dtype=np.int8)
"""Place of a single bit by the four highest bits of its product with _PLACES (a de Bruijn sequence)."""


class Scorer:
    """Trees made ready for scoring."""

    def __init__(self, trees: Trees) -> None:
        """Splits and leaves from left to right, as many columns as the largest tree has."""
        written = [_written(trees, tree) for tree in range(len(trees.feature))]
        widest = max((len(splits) for splits, _ in written), default=0)
        shape = (len(written), widest)
        feature, mask = np.zeros(shape, dtype=np.int32), np.full(shape, ALL, dtype=np.int32)
        limit, value = np.full(shape, np.inf, dtype=np.float32), np.zeros((len(written), widest + 1), dtype=np.float32)
        for tree, (splits, leaves) in enumerate(written):
            value[tree, : len(leaves)] = leaves
            for place, (own, at, rest) in enumerate(splits):
                feature[tree, place], limit[tree, place], mask[tree, place] = own, at, rest
        self.trees: Written = feature, mask, limit, value, trees.offset

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds per row of `features` (rows, features); NaN means unknown. A row scores the same in any company."""
        return log_odds(features, *self.trees)


def _written(trees: Trees, tree: int) -> tuple[list[tuple[int, float, int]], list[float]]:
    """Splits and leaves of a tree, from left to right.

    A split is twice the feature (plus one where unknown goes right), its limit, and the leaves left when it fails.
    """
    splits: list[tuple[int, float, int]] = []
    leaves: list[float] = []

    def walk(node: int) -> None:
        own = int(trees.feature[tree, node])
        if own == LEAF:
            leaves.append(float(trees.limit[tree, node]))
            return
        before, place = len(leaves), len(splits)
        splits.append((0, 0.0, 0))
        walk(int(trees.left[tree, node]))
        rest = ALL & ~((1 << len(leaves)) - (1 << before))
        unknown_right = not trees.missing_left[tree, node]
        splits[place] = 2 * own + unknown_right, float(trees.limit[tree, node]), rest
        walk(int(trees.right[tree, node]))

    walk(0)
    return splits, leaves


@compiled
def log_odds(features: Floats, feature: Masks, mask: Masks, limit: Floats, value: Floats, offset: float) -> Floats:
    """Log-odds; `feature` counts every feature twice.

    Even ones have unknown as the smallest value, for splits that send it left; odd ones have it as it is, beyond every
    limit, for splits that send it right.
    """
    rows, columns = features.shape
    found = np.empty(rows, dtype=np.float32)
    seen = np.empty((2 * columns, LANES), dtype=np.float32)
    total = np.empty(LANES, dtype=np.float64)
    alive = np.empty((len(feature), LANES), dtype=np.int32)
    for begin in range(0, rows, LANES):
        for row in range(LANES):
            for column in range(columns):
                known = features[min(begin + row, rows - 1), column]
                seen[2 * column, row] = -np.inf if np.isnan(known) else known
                seen[2 * column + 1, row] = known
        total[:] = offset
        alive[:] = ALL
        for tree in range(len(feature)):
            own = alive[tree]
            for split in range(feature.shape[1]):
                narrow(own, seen[feature[tree, split]], limit[tree, split], mask[tree, split])
            for row in range(LANES):
                total[row] += value[tree, _LEAVES[((own[row] & -own[row]) * _PLACES & ALL) >> 12]]
        for row in range(min(LANES, rows - begin)):
            found[begin + row] = total[row]
    return found


@compiled
def chance_of(odds: float) -> float:
    """Logistic of log-odds."""
    return 1.0 / (1.0 + math.exp(-odds))


def no_trees(offset: float = -3.0) -> Trees:
    """A scorer that knows nothing: the same low chance for every candidate."""
    none = np.zeros((0, 1))
    ways = none.astype(np.uint8)
    return Trees(none.astype(np.int16), none.astype(np.float32), none.astype(bool), ways, ways, offset)
