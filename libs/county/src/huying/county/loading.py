"""Turns a pack's folder into a `Pack`, or says what is wrong with it; refuses half a pack and any network."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from huying.county import crosscheck
from huying.county.channels import Channel
from huying.county.findings import Finding, PackError
from huying.county.geometry import Point
from huying.county.judging import Correlation, Screening
from huying.county.matters import DutyLine, Matter
from huying.county.pack import ClockBook, County, Pack
from huying.county.people import Person, Unit
from huying.county.places import Grid, Outline, Town, Village
from huying.county.reading import Reader, T, Tree, pack_hash
from huying.county.records import Record

TEXT_SUFFIXES = (".txt", ".md", ".html", ".j2", ".json", ".yaml")
"""What counts as a notice template; anything else in `templates/` is a mistake worth a finding."""


class _Channels(Record):
    channels: tuple[Channel, ...]


def load(path: Path) -> Pack:
    """The pack in this folder.

    Raises:
        PackError: something in it must be corrected first; carries every finding.
    """
    pack, findings = _read(path)
    errors = tuple(finding for finding in findings if finding.severity == "error")
    if errors or pack is None:
        raise PackError(path, errors)
    return pack


def check(path: Path) -> list[Finding]:
    """Everything wrong or doubtful in this folder, errors and warnings, by file and line; [] for a good pack.

    Looks closer than `load`: grids that overlap or lie outside the county.
    """
    pack, findings = _read(path)
    if pack is not None:
        reader = Reader(pack.path)
        from huying.county.surfaces import grids_apart

        grids_apart(reader, pack.grids, pack.outline)
        findings = sorted({*findings, *reader.findings})
    return findings


def _read(path: Path) -> tuple[Pack | None, list[Finding]]:
    folder = path.resolve()
    reader = Reader(folder)
    if not folder.is_dir():
        reader.report("", 0, f"{str(path)!r} is not a folder", "give the folder of a county pack")
        return None, reader.findings
    county_tree, clocks_tree = reader.tree("pack.yaml"), reader.tree("clocks.yaml")
    channels_tree = reader.tree("channels.yaml")
    county = _from_tree(reader, "pack.yaml", County, county_tree)
    clocks = _from_tree(reader, "clocks.yaml", ClockBook, clocks_tree)
    channels = _from_tree(reader, "channels.yaml", _Channels, channels_tree)
    towns = reader.records("towns.csv", Town, reader.table("towns.csv", ("code", "name_zh")))
    villages = reader.records(
        "villages.csv", Village, reader.table("villages.csv", ("code", "name_zh", "town", "lon", "lat"))
    )
    grids = reader.records("grids.csv", Grid, reader.table("grids.csv", ("code", "name_zh", "village", "area_wkt")))
    units = reader.records(
        "units.csv", Unit, reader.table("units.csv", ("code", "name_zh", "level", "serves"), ("note_zh",))
    )
    people = reader.records(
        "people.csv",
        Person,
        reader.table("people.csv", ("handle", "role", "name_zh", "unit", "village", "contacts")),
        lists=("contacts",),
    )
    matters = reader.records(
        "matters.csv",
        Matter,
        reader.table("matters.csv", ("code", "name_zh", "class_zh", "clock", "examples_zh")),
        lists=("examples_zh",),
        separator="；",
    )
    duties = reader.records(
        "duties.csv",
        DutyLine,
        reader.table(
            "duties.csv", ("matter", "where", "main", "assisting", "basis", "level", "note_zh"), ("town", "village")
        ),
        lists=("where", "assisting"),
    )
    correlation, correlation_tree = _correlation(reader)
    screening = _from_tree(reader, "screening.yaml", Screening, reader.tree("screening.yaml"))
    outline = _outline(reader)
    mappings = _mappings(reader)
    crosscheck.places(reader, county, outline, towns=towns, villages=villages, grids=grids)
    crosscheck.units(reader, county, towns, units)
    crosscheck.matters(reader, matters, duties, {unit.code for _, unit in units}, county)
    crosscheck.places_of_duties(reader, duties, towns, villages)
    crosscheck.people(reader, county, people, units, villages)
    crosscheck.clocks(reader, clocks, clocks_tree, county, matters)
    crosscheck.channels(reader, channels.channels if channels else (), channels_tree, mappings)
    crosscheck.correlation(reader, correlation, correlation_tree, matters)
    templates = _templates(reader)
    synonyms = tuple(tuple(line.split()) for _, line in _groups(reader))
    landmarks = tuple(dict.fromkeys(line for _, line in reader.words("landmarks.txt")))
    findings = sorted(set(reader.findings))
    if (
        county is None
        or clocks is None
        or channels is None
        or correlation is None
        or screening is None
        or outline is None
        or any(finding.severity == "error" for finding in findings)
    ):
        return None, findings
    pack = Pack.model_construct(
        path=folder,
        hash=pack_hash(folder),
        county=county,
        towns=tuple(town for _, town in towns),
        villages=tuple(village for _, village in villages),
        grids=tuple(grid for _, grid in grids),
        units=tuple(unit for _, unit in units),
        holders=tuple(person for _, person in people),
        matters=tuple(matter for _, matter in matters),
        duties=tuple(line for _, line in duties),
        clocks=clocks,
        channels=channels.channels,
        correlation=correlation,
        screening=screening,
        synonyms=synonyms,
        landmarks=landmarks,
        outline=outline,
        templates=templates,
        mappings={name: tree.value for name, tree in mappings.items()},
    )
    return pack, findings


def _from_tree(reader: Reader, file: str, model: type[T], tree: Tree) -> T | None:
    if not tree.lines:
        return None
    return reader.build(file, model, tree.value, tree.line)


def _correlation(reader: Reader) -> tuple[Correlation | None, Tree]:
    """Rules with the defaults filled in, so that every matter's rule is complete and checked as such."""
    tree = reader.tree("correlation.yaml")
    value = _without_radius(reader, tree)
    if isinstance(value, Mapping) and isinstance(value.get("defaults"), Mapping):
        own = value.get("matters") or {}
        if isinstance(own, Mapping):
            completed = {
                code: {**value["defaults"], **rule} if isinstance(rule, Mapping) else rule for code, rule in own.items()
            }
            value = {**value, "matters": completed}
    filled = Tree(value, tree.lines)
    return _from_tree(reader, "correlation.yaml", Correlation, filled), tree


