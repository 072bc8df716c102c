"""Julu's pack answers what services ask it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huying.county import Pack, Point, check, distance_m, load
from huying.county.places import Grid


def test_the_pack_has_the_size_of_the_county(julu: Pack) -> None:
    assert (julu.code, julu.name_zh, julu.timezone) == ("130529", "巨鹿县", "Asia/Shanghai")
    assert (len(julu.towns), len(julu.villages), len(julu.matters), len(julu.channels)) == (10, 301, 28, 10)
    assert len({grid.village for grid in julu.grids}) == 301


@pytest.mark.parametrize(
    ("matter", "circumstances", "town", "main", "assisting"),
    [
        ("M01", (), "130529100", "U01", ("T01",)),
        ("M01", ("after_water_works",), "130529100", "U04", ("T01",)),
        ("M01", ("after_water_works", "at_night"), None, "U04", ()),
        ("M03", (), "130529103", "U02", ("U03", "T04")),
        ("M17", (), None, "U12", ()),
        ("M23", (), "130529201", "T10", ("U15",)),
        ("M28", (), None, "U22", ()),
    ],
)
def test_a_duty_follows_the_list(
    julu: Pack, matter: str, circumstances: tuple[str, ...], town: str | None, main: str, assisting: tuple[str, ...]
) -> None:
    duty = julu.duty(matter, frozenset(circumstances), town)
    assert (duty.main, duty.assisting, duty.settled) == (main, assisting, True)
    assert duty.version == julu.county.catalogue_version
    assert duty.basis
    assert julu.unit(main).name_zh in duty.reason


@pytest.mark.parametrize(
    ("matter", "town", "words"),
    [
        ("M23", None, "地点所属乡镇不明"),
        ("M23", "130533100", "没有服务于 130533100 的乡镇单位"),
        ("M99", "130529100", "没有事项 'M99'"),
    ],
)
def test_what_the_list_cannot_settle_goes_to_the_dispatch_centre(
    julu: Pack, matter: str, town: str | None, words: str
) -> None:
    duty = julu.duty(matter, frozenset(), town)
    assert (duty.main, duty.settled) == ("U22", False)
    assert words in duty.reason
    assert "转调度中心裁定" in duty.reason


def test_a_circumstance_of_the_list_can_be_read_out_of_a_report(julu: Pack) -> None:
    circumstance = next(c for c in julu.county.circumstances if c.code == "after_water_works")
    assert any(word in "自来水管子埋完就不管了，沟沉下去一溜" for word in circumstance.words)


@given(lon=st.floats(114.7, 115.4), lat=st.floats(36.9, 37.6))
def test_the_village_of_a_point_is_the_nearest_one_within_the_limit(julu: Pack, lon: float, lat: float) -> None:
    here = Point(lon, lat)
    nearest = min(julu.villages, key=lambda village: (distance_m(here, village.centre), village.code))
    expected = nearest if distance_m(here, nearest.centre) <= julu.county.village_limit_m else None
    assert julu.village_of(here) == expected


def test_every_village_centre_lies_in_a_grid_of_its_own_village(julu: Pack) -> None:
    for village in julu.villages:
        grid = julu.grid_of(village.centre)
        assert grid is not None
        assert grid.village == village.code


def test_the_grids_are_the_ones_the_villages_and_the_outline_give(julu: Pack) -> None:
    from huying.county.surfaces import draw_grids

    drawn = draw_grids(julu.villages, julu.outline)
    assert [(grid.code, grid.name_zh) for grid in drawn] == [(grid.code, grid.name_zh) for grid in julu.grids]
    drift = max(_moved_m(one, two) for one, two in zip(drawn, julu.grids, strict=True))
    assert drift < 1.0  # another release of the geometry library may round or start a ring elsewhere


def test_drawn_grids_make_a_pack_of_their_own(copy: Path, julu: Pack) -> None:
    from huying.county.surfaces import draw_grids, grids_table

    (copy / "grids.csv").write_text("code,name_zh,village,area_wkt\n", "utf-8")
    bare = load(copy)
    assert {finding.severity for finding in check(copy)} == {"warning"}
    assert bare.grids == ()
    (copy / "grids.csv").write_text(grids_table(draw_grids(bare.villages, bare.outline)), "utf-8")
    assert check(copy) == []
    assert len(load(copy).grids) == len(julu.grids)


def _moved_m(one: Grid, two: Grid) -> float:
    return max(min(distance_m(corner, other) for other in two.ring) for corner in one.ring)


def test_every_village_has_its_grid_worker_and_every_unit_its_duty_officer(julu: Pack) -> None:
    for village in julu.villages:
        (worker,) = julu.people("grid_worker", village=village.code)
        assert worker.unit == getattr(julu.town_unit(village.town), "code", None)
    for unit in julu.units:
        role = "supervisor" if unit.level == "supervisor" else "duty_officer"
        assert len(julu.people(role, unit=unit.code)) == 1
    assert julu.people("dispatcher", unit="U22")
    assert julu.people("astronaut") == ()


def test_the_clocks_are_those_the_county_promised(julu: Pack) -> None:
    resolved = {name: julu.clock("resolution", name) for name in ("emergency", "consultation", "other")}
    assert {name: clock and (clock.amount, clock.unit) for name, clock in resolved.items()} == {
        "emergency": (2, "hours"),
        "consultation": (1, "same_day"),
        "other": (7, "working_days"),
    }
    answered = julu.clock("response", "public_service")
    assert answered is not None
    assert (answered.amount, answered.unit, answered.warn_at) == (2, "working_days", (50, 75, 90, 100))
    assert answered.roles_at(100) == ("leader", "dispatcher")
    for name in ("emergency", "consultation", "public_service", "other"):
        assert "acceptance" in {policy.kind for policy in julu.clocks_for(name)}


def test_names_lead_to_codes(julu: Pack) -> None:
    town = julu.town_named("巨鹿镇")
    assert town is not None
    assert julu.town(town.code) == town
    assert [village.code for village in julu.villages_named("南街居委会", town.code)] == ["130529100001"]
    assert julu.town_named("巨人镇") is None
    assert len(julu.villages_of(town.code)) > 1


def test_rules_of_a_matter_are_completed_from_the_defaults(copy: Path) -> None:
    pack = load(copy)
    own, plain = pack.correlation_rule("M23"), pack.correlation_rule(None)
    assert (own.window_days, plain.window_days) == (120, 14)
    assert own.merge_threshold == plain.merge_threshold == 0.85
    assert pack.correlation_rule("M13") == plain


def test_the_outline_is_in_wgs84(julu: Pack) -> None:
    assert julu.contains((115.0326, 37.2163))  # the county seat: its published GCJ-02 centre, converted
    assert not julu.contains((116.4, 39.9))


def test_the_hash_follows_content_and_names_but_not_prose(copy: Path) -> None:
    before = load(copy).hash
    (copy / "README.md").write_text("other prose", "utf-8")
    assert load(copy).hash == before
    (copy / "templates" / "dispatched.txt").write_text("请办理 {number}", "utf-8")
    renamed = load(copy)
    assert renamed.hash != before
    (copy / "templates" / "dispatched.txt").rename(copy / "templates" / "assigned.txt")
    assert load(copy).hash not in (before, renamed.hash)


def test_templates_and_mappings_added_by_others_have_their_place(copy: Path) -> None:
    (copy / "templates" / "sms").mkdir()
    (copy / "templates" / "sms" / "warned.txt").write_text("催办", "utf-8")
    (copy / "mappings" / "hotline_12345.yaml").write_text("channel: hotline_12345\nfields: {a: b}\n", "utf-8")
    pack = load(copy)
    assert pack.templates["sms/warned.txt"] == "催办"
    assert pack.mappings["hotline_12345"]["fields"] == {"a": "b"}
    assert pack.path == copy


def test_loading_is_fast(copy: Path) -> None:
    best = min(_seconds_to_load(copy) for _ in range(3))
    assert best < 0.5


def _seconds_to_load(path: Path) -> float:
    start = time.perf_counter()
    load(path)
    return time.perf_counter() - start


def test_importing_and_loading_leaves_the_slow_libraries_alone(copy: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from huying.county import load; load(Path(sys.argv[1]));"
        "print(sorted({'shapely', 'numpy', 'chinese_calendar'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(copy)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
