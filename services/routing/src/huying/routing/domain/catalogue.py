"""Whose it is: the county's duty list and the rulings made since. Every ruling is a version of its own.

Rulings of this installation stand over the list until a later ruling says otherwise; a list that has taken them in
says the same. A ruling for a unit that a later pack has not any more holds no longer.
"""

from dataclasses import dataclass

from huying.contracts.course import CatalogueRule
from huying.contracts.incidents import Classification
from huying.contracts.places import Place
from huying.county import Duty, Pack, narrowness


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The duty list of a pack with rulings on top, in the order in which they were made."""

    pack: Pack
    rulings: tuple[CatalogueRule, ...] = ()

    @property
    def version(self) -> str:
        """`2026-03`, and after two rulings `2026-03+2`."""
        return self._version(self.rulings[-1].number if self.rulings else 0)

    @property
    def next_number(self) -> int:
        """What the next ruling is called."""
        return self.rulings[-1].number + 1 if self.rulings else 1

    def _version(self, number: int) -> str:
        listed = self.pack.county.catalogue_version
        return f"{listed}+{number}" if number else listed

    def next_version(self) -> str:
        """Of the catalogue with one more ruling."""
        return self._version(self.next_number)

    def ruled(self, rule: CatalogueRule) -> "Catalogue":
        """With one more ruling."""
        return Catalogue(self.pack, (*self.rulings, rule))

    def duty(self, what: Classification, where: Place) -> Duty:
        """Main unit, assisting ones, basis and level: the narrowest ruling that holds, the latest of two; else the list."""
        listed = self.pack.duty(what.matter, frozenset(what.circumstances), where.town_code, where.village_code)
        if not self.rulings:
            return listed
        holding = [rule for rule in self.rulings if _holds(rule, what, where) and self.knows(rule.main)]
        if not holding:
            return listed.model_copy(update={"version": self.version})
        rule = max(holding, key=_narrowness)
        return listed.model_copy(
            update={
                "main": rule.main,
                "assisting": tuple(unit for unit in rule.assisting if self.knows(unit)),
                "basis": rule.basis,
                "version": self.version,
                "reason": f"裁决（职责清单 {rule.version}）：主责{self.name(rule.main)}",
                "settled": True,
            }
        )

    def name(self, code: str) -> str:
        """A unit's name; its code when it is gone."""
        return self.pack.unit_name(code)

    def level(self, code: str) -> str | None:
        """Whose unit it is: the county's, a town's, the supervisors'; None when it is gone."""
        return next((unit.level for unit in self.pack.units if unit.code == code), None)

    def knows(self, *units: str) -> bool:
        """Whether the pack has all these units."""
        return self.pack.has_units(units)


def _holds(rule: CatalogueRule, what: Classification, where: Place) -> bool:
    return (
        rule.matter == what.matter
        and rule.town_code in (None, where.town_code)
        and rule.village_code in (None, where.village_code)
        and set(rule.circumstances) <= set(what.circumstances)
    )


def _narrowness(rule: CatalogueRule) -> tuple[bool, bool, int, int]:
    return *narrowness(rule.village_code, rule.town_code, rule.circumstances), rule.number