def _without_radius(reader: Reader, tree: Tree) -> Any:
    """The rules of a pack written when each still had a `radius_m`, which nothing ever read."""
    value = tree.value
    if not isinstance(value, Mapping):
        return value
    matters = value.get("matters")
    rules: list[tuple[tuple[Hashable, ...], Any]] = [(("defaults",), value.get("defaults"))]
    rules += [(("matters", code), rule) for code, rule in matters.items()] if isinstance(matters, Mapping) else []
    for place, rule in rules:
        if isinstance(rule, dict) and rule.pop("radius_m", None) is not None:
            line = tree.line((*place, "radius_m"))
            reader.report("correlation.yaml", line, "radius_m is read by nothing", "delete it", severity="warning")
    return value


def _outline(reader: Reader) -> Outline | None:
    """The county's rings out of a GeoJSON feature; holes are ignored, counties of the packs have none."""
    file = "outline.geojson"
    tree = reader.tree(file)
    if not tree.lines:
        return None
    feature = tree.value
    if isinstance(feature, Mapping) and feature.get("type") == "FeatureCollection" and feature.get("features"):
        feature = feature["features"][0]
    geometry: Any = feature.get("geometry") if isinstance(feature, Mapping) else None
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    try:
        if kind == "Polygon":
            outer = [geometry["coordinates"][0]]
        elif kind == "MultiPolygon":
            outer = [polygon[0] for polygon in geometry["coordinates"]]
        else:
            reader.report(file, 1, f"has no Polygon or MultiPolygon (found {kind!r})", "export the outline as GeoJSON")
            return None
        rings = tuple(tuple(Point(float(lon), float(lat)) for lon, lat, *_ in ring) for ring in outer)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        reader.report(file, 1, f"has malformed coordinates ({error})", "export the outline as GeoJSON again")
        return None
    if any(len(ring) < 4 for ring in rings):
        reader.report(file, 1, "has a ring of fewer than four points", "export the outline as GeoJSON again")
        return None
    return Outline(rings=rings, feature=dict(feature))


def _templates(reader: Reader) -> dict[str, str]:
    """Notice templates by path inside `templates/`, e.g. `dispatched.sms.txt`."""
    folder = reader.folder / "templates"
    templates: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name.startswith(".") or path.name == "README.md":
            continue
        if path.suffix not in TEXT_SUFFIXES:
            reader.report(
                f"templates/{name}", 0, f"is no template (suffix {path.suffix!r})", f"use one of {TEXT_SUFFIXES}"
            )
            continue
        text = reader.text(f"templates/{name}")
        if text is not None:
            templates[name] = text
    return templates


def _mappings(reader: Reader) -> dict[str, Tree]:
    """Mapping files of origin systems by stem: `hotline_12345.yaml` is `hotline_12345`; the bridge reads them."""
    mappings: dict[str, Tree] = {}
    for path in sorted((reader.folder / "mappings").glob("*.yaml")):
        file = f"mappings/{path.name}"
        tree = reader.tree(file)
        if tree.lines and not isinstance(tree.value, dict):
            reader.report(file, 1, "is not a mapping", "start it with `channel: <code>`")
        elif tree.lines:
            mappings[path.stem] = tree
    return mappings


def _groups(reader: Reader) -> list[tuple[int, str]]:
    groups = reader.words("synonyms.txt")
    seen: dict[str, int] = {}
    for number, line in groups:
        words = line.split()
        if len(words) < 2:
            reader.report(
                "synonyms.txt", number, f"{line!r} has one word only", "write words that mean the same, with spaces"
            )
        for word in words:
            if word in seen:
                reader.report(
                    "synonyms.txt",
                    number,
                    f"word {word!r} also stands on line {seen[word]}",
                    "put it into one group, or join the two lines",
                )
            seen.setdefault(word, number)
    return groups
