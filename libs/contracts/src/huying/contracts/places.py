"""Where something is: codes of the county pack, words of the reporter, a point."""

from typing import Annotated, Literal

from pydantic import Field

from .message import Code, Value

CoordinateSystem = Literal["wgs84", "gcj02", "bd09"]


class Point(Value):
    """A point. `crs` says in which system; inside Huying it is always WGS-84, doors convert."""

    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    crs: CoordinateSystem = "wgs84"
    accuracy_m: Annotated[float, Field(gt=0, le=100_000)] | None = None


class Place(Value):
    """What is known of a place; every part may be absent."""

    address: Annotated[str, Field(max_length=500)] | None = None
    grid_code: Code | None = None
    village_code: Code | None = None
    village: str | None = None
    town_code: Code | None = None
    town: str | None = None
    point: Point | None = None
