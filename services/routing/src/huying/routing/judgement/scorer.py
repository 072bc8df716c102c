"""Evaluates learned trees over many candidates at once, in numpy alone.

Refuses to learn: training lives in `learn`, and the running service never imports it. Every split of every tree is
tested; what a failed test rules out is a bit mask over the tree's leaves, and the lowest leaf left is the answer
(QuickScorer, Lucchese et al., SIGIR 2015). Leaf values are fixed-point, so a sum does not depend on its company.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .model import LEAVES, Trees

Floats = npt.NDArray[np.float32]
FIXED = 1 << 20
"""Steps of a leaf value."""
AT_ONCE = 256
"""Rows in one go: their tests fill the cache, not the memory."""
_LOWEST = np.array([(m & -m).bit_length() - 1 if m else 0 for m in range(1 << LEAVES)], dtype=np.int8)


class Scorer:
    """Trees made ready for scoring."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees
        count, splits = trees.feature.shape
        self._shape = (splits, count)
        self._feature = (2 * trees.feature + ~trees.missing_left).T.ravel()
        """Row of the doubled features: even ones have unknown as the smallest value, odd ones as the largest."""
        self._threshold = trees.threshold.T.ravel()[:, None]
        self._mask = trees.mask.T.ravel()[:, None]
        self._base = (np.arange(count) * LEAVES)[:, None]
        self._value = np.round(trees.value.astype(np.float64) * FIXED).astype(np.int64).ravel()

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds per column of `features` (features, rows); NaN means unknown."""
        rows = features.shape[1]
        if not self._shape[1]:
            return np.full(rows, self._trees.offset, dtype=np.float32)
        parts = [self._some(features[:, at : at + AT_ONCE]) for at in range(0, rows, AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _some(self, features: Floats) -> Floats:
        unknown = np.isnan(features)
        both = np.empty((2 * len(features), features.shape[1]), dtype=np.float32)
        both[0::2] = np.where(unknown, np.float32(-np.inf), features)
        both[1::2] = features  # unknown is beyond every limit, an infinite one too: such a split asks "unknown?"
        left = both[self._feature] <= self._threshold
        alive = np.bitwise_and.reduce((self._mask | -left.astype(np.uint16)).reshape(*self._shape, -1), axis=0)
        total = self._value[self._base + _LOWEST[alive]].sum(axis=0)
        return np.asarray(total / FIXED + self._trees.offset, dtype=np.float32)


def probability(odds: Floats) -> Floats:
    """Logistic of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))), dtype=np.float32)


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
