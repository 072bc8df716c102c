"""Learns the sorting of letters from labelled ones.

Refuses to calibrate on letters that a margin has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..letters import LetterModel, blocks
from ..screening import Floats
from ..text import BUCKETS, gram_ids, inverse_document_frequency, normalise

SVM_C = 2.0
"""0.5, 1, 2 and 4 differ by 0.2 points beyond 1; 2 is the middle of the flat top."""
PARTS = 4


def learn_letters(texts: Sequence[str], labels: Sequence[str]) -> LetterModel:
    """A calibrated model of the labels."""
    names = tuple(sorted(set(labels)))
    answers = np.array([names.index(label) for label in labels])
    idf = inverse_document_frequency(gram_ids(normalise(text), (1, 2)) for text in texts)
    matrix = stacked(texts, idf)
    margins = np.zeros((len(texts), len(names)))
    parts = np.arange(len(texts)) % PARTS
    for part in range(PARTS):
        coefficients, bias = fit(matrix[parts != part], answers[parts != part], len(names))
        margins[parts == part] = matrix[parts == part] @ coefficients.T + bias
    coefficients, bias = fit(matrix, answers, len(names))
    weights = np.stack([coefficients[:, :BUCKETS].T, coefficients[:, BUCKETS:].T]).astype(np.float32)
    return LetterModel(names, idf, weights, bias.astype(np.float32), sharpness_of(margins, answers))


def stacked(texts: Sequence[str], idf: Floats) -> Any:
    """CSR matrix with the two blocks side by side."""
    from scipy.sparse import csr_matrix

    ids: list[npt.NDArray[np.int64]] = []
    weights: list[Floats] = []
    for text in texts:
        (own, own_weights), (head, head_weights) = blocks(text, idf)
        ids.append(np.concatenate([own.astype(np.int64), head.astype(np.int64) + BUCKETS]))
        weights.append(np.concatenate([own_weights, head_weights]))
    ends = np.cumsum([0, *(len(i) for i in ids)])
    return csr_matrix((np.concatenate(weights), np.concatenate(ids), ends), shape=(len(texts), 2 * BUCKETS))


def fit(
    matrix: Any, answers: npt.NDArray[np.int64], labels: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """One-against-rest coefficients (labels, columns) and biases."""
    from sklearn.svm import LinearSVC

    coefficients = np.zeros((labels, matrix.shape[1]))
    bias = np.full(labels, -2.0)
    for label in range(labels):
        if (answers == label).any() and not (answers == label).all():
            machine = LinearSVC(C=SVM_C, random_state=0).fit(matrix, answers == label)
            coefficients[label], bias[label] = machine.coef_[0], machine.intercept_[0]
    return coefficients, bias


def sharpness_of(margins: npt.NDArray[np.float64], answers: npt.NDArray[np.int64]) -> float:
    """Factor that makes softmax chances of margins fit the answers best."""
    from scipy.optimize import minimize_scalar

    def loss(log_factor: float) -> float:
        scaled = margins * np.exp(log_factor)
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float(np.mean(total - scaled[np.arange(len(answers)), answers]))

    return float(np.exp(minimize_scalar(loss, bounds=(-1.0, 3.5), method="bounded").x))
