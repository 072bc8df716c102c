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
from ..evidence import F
from ..facts import PackBits
from ..habits import columns
from ..judge import Judge
from ..model import JudgementModel, Trees, untrained_text
from ..retrieval import open_gate
from ..scorer import Scorer, chance_of, no_trees
from ..screening import Reader, linear_scores, topic_vectors
from ..traits import TOPIC_AT, Floats, Traits
from .labelled import LabelledReport
from .replay import Coverage, Meeting, as_lived, first_meetings, meetings
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

FRAGMENT_SHARES = (0.0, 0.15, 0.15, 0.3, 0.15)
"""Months are lived as they were, and with some incidents in pieces, each time others: one life says too little of what may
happen, and the seed of the trees then moves the figures."""
ENGINE_LIVES = 2
"""And so many times as an engine lives them that did not learn from them."""
FINAL_PARTS = 4
GATE_FROM = 0.0005
"""Chance from which an incident passes the first look: 97.9 % of a strange month's right ones, 3 incidents a report."""
GATE_KEEPS = 0.999
"""But no more than it takes to keep this share of the right ones."""
BARE_GATE_KEEPS = 0.995
"""Without words there is no such chance: in a city, strangers stand within a block of everything. The most hopeful are kept."""
GROWING = [
    F[name] for name in (
        "reports", "people", "machines", "spread", "hours_since_first", "pace_first", "hours_nearest", "metres_middle",
    )
]  # fmt: skip
"""Evidence that an incident gains by being joined. Where most joins were never marked, only marked incidents grow in the
life that is learned from: a learned engine would take size for proof, and its first wrong join would draw in the street."""
CROWDED = [F[name] for name in F if name == "candidates" or name.endswith("margin")]
"""Evidence that tells how many rivals there are. A life without a part of the problems has fewer of them than the true one."""
RATE_DRAWN = 20
"""A heading's rate of joins is drawn to the overall one as if so many of its reports had shown that."""
FINAL_SETTINGS: dict[str, Any] = {"max_iter": 60, "max_leaf_nodes": 8, "min_samples_leaf": 30}
"""Few and small trees: the second look has one row per report, not one per pair."""


ROUGH_SETTINGS: dict[str, Any] = {"max_iter": 120, "learning_rate": 0.1}
"""Good enough to live the months again with; half the time."""


@dataclass(frozen=True)
class Learned:
    """A model and what was seen on the way."""

    model: JudgementModel
    coverage: Coverage
    pairs: int
    second_looks: Floats
    """Score, whether it was right, whether the report was labelled, whether the engine itself led the life, and how many
    reports the incident had; one row per report that met candidates, each scored by a second look that did not see it."""


