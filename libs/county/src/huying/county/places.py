"""Where things happen: towns, villages, grids and the county's outline, all WGS-84; refuses other systems."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from pydantic import Field, field_validator

from huying.county.geometry import Point, ring_contains
from huying.county.records import Record

TOWN_CODE = r"^\d{9}$"
"""National statistical code: six digits of the county, three of the town."""
VILLAGE_CODE = r"^\d{12}$"
"""The town's nine digits and three of the village."""
GRID_CODE = r"^\d{14}$"
"""The village's twelve digits and two of the grid."""

_POLYGON = re.compile(r"^POLYGON \(\(([-\d., ]+)\)\)$")


class Town(Record):
    """A town or township (乡镇)."""

    code: str = Field(pattern=TOWN_CODE)
    name_zh: str = Field(min_length=1)


class Village(Record):
    """A village or residents' committee with its centre in WGS-84 degrees."""

    code: str = Field(pattern=VILLAGE_CODE)
    name_zh: str = Field(min_length=1)
    town: str = Field(pattern=TOWN_CODE)
    lon: float = Field(ge=-180, le=180)
    lat: float = Field(ge=-90, le=90)

    @property
    def centre(self) -> Point:
        """The centre, WGS-84."""
        return Point(self.lon, self.lat)


class Grid(Record):
    """A grid (网格): the piece of a village that one grid worker looks after; one WKT polygon, WGS-84."""

    code: str = Field(pattern=GRID_CODE)
    name_zh: str = Field(min_length=1)
    village: str = Field(pattern=VILLAGE_CODE)
    area_wkt: str

    @field_validator("area_wkt")
    @classmethod
    def _polygon_without_holes(cls, wkt: str) -> str:
        match = _POLYGON.match(wkt)
        if match is None or match[1].count(",") < 3:
            raise ValueError("must be a WKT polygon without holes: POLYGON ((lon lat, lon lat, ...))")
        return wkt

    @cached_property
    def ring(self) -> tuple[Point, ...]:
        """Corners in order, WGS-84, first one repeated at the end."""
        pairs = (pair.split() for pair in self.area_wkt[len("POLYGON ((") : -2].split(","))
        return tuple(Point(float(lon), float(lat)) for lon, lat in pairs)

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        lons, lats = zip(*self.ring, strict=True)
        return min(lons), min(lats), max(lons), max(lats)

    def contains(self, point: tuple[float, float]) -> bool:
        """Whether the WGS-84 point lies in the grid."""
        west, south, east, north = self.box
        return west <= point[0] <= east and south <= point[1] <= north and ring_contains(self.ring, point)


class Outline(Record):
    """The county's outline: outer rings in WGS-84, and the GeoJSON feature they came from, for maps."""

    rings: tuple[tuple[Point, ...], ...]
    feature: dict[str, Any]

    def contains(self, point: tuple[float, float]) -> bool:
        """Whether the WGS-84 point lies in the county."""
        return any(ring_contains(ring, point) for ring in self.rings)
