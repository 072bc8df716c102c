"""Evaluates learned trees over a report's candidates.

Refuses to learn: training lives in `learning`, and the running service never imports it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .model import LEAF, Trees

Floats = npt.NDArray[np.float32]


class Scorer:
    """Trees made ready for scoring."""

    def __init__(self, trees: Trees) -> None:
        feature = np.where(trees.feature == LEAF, LEAF, 2 * trees.feature + trees.missing_left).astype(np.int16)
        self._trees = feature, trees.limit, trees.left, trees.right, trees.offset

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds per row of `features` (rows, features); NaN means unknown. A row scores the same in any company."""
        return _log_odds(features, *self._trees)


@compiled
def _log_odds(
    features: Floats,
    feature: npt.NDArray[np.int16],
    limit: Floats,
    left: npt.NDArray[np.uint8],
    right: npt.NDArray[np.uint8],
    offset: float,
) -> Floats:
    """Log-odds; `feature` counts every feature twice.

    Even ones have unknown as it is, beyond every limit, for splits that send it right; odd ones have it as the smallest
    value, for splits that send it left.
    """
    rows, columns = features.shape
    found = np.empty(rows, dtype=np.float32)
    seen = np.empty(2 * columns, dtype=np.float32)
    for row in range(rows):
        for column in range(columns):
            known = features[row, column]
            seen[2 * column] = known
            seen[2 * column + 1] = -np.inf if np.isnan(known) else known
        total = offset
        for tree in range(len(feature)):
            node = 0
            while feature[tree, node] != LEAF:
                fits = seen[feature[tree, node]] <= limit[tree, node]
                node = left[tree, node] if fits else right[tree, node]
            total += limit[tree, node]
        found[row] = total
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
