"""Cuts labelled files into parts for cross-validation; refuses to put one problem on both sides.

`months`: one file a part. `towns`: problems by the town they lie in. N: problems dealt to N parts. The stream of a
month stays whole, so that a part is judged among everything that was open, but only its reports count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from huying.routing.judgement.learning.labelled import LabelledReport

from .sources import UnusableError


@dataclass(slots=True)
class Fold:
    """What is learned from, and the streams judged with the reports that count (None: all)."""

    name: str
    learned: list[LabelledReport]
    streams: Sequence[tuple[list[LabelledReport], list[bool] | None]]
    kept: float = 1.0
    """Share of the reports of their time and place that is learned from."""


def folds_of(form: str, months: Sequence[list[LabelledReport]], cv: str) -> Iterator[Fold]:
    """The folds of a run.

    Raises:
        UnusableError: `cv` is not a number above 1 and not a kind that the format has.
    """
    if cv in ("months", "towns") and form != "county":
        raise UnusableError(f"--cv {cv} needs county files; for this format give a number of parts, for example --cv 5")
    if cv == "months":
        yield from by_month(months)
    elif cv == "towns":
        yield from by_town(months)
    elif cv.isdigit() and int(cv) > 1:
        yield from by_problem(months, int(cv))
    else:
        raise UnusableError(f"--cv {cv!r}: give months, towns, or a number of parts from 2 up")


def by_month(months: Sequence[list[LabelledReport]]) -> Iterator[Fold]:
    """Each file judged by a model of the others."""
    if len(months) < 2:
        raise UnusableError("--cv months needs at least two files: one is judged, the others are learned from")
    for number, own in enumerate(months):
        rest = [item for other, month in enumerate(months) if other != number for item in month]
        yield Fold(own[0].period, rest, [(own, None)])


def by_town(months: Sequence[list[LabelledReport]]) -> Iterator[Fold]:
    """Each town's problems judged by a model of the other towns, among what was open in the whole county.

    Problems of which nobody says the town stand in every stream, are learned from, and count nowhere.
    """
    towns = sorted({item.town_code for month in months for item in month if item.town_code})
    if not towns:
        raise UnusableError(
            "--cv towns: nobody says the town of any labelled problem; give months with towns, or --cv months"
        )
    for town in towns:
        rest = [item for month in months for item in month if item.town_code != town]
        streams = [(list(month), [item.town_code == town for item in month]) for month in months]
        yield Fold(town, rest, [(stream, counted) for stream, counted in streams if any(counted)])


def by_problem(months: Sequence[list[LabelledReport]], parts: int) -> Iterator[Fold]:
    """Problems dealt to parts by a hash of their name; unlabelled reports go with their own number."""
    for part in range(parts):

        def own(item: LabelledReport, part: int = part) -> bool:
            return crc32((item.problem or item.facts.report_id).encode()) % parts == part

        rest = [item for month in months for item in month if not own(item)]
        yield Fold(
            f"part {part + 1}/{parts}",
            rest,
            [(list(month), [own(i) for i in month]) for month in months],
            len(rest) / sum(map(len, months)),
        )
