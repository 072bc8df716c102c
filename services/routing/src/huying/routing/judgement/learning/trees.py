"""Fits boosted trees and writes them down as flat arrays.

Refuses to keep a scikit-learn object: what leaves here is numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import LEAF, Trees
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
    shape = (len(nodes), max(map(len, nodes)))
    feature, limit = np.full(shape, LEAF, dtype=np.int16), np.zeros(shape, dtype=np.float32)
    missing_left = np.zeros(shape, dtype=bool)
    left, right = np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.uint8)
    for number, tree in enumerate(nodes):
        own = (number, slice(len(tree)))
        leaf = tree["is_leaf"].astype(bool)
        feature[own] = np.where(leaf, LEAF, tree["feature_idx"])
        limit[own] = np.where(leaf, tree["value"], rounded_down(tree["num_threshold"]))
        missing_left[own] = tree["missing_go_to_left"] & ~leaf
        left[own], right[own] = tree["left"], tree["right"]
    return Trees(feature, limit, missing_left, left, right, float(np.ravel(machine._baseline_prediction)[0]))


def rounded_down(limits: npt.NDArray[np.float64]) -> Floats:
    """Limits as the next 32-bit number that is not above: 32-bit features then fall on the same side."""
    rounded = limits.astype(np.float32)
    return np.where(rounded > limits, np.nextafter(rounded, np.float32(-np.inf)), rounded)
