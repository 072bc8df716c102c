"""Checks what one file of a pack says against the others; refuses nothing: it reports, the loader decides."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from huying.county.channels import Channel
from huying.county.clocks import ClockClass
from huying.county.geometry import ring_distance_m
from huying.county.judging import Correlation
from huying.county.matters import ANY, TOWN, DutyLine, Matter
from huying.county.pack import ClockBook, County
from huying.county.people import Person, Unit
from huying.county.places import Grid, Outline, Town, Village
from huying.county.reading import Reader, T, Tree

OUTSIDE_TOLERANCE_M = 600
"""Outlines for maps are generalised by some hundred metres; a point farther out is in the wrong system or place."""

Lines: TypeAlias = Sequence[tuple[int, T]]
"""Records with the lines they stand on."""


def unique(reader: Reader, file: str, keys: Iterable[tuple[int, str]], what: str) -> None:
    """Report every key that stands twice."""
    first: dict[str, int] = {}
    for line, key in keys:
        if key in first:
            reader.report(
                file, line, f"{what} {key!r} already stands on line {first[key]}", "give this line its own or remove it"
            )
        first.setdefault(key, line)


def places(
    reader: Reader,
    county: County | None,
    outline: Outline | None,
    *,
    towns: Lines[Town],
    villages: Lines[Village],
    grids: Lines[Grid],
) -> None:
    """Codes nest (county, town, village, grid), names are unique where people rely on them, points lie inside."""
    unique(reader, "towns.csv", ((line, town.code) for line, town in towns), "town code")
    unique(reader, "towns.csv", ((line, town.name_zh) for line, town in towns), "town name")
    unique(reader, "villages.csv", ((line, village.code) for line, village in villages), "village code")
    unique(
        reader,
        "villages.csv",
        ((line, f"{village.town} {village.name_zh}") for line, village in villages),
        "village name",
    )
    unique(reader, "grids.csv", ((line, grid.code) for line, grid in grids), "grid code")
    for line, town in towns:
        if county and not town.code.startswith(county.code):
            reader.report(
                "towns.csv", line, f"town {town.code!r} is not of county {county.code!r}", "correct one of the codes"
            )
    known_towns = {town.code for _, town in towns}
    for line, village in villages:
        if village.town not in known_towns:
            reader.report(
                "villages.csv", line, f"town {village.town!r} is not in towns.csv", "add it there or correct this line"
            )
        elif not village.code.startswith(village.town):
            reader.report(
                "villages.csv",
                line,
                f"village code {village.code!r} does not begin with its town's {village.town!r}",
                "correct one of the two",
            )
        if outline:
            _inside(reader, line, village, outline)
    known_villages = {village.code for _, village in villages}
    for line, grid in grids:
        if grid.village not in known_villages:
            reader.report(
                "grids.csv",
                line,
                f"village {grid.village!r} is not in villages.csv",
                "add it there or correct this line",
            )
        elif not grid.code.startswith(grid.village):
            reader.report(
                "grids.csv",
                line,
                f"grid code {grid.code!r} does not begin with its village's {grid.village!r}",
                "correct one of the two",
            )
    covered = {grid.village for _, grid in grids}
    for line, village in villages:
        if village.code not in covered:
            reader.report(
                "villages.csv",
                line,
                f"village {village.code!r} has no grid",
                "add one to grids.csv",
                severity="warning",
            )


def _inside(reader: Reader, line: int, village: Village, outline: Outline) -> None:
    if outline.contains(village.centre):
        return
    off = min(ring_distance_m(ring, village.centre) for ring in outline.rings)
    if off > OUTSIDE_TOLERANCE_M:
        reader.report(
            "villages.csv",
            line,
            f"centre {village.lon}, {village.lat} of {village.name_zh} lies {off:.0f} m outside the county",
            "give WGS-84 degrees, longitude first",
        )


def units(reader: Reader, county: County | None, towns: Lines[Town], units: Lines[Unit]) -> None:
    """Every town has one unit; the dispatch centre exists."""
    unique(reader, "units.csv", ((line, unit.code) for line, unit in units), "unit code")
    known_towns = {town.code for _, town in towns}
    served: dict[str, int] = {}
    for line, unit in units:
        if unit.level == "town" and unit.serves not in known_towns:
            reader.report(
                "units.csv",
                line,
                f"town unit {unit.code!r} serves {unit.serves!r}, which is not in towns.csv",
                "give the nine-digit code of its town",
            )
        elif unit.level != "town" and unit.serves:
            reader.report(
                "units.csv",
                line,
                f"unit {unit.code!r} of level {unit.level!r} serves a town",
                "empty the cell `serves`",
            )
        elif unit.serves:
            if unit.serves in served:
                reader.report(
                    "units.csv",
                    line,
                    f"town {unit.serves!r} is already served on line {served[unit.serves]}",
                    "leave one unit per town",
                )
            served.setdefault(unit.serves, line)
    for line, town in towns:
        if town.code not in served:
            reader.report(
                "towns.csv", line, f"town {town.code!r} has no unit", "add a unit that serves it to units.csv"
            )
    codes = {unit.code for _, unit in units}
    if county and county.dispatch_centre not in codes:
        reader.report(
            "pack.yaml",
            0,
            f"dispatch_centre {county.dispatch_centre!r} is not in units.csv",
            "add it there or name another unit",
        )


def matters(
    reader: Reader, matters: Lines[Matter], duties: Lines[DutyLine], units: set[str], county: County | None
) -> None:
    """Every matter has a duty under any circumstances, and duties name units and circumstances that exist."""
    unique(reader, "matters.csv", ((line, matter.code) for line, matter in matters), "matter code")
    unique(reader, "matters.csv", ((line, matter.name_zh) for line, matter in matters), "matter name")
    unique(
        reader,
        "duties.csv",
        (
            (line, " ".join(filter(None, (duty.matter, "+".join(sorted(duty.where)), duty.town, duty.village))))
            for line, duty in duties
        ),
        "duty",
    )
    codes = {matter.code for _, matter in matters}
    circumstances = {ANY, *(c.code for c in county.circumstances)} if county else None
    for line, duty in duties:
        if duty.matter not in codes:
            reader.report(
                "duties.csv", line, f"matter {duty.matter!r} is not in matters.csv", "add it there or correct this line"
            )
        for what, code in (("main", duty.main), *(("assisting", code) for code in duty.assisting)):
            if code != TOWN and code not in units:
                reader.report(
                    "duties.csv",
                    line,
                    f"{what} unit {code!r} is not in units.csv",
                    "add it there or correct this line",
                )
        if duty.main in duty.assisting:
            reader.report(
                "duties.csv", line, f"unit {duty.main!r} is main and assisting", "name it once: one unit answers"
            )
        for code in duty.where:
            if circumstances is not None and code not in circumstances:
                reader.report(
                    "duties.csv",
                    line,
                    f"circumstance {code!r} is not in pack.yaml",
                    "add it under `circumstances` or use `any`",
                )
    plain = {duty.matter for _, duty in duties if not duty.circumstances and duty.everywhere}
    for line, matter in matters:
        if matter.code not in plain:
            reader.report(
                "matters.csv",
                line,
                f"matter {matter.code!r} has no duty under `any` circumstances in the whole county",
                "add a line to duties.csv, without town and village",
            )


def places_of_duties(reader: Reader, duties: Lines[DutyLine], towns: Lines[Town], villages: Lines[Village]) -> None:
    """A duty for one place names a town and a village that exist and belong together."""
    known = {town.code for _, town in towns}
    town_of = {village.code: village.town for _, village in villages}
    for line, duty in duties:
        if duty.town and duty.town not in known:
            reader.report(
                "duties.csv",
                line,
                f"town {duty.town!r} is not in towns.csv",
                "add it there, correct this line, or leave it empty for the whole county",
            )
        if duty.village and duty.village not in town_of:
            reader.report(
                "duties.csv",
                line,
                f"village {duty.village!r} is not in villages.csv",
                "add it there, correct this line, or leave it empty for the whole town",
            )
        elif duty.village and duty.town and town_of[duty.village] != duty.town:
            reader.report(
                "duties.csv",
                line,
                f"village {duty.village!r} is of town {town_of[duty.village]!r}, not of {duty.town!r}",
                "correct one of the two, or leave the town empty",
            )


def people(
    reader: Reader, county: County | None, people: Lines[Person], units: Lines[Unit], villages: Lines[Village]
) -> None:
    """Handles are unique, roles, units and villages exist, and every unit has somebody to tell."""
    unique(reader, "people.csv", ((line, person.handle) for line, person in people), "handle")
    roles = {role.code for role in county.roles} if county else None
    known_units = {unit.code for _, unit in units}
    known_villages = {village.code for _, village in villages}
    for line, person in people:
        if roles is not None and person.role not in roles:
            reader.report(
                "people.csv", line, f"role {person.role!r} is not in pack.yaml", "add it under `roles` or correct it"
            )
        if person.unit and person.unit not in known_units:
            reader.report(
                "people.csv", line, f"unit {person.unit!r} is not in units.csv", "add it there or correct this line"
            )
        if person.village and person.village not in known_villages:
            reader.report(
                "people.csv",
                line,
                f"village {person.village!r} is not in villages.csv",
                "add it there or correct this line",
            )
        if not person.unit and not person.village:
            reader.report("people.csv", line, f"{person.handle!r} has neither unit nor village", "give one of them")
    staffed = {person.unit for _, person in people}
    for line, unit in units:
        if unit.code not in staffed:
            reader.report(
                "units.csv", line, f"unit {unit.code!r} has nobody to tell", "add its duty officer to people.csv"
            )


def clocks(reader: Reader, clocks: ClockBook | None, tree: Tree, county: County | None, matters: Lines[Matter]) -> None:
    """Each clock stands once, every class in use has clocks, warned roles exist, the time zone is real."""
    if county:
        try:
            ZoneInfo(county.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            reader.report("pack.yaml", 0, f"timezone {county.timezone!r} is unknown", "use e.g. Asia/Shanghai")
    if clocks is None:
        return
    roles = {role.code for role in county.roles} if county else None
    first: dict[tuple[str, str], int] = {}
    for index, policy in enumerate(clocks.policies):
        line = tree.line(("policies", index))
        key = (policy.kind, policy.clock_class)
        if key in first:
            reader.report(
                "clocks.yaml",
                line,
                f"{policy.kind} clock of {policy.clock_class!r} stands on line {first[key]}",
                "keep one",
            )
        first.setdefault(key, line)
        told = [*policy.breach_roles, *(role for step in policy.warnings for role in step.roles)]
        for role in dict.fromkeys(told):
            if roles is not None and role not in roles:
                reader.report(
                    "clocks.yaml", line, f"role {role!r} is not in pack.yaml", "add it under `roles` or correct it"
                )
    timed = {policy.clock_class for policy in clocks.policies if policy.kind in ("response", "resolution")}
    known = get_args(ClockClass)
    for name in sorted({*known} & {"emergency", *(matter.clock for _, matter in matters)} - timed):
        reader.report(
            "clocks.yaml",
            tree.line(("policies",)),
            f"class {name!r} has neither a response nor a resolution clock",
            "add a policy for it",
        )


def channels(reader: Reader, channels: Sequence[Channel], tree: Tree, mappings: Mapping[str, Tree]) -> None:
    """Channel codes are unique, and a mapping file that names its channel names one that exists."""
    unique(
        reader,
        "channels.yaml",
        ((tree.line(("channels", index)), channel.code) for index, channel in enumerate(channels)),
        "channel",
    )
    known = {channel.code for channel in channels}
    for stem, mapping in mappings.items():
        named: Any = mapping.value.get("channel")
        if named is not None and named not in known:
            reader.report(
                f"mappings/{stem}.yaml",
                mapping.line(("channel",)),
                f"channel {named!r} is not in channels.yaml",
                "add it there or correct this line",
            )


def correlation(reader: Reader, rules: Correlation | None, tree: Tree, matters: Lines[Matter]) -> None:
    """Rules belong to matters that exist."""
    known = {matter.code for _, matter in matters}
    for code in rules.matters if rules else ():
        if code not in known:
            place: tuple[Hashable, ...] = ("matters", code)
            reader.report(
                "correlation.yaml", tree.line(place), f"matter {code!r} is not in matters.csv", "correct or remove it"
            )
