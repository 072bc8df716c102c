"""A county as data: everything its pack says, and the questions services ask it; refuses to be changed.

All lookups are pure and fast (dictionaries built on first use). Unknown codes raise `KeyError` in the
`pack.matter(code)` family, because only codes from the pack or from checked reports should get there;
`pack.duty` never fails: what it cannot settle goes to the dispatch centre with the reason.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property
from math import cos, degrees, radians
from pathlib import Path
from typing import Any

from pydantic import Field

from huying.county.calendar import CalendarChoices, WorkingCalendar
from huying.county.channels import Channel
from huying.county.clocks import ClockPolicy
from huying.county.geometry import EARTH_RADIUS_M, Point, accuracy_m, distance_m
from huying.county.judging import Correlation, CorrelationRule, Screening
from huying.county.matters import TOWN, Circumstance, Duty, DutyLine, Matter, catalogue, line_for
from huying.county.people import Person, Role, Unit
from huying.county.places import Grid, Outline, Town, Village
from huying.county.records import Record


class OrderRules(Record):
    """How often and how long: limits of an order's life.

    The unit may return it `return_limit` times, the last of which the dispatch centre rules upon; `redo_limit` binds
    what happens by itself after a dissatisfied citizen, not a supervisor.
    """

    return_limit: int = Field(default=2, ge=1)
    extension_limit: int = Field(default=2, ge=0)
    extension_days: int = Field(default=180, ge=1, le=3_650)
    redo_limit: int = Field(default=1, ge=0)
    suspension_days: int = Field(default=60, ge=1)
    flood_days: int = Field(default=60, ge=1)


class County(Record):
    """The head of the pack (`pack.yaml`). `illustrative` names files whose content is invented."""

    code: str = Field(pattern=r"^\d{6}$")
    name_zh: str = Field(min_length=1)
    name_en: str = Field(min_length=1)
    timezone: str = "Asia/Shanghai"
    dispatch_centre: str
    catalogue_version: str = Field(min_length=1)
    village_limit_m: float = Field(default=3_000, gt=0)
    illustrative: tuple[str, ...] = ()
    roles: tuple[Role, ...] = Field(min_length=1)
    circumstances: tuple[Circumstance, ...] = ()
    orders: OrderRules = OrderRules()


class ClockBook(Record):
    """The county's clocks (`clocks.yaml`): version, working time, policies."""

    version: str = Field(min_length=1)
    calendar: CalendarChoices
    policies: tuple[ClockPolicy, ...] = Field(min_length=1)


