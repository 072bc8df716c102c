"""Evaluates learned trees over many candidates at once, in numpy alone.

Refuses to learn: training lives in `learn`, and the running service never imports it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .model import Trees

Floats = npt.NDArray[np.float32]


def log_odds(trees: Trees, features: Floats) -> Floats:
    """Log-odds per row of `features` (rows, features); NaN means unknown."""
    rows = len(features)
    if rows == 0:
        return np.zeros(0, dtype=np.float32)
    count, nodes = trees.feature.shape
    if count == 0:
        return np.full(rows, trees.offset, dtype=np.float32)
    feature, threshold = trees.feature.ravel(), trees.threshold.ravel()
    left, right = trees.left.ravel(), trees.right.ravel()
    missing = trees.missing_left.ravel()
    base = (np.arange(count, dtype=np.int32) * nodes)[None, :]
    width = features.shape[1]
    flat = np.ascontiguousarray(features, dtype=np.float32).ravel()
    offset = (np.arange(rows, dtype=np.int32) * width)[:, None]
    at = np.broadcast_to(base, (rows, count)).copy()
    for _ in range(trees.depth):
        value = flat[offset + feature[at]]
        goes_left = (value <= threshold[at]) | (np.isnan(value) & missing[at])
        at = base + np.where(goes_left, left[at], right[at])
    return np.asarray(trees.value.ravel()[at].sum(axis=1) + np.float32(trees.offset), dtype=np.float32)


def probability(odds: Floats) -> Floats:
    """Logistic of log-odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))), dtype=np.float32)


def no_trees(offset: float = -3.0) -> Trees:
    """A scorer that knows nothing: the same low chance for every candidate."""
    empty = np.zeros((0, 1), dtype=np.int32)
    return Trees(empty, empty.astype(np.float32), empty, empty, empty.astype(bool), empty.astype(np.float32), 0, offset)
