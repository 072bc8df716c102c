"""Coordinate systems and distances: published reference points and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huying.county import Point, accuracy_m, distance_m, to_wgs84
from huying.county.geometry import (
    bd09_to_gcj02,
    bd09_to_wgs84,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    ring_contains,
    ring_distance_m,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)

lons, lats = st.floats(73.5, 135.0), st.floats(18.0, 53.5)

REFERENCE_GCJ = [
    ("Shanghai", (121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ("Shenzhen", (113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ("Beijing", (116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
]
"""WGS-84 and GCJ-02 from eviltransform's own tests."""
REFERENCE_BD = ((116.404, 39.915), (116.41036949371029, 39.92133699351021))
"""GCJ-02 and BD-09 from wandergis/coordtransform's README."""
BAIDU_ANSWER = ((114.21892734521, 29.575429778924), (114.2307519546763, 29.57908428837437))
"""WGS-84 and what Baidu's own geoconv service answers (it adds about a metre of noise of its own)."""


@pytest.mark.parametrize(("name", "wgs", "gcj"), REFERENCE_GCJ)
def test_gcj02_meets_the_published_points(name: str, wgs: tuple[float, float], gcj: tuple[float, float]) -> None:
    assert distance_m(wgs84_to_gcj02(*wgs), gcj) < 0.001
    assert distance_m(gcj02_to_wgs84(*gcj), wgs) < 0.001


def test_bd09_meets_the_published_points() -> None:
    gcj, bd = REFERENCE_BD
    assert distance_m(gcj02_to_bd09(*gcj), bd) < 0.001
    assert distance_m(bd09_to_gcj02(*bd), gcj) < 0.001
    wgs, answered = BAIDU_ANSWER
    assert distance_m(wgs84_to_bd09(*wgs), answered) < 2.0


@given(lon=lons, lat=lats)
def test_every_system_leads_back_within_a_tenth_of_a_metre(lon: float, lat: float) -> None:
    here = (lon, lat)
    assert distance_m(gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat)), here) < 0.1
    assert distance_m(bd09_to_gcj02(*gcj02_to_bd09(lon, lat)), here) < 0.1
    assert distance_m(bd09_to_wgs84(*wgs84_to_bd09(lon, lat)), here) < 0.1


@given(lon=lons, lat=lats)
def test_in_china_the_systems_lie_hundreds_of_metres_apart(lon: float, lat: float) -> None:
    assert 10 < distance_m(wgs84_to_gcj02(lon, lat), (lon, lat)) < 1_200


@pytest.mark.parametrize("place", [(-0.1276, 51.5072), (2.3522, 48.8566), (151.2, -33.9), (71.9, 30.0), (100.0, 56.0)])
def test_outside_china_gcj02_is_wgs84(place: tuple[float, float]) -> None:
    assert wgs84_to_gcj02(*place) == place
    assert gcj02_to_wgs84(*place) == place


def test_the_door_converts_by_the_name_of_the_system() -> None:
    here = Point(115.0388, 37.2177)
    assert to_wgs84(*here, "wgs84") == here
    assert distance_m(to_wgs84(*wgs84_to_gcj02(*here), "gcj02"), here) < 0.1
    assert distance_m(to_wgs84(*wgs84_to_bd09(*here), "bd09"), here) < 0.1


@pytest.mark.parametrize(
    ("lon", "lat", "crs", "message"),
    [
        (37.2, 115.0, "wgs84", "no place on earth"),
        (float("nan"), 37.2, "wgs84", "no place on earth"),
        (115.0, 37.2, "cgcs2000", "unknown coordinate system 'cgcs2000'"),
    ],
)
def test_the_door_refuses_what_is_no_place(lon: float, lat: float, crs: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_wgs84(lon, lat, crs)  # type: ignore[arg-type]


def test_distances_agree_with_known_ones() -> None:
    assert distance_m((0.0, 0.0), (0.0, 1.0)) == pytest.approx(111_195, abs=1)
    assert distance_m((116.4, 39.9), (121.47, 31.23)) == pytest.approx(1_067_000, rel=0.005)  # Beijing-Shanghai
    assert distance_m((115.0, 37.2), (115.0, 37.2)) == 0


def test_a_vaguer_source_is_less_accurate() -> None:
    order = ("device", "gps", "map_pick", "landmark", "address", "grid", "village", "town", "unknown")
    metres = [accuracy_m(source) for source in order]  # type: ignore[arg-type]
    assert metres == sorted(metres)


def test_a_ring_knows_inside_and_how_far_its_edge_is() -> None:
    square = tuple(Point(*corner) for corner in ((115.0, 37.0), (115.1, 37.0), (115.1, 37.1), (115.0, 37.1)))
    assert ring_contains(square, (115.05, 37.05))
    assert not ring_contains(square, (115.15, 37.05))
    assert ring_distance_m(square, (115.05, 37.11)) == pytest.approx(1_112, abs=2)