def learn(
    labelled: Sequence[LabelledReport],
    pack: PackBits,
    progress: Callable[[str], None] = lambda _: None,
    fragments: Sequence[float] = FRAGMENT_SHARES,
    blanks_every: int = 1,
    texts: bool = True,
    sketch: int = 0,
    **settings: Any,
) -> Learned:
    """Learn a model from labelled reports.

    `fragments` and `blanks_every` see `replay.meetings`; `texts=False` is for sources without words (`habits` stand in
    for them), `sketch` (its dimensions, see `texts.with_sketch`) for letters; `settings` go to the boosted trees.
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
    rates = None if texts else join_rates(labelled, codes)
    blind = JudgementModel(final_text, open_gate(), no_trees(), no_trees(), gaps, rates)
    judge = Judge(pack, blind)
    interpreted = judge.interpret(readings, scores)
    traits = [own for _, own in interpreted]
    if len({item.period for item in labelled}) < FOLDS:
        traits = with_topics(traits, judge, [reading.ids for reading in readings])
    progress("first look")
    chance, keeps = (GATE_FROM, GATE_KEEPS) if texts else (0.0, BARE_GATE_KEEPS)
    gate = fit_gate(judge, labelled, traits, blanks_every, chance, keeps)
    judge = Judge(pack, dataclasses.replace(blind, gate=gate))
    progress("pairs")
    coverage = Coverage()
    met = live_again(judge, labelled, traits, coverage, fragments, blanks_every)
    if blanks_every > 1:
        for meeting in met:
            meeting.rows[:, GROWING + CROWDED] = np.nan
    relive = None
    if any(fragments) and len({item.period for item in labelled}) >= FINAL_PARTS:

        def relive(which: Sequence[int], pair: Trees, final: Trees, life: int) -> list[Meeting]:
            own = Judge(pack, JudgementModel(final_text, gate, pair, final, gaps, rates))
            return as_lived(own, labelled, [screening for screening, _ in interpreted], which, life)

    pair, final, second_looks = fit_scorers(met, labelled, relive, progress, **settings)
    description = {"reports": len(labelled), "periods": sorted({i.period for i in labelled}),
                   "features": columns(rates), "final_features": list(FINAL_FEATURES)}  # fmt: skip
    model = JudgementModel(final_text, gate, pair, final, gaps, rates, description)
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


def join_rates(labelled: Sequence[LabelledReport], codes: tuple[str, ...]) -> Floats:
    """Log share of the reports of each heading whose problem was known already."""
    number = {code: i for i, code in enumerate(codes)}
    count, joined = np.zeros(len(codes)), np.zeros(len(codes))
    known: set[str] = set()
    for item in labelled:
        if item.matter in number:
            count[number[item.matter]] += 1
            joined[number[item.matter]] += item.problem in known
        if item.problem is not None:
            known.add(item.problem)
    overall = max(joined.sum(), 1.0) / max(count.sum(), 1.0)
    rates: Floats = np.log((joined + RATE_DRAWN * overall) / (count + RATE_DRAWN)).astype(np.float32)
    return rates


def fit_gate(
    judge: Judge,
    labelled: Sequence[LabelledReport],
    traits: Sequence[Traits],
    blanks_every: int,
    chance: float,
    keeps: float,
) -> Floats:
    """Weights of the first look, learned from everything that it sees in the true life of each period."""
    seen, rights = [], []
    for which in periods_of(labelled):
        found = first_meetings(
            Correlator(judge), [labelled[i] for i in which], [traits[i] for i in which], blanks_every
        )
        seen.append(found[0])
        rights.append(found[1])
    return gate_of(np.concatenate(seen), np.concatenate(rights), chance, keeps)


def gate_of(looks: Floats, right: npt.NDArray[np.bool_], chance: float, keeps: float) -> Floats:
    """Weights of looks and their limit: what has less than `chance` is hopeless, but `keeps` of the right ones pass."""
    from sklearn.linear_model import LogisticRegression

    if not right.any() or right.all():
        return open_gate()
    varied = np.ptp(looks, axis=0) > 0  # what is always the same tells nothing, and once scaled swamps the rest
    scale = np.where(varied, np.maximum(looks.std(axis=0), 1e-3), np.inf)
    logistic = LogisticRegression(max_iter=1000).fit(looks / scale, right)
    weights = logistic.coef_[0] / scale
    least = np.quantile(looks[right] @ weights, 1.0 - keeps)
    limit = float(least)
    if chance > 0:
        limit = max(limit, float(np.log(chance)) - float(logistic.intercept_[0]))
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
        for life, share in enumerate(fragments):
            found = meetings(
                Correlator(judge),
                [labelled[i] for i in which],
                [traits[i] for i in which],
                coverage,
                share,
                blanks_every,
                life,
            )
            for meeting in found:
                meeting.report = which[meeting.report]
            met += found
    return met


Relive = Callable[[Sequence[int], Trees, Trees, int], list[Meeting]]
"""Lives the numbered reports with a pair scorer and a second look that did not see them; the last is the life's number."""


