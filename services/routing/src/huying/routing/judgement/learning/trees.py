"""Fits boosted trees and writes them down as flat arrays.

Refuses to keep a scikit-learn object: what leaves here is numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import LEAVES, Trees
from ..traits import Floats


def fit_trees(features: Floats, truths: npt.NDArray[np.bool_], weights: Floats | None = None, **settings: Any) -> Trees:
    """Gradient-boosted classification trees on (rows, features) with unknowns as NaN."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    chosen: dict[str, Any] = {
        "max_iter": 240,
        "learning_rate": 0.05,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 20,
        "l2_regularization": 4.0,
        "max_features": 0.2,
        "early_stopping": False,
        "random_state": 0,
    } | settings
    unknown = np.isnan(features).all(axis=0)
    if unknown.any():
        features = np.where(unknown, np.float32(0), features)
    machine = HistGradientBoostingClassifier(**chosen).fit(features, truths, sample_weight=weights)
    return flatten(machine)


def flatten(machine: Any) -> Trees:
    """The trees of a fitted HistGradientBoostingClassifier (binary) as arrays."""
    nodes = [predictors[0].nodes for predictors in machine._predictors]
    shape = (len(nodes), LEAVES - 1)
    feature = np.zeros(shape, dtype=np.int32)
    threshold = np.full(shape, np.inf, dtype=np.float32)
    missing = np.ones(shape, dtype=bool)
    mask = np.full(shape, (1 << LEAVES) - 1, dtype=np.uint16)
    value = np.zeros((len(nodes), LEAVES), dtype=np.float32)
    for number, tree in enumerate(nodes):
        leaves = splits = 0

        def walk(node: int, number: int = number, tree: Any = tree) -> None:
            nonlocal leaves, splits
            if tree["is_leaf"][node]:
                value[number, leaves] = tree["value"][node]
                leaves += 1
                return
            own, splits = splits, splits + 1
            limit = tree["num_threshold"][node]
            rounded = np.float32(limit)
            feature[number, own] = tree["feature_idx"][node]
            threshold[number, own] = np.nextafter(rounded, np.float32(-np.inf)) if rounded > limit else rounded
            missing[number, own] = tree["missing_go_to_left"][node]
            before = leaves
            walk(tree["left"][node])
            mask[number, own] &= ~np.uint16((1 << leaves) - (1 << before))
            walk(tree["right"][node])

        walk(0)
    return Trees(feature, threshold, missing, mask, value, float(np.ravel(machine._baseline_prediction)[0]))
