"""Judges the sorting of letters beside a TF-IDF + linear SVM of the same letters.

Refuses to train and test on one letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from huying.routing.judgement.learning.letters import learn_letters

from .sources import UnusableError, rows_of

BINS = 10


def read_letters(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a CSV with the columns text (or tokens_no_stopwords) and label; what has no label is left out.

    Raises:
        UnusableError: a column is missing, or every label.
    """
    rows = [row for _, row in rows_of(path, "label") if row["label"].strip()]
    column = next((name for name in ("text", "tokens_no_stopwords") if rows and name in rows[0]), None)
    if column is None:
        raise UnusableError(
            f"{str(path)!r} has no labelled letter in a column text; expected text,label or tokens_no_stopwords,label"
        )
    return [row[column].replace(" ", "") for row in rows], [row["label"] for row in rows]


def evaluate_letters(
    train: Path | None, test: Path | None, single: Path | None, parts: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Figures of one split (`train`, `test`) or the mean over `parts` parts of `single`."""
    if train is not None and test is not None:
        progress("learning")
        return one_split(read_letters(train), read_letters(test))
    if single is None or parts < 2:
        raise UnusableError("give --train FILE --test FILE, or FILE with --cv N (N from 2 up)")
    texts, labels = read_letters(single)
    part_of = dealt(labels, parts)
    rows = []
    for part in range(parts):
        progress(f"part {part + 1}/{parts}")
        inside = [i for i, own in enumerate(part_of) if own != part]
        outside = [i for i, own in enumerate(part_of) if own == part]
        rows.append(
            one_split(
                ([texts[i] for i in inside], [labels[i] for i in inside]),
                ([texts[i] for i in outside], [labels[i] for i in outside]),
            )
        )
    figures: dict[str, Any] = {
        k: float(np.mean([r[k] for r in rows])) for k in rows[0] if k not in ("reliability", "letters")
    }
    figures["letters"] = len(texts)
    figures["parts"] = rows
    figures["reliability"] = merged_tables([r["reliability"] for r in rows])
    return figures


def dealt(labels: Sequence[str], parts: int) -> list[int]:
    """Part of each letter: each label dealt round, so that every part has its share."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        seen[label] = seen.get(label, -1) + 1
        out.append(seen[label] % parts)
    return out


def one_split(learned: tuple[list[str], list[str]], judged: tuple[list[str], list[str]]) -> dict[str, Any]:
    """Figures of one split, with the baseline on the same letters.

    Raises:
        UnusableError: the letters are too few to learn from or to judge on.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.svm import LinearSVC

    if len(set(learned[1])) < 2 or not judged[0]:
        raise UnusableError(
            f"{len(learned[0])} letters to learn from with {len(set(learned[1]))} labels, and {len(judged[0])} to judge: "
            "give more letters of two labels at least, or fewer parts with --cv"
        )
    vectoriser = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    try:
        grams = vectoriser.fit_transform(learned[0])
    except ValueError as error:
        raise UnusableError(f"{len(learned[0])} letters share no character: give more letters with text") from error
    model = learn_letters(*learned)
    truth = np.array(judged[1])
    begun = perf_counter()
    chances = model.chances(judged[0])
    seconds = perf_counter() - begun
    found = np.array(model.labels)[chances.argmax(axis=1)]
    plain = LinearSVC(random_state=0).fit(grams, learned[1])
    baseline = plain.predict(vectoriser.transform(judged[0]))
    sure = chances.max(axis=1)
    table = reliability(sure, found == truth)
    return {
        "letters": len(truth),
        "accuracy": float((found == truth).mean()),
        "macro_f1": float(f1_score(truth, found, average="macro")),
        "baseline_accuracy": float((baseline == truth).mean()),
        "baseline_macro_f1": float(f1_score(truth, baseline, average="macro")),
        "ms_per_message": 1000.0 * seconds / max(len(truth), 1),
        "ece": ece(table),
        "reliability": table,
    }


def reliability(sure: npt.NDArray[np.float32], right: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    """Per tenth of confidence: letters, mean confidence, share right."""
    table = []
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    for number in range(BINS):
        own = bins == number
        if own.any():
            table.append(
                {
                    "from": number / BINS,
                    "letters": int(own.sum()),
                    "said": float(sure[own].mean()),
                    "right": float(right[own].mean()),
                }
            )
    return table


def ece(table: Sequence[dict[str, float]]) -> float:
    """Expected calibration error of a reliability table."""
    total = sum(row["letters"] for row in table)
    return sum(row["letters"] * abs(row["said"] - row["right"]) for row in table) / max(total, 1)


def merged_tables(tables: Sequence[Sequence[dict[str, float]]]) -> list[dict[str, float]]:
    """Reliability tables of the parts put together."""
    merged: dict[float, dict[str, float]] = {}
    for row in (row for table in tables for row in table):
        own = merged.setdefault(row["from"], {"from": row["from"], "letters": 0, "said": 0.0, "right": 0.0})
        total = own["letters"] + row["letters"]
        for key in ("said", "right"):
            own[key] = (own[key] * own["letters"] + row[key] * row["letters"]) / total
        own["letters"] = total
    return [merged[key] for key in sorted(merged)]
