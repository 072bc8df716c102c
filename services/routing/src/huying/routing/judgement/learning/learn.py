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

from ..correlator import FINAL_FEATURES, Correlator, final_row
from ..evidence import FEATURES, F, Floats
from ..facts import PackBits
from ..judge import Judge
from ..model import JudgementModel, Trees, untrained_text
from ..scorer import log_odds, no_trees, probability
from ..screening import Reader, linear_scores, topic_vectors
from ..traits import Traits
from .labelled import LabelledReport
from .replay import Coverage, Meeting, meetings
from .texts import calibrate, document_frequencies, fit_text, matter_gaps, out_of_period
from .trees import fit_trees

FRAGMENT_SHARES = (0.0, 0.15)
"""Months are lived twice: as they were, and with some incidents in pieces."""
FINAL_PARTS = 4
STRANGERS_EVERY = 4
"""Three rows in four are strangers in every respect; a quarter of them teaches the same in half the time."""
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
    **settings: Any,
) -> Learned:
    """Learn a model from labelled reports.

    `fragments` and `blanks_every` see `replay.meetings`; `texts=False` is for sources without words;
    `settings` go to the boosted trees.
    """
    reader = Reader(pack)
    readings = [reader.read(item.facts) for item in labelled]
    codes = tuple(matter.code for matter in pack.matters)
    progress("texts")
    idf = document_frequencies(readings)
    if texts:
        final_text = fit_text(readings, labelled, codes, idf)
        scores = out_of_period(readings, labelled, codes, idf)
        final_text = calibrate(final_text, scores, labelled)
    else:
        final_text = untrained_text(codes)
        scores = linear_scores(final_text, [reading.ids for reading in readings])
    gaps = matter_gaps(labelled, codes)
    judge = Judge(pack, JudgementModel(final_text, no_trees(), no_trees(), gaps))
    traits = with_topics([t for _, t in judge.interpret(readings, scores)], judge, [r.ids for r in readings])
    progress("pairs")
    coverage = Coverage()
    met = live_again(judge, labelled, traits, coverage, fragments, blanks_every)
    pair, final, second_looks = fit_scorers(met, labelled, progress, **settings)
    description = {"reports": len(labelled), "periods": sorted({i.period for i in labelled}),
                   "features": list(FEATURES), "final_features": list(FINAL_FEATURES)}  # fmt: skip
    model = JudgementModel(final_text, pair, final, gaps, description)
    return Learned(model, coverage, sum(len(m.right) for m in met), second_looks)


def with_topics(traits: list[Traits], judge: Judge, documents: Sequence[Any]) -> list[Traits]:
    """Traits in the wording space of the final model (spaces of different fits cannot be compared)."""
    topics = topic_vectors(judge.model.text, linear_scores(judge.model.text, documents))
    return [dataclasses.replace(own, topic=topics[i]) for i, own in enumerate(traits)]


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
    for period in sorted({item.period for item in labelled}):
        which = [i for i, item in enumerate(labelled) if item.period == period]
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
    known: list[bool] = []
    part_of_row: list[int] = []
    for part in range(FINAL_PARTS):
        progress(f"second look {part + 1}/{FINAL_PARTS}")
        inside = [m for m, p in zip(met, parts, strict=True) if p != part]
        outside = [m for m, p in zip(met, parts, strict=True) if p == part]
        if not inside or not outside:
            continue
        trees = fit_pairs(inside, **settings)
        odds = log_odds(trees, np.concatenate([m.rows for m in outside]))
        at = 0
        for meeting in outside:
            own = odds[at : at + len(meeting.rows)]
            at += len(meeting.rows)
            order = np.lexsort((meeting.slots, -own))
            finals.append(final_row(meeting.rows, own, order))
            truths.append(bool(meeting.right[order[0]]))
            known.append(labelled[meeting.report].problem is not None)
            part_of_row.append(part)
    progress("pair scorer")
    pair = fit_pairs(met, **settings)
    rows, right = np.stack(finals), np.array(truths)
    final = fit_trees(rows, right, **FINAL_SETTINGS)
    scores = np.zeros(len(rows), dtype=np.float32)
    for part in range(FINAL_PARTS):
        own = np.array(part_of_row) == part
        if own.any() and not own.all():
            scores[own] = probability(log_odds(fit_trees(rows[~own], right[~own], **FINAL_SETTINGS), rows[own]))
    return pair, final, np.stack([scores, right.astype(np.float32), np.array(known, dtype=np.float32)], axis=1)


def fit_pairs(met: Sequence[Meeting], **settings: Any) -> Trees:
    """Pair scorer over the rows of the meetings; of hopeless strangers every fourth, at four times the weight."""
    features = np.concatenate([m.rows for m in met])
    truths: npt.NDArray[np.bool_] = np.concatenate([m.right for m in met])
    kept = truths | plausible(features)
    sampled = ~kept & (np.arange(len(kept)) % STRANGERS_EVERY == 0)
    chosen = kept | sampled
    weights = np.where(sampled, float(STRANGERS_EVERY), 1.0).astype(np.float32)[chosen]
    return fit_trees(features[chosen], truths[chosen], weights, **settings)


def plausible(features: Floats) -> npt.NDArray[np.bool_]:
    """Rows with anything at all in common; comparisons with an unknown are false."""
    matter = features[:, F["matter_dot"]] > 0.03
    with np.errstate(invalid="ignore"):
        near = (features[:, F["metres_best"]] < 1200) | (features[:, F["village_same"]] > 0)
        alike = (features[:, F["text_best"]] > 0.2) | (features[:, F["rarity_common"]] > 9)
        known = (features[:, F["reporter_same"]] > 0) | (features[:, F["device_id_same"]] > 0)
    return np.asarray((matter & near) | alike | known)
