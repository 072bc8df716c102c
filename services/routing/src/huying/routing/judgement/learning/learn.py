"""From labelled reports to a model: texts first, then pairs, then the second look at the winner.

Refuses to learn the second look from first scores that saw the same period.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..correlator import FINAL_FEATURES, Correlator, second_look
from ..evidence import FEATURES, F
from ..facts import PackBits
from ..judge import Judge
from ..model import JudgementModel, Trees, untrained_text
from ..retrieval import open_gate
from ..scorer import Scorer, chance_of, no_trees
from ..screening import Reader, linear_scores, topic_vectors
from ..traits import TOPIC_AT, Floats, Traits
from .labelled import LabelledReport
from .replay import Coverage, Meeting, first_meetings, meetings
from .texts import (
    FOLDS,
    TOPICS,
    calibrate,
    document_frequencies,
    fit_text,
    matter_gaps,
    out_of_period,
    with_sketch,
)
from .trees import fit_trees

FRAGMENT_SHARES = (0.0, 0.15)
"""Months are lived twice: as they were, and with some incidents in pieces."""
FINAL_PARTS = 4
GATE_FROM = 0.0005
"""Chance from which an incident passes the first look: 97.9 % of a strange month's right ones, 3 incidents a report."""
GATE_KEEPS = 0.999
"""But no more than it takes to keep this share of the right ones."""
FINAL_SETTINGS: dict[str, Any] = {"max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 30}
"""Few and small trees: the second look has one row per report, not one per pair."""


@dataclass(frozen=True)
class Learned:
    """A model and what was seen on the way."""

    model: JudgementModel
    coverage: Coverage
    pairs: int
    second_looks: Floats
    """Score, whether it was right, whether the report was labelled; one row per report that met candidates,
    each scored by a second look that did not see it."""


def learn(
    labelled: Sequence[LabelledReport],
    pack: PackBits,
    progress: Callable[[str], None] = lambda _: None,
    fragments: Sequence[float] = FRAGMENT_SHARES,
    blanks_every: int = 1,
    texts: bool = True,
    sketch: int = 0,
    copied: bool = False,
    **settings: Any,
) -> Learned:
    """Learn a model from labelled reports.

    `fragments` and `blanks_every` see `replay.meetings`; `texts=False` is for sources without words, `sketch` (its
    dimensions, see `texts.with_sketch`) and `copied` (see `fit_pairs`) for letters; `settings` go to the boosted trees.
    """
    reader = Reader(pack)
    readings = reader.read([item.facts for item in labelled])
    codes = tuple(matter.code for matter in pack.matters)
    progress("texts")
    idf = document_frequencies(readings)
    if texts:
        final_text = fit_text(readings, labelled, codes, idf)
        scores = out_of_period(readings, labelled, codes, idf)
        final_text = calibrate(final_text, scores, labelled)
        if sketch:
            final_text = with_sketch(final_text, sketch)
            scores = np.pad(scores[:, :-TOPICS], ((0, 0), (0, sketch)))
    else:
        final_text = untrained_text(codes)
        scores = linear_scores(final_text, [reading.ids for reading in readings])
    gaps = matter_gaps(labelled, codes)
    blind = JudgementModel(final_text, open_gate(), no_trees(), no_trees(), gaps)
    judge = Judge(pack, blind)
    traits = [own for _, own in judge.interpret(readings, scores)]
    if len({item.period for item in labelled}) < FOLDS:
        traits = with_topics(traits, judge, [reading.ids for reading in readings])
    progress("first look")
    gate = fit_gate(judge, labelled, traits, blanks_every)
    judge = Judge(pack, dataclasses.replace(blind, gate=gate))
    progress("pairs")
    coverage = Coverage()
    met = live_again(judge, labelled, traits, coverage, fragments, blanks_every)
    pair, final, second_looks = fit_scorers(met, labelled, progress, copied=copied, **settings)
    description = {"reports": len(labelled), "periods": sorted({i.period for i in labelled}),
                   "features": list(FEATURES), "final_features": list(FINAL_FEATURES)}  # fmt: skip
    model = JudgementModel(final_text, gate, pair, final, gaps, description)
    return Learned(model, coverage, sum(len(m.right) for m in met), second_looks)


def with_topics(traits: list[Traits], judge: Judge, documents: Sequence[Any]) -> list[Traits]:
    """Traits in the wording space of the final model: within a period, spaces of different fits cannot be compared."""
    topics = topic_vectors(judge.model.text, linear_scores(judge.model.text, documents))
    for own, topic in zip(traits, topics, strict=True):
        own.packed[TOPIC_AT:] = topic
    return traits


def periods_of(labelled: Sequence[LabelledReport]) -> list[list[int]]:
    """Numbers of the reports of each period."""
    periods = sorted({item.period for item in labelled})
    return [[i for i, item in enumerate(labelled) if item.period == period] for period in periods]


def fit_gate(judge: Judge, labelled: Sequence[LabelledReport], traits: Sequence[Traits], blanks_every: int) -> Floats:
    """Weights of the first look, set so that GATE_KEEPS of the right incidents pass."""
    from sklearn.linear_model import LogisticRegression

    seen, rights = [], []
    for which in periods_of(labelled):
        found = first_meetings(
            Correlator(judge), [labelled[i] for i in which], [traits[i] for i in which], blanks_every
        )
        seen.append(found[0])
        rights.append(found[1])
    looks, right = np.concatenate(seen), np.concatenate(rights)
    if not right.any() or right.all():
        return open_gate()
    spread = np.maximum(looks.std(axis=0), 1e-3)
    logistic = LogisticRegression(max_iter=1000).fit(looks / spread, right)
    weights = logistic.coef_[0] / spread
    least = np.quantile(looks[right] @ weights, 1.0 - GATE_KEEPS)
    limit = max(float(least), float(np.log(GATE_FROM)) - float(logistic.intercept_[0]))
    return np.append(weights, -limit).astype(np.float32)


def live_again(
    judge: Judge,
    labelled: Sequence[LabelledReport],
    traits: Sequence[Traits],
    coverage: Coverage,
    fragments: Sequence[float],
    blanks_every: int,
) -> list[Meeting]:
    """Meetings of all periods; each period starts from an empty index."""
    met: list[Meeting] = []
    for which in periods_of(labelled):
        for share in fragments:
            found = meetings(
                Correlator(judge),
                [labelled[i] for i in which],
                [traits[i] for i in which],
                coverage,
                share,
                blanks_every,
            )
            for meeting in found:
                meeting.report = which[meeting.report]
            met += found
    return met


def fit_scorers(
    met: Sequence[Meeting], labelled: Sequence[LabelledReport], progress: Callable[[str], None], **settings: Any
) -> tuple[Trees, Trees, Floats]:
    """The pair scorer on all meetings, and the second look on scores of pair scorers from other parts."""
    keys = [labelled[m.report].period for m in met]
    periods = sorted(set(keys))
    if len(periods) < FINAL_PARTS:
        keys = [labelled[m.report].problem or labelled[m.report].facts.report_id for m in met]
        periods = sorted(set(keys))
    part_of = {period: i % FINAL_PARTS for i, period in enumerate(periods)}
    parts = np.array([part_of[key] for key in keys])
    finals: list[Floats] = []
    truths: list[bool] = []
    known: list[npt.NDArray[np.bool_]] = []
    part_of_row: list[npt.NDArray[np.int64]] = []
    for part in range(FINAL_PARTS):
        progress(f"second look {part + 1}/{FINAL_PARTS}")
        inside = [m for m, p in zip(met, parts, strict=True) if p != part]
        outside = [m for m, p in zip(met, parts, strict=True) if p == part]
        if not inside or not outside:
            continue
        trees = fit_pairs(inside, **settings)
        scorer = Scorer(trees)
        for meeting in outside:
            order, _, seen = second_look(meeting.rows, scorer.log_odds(meeting.rows))
            finals.append(seen)
            truths.append(bool(meeting.right[order[0]]))
        known.append(np.array([labelled[m.report].problem is not None for m in outside]))
        part_of_row.append(np.full(len(outside), part))
    progress("pair scorer")
    pair = fit_pairs(met, **settings)
    rows, right, of_part = np.concatenate(finals), np.array(truths), np.concatenate(part_of_row)
    final = fit_trees(rows, right, **FINAL_SETTINGS)
    scores = np.zeros(len(rows), dtype=np.float32)
    for part in range(FINAL_PARTS):
        own = of_part == part
        if own.any() and not own.all():
            other = fit_trees(rows[~own], right[~own], **FINAL_SETTINGS)
            scores[own] = [chance_of(odds) for odds in Scorer(other).log_odds(rows[own])]
    looks = [scores, right.astype(np.float32), np.concatenate(known).astype(np.float32)]
    return pair, final, np.stack(looks, axis=1)


def fit_pairs(met: Sequence[Meeting], copied: bool = False, **settings: Any) -> Trees:
    """Pair scorer over the rows of the meetings.

    With `copied`, every right pair of one town is shown again as a wrong one of two towns: people copy letters and put
    in another estate, and a few hundred labels hold too few such copies to learn from.
    """
    rows, right = np.concatenate([m.rows for m in met]), np.concatenate([m.right for m in met])
    if copied:
        moved = rows[right & (rows[:, F["town_same"]] == 1)]
        moved[:, F["town_same"]] = 0
        rows, right = np.concatenate([rows, moved]), np.append(right, np.zeros(len(moved), dtype=bool))
    return fit_trees(rows, right, **settings)
