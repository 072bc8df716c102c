"""Fits boosted trees and writes them down as flat arrays.

Refuses to keep a scikit-learn object: what leaves here is numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..evidence import Floats
from ..model import Trees


def fit_trees(features: Floats, truths: npt.NDArray[np.bool_], weights: Floats | None = None, **settings: Any) -> Trees:
    """Gradient-boosted classification trees on (rows, features) with unknowns as NaN."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    chosen: dict[str, Any] = {
        "max_iter": 160,
        "learning_rate": 0.08,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 12,
        "l2_regularization": 4.0,
        "max_features": 0.4,
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
    width = max((len(tree) for tree in nodes), default=1)
    shape = (len(nodes), width)
    feature = np.zeros(shape, dtype=np.int32)
    threshold = np.zeros(shape, dtype=np.float32)
    left = np.broadcast_to(np.arange(width, dtype=np.int32), shape).copy()
    right = left.copy()
    missing = np.zeros(shape, dtype=bool)
    value = np.zeros(shape, dtype=np.float32)
    depth = 0
    for number, tree in enumerate(nodes):
        inner = tree["is_leaf"] == 0
        at = np.flatnonzero(inner)
        feature[number, at] = tree["feature_idx"][inner]
        limits = tree["num_threshold"][inner]
        rounded = limits.astype(np.float32)
        threshold[number, at] = np.where(rounded > limits, np.nextafter(rounded, np.float32(-np.inf)), rounded)
        left[number, at] = tree["left"][inner]
        right[number, at] = tree["right"][inner]
        missing[number, at] = tree["missing_go_to_left"][inner].astype(bool)
        value[number, np.flatnonzero(~inner)] = tree["value"][~inner]
        depth = max(depth, int(tree["depth"].max(initial=0)))
    return Trees(
        feature, threshold, left, right, missing, value, depth, float(np.ravel(machine._baseline_prediction)[0])
    )
