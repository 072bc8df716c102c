"""Lives labelled months again with the right answers, and notes what the evidence looked like.

Refuses to let a report meet itself or the future: evidence is taken before the report joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..correlator import Correlator
from ..evidence import F, Floats
from ..traits import Traits
from .labelled import LabelledReport

ALIKE = 0.5
"""Two unlabelled texts more alike than this may be one problem that nobody marked."""


@dataclass(slots=True)
class Meeting:
    """One report before its candidates: evidence rows and which of them is right."""

    report: int
    rows: Floats
    right: npt.NDArray[np.bool_]
    slots: npt.NDArray[np.int64]


@dataclass(slots=True)
class Coverage:
    """How often the right incident was among the candidates."""

    due: int = 0
    found: int = 0


def meetings(
    correlator: Correlator,
    labelled: Sequence[LabelledReport],
    traits: Sequence[Traits],
    coverage: Coverage,
    fragments: float = 0.0,
    blanks_every: int = 1,
) -> list[Meeting]:
    """Evidence of every report of one period against the incidents as they truly were.

    With `fragments` > 0 that share of the joins (chosen by position, not by chance) opens a second incident
    of the same problem instead, because a living index holds such pieces and the scorer must know them.
    A report without a label is not a negative: it is noted only every `blanks_every`-th time, and without
    the candidates whose words are so alike that they may well be the same.
    """
    met: list[Meeting] = []
    pieces: dict[str, list[str]] = {}
    problem_of: dict[str, str] = {}
    for number, (item, own) in enumerate(zip(labelled, traits, strict=True)):
        slots = correlator.candidates(own)
        problem = item.problem or item.facts.report_id
        records = [correlator.index.records[int(s)] for s in slots]
        right = np.array([r is not None and problem_of[r.incident_id] == problem for r in records], dtype=bool)
        if len(slots) and (item.problem is not None or number % blanks_every == 0):
            rows = correlator.evidence(own, slots)
            sure = right | (rows[:, F["text_best"]] < ALIKE) if item.problem is None else np.ones(len(slots), bool)
            if sure.any():
                met.append(Meeting(number, rows[sure], right[sure], slots[sure]))
        known = pieces.get(problem)
        if known:
            coverage.due += 1
            coverage.found += bool(right.any())
        if known is None or (fragments > 0 and (number * 2654435761) % 1000 < fragments * 1000):
            name = item.facts.report_id
            correlator.index.put(name, (own,))
            pieces.setdefault(problem, []).append(name)
            problem_of[name] = problem
        else:
            correlator.index.join(known[number % len(known)], own)
    return met
