"""Puts points of WGS-84, GCJ-02 and BD-09 on one map and measures between them; refuses to guess a system.

Source of both transforms: the published reverse-engineered algorithm (github.com/googollee/eviltransform,
MIT). Inverses are iterated, because the closed forms found on the web are off by metres.
"""

from __future__ import annotations

from math import asin, atan2, cos, hypot, pi, radians, sin, sqrt
from typing import Literal, NamedTuple, get_args

CoordinateSystem = Literal["wgs84", "gcj02", "bd09"]
PointSource = Literal["device", "gps", "map_pick", "landmark", "address", "grid", "village", "town", "unknown"]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG); the error against the ellipsoid stays below 0.3 % anywhere in China."""
GCJ_AXIS_M = 6_378_245.0
"""Semi-major axis of the Krasovsky 1940 ellipsoid, on which GCJ-02 is computed."""
GCJ_ECCENTRICITY_SQUARED = 0.00669342162296594323
"""First eccentricity squared of the same ellipsoid, as the published algorithm has it."""
BD_ANGLE = pi * 3000.0 / 180.0
"""Frequency of BD-09's ripple on top of GCJ-02."""
CHINA_BOX = (72.004, 0.8293, 137.8347, 55.8271)
"""West, south, east, north: outside this box map providers do not shift, so GCJ-02 is WGS-84 there."""
INVERSE_STEPS = 20
"""An inverse gains more than an order of magnitude a step; 20 leaves a wide margin over the 6 it needs."""
INVERSE_TOLERANCE_DEG = 1e-9
"""About 0.1 mm: a thousand times finer than the 0.1 m promised."""
SOURCE_ACCURACY_M: dict[PointSource, float] = {
    "device": 10.0,
    "gps": 30.0,
    "map_pick": 60.0,
    "landmark": 200.0,
    "address": 400.0,
    "grid": 500.0,
    "village": 850.0,
    "town": 5_000.0,
    "unknown": 20_000.0,
}
"""How far from the problem a point of each source may lie (about 90 %). Surveyed device; phone; finger on
a map; named place; address text; grid or village centre (problems lie up to 0.7 km from the centre and
reports 150 m from the problem); a town is about 5 km in radius; a county 20 km."""


class Point(NamedTuple):
    """A place in degrees, WGS-84 unless a name says otherwise; longitude first, as GeoJSON has it."""

    lon: float
    lat: float


