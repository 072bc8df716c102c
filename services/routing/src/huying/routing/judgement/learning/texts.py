"""Learns the text model: headings, emergency, follow-up and recurrence from words.

Refuses to score a report with weights that saw it: `out_of_period` gives every report the scores of a model
learned from other periods, which is what the pair scorer must learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import FLAG_NAMES, TextModel
from ..screening import Floats, Reading, linear_scores
from ..text import BUCKETS, Ints, inverse_document_frequency, weigh
from .labelled import LabelledReport
from .letters import sharpness_of

SVM_C = 0.5
"""Best of 0.2, 0.5, 1 over held-out months. With one- and two-character grams 0.857 of the headings are
right, with three-character ones 0.848, with four 0.827, ComplementNB 0.804, logistic regression 0.837."""
FOLDS = 4
TOPICS = 32
"""Dimensions of the wording space."""
DIRECTIONS = 96
"""Main directions of the texts that it is chosen from."""
SCATTER_FLOOR = 0.3
"""Share of the mean scatter added to every direction: little data must not look certain."""
FLAGS = len(FLAG_NAMES)
SKETCH_ROWS = 4096
"""Random directions that n-grams share in a sketch: two grams of two letters fall together once in so many pairs."""


def sparse(documents: Sequence[Ints], idf: Floats) -> Any:
    """Documents as a scipy CSR matrix of TF-IDF weights."""
    from scipy.sparse import csr_matrix

    weighed = [weigh(ids, idf) for ids in documents]
    indptr = np.cumsum([0, *(len(ids) for ids, _ in weighed)])
    return csr_matrix(
        (np.concatenate([w for _, w in weighed]), np.concatenate([i for i, _ in weighed]), indptr),
        shape=(len(weighed), BUCKETS),
    )


def fit_text(
    readings: Sequence[Reading], labelled: Sequence[LabelledReport], codes: tuple[str, ...], idf: Floats
) -> TextModel:
    """Linear one-against-rest scorers on all of `readings`, uncalibrated (sharpness 1)."""
    documents = [reading.ids for reading in readings]
    matrix = sparse(documents, idf)
    seen = np.flatnonzero(np.bincount(matrix.indices, minlength=BUCKETS) >= 2)
    rows = np.zeros(BUCKETS, dtype=np.int32)
    rows[seen] = np.arange(1, len(seen) + 1)
    narrow = matrix[:, seen]
    weights = np.zeros((len(seen) + 1, len(codes) + FLAGS + TOPICS), dtype=np.float32)
    bias = np.zeros(len(codes) + FLAGS + TOPICS, dtype=np.float32)
    bias[: len(codes)] = -2.0
    known = np.array([item.matter in codes for item in labelled])
    if known.any():
        answers = np.array(
            [codes.index(item.matter or "") if k else -1 for item, k in zip(labelled, known, strict=True)]
        )
        _fit_columns(narrow[known], answers[known], weights, bias, range(len(codes)))
    for column, truths in enumerate(flag_truths(labelled), start=len(codes)):
        if 0 < truths.sum() < len(truths):
            _fit_flag(narrow, truths, weights, bias, column)
    _fit_topics(narrow, labelled, weights, len(codes) + FLAGS)
    return TextModel(idf, rows, weights, bias, codes, 1.0, np.array([[1.0, 0.0]] * FLAGS, dtype=np.float32), TOPICS)


def flag_truths(labelled: Sequence[LabelledReport]) -> tuple[npt.NDArray[np.bool_], ...]:
    """FLAG_NAMES as people marked them."""
    return (
        np.array([item.clock == "emergency" for item in labelled]),
        np.array([item.relation == "follow_up" for item in labelled]),
        np.array([item.relation == "recurrence" for item in labelled]),
        np.array([item.second_matter is not None for item in labelled]),
    )


def _fit_columns(matrix: Any, answers: npt.NDArray[np.int64], weights: Floats, bias: Floats, columns: range) -> None:
    from sklearn.svm import LinearSVC

    present = np.unique(answers)
    if len(present) < 2:
        return
    for column in columns:
        if column not in present:
            continue
        machine = LinearSVC(C=SVM_C, random_state=0).fit(matrix, answers == column)
        weights[1:, column] = machine.coef_[0]
        bias[column] = machine.intercept_[0]


def _fit_flag(matrix: Any, truths: npt.NDArray[np.bool_], weights: Floats, bias: Floats, column: int) -> None:
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=SVM_C, class_weight="balanced", random_state=0).fit(matrix, truths)
    weights[1:, column] = machine.coef_[0]
    bias[column] = machine.intercept_[0]


def _fit_topics(matrix: Any, labelled: Sequence[LabelledReport], weights: Floats, first: int) -> None:
    """Wording space: directions in which texts of one problem agree and those of different problems differ.

    Main directions of all texts, whitened by how texts of one problem scatter (as speaker verification does it).
    """
    from sklearn.decomposition import TruncatedSVD

    problems = sorted({item.problem for item in labelled if item.problem})
    if len(problems) < 4 * TOPICS or matrix.shape[1] <= DIRECTIONS:
        return
    svd = TruncatedSVD(DIRECTIONS, random_state=0).fit(matrix)
    points = svd.transform(matrix)
    owner = np.array([problems.index(item.problem) if item.problem else -1 for item in labelled])
    points, owner = points[owner >= 0], owner[owner >= 0]
    counts = np.bincount(owner)
    means = np.zeros((len(counts), DIRECTIONS))
    np.add.at(means, owner, points)
    means /= counts[:, None]
    inside = points - means[owner]
    within = inside.T @ inside / max(int((counts - 1).sum()), 1)
    within += np.eye(DIRECTIONS) * (SCATTER_FLOOR * np.trace(within) / DIRECTIONS)
    values, vectors = np.linalg.eigh(within)
    white = vectors / np.sqrt(values)
    _, axes = np.linalg.eigh(np.cov((points @ white).T))
    weights[1:, first:] = svd.components_.T @ white @ axes[:, ::-1][:, :TOPICS]


def with_sketch(model: TextModel, dimensions: int) -> TextModel:
    """The model with a sketch of all words in place of its wording space: for letters with too few labels to learn one.

    Every n-gram, seen in learning or not, has a fixed direction, so that a dot product of two sketches is the cosine of
    the whole TF-IDF vectors up to about 1 / sqrt(dimensions) (random projection, Achlioptas 2003). The few n-grams that
    traits remember are enough for a note on the telephone, not for a letter of 300 characters.
    """
    signs = np.random.default_rng(0).choice(np.array([-1.0, 1.0], dtype=np.float32), (SKETCH_ROWS, dimensions))
    signs /= np.sqrt(np.float32(dimensions))
    learned = model.matters + FLAGS
    seen, unseen = np.flatnonzero(model.rows), np.flatnonzero(model.rows == 0)
    known = len(model.weights)
    weights = np.zeros((known + SKETCH_ROWS, learned + dimensions), dtype=np.float32)
    weights[:known, :learned] = model.weights[:, :learned]
    weights[model.rows[seen], learned:] = signs[seen % SKETCH_ROWS]
    weights[known:, learned:] = signs
    rows = model.rows.copy()
    rows[unseen] = known + unseen % SKETCH_ROWS
    bias = np.concatenate([model.bias[:learned], np.zeros(dimensions, dtype=np.float32)])
    return replace(model, rows=rows, weights=weights, bias=bias, topics=dimensions)


def calibrate(model: TextModel, scores: Floats, labelled: Sequence[LabelledReport]) -> TextModel:
    """Sharpness and flag slopes from scores that did not see the reports."""
    from sklearn.linear_model import LogisticRegression

    codes = model.matter_codes
    rows = [(i, codes.index(item.matter)) for i, item in enumerate(labelled) if item.matter in codes]
    sharpness = 1.0
    if rows:
        which, answers = (np.array(column) for column in zip(*rows, strict=True))
        sharpness = sharpness_of(scores[which, : len(codes)].astype(np.float64), answers)
    slopes = model.flag_slopes.copy()
    for flag, truths in enumerate(flag_truths(labelled)):
        if 0 < truths.sum() < len(truths):
            logistic = LogisticRegression(C=100.0).fit(scores[:, [len(codes) + flag]], truths)
            slopes[flag] = logistic.coef_[0, 0], logistic.intercept_[0]
        else:
            slopes[flag] = 0.0, -6.0
    return TextModel(model.idf, model.rows, model.weights, model.bias, codes, sharpness, slopes, model.topics)


def out_of_period(
    readings: Sequence[Reading], labelled: Sequence[LabelledReport], codes: tuple[str, ...], idf: Floats
) -> Floats:
    """Scores of each report by a model that learned from other periods; topics from the model of all.

    One period only: problems are dealt to parts instead.
    """
    periods = sorted({item.period for item in labelled})
    if len(periods) >= FOLDS:
        part_of = {period: i % FOLDS for i, period in enumerate(periods)}
        parts = np.array([part_of[item.period] for item in labelled])
    else:
        problems = sorted({item.problem or item.facts.report_id for item in labelled})
        number = {problem: i % FOLDS for i, problem in enumerate(problems)}
        parts = np.array([number[item.problem or item.facts.report_id] for item in labelled])
    scores: Floats | None = None
    for part in range(FOLDS):
        inside = np.flatnonzero(parts != part).tolist()
        outside = np.flatnonzero(parts == part).tolist()
        if not inside or not outside:
            continue
        model = fit_text([readings[i] for i in inside], [labelled[i] for i in inside], codes, idf)
        if scores is None:
            scores = np.zeros((len(readings), model.weights.shape[1]), dtype=np.float32)
        scores[outside] = linear_scores(model, [readings[i].ids for i in outside])
    assert scores is not None
    return scores


def document_frequencies(readings: Sequence[Reading]) -> Floats:
    """IDF over the documents that learning sees."""
    return inverse_document_frequency(
        np.concatenate([reading.ids, reading.words, reading.place_words]) for reading in readings
    )


def matter_gaps(labelled: Sequence[LabelledReport], codes: tuple[str, ...]) -> Floats:
    """Hours between neighbouring reports of one problem, 0.9 quantile per heading, drawn to the overall one."""
    times: dict[str, list[tuple[float, str | None]]] = {}
    for item in labelled:
        if item.problem:
            times.setdefault(item.problem, []).append((item.facts.received_at.timestamp() / 3600, item.matter))
    gaps: dict[str | None, list[float]] = {}
    for seen in times.values():
        ordered = sorted(at for at, _ in seen)
        for before, after in pairwise(ordered):
            gaps.setdefault(seen[0][1], []).append(after - before)
    everything = [gap for own in gaps.values() for gap in own]
    overall = float(np.quantile(everything, 0.9)) if everything else 72.0
    table = [gaps.get(code, []) for code in codes]
    return np.array(
        [
            (overall * 20 + float(np.quantile(own, 0.9)) * len(own)) / (20 + len(own)) if own else overall
            for own in table
        ],
        dtype=np.float32,
    )
