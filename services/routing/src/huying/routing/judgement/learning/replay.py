"""Lives labelled months again with the right answers, and notes what the evidence looked like.

Refuses to let a report meet itself or the future: evidence is taken before the report joins.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ..correlator import Correlator
from ..evidence import F
from ..facts import Screening
from ..index import IncidentIndex
from ..judge import Judge
from ..traits import Floats, Traits
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
    lived: bool = False
    """Met in a life that the engine itself led."""


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
    life: int = 0,
) -> list[Meeting]:
    """Evidence of every report of one period against the incidents as they truly were.

    With `fragments` > 0 that share of the joins (chosen by position and the number of the `life`, not by chance) opens
    a second incident of the same problem instead, because a living index holds such pieces and the scorer must know them.
    A report without a label is not a negative: it is noted only every `blanks_every`-th time, and without
    the candidates whose words are so alike that they may well be the same; a duplicate of nobody knows what is never.
    """
    met: list[Meeting] = []
    for step in true_life(correlator, labelled, traits, fragments, life):
        own, problem = traits[step.number], labelled[step.number].problem
        found = correlator.candidates(own)
        right = step.right(found.slots)
        coverage.due += step.due
        coverage.found += step.due and bool(right.any())
        if len(right) and is_noted(labelled[step.number], step.number, blanks_every):
            rows = correlator.evidence(own, found)
            sure = right | (rows[:, F["text_best"]] < ALIKE) if problem is None else np.ones(len(right), bool)
            if sure.any():
                met.append(Meeting(step.number, rows[sure], right[sure], found.slots[sure]))
    return met


def is_noted(item: LabelledReport, number: int, blanks_every: int) -> bool:
    """Whether something can be learned from a report's meeting; see `meetings`."""
    return item.problem is not None or (number % blanks_every == 0 and not item.of_unknown_problem)


def first_meetings(
    correlator: Correlator, labelled: Sequence[LabelledReport], traits: Sequence[Traits], blanks_every: int = 1
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """What the first look sees of all near incidents of one period (rows, looks), and which are right."""
    looks: list[Floats] = []
    rights: list[npt.NDArray[np.bool_]] = []
    for step in true_life(correlator, labelled, traits):
        if is_noted(labelled[step.number], step.number, blanks_every):
            slots, seen = correlator.first_looks(traits[step.number])
            looks.append(seen)
            rights.append(step.right(slots))
    return np.concatenate(looks), np.concatenate(rights)


@dataclass(slots=True)
class Step:
    """A report about to join what it truly belongs to."""

    number: int
    due: bool
    """Whether an incident of its problem is there."""
    index: IncidentIndex
    problem: str
    problem_of: dict[str, str]

    def right(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of the slots hold its problem."""
        records = [self.index.records[s] for s in slots.tolist()]
        return np.array([r is not None and self.problem_of[r.incident_id] == self.problem for r in records], dtype=bool)


class Finishing:
    """Closes incidents at the minute when their first report's case was closed, not before anybody could know."""

    def __init__(self, correlator: Correlator) -> None:
        self._correlator = correlator
        self._coming: list[tuple[datetime, str]] = []

    def opened(self, item: LabelledReport) -> None:
        """A report has opened an incident of its own name."""
        if item.finished_at is not None:
            heapq.heappush(self._coming, (item.finished_at, item.facts.report_id))

    def until(self, now: datetime) -> None:
        """Close what was done by `now`."""
        while self._coming and self._coming[0][0] <= now:
            at, name = heapq.heappop(self._coming)
            if name in self._correlator.index.slot_of:  # not merged into another one by a person
                self._correlator.close(name, at)


def true_life(
    correlator: Correlator,
    labelled: Sequence[LabelledReport],
    traits: Sequence[Traits],
    fragments: float = 0.0,
    life: int = 0,
) -> Iterator[Step]:
    """Each report before it joins; it joins when the next is asked for."""
    pieces: dict[str, list[str]] = {}
    problem_of: dict[str, str] = {}
    finishing = Finishing(correlator)
    for number, (item, own) in enumerate(zip(labelled, traits, strict=True)):
        problem = item.problem or item.facts.report_id
        known = pieces.get(problem)
        finishing.until(item.facts.received_at)
        yield Step(number, known is not None, correlator.index, problem, problem_of)
        if known is None or _strays(number, life) < fragments:
            name = item.facts.report_id
            correlator.index.put(name, (own,))
            pieces.setdefault(problem, []).append(name)
            problem_of[name] = problem
            finishing.opened(item)
        else:
            correlator.index.join(known[(number + life) % len(known)], own)


def _strays(number: int, life: int) -> float:
    """A number from 0 to 1 for each report, evenly spread over any stretch of them; each life has it shifted."""
    return (number + life * 7919) * 2654435761 % 2**32 / 2**32


def as_lived(
    judge: Judge,
    labelled: Sequence[LabelledReport],
    screenings: Sequence[Screening],
    which: Sequence[int],
    life: int = 0,
) -> list[Meeting]:
    """Evidence of the numbered reports (whole periods) against incidents as `judge` itself put them together.

    An incident belongs to the problem that most of its reports tell of. Every other question is answered rightly (in
    every other life the other ones), the rest stay unanswered.
    """
    met: list[Meeting] = []
    period, correlator = "", Correlator(judge)
    held: dict[str, Counter[str]] = {}

    def is_of(incident_id: str, problem: str) -> bool:
        return held[incident_id].most_common(1)[0][0] == problem

    for number in which:
        item, screening = labelled[number], screenings[number]
        if item.period != period:
            period, correlator, held = item.period, Correlator(judge), {}
        problem = item.problem or item.facts.report_id
        own = correlator.traits(item.facts, screening)
        found = correlator.candidates(own)
        if len(found.slots):
            right = np.array([is_of(one.incident_id, problem) for one in correlator.index.at(found.slots)], dtype=bool)
            met.append(Meeting(number, correlator.evidence(own, found), right, found.slots, lived=True))
        verdict = correlator.judge(item.facts, screening)
        joined = verdict.incident_id
        if joined is not None and verdict.band == "ask" and not ((number + life) % 2 and is_of(joined, problem)):
            joined = None
        if joined is None:
            joined = item.facts.report_id
            correlator.index.put(joined, (own,))
            held[joined] = Counter()
        else:
            correlator.index.join(joined, own)
        held[joined][problem] += 1
    return met
