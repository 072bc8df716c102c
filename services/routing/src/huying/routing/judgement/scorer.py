"""Evaluates learned trees over a report's candidates.

Refuses to learn: training lives in `learning`, and the running service never imports it. Every split of every tree is
tested; what a failed test rules out is a bit mask over the tree's leaves, and the lowest leaf left is the answer
(QuickScorer, Lucchese et al., SIGIR 2015).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .model import LEAVES, Trees

Floats = npt.NDArray[np.float32]


ABREAST = 8
"""Rows that go through a test together: one register of numbers, and as many as a report has candidates."""


class Scorer:
    """Trees made ready for scoring."""

    def __init__(self, trees: Trees) -> None:
        feature = (2 * trees.feature + ~trees.missing_left).astype(np.int32)
        self._trees = (feature, trees.threshold, trees.mask.astype(np.int32), trees.value)
        self._offset = trees.offset

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds per row of `features` (rows, features); NaN means unknown. A row scores the same in any company."""
        return _log_odds(features, *self._trees, self._offset)


@compiled
def _log_odds(
    features: Floats,
    feature: npt.NDArray[np.int32],
    threshold: Floats,
    mask: npt.NDArray[np.int32],
    value: Floats,
    offset: float,
) -> Floats:
    """Log-odds; `feature` counts every feature twice.

    Even ones have unknown as the smallest value, for splits that send it left; odd ones have it as it is, beyond every
    limit, for splits that send it right.
    """
    rows, columns = features.shape
    found = np.empty(rows, dtype=np.float32)
    seen = np.empty((2 * columns, ABREAST), dtype=np.float32)
    alive = np.empty(ABREAST, dtype=np.int32)
    total = np.empty(ABREAST, dtype=np.float64)
    for begin in range(0, rows, ABREAST):
        count = min(ABREAST, rows - begin)
        for column in range(columns):
            for row in range(ABREAST):
                known = features[begin + min(row, count - 1), column]
                seen[2 * column + 1, row] = known
                seen[2 * column, row] = -np.inf if np.isnan(known) else known
        total[:] = offset
        for tree in range(len(feature)):
            alive[:] = 0xFFFF
            for split in range(feature.shape[1]):
                column, limit, rest = feature[tree, split], threshold[tree, split], mask[tree, split]
                for row in range(ABREAST):
                    alive[row] &= rest | -np.int32(seen[column, row] <= limit)
            for row in range(count):
                leaf = 0
                while not alive[row] >> leaf & 1:
                    leaf += 1
                total[row] += value[tree, leaf]
        for row in range(count):
            found[begin + row] = total[row]
    return found


@compiled
def chance_of(odds: float) -> float:
    """Logistic of log-odds."""
    return 1.0 / (1.0 + math.exp(-odds))


def no_trees(offset: float = -3.0) -> Trees:
    """A scorer that knows nothing: the same low chance for every candidate."""
    empty = np.zeros((0, LEAVES - 1), dtype=np.int32)
    return Trees(
        empty,
        empty.astype(np.float32),
        empty.astype(bool),
        empty.astype(np.uint16),
        np.zeros((0, LEAVES), np.float32),
        offset,
    )
