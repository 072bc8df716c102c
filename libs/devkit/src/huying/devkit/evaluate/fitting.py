"""Learns an engine for one format from labelled reports, with limits taken from what was learned from.

Refuses to look at the reports that will be judged: limits come from scores out of the learning parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from huying.routing.judgement import (
    CorrelationPolicy,
    Gazetteer,
    Judge,
    Limits,
    Matter,
    PackBits,
    ScreeningPolicy,
)
from huying.routing.judgement.learning import Learned, learn
from huying.routing.judgement.learning.labelled import LabelledReport

from .living import live
from .shipped import pack_bits

MESSAGES_WINDOW_DAYS = 240.0
"""Nine in ten incidents of the petition site last 205 days at most."""
MESSAGES_PRECISION = 0.98
"""Aimed at for links. A link to an unlabelled letter counts as wrong here, though it may well be right."""
MESSAGES_SKETCH = 512
"""Dimensions of the sketch: cosines to about 0.04."""
MESSAGES_TREES: dict[str, Any] = {"max_iter": 150, "max_leaf_nodes": 8}
"""Smaller than a county's: there are some three hundred right pairs to learn from."""
CASES_WINDOW_DAYS = 45.0
CASES_MERGED_TO_FLAGGED = 2.1
"""Share of cases merged to share flagged by hand: the flags are known to be too few, but not half."""
CASES_LIVES = 3
"""Each life of the learning reports corrects the limit of the one before."""
CASES_LOOKED_AT = 32
"""The first look, without words, puts what is weeks old behind everything of the week: one in thirty right ones came later."""
CASES_BLANKS_EVERY = 6
"""Of the 35,000 cases without a link every sixth is enough to learn what a stranger looks like."""


def fitted(form: str, labelled: Sequence[LabelledReport], pack: Path | None, kept: float = 1.0) -> Judge:
    """An engine learned from `labelled`, which are a share `kept` of the reports of their time and place."""
    if form == "county":
        bits = pack_bits(pack)
        return Judge(bits, learn(labelled, bits).model)
    if form == "messages":
        bits = bare_pack(("any",), MESSAGES_WINDOW_DAYS, towns=sorted({i.facts.town for i in labelled if i.facts.town}))
        learned = learn(labelled, bits, fragments=(0.0,), sketch=MESSAGES_SKETCH, **MESSAGES_TREES)
        merge = limit_for_precision(learned, MESSAGES_PRECISION)
        return Judge(limited(bits, merge, 0.5 * merge), learned.model)
    types = tuple(sorted({item.matter or "" for item in labelled}))
    bits = bare_pack(types, CASES_WINDOW_DAYS, box_of(labelled))
    bits = replace(bits, correlation=replace(bits.correlation, looked_at=CASES_LOOKED_AT))
    learned = learn(labelled, bits, fragments=(0.0,), blanks_every=CASES_BLANKS_EVERY, texts=False)
    flagged = np.mean([item.relation == "duplicate" for item in labelled])
    merge = limit_for_share(learned, CASES_MERGED_TO_FLAGGED * float(flagged), len(labelled))
    for _ in range(CASES_LIVES):
        judge = Judge(limited(bits, merge, 0.6 * merge), learned.model)
        merge = limit_from_life(judge, labelled, CASES_MERGED_TO_FLAGGED * float(flagged), kept)
    return Judge(limited(bits, merge, 0.6 * merge), learned.model)


def bare_pack(
    codes: tuple[str, ...],
    window_days: float,
    middle: tuple[float, float] | None = None,
    towns: Sequence[str] = (),
) -> PackBits:
    """A pack with towns at most; `middle` (lon, lat) anchors the plane that distances are measured in."""
    from huying.routing.judgement import Village

    villages = () if middle is None else (Village("0", "", "0", *middle),)
    return PackBits(
        gazetteer=Gazetteer({town: town for town in towns}, villages),
        matters=tuple(Matter(code, code, "", "other") for code in codes),
        correlation=CorrelationPolicy(Limits(0.9, 0.4, window_days), towns_apart=bool(towns)),
        screening=ScreeningPolicy(),
    )


def box_of(labelled: Sequence[LabelledReport]) -> tuple[float, float] | None:
    """Middle of all points (lon, lat)."""
    points = [(i.facts.lon, i.facts.lat) for i in labelled if i.facts.lon is not None and i.facts.lat is not None]
    if not points:
        return None
    lon, lat = np.mean(np.array(points, dtype=np.float64), axis=0)
    return float(lon), float(lat)


def limited(bits: PackBits, merge: float, ask: float) -> PackBits:
    """The pack with these limits."""
    limits = replace(bits.correlation.default, merge=merge, ask=ask)
    return replace(bits, correlation=replace(bits.correlation, default=limits))


def limit_for_precision(learned: Learned, precision: float) -> float:
    """Lowest score from which the winners of learning were right this often (labelled reports only).

    Counted on the safe side: the share less about one standard error (Wilson's lower bound). Two hundred winners with
    four wrong ones say 0.98 by luck as often as not, and one wrong join into a big incident costs many pairs.
    """
    known = learned.second_looks[:, 2] > 0
    scores, right = learned.second_looks[known, 0], learned.second_looks[known, 1]
    order = np.argsort(-scores)
    count = np.arange(1, len(order) + 1)
    share = np.cumsum(right[order]) / count
    least = (share + 0.5 / count - np.sqrt(share * (1 - share) / count + 0.25 / count**2)) / (1 + 1 / count)
    good = np.flatnonzero(least >= precision)
    return float(min(0.97, scores[order[good[-1]]])) if len(good) else 0.97


def limit_for_share(learned: Learned, share: float, reports: int) -> float:
    """Score from which this share of all reports is merged."""
    scores = learned.second_looks[:, 0]
    weights = np.where(learned.second_looks[:, 2] > 0, 1.0, float(CASES_BLANKS_EVERY))
    return score_of(scores, weights, share * reports)


def limit_from_life(judge: Judge, labelled: Sequence[LabelledReport], share: float, kept: float) -> float:
    """Score from which this share of all reports is merged in a life that `judge` leads.

    Of the reports of their time and place only a share `kept` is here, problems as a whole. A problem finds itself as
    often as among all, but strangers meet fewer strangers: what is unmarked counts for more where all will be there.
    """
    life = live(judge, labelled, answered=False)
    scores = np.array([verdict.score for verdict in life.verdicts])
    weights = np.where([item.problem is not None for item in labelled], 1.0, 1.0 / kept)
    return score_of(scores, weights, share * len(labelled))


def score_of(scores: npt.NDArray[Any], weights: npt.NDArray[Any], wanted: float) -> float:
    """Score from which the weights add up to `wanted`."""
    order = np.argsort(-scores)
    at = int(np.searchsorted(np.cumsum(weights[order]), wanted))
    return float(np.clip(scores[order[min(at, len(order) - 1)]], 0.02, 0.97))
