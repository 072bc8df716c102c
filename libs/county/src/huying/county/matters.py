"""What is reported and whose duty it is; refuses to leave an incident without a unit.

Source: the duty list of seed 001 (主体责任和配合责任清单); four classes of seed 000.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from pydantic import Field

from huying.county.clocks import ClockClass
from huying.county.records import Record

Level = Literal["household", "grid", "village", "town", "county"]
ANY = "any"
"""In `where`: the line holds under all circumstances that no other line of the matter names."""
TOWN = "town"
"""In `main` and `assisting`: the unit of the town in which the place lies."""


class Matter(Record):
    """A heading of the catalogue. `clock` is the class of clocks it runs on unless its urgency says otherwise."""

    code: str = Field(pattern=r"^M\d{2,3}$")
    name_zh: str = Field(min_length=1)
    class_zh: str = Field(min_length=1)
    clock: ClockClass
    examples_zh: tuple[str, ...] = ()


class Circumstance(Record):
    """A condition that moves a duty to another unit (after water works), and the words that give it away."""

    code: str = Field(pattern=r"^[a-z][a-z_]*$")
    name_zh: str = Field(min_length=1)
    words: tuple[str, ...] = ()


class DutyLine(Record):
    """One line of the duty list as the county wrote it. Several circumstances in `where` must all hold.

    A line may be for one town or one village only, as a ruling may.
    """

    matter: str
    where: tuple[str, ...] = Field(min_length=1)
    town: str | None = None
    village: str | None = None
    main: str
    assisting: tuple[str, ...] = ()
    basis: str = ""
    level: Level = "county"
    note_zh: str = ""

    @property
    def circumstances(self) -> frozenset[str]:
        """What must hold for the line; empty for `any`."""
        return frozenset(self.where) - {ANY}

    @property
    def everywhere(self) -> bool:
        """Whether it is for the whole county."""
        return self.town is None and self.village is None


class Duty(Record):
    """A duty resolved for one place: codes of units, never `town`; `reason` says in Chinese how it came about.

    `settled` is False when the list gives no unit for this place and the dispatch centre has to decide.
    """

    matter: str
    main: str
    assisting: tuple[str, ...]
    basis: str
    level: Level
    version: str
    reason: str
    settled: bool = True


def narrowness(village: str | None, town: str | None, circumstances: Collection[str]) -> tuple[bool, bool, int]:
    """What a line of the list or a ruling is sorted by: where several hold, the narrowest one counts."""
    return village is not None, town is not None, len(circumstances)


def line_for(
    lines: tuple[DutyLine, ...], circumstances: frozenset[str], town: str | None = None, village: str | None = None
) -> DutyLine | None:
    """The narrowest line that holds: a village's, then a town's, then the one that names most of the circumstances.

    The earlier one of two equals; None if none holds.
    """
    holding = [
        line
        for line in lines
        if line.circumstances <= circumstances and line.town in (None, town) and line.village in (None, village)
    ]
    return max(
        holding,
        key=lambda line: narrowness(line.village, line.town, line.circumstances),
        default=None,
    )


def catalogue(lines: tuple[DutyLine, ...]) -> dict[str, tuple[DutyLine, ...]]:
    """The list by matter, in the county's order."""
    by_matter: dict[str, list[DutyLine]] = {}
    for line in lines:
        by_matter.setdefault(line.matter, []).append(line)
    return {matter: tuple(found) for matter, found in by_matter.items()}
