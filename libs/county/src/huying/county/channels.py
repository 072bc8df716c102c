"""The doors reports come through; refuses nothing itself: the doors' services do the refusing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from huying.county.geometry import CoordinateSystem, PointSource
from huying.county.records import Record

Door = Literal["intake", "hotline-bridge"]


class Channel(Record):
    """A report channel of the county.

    `crs` is the system its points come in unless a report says otherwise, `point_source` what they stand
    for; `two_way` means that progress and results go back to the origin's own system.
    """

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name_zh: str = Field(min_length=1)
    door: Door
    crs: CoordinateSystem = "wgs84"
    point_source: PointSource = "unknown"
    two_way: bool = False