def fit_scorers(
    met: Sequence[Meeting],
    labelled: Sequence[LabelledReport],
    relive: Relive | None,
    progress: Callable[[str], None],
    **settings: Any,
) -> tuple[Trees, Trees, Floats]:
    """The pair scorer on all meetings, and the second look on scores of pair scorers from other parts.

    With `relive` the months are lived again, each as an engine of the other parts would live it, wrong joins and open
    questions included: what is learned from true lives alone does not know an index with such pieces.
    """
    parts = parts_of(labelled)
    if relive is not None:
        lived: list[Meeting] = []
        for life in range(ENGINE_LIVES):
            rough = settings | ROUGH_SETTINGS | {"random_state": life}
            looks = second_looks_of(met, parts, labelled, progress, **rough)
            for part, (pair, final) in looks.scorers.items():
                progress(f"living again {part + 1}/{FINAL_PARTS}")
                lived += relive(np.flatnonzero(parts == part).tolist(), pair, final, life)
        met = [*met, *lived]
    looks = second_looks_of(met, parts, labelled, progress, **settings)
    progress("pair scorer")
    return fit_pairs(met, **settings), fit_trees(looks.rows, looks.right, **FINAL_SETTINGS), looks.judged


def parts_of(labelled: Sequence[LabelledReport]) -> npt.NDArray[np.int64]:
    """Part of each report: periods are dealt to FINAL_PARTS parts, or problems where there are fewer periods."""
    keys = [item.period for item in labelled]
    if len(set(keys)) < FINAL_PARTS:
        keys = [item.problem or item.facts.report_id for item in labelled]
    number = {key: i % FINAL_PARTS for i, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys])


@dataclass(frozen=True)
class SecondLooks:
    """What the second look is learned from: a row for each meeting, seen by scorers of other parts."""

    rows: Floats
    right: npt.NDArray[np.bool_]
    judged: Floats
    """See `Learned.second_looks`."""
    scorers: dict[int, tuple[Trees, Trees]]
    """Of each part: pair scorer and second look that did not see it."""


def second_looks_of(
    met: Sequence[Meeting],
    parts: npt.NDArray[np.int64],
    labelled: Sequence[LabelledReport],
    progress: Callable[[str], None],
    **settings: Any,
) -> SecondLooks:
    """Scores every meeting by a pair scorer of the other parts, then by a second look of the other parts."""
    part_of = parts[[meeting.report for meeting in met]]
    pair_of: dict[int, Trees] = {}
    rows = np.zeros((len(met), len(FINAL_FEATURES)), dtype=np.float32)
    right = np.zeros(len(met), dtype=bool)
    for part in range(FINAL_PARTS):
        progress(f"second look {part + 1}/{FINAL_PARTS}")
        outside = np.flatnonzero(part_of == part).tolist()
        inside = [met[i] for i in np.flatnonzero(part_of != part).tolist()]
        if not inside or not outside:
            continue
        pair_of[part] = fit_pairs(inside, **settings)
        scorer = Scorer(pair_of[part])
        for i in outside:
            order, _, seen = second_look(met[i].rows, scorer.log_odds(met[i].rows))
            rows[i], right[i] = seen[0], met[i].right[order[0]]
    scorers: dict[int, tuple[Trees, Trees]] = {}
    scores = np.zeros(len(met), dtype=np.float32)
    for part, pair in pair_of.items():
        own = part_of == part
        final = fit_trees(rows[~own], right[~own], **FINAL_SETTINGS)
        scorers[part] = pair, final
        scores[own] = [chance_of(odds) for odds in Scorer(final).log_odds(rows[own])]
    known = [labelled[meeting.report].problem is not None for meeting in met]
    sizes = rows[:, FINAL_FEATURES.index("reports")]
    judged = [scores, right, known, [meeting.lived for meeting in met], sizes]
    return SecondLooks(rows, right, np.array(judged, dtype=np.float32).T, scorers)


def fit_pairs(met: Sequence[Meeting], **settings: Any) -> Trees:
    """Pair scorer over the rows of the meetings."""
    return fit_trees(np.concatenate([m.rows for m in met]), np.concatenate([m.right for m in met]), **settings)