class Pack(Record):
    """One county pack, read and checked. `hash` is recorded by every decision."""

    path: Path
    hash: str
    county: County
    towns: tuple[Town, ...]
    villages: tuple[Village, ...]
    grids: tuple[Grid, ...]
    units: tuple[Unit, ...]
    holders: tuple[Person, ...]
    matters: tuple[Matter, ...]
    duties: tuple[DutyLine, ...]
    clocks: ClockBook
    channels: tuple[Channel, ...]
    correlation: Correlation
    screening: Screening
    synonyms: tuple[tuple[str, ...], ...]
    landmarks: tuple[str, ...]
    outline: Outline
    templates: dict[str, str]
    mappings: dict[str, dict[str, Any]]

    @property
    def code(self) -> str:
        """The county's national code: the jurisdiction that keys its reports on the bus."""
        return self.county.code

    @property
    def name_zh(self) -> str:
        """The county's name."""
        return self.county.name_zh

    @property
    def timezone(self) -> str:
        """IANA name of the county's time zone."""
        return self.county.timezone

    @cached_property
    def calendar(self) -> WorkingCalendar:
        """The county's working time."""
        return WorkingCalendar(self.clocks.calendar, self.timezone)

    @cached_property
    def _matters(self) -> dict[str, Matter]:
        return {matter.code: matter for matter in self.matters}

    @cached_property
    def _units(self) -> dict[str, Unit]:
        return {unit.code: unit for unit in self.units}

    @cached_property
    def _villages(self) -> dict[str, Village]:
        return {village.code: village for village in self.villages}

    @cached_property
    def _towns(self) -> dict[str, Town]:
        return {town.code: town for town in self.towns}

    @cached_property
    def _grids(self) -> dict[str, Grid]:
        return {grid.code: grid for grid in self.grids}

    @cached_property
    def _channels(self) -> dict[str, Channel]:
        return {channel.code: channel for channel in self.channels}

    @cached_property
    def _catalogue(self) -> dict[str, tuple[DutyLine, ...]]:
        return catalogue(self.duties)

    @cached_property
    def _duties(self) -> dict[tuple[str, frozenset[str], str | None, str | None], Duty]:
        """Those resolved so far: a county has a few thousand at most."""
        return {}

    @cached_property
    def _villages_of_duty(self) -> frozenset[str]:
        """Villages that the duty list names."""
        return frozenset(line.village for line in self.duties if line.village)

    @cached_property
    def _town_units(self) -> dict[str, Unit]:
        return {unit.serves: unit for unit in self.units if unit.serves}

    @cached_property
    def _policies(self) -> dict[tuple[str, str], ClockPolicy]:
        return {(policy.kind, policy.clock_class): policy for policy in self.clocks.policies}

    @cached_property
    def _by_role(self) -> dict[str, tuple[Person, ...]]:
        codes = [role.code for role in self.county.roles]
        return {code: tuple(person for person in self.holders if person.role == code) for code in codes}

    @cached_property
    def _northward(self) -> tuple[tuple[float, ...], tuple[Village, ...]]:
        """Latitudes and villages from south to north, to look at a strip instead of all."""
        ordered = tuple(sorted(self.villages, key=lambda village: (village.lat, village.code)))
        return tuple(village.lat for village in ordered), ordered

    @cached_property
    def _reach(self) -> tuple[float, float, float, float]:
        """West, south, east, north, degrees: the county's box and as far around it as a point may be wrong."""
        lons, lats = zip(*(corner for ring in self.outline.rings for corner in ring), strict=True)
        up = degrees(accuracy_m("unknown") / EARTH_RADIUS_M)
        aside = up / cos(radians(max(map(abs, lats))))
        return min(lons) - aside, min(lats) - up, max(lons) + aside, max(lats) + up

    def matter(self, code: str) -> Matter:
        """The matter with this code (KeyError when there is none)."""
        return self._matters[code]

    def unit(self, code: str) -> Unit:
        """The unit with this code (KeyError when there is none)."""
        return self._units[code]

    def has_units(self, codes: Iterable[str]) -> bool:
        """Whether there are units with all these codes."""
        return self._units.keys() >= set(codes)

    def unit_name(self, code: str) -> str:
        """As people call the unit; its code when there is none."""
        return self._units[code].name_zh if code in self._units else code

    def village(self, code: str) -> Village:
        """The village with this code (KeyError when there is none)."""
        return self._villages[code]

    def town(self, code: str) -> Town:
        """The town with this code (KeyError when there is none)."""
        return self._towns[code]

    def grid(self, code: str) -> Grid:
        """The grid with this code (KeyError when there is none)."""
        return self._grids[code]

    def channel(self, code: str) -> Channel:
        """The channel with this code (KeyError when there is none)."""
        return self._channels[code]

    def town_named(self, name_zh: str) -> Town | None:
        """The town with this full name."""
        return next((town for town in self.towns if town.name_zh == name_zh), None)

    def villages_named(self, name_zh: str, town: str | None = None) -> tuple[Village, ...]:
        """Villages with this full name, in one town when its code is given; names repeat across towns."""
        return tuple(v for v in self.villages if v.name_zh == name_zh and town in (None, v.town))

    def villages_of(self, town: str) -> tuple[Village, ...]:
        """Villages of a town, in the order of their codes."""
        return tuple(village for village in self.villages if village.town == town)

    def town_unit(self, town: str) -> Unit | None:
        """The unit that serves a town; None when no unit does."""
        return self._town_units.get(town)

    def towns_of(self, unit: str) -> list[str]:
        """Codes of the towns that the unit with this code serves."""
        return [town for town, one in self._town_units.items() if one.code == unit]

    def village_of(self, point: tuple[float, float], limit_m: float | None = None) -> Village | None:
        """The village whose centre is nearest to a WGS-84 (lon, lat), within the pack's limit in metres.

        Equally near ones: the smaller code.
        """
        limit = self.county.village_limit_m if limit_m is None else limit_m
        lats, ordered = self._northward
        strip = degrees(limit / EARTH_RADIUS_M)
        nearest: tuple[float, str, Village] | None = None
        reach = strip / max(cos(radians(point[1])), 0.01)
        for index in range(bisect_left(lats, point[1] - strip), len(ordered)):
            village = ordered[index]
            if village.lat > point[1] + strip:
                break
            if abs(village.lon - point[0]) > reach:
                continue
            found = (distance_m(point, village.centre), village.code, village)
            if found[0] <= limit and (nearest is None or found[:2] < nearest[:2]):
                nearest = found
        return nearest[2] if nearest else None

    def grid_of(self, point: tuple[float, float]) -> Grid | None:
        """The grid that contains a WGS-84 (lon, lat); None outside all grids."""
        return next((grid for grid in self.grids if grid.contains(point)), None)

    def grids_of(self, village: str) -> tuple[Grid, ...]:
        """Grids of a village, in the order of their codes."""
        return tuple(grid for grid in self.grids if grid.village == village)

    def contains(self, point: tuple[float, float]) -> bool:
        """Whether a WGS-84 (lon, lat) lies in the county."""
        return self.outline.contains(Point(*point))

    def reaches(self, point: tuple[float, float]) -> bool:
        """Whether something at a WGS-84 (lon, lat) may be the county's: in it, or within some 20 km of its box."""
        west, south, east, north = self._reach
        return west <= point[0] <= east and south <= point[1] <= north

    def people(self, role: str, unit: str | None = None, village: str | None = None) -> tuple[Person, ...]:
        """Holders of a role, of one unit or one village when given; empty when there are none."""
        return tuple(
            person
            for person in self._by_role.get(role, ())
            if unit in (None, person.unit) and village in (None, person.village)
        )

    def clock(self, kind: str, clock_class: str) -> ClockPolicy | None:
        """The policy of one clock; None when the county runs no such clock."""
        return self._policies.get((kind, clock_class))

    def clocks_for(self, clock_class: str) -> tuple[ClockPolicy, ...]:
        """All clocks of a class, in the pack's order."""
        return tuple(policy for policy in self.clocks.policies if policy.clock_class == clock_class)

    def correlation_rule(self, matter: str | None) -> CorrelationRule:
        """Bands and windows of a matter."""
        return self.correlation.rule(matter)

    def duty(
        self,
        matter: str,
        circumstances: Iterable[str] = (),
        town_code: str | None = None,
        village_code: str | None = None,
    ) -> Duty:
        """Whose duty a matter is at a place: the narrowest line for the place and the circumstances at hand.

        Args:
            matter: code of a matter.
            circumstances: codes of circumstances that hold, e.g. {"after_water_works"}.
            town_code: nine-digit code of the town the place lies in, None when unknown.
            village_code: twelve-digit code of the village, None when unknown.

        Returns:
            A duty with codes of units. What the list cannot settle (unknown matter, no town for a town's
            duty) goes to the dispatch centre with `settled=False` and the reason in Chinese.
        """
        village = village_code if village_code in self._villages_of_duty else None
        asked = matter, frozenset(circumstances), town_code, village
        if town_code is not None and town_code not in self._town_units:  # anybody's words: not worth remembering
            return self._resolved(*asked)
        if asked not in self._duties:
            self._duties[asked] = self._resolved(*asked)
        return self._duties[asked]

    def _resolved(
        self, matter: str, circumstances: frozenset[str], town_code: str | None, village_code: str | None
    ) -> Duty:
        version = self.county.catalogue_version
        line = line_for(self._catalogue.get(matter, ()), circumstances, town_code, village_code)
        if line is None:
            return self._undecided(matter, f"职责清单（{version}）没有事项 {matter!r}，转调度中心裁定", None)
        town = self._town_units.get(town_code or "")
        if line.main == TOWN and town is None:
            why = "地点所属乡镇不明" if not town_code else f"没有服务于 {town_code} 的乡镇单位"
            return self._undecided(matter, f"职责清单（{version}）：应由属地乡镇主责，但{why}，转调度中心裁定", line)
        main = town.code if line.main == TOWN and town else line.main
        named = (town.code if code == TOWN and town else code for code in line.assisting if code != TOWN or town)
        assisting = tuple(dict.fromkeys(code for code in named if code != main))
        return Duty(
            matter=matter,
            main=main,
            assisting=assisting,
            basis=line.basis,
            level=line.level,
            version=version,
            reason=self._reason(matter, line, main, assisting),
        )

    def _reason(self, matter: str, line: DutyLine, main: str, assisting: tuple[str, ...]) -> str:
        names = {circumstance.code: circumstance.name_zh for circumstance in self.county.circumstances}
        said = [names.get(code, code) for code in line.where if code in line.circumstances]
        if line.village:
            said.append(self._villages[line.village].name_zh)
        elif line.town:
            said.append(self._towns[line.town].name_zh)
        heading = "·".join(filter(None, (self._matters[matter].name_zh, "、".join(said))))
        parts = [f"主责{self._units[main].name_zh}"]
        if assisting:
            parts.append(f"配合{'、'.join(self._units[code].name_zh for code in assisting)}")
        if line.note_zh:
            parts.append(line.note_zh)
        return f"职责清单（{self.county.catalogue_version}）{heading}：{'；'.join(parts)}"

    def _undecided(self, matter: str, reason: str, line: DutyLine | None) -> Duty:
        return Duty(
            matter=matter,
            main=self.county.dispatch_centre,
            assisting=(),
            basis=line.basis if line else "",
            level=line.level if line else "county",
            version=self.county.catalogue_version,
            reason=reason,
            settled=False,
        )
