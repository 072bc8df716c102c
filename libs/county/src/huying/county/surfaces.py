"""Grids as surfaces: draws illustrative ones, finds those that overlap; refuses to be imported by `load`.

Shapely costs 0.1 s to import, so only the checker and the drawing of grids come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import cos, radians

from shapely import MultiPoint, STRtree, unary_union, voronoi_polygons
from shapely.geometry import Point as Spot
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from huying.county.places import Grid, Outline, Village
from huying.county.reading import Reader

OVERLAP_TOLERANCE_M2 = 500.0
"""Borders drawn or rounded twice cross a little; a strip of a metre along a village is no second grid worker."""
METRES_PER_DEGREE = 111_195.0
"""On a great circle of the mean earth radius."""
QUARTERS_FOR = ("居委会", "社区")
"""Towns' residents' committees are denser than villages: four grids instead of two."""
MARGIN_M = 600.0
"""Grids reach so far beyond the outline, which is generalised by about this: border villages keep their ground."""


def plane(ring: Iterable[tuple[float, float]], latitude: float) -> Polygon:
    """A WGS-84 ring in metres on a plane that is true at a latitude (a county is small enough)."""
    squeeze = cos(radians(latitude)) * METRES_PER_DEGREE
    return Polygon([(lon * squeeze, lat * METRES_PER_DEGREE) for lon, lat in ring])


def draw_grids(villages: Sequence[Village], outline: Outline) -> list[Grid]:
    """Illustrative grids: the ground nearest to a village's centre, inside the outline, cut in two or four there.

    The same villages and outline always give the same grids; corners are rounded to 0.1 m. Real grids are
    surveyed: replace these.
    """
    latitude = villages[0].lat
    squeeze = cos(radians(latitude)) * METRES_PER_DEGREE
    county = unary_union([plane(ring, latitude) for ring in outline.rings]).buffer(MARGIN_M)
    spots = [Spot(village.lon * squeeze, village.lat * METRES_PER_DEGREE) for village in villages]
    cells = list(voronoi_polygons(MultiPoint(spots), extend_to=county).geoms)
    tree = STRtree(cells)
    grids: list[Grid] = []
    for village, spot in sorted(zip(villages, spots, strict=True), key=lambda pair: pair[0].code):
        cell = cells[int(tree.query(spot, predicate="within")[0])].intersection(county)
        parts = _parts(cell, spot, four=village.name_zh.endswith(QUARTERS_FOR))
        for number, part in enumerate(parts, 1):
            ring = ((x / squeeze, y / METRES_PER_DEGREE) for x, y in part.normalize().exterior.coords)
            grids.append(
                Grid(
                    code=f"{village.code}{number:02d}",
                    name_zh=f"{village.name_zh}第{'一二三四'[number - 1]}网格",
                    village=village.code,
                    area_wkt=f"POLYGON (({', '.join(f'{lon:.6f} {lat:.6f}' for lon, lat in ring)}))",
                )
            )
    return grids


def grids_table(grids: Iterable[Grid]) -> str:
    """The text of a `grids.csv`."""
    lines = [f'{grid.code},{grid.name_zh},{grid.village},"{grid.area_wkt}"' for grid in grids]
    return "\n".join(("code,name_zh,village,area_wkt", *lines, ""))


def _parts(cell: BaseGeometry, spot: Spot, four: bool) -> list[Polygon]:
    """West and east of the centre, or the four quarters; each the largest piece that is left of it."""
    west, south, east, north = cell.bounds
    rows = [(south, spot.y), (spot.y, north)] if four else [(south, north)]
    pieces = [
        cell.intersection(box(left, low, right, high))
        for low, high in rows
        for left, right in ((west, spot.x), (spot.x, east))
    ]
    whole = [
        max(getattr(piece, "geoms", [piece]), key=lambda shape: shape.area) for piece in pieces if not piece.is_empty
    ]
    return [piece for piece in whole if isinstance(piece, Polygon)]


def grids_apart(reader: Reader, grids: Sequence[Grid], outline: Outline) -> None:
    """No two grids share ground and none lies wholly outside the county."""
    if not grids:
        return
    latitude = grids[0].ring[0].lat
    shapes = [plane(grid.ring, latitude) for grid in grids]
    lines = {
        row.cells["code"]: row.line for row in reader.table("grids.csv", ("code",), ("name_zh", "village", "area_wkt"))
    }
    county = [plane(ring, latitude) for ring in outline.rings]
    for grid, shape in zip(grids, shapes, strict=True):
        if not shape.is_valid:
            reader.report(
                "grids.csv", lines[grid.code], f"polygon of grid {grid.code!r} crosses itself", "draw it again"
            )
        elif not any(shape.intersects(part) for part in county):
            reader.report(
                "grids.csv", lines[grid.code], f"grid {grid.code!r} lies outside the county", "give WGS-84 degrees"
            )
    valid = [index for index, shape in enumerate(shapes) if shape.is_valid]
    tree = STRtree([shapes[index] for index in valid])
    for one in valid:
        for found in tree.query(shapes[one]):
            other = valid[int(found)]
            shared = shapes[one].intersection(shapes[other]).area if other < one else 0.0
            if shared > OVERLAP_TOLERANCE_M2:
                reader.report(
                    "grids.csv",
                    lines[grids[one].code],
                    f"grid {grids[one].code!r} overlaps grid {grids[other].code!r} by {shared:.0f} m²",
                    "draw one of the two again: a place has one grid worker",
                )