def in_china(lon: float, lat: float) -> bool:
    """Whether map providers shift a point here (a box, as in the published algorithm)."""
    west, south, east, north = CHINA_BOX
    return west <= lon <= east and south <= lat <= north


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """GCJ-02 minus WGS-84 at a WGS-84 place, degrees."""
    x, y = lon - 105.0, lat - 35.0
    ripple = 20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    north += (ripple + 20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    east += (ripple + 20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    phi = radians(lat)
    magic = 1.0 - GCJ_ECCENTRICITY_SQUARED * sin(phi) ** 2
    root = sqrt(magic)
    d_lat = north * 180.0 / (GCJ_AXIS_M * (1.0 - GCJ_ECCENTRICITY_SQUARED) / (magic * root) * pi)
    d_lon = east * 180.0 / (GCJ_AXIS_M / root * cos(phi) * pi)
    return d_lon, d_lat


def wgs84_to_gcj02(lon: float, lat: float) -> Point:
    """GCJ-02 degrees of a WGS-84 place; the same place outside China."""
    if not in_china(lon, lat):
        return Point(lon, lat)
    d_lon, d_lat = _shift(lon, lat)
    return Point(lon + d_lon, lat + d_lat)


def gcj02_to_wgs84(lon: float, lat: float) -> Point:
    """WGS-84 degrees of a GCJ-02 place, within 0.1 m of the exact inverse; identity outside China."""
    if not in_china(lon, lat):
        return Point(lon, lat)
    guess_lon, guess_lat = lon, lat
    for _ in range(INVERSE_STEPS):
        d_lon, d_lat = _shift(guess_lon, guess_lat)
        miss_lon, miss_lat = lon - guess_lon - d_lon, lat - guess_lat - d_lat
        guess_lon, guess_lat = guess_lon + miss_lon, guess_lat + miss_lat
        if abs(miss_lon) < INVERSE_TOLERANCE_DEG and abs(miss_lat) < INVERSE_TOLERANCE_DEG:
            break
    return Point(guess_lon, guess_lat)


def gcj02_to_bd09(lon: float, lat: float) -> Point:
    """BD-09 degrees of a GCJ-02 place."""
    distance = sqrt(lon * lon + lat * lat) + 0.00002 * sin(lat * BD_ANGLE)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * BD_ANGLE)
    return Point(distance * cos(angle) + 0.0065, distance * sin(angle) + 0.006)


def bd09_to_gcj02(lon: float, lat: float) -> Point:
    """GCJ-02 degrees of a BD-09 place, within 0.1 m of the exact inverse."""
    guess_lon, guess_lat = lon - 0.0065, lat - 0.006
    for _ in range(INVERSE_STEPS):
        forward = gcj02_to_bd09(guess_lon, guess_lat)
        miss_lon, miss_lat = lon - forward.lon, lat - forward.lat
        guess_lon, guess_lat = guess_lon + miss_lon, guess_lat + miss_lat
        if abs(miss_lon) < INVERSE_TOLERANCE_DEG and abs(miss_lat) < INVERSE_TOLERANCE_DEG:
            break
    return Point(guess_lon, guess_lat)


def wgs84_to_bd09(lon: float, lat: float) -> Point:
    """BD-09 degrees of a WGS-84 place."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


def bd09_to_wgs84(lon: float, lat: float) -> Point:
    """WGS-84 degrees of a BD-09 place."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def to_wgs84(lon: float, lat: float, crs: CoordinateSystem) -> Point:
    """WGS-84 degrees of a place given in `crs`.

    Raises:
        ValueError: the coordinate system is none of the three, or the numbers are no place on earth.
    """
    if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
        raise ValueError(f"lon {lon!r}, lat {lat!r} is no place on earth; give degrees, longitude first")
    if crs == "wgs84":
        return Point(lon, lat)
    if crs == "gcj02":
        return gcj02_to_wgs84(lon, lat)
    if crs == "bd09":
        return bd09_to_wgs84(lon, lat)
    raise ValueError(f"unknown coordinate system {crs!r}; use one of {', '.join(get_args(CoordinateSystem))}")


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle metres between two (lon, lat) places of one system (haversine)."""
    half_lat, half_lon = radians(b[1] - a[1]) / 2.0, radians(b[0] - a[0]) / 2.0
    chord = sin(half_lat) ** 2 + cos(radians(a[1])) * cos(radians(b[1])) * sin(half_lon) ** 2
    return 2.0 * EARTH_RADIUS_M * asin(min(1.0, sqrt(chord)))


def ring_distance_m(ring: tuple[Point, ...], point: tuple[float, float]) -> float:
    """Metres from a (lon, lat) to the nearest edge of a ring, on a plane that is true there: for a few km only."""
    squeeze = cos(radians(point[1]))
    corners = [((lon - point[0]) * squeeze, lat - point[1]) for lon, lat in ring]
    nearest = float("inf")
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        share = min(1.0, max(0.0, -(ax * dx + ay * dy) / length)) if length else 0.0
        nearest = min(nearest, hypot(ax + share * dx, ay + share * dy))
    return radians(nearest) * EARTH_RADIUS_M


def accuracy_m(source: PointSource) -> float:
    """How far from the problem a point of this source may lie, metres."""
    return SOURCE_ACCURACY_M[source]


def ring_contains(ring: tuple[Point, ...], point: tuple[float, float]) -> bool:
    """Whether a closed or open ring of (lon, lat) encloses the point (ray casting; edges count as either)."""
    lon, lat = point
    inside = False
    before_lon, before_lat = ring[-1]
    for here_lon, here_lat in ring:
        crosses = (here_lat > lat) != (before_lat > lat)
        if crosses and lon < (before_lon - here_lon) * (lat - here_lat) / (before_lat - here_lat) + here_lon:
            inside = not inside
        before_lon, before_lat = here_lon, here_lat
    return inside
