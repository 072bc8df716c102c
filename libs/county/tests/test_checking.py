"""The checker names file, line and fix for each thing that can go wrong in a pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from huying.county import Pack, PackError, check, load

Edit = Callable[[str, str, str], int]

BAD_EDITS = [
    ("duties.csv", "M02,any,U02,town", "M02,any,U77,town", "main unit 'U77' is not in units.csv", "add it there"),
    ("duties.csv", "M03,any,U02,U03;town", "M03,any,U02,U66;town", "assisting unit 'U66' is not in units.csv", ""),
    ("duties.csv", "M02,any,U02,town", "M02,any,U02,U02", "unit 'U02' is main and assisting", "name it once"),
    ("duties.csv", "M04,any", "M77,any", "matter 'M77' is not in matters.csv", "add it there"),
    (
        "duties.csv",
        "after_water_works",
        "after_lunch",
        "circumstance 'after_lunch' is not in pack.yaml",
        "circumstances",
    ),
    ("duties.csv", "M14,any", "M13,any", "duty 'M13 any' already stands on line", "remove it"),
    (
        "duties.csv",
        "《城市照明管理规定》,county",
        "《城市照明管理规定》,galaxy",
        "level: value is unknown",
        "use one of",
    ),
    (
        "matters.csv",
        "M05,排水积水",
        "M04,排水积水",
        "matter code 'M04' already stands on line 5",
        "give this line its own",
    ),
    ("matters.csv", "改善民生,public_service,停水", "改善民生,someday,停水", "clock: value is unknown", "use one of"),
    ("towns.csv", "130529200,堤村乡", "130599200,堤村乡", "is not of county '130529'", "correct one"),
    ("villages.csv", "南街居委会,130529100", "南街居委会,130529999", "town '130529999' is not in towns.csv", "add it"),
    ("villages.csv", "西街居委会,130529100", "西街居委会,130529101", "does not begin with its town's", "correct one"),
    ("villages.csv", "115.02506,37.21605", "37.21605,115.02506", "lat: Input should be less than or equal to 90", ""),
    ("villages.csv", "115.02506,37.21605", "116.02506,37.21605", "m outside the county", "longitude first"),
    ("villages.csv", "115.02506,37.21605", "east,37.21605", "lon: Input should be a valid number", ""),
    (
        "grids.csv",
        "第一网格,130529100002,",
        "第一网格,130529100999,",
        "village '130529100999' is not in",
        "add it there",
    ),
    ("units.csv", "U02,县城市", "U01,县城市", "unit code 'U01' already stands on line 2", "give this line its own"),
    ("units.csv", "town,130529104", "town,130529109", "serves '130529109', which is not in towns.csv", "nine-digit"),
    ("units.csv", "T05,阎疃镇,town", "T05,阎疃镇,planet", "level: value is unknown", "use one of"),
    ("people.csv", "U01-leader,leader", "U01-leader,boss", "role 'boss' is not in pack.yaml", "roles"),
    ("people.csv", "file:U01-leader", "sms:13812345678", "contacts: contact holds a telephone", "write a handle"),
    ("people.csv", "file:U01-leader", "U01-leader", "has no transport", "write transport:handle"),
    ("clocks.yaml", '["08:30-12:00", "14:30-18:00"]', '["08:30-12:00", "11:00-18:00"]', "overlap", "list them"),
    ("clocks.yaml", "unit: same_day", "unit: fortnight", "unit: value is unknown", "use one of"),
    ("clocks.yaml", "{percent: 90, roles: [leader, dispatcher]}", "{percent: 60, roles: [leader]}", "out of order", ""),
    ("clocks.yaml", "roles: [duty_officer, leader, dispatcher]}", "roles: [mayor]}", "role 'mayor' is not in", "roles"),
    ("clocks.yaml", "kind: response\n", "kind: contact\n", "contact clock of 'public_service' stands on line", "keep"),
    ("channels.yaml", "code: qr_code", "code: citizen_app", "channel 'citizen_app' already stands on line", ""),
    ("channels.yaml", "door: hotline-bridge, crs: wgs84, point_source: device", "door: window", "door: value is", ""),
    ("correlation.yaml", "ask_threshold: 0.5", "ask_threshold: 0.95", "threshold out of order", "lower the first"),
    ("correlation.yaml", "M15:", "M99:", "matter 'M99' is not in matters.csv", "correct or remove it"),
    ("correlation.yaml", "  M15:", "  M12:", "key 'M12' stands twice", "keep one"),
    ("screening.yaml", "0.55", "1.5", "confirm_below: Input should be less than", ""),
    ("screening.yaml", '耷拉)"', '耷拉"', "is no regular expression", "correct it"),
    ("pack.yaml", "dispatch_centre: U22", "dispatch_centre: U33", "dispatch_centre 'U33' is not in units.csv", ""),
    ("pack.yaml", "Asia/Shanghai", "Asia/Julu", "timezone 'Asia/Julu' is unknown", "Asia/Shanghai"),
    ("pack.yaml", "name_en: Julu", "nickname: Julu", "nickname: Extra inputs are not permitted", ""),
    ("pack.yaml", "extension_days: 180", "extension_days: 9999", "extension_days: Input should be less than", ""),
    ("pack.yaml", "roles:\n", "roles: [\n", "is not YAML", "indentation"),
    ("synonyms.txt", "漏水 跑水 冒水", "漏水 跑水 停水", "word '停水' also stands on line", "join the two lines"),
    ("outline.geojson", '"MultiPolygon"', '"Point"', "has no Polygon or MultiPolygon (found 'Point')", "GeoJSON"),
]


def test_the_shipped_pack_has_no_findings(julu: Pack, copy: Path) -> None:
    assert check(julu.path) == []
    assert check(copy) == []


@pytest.mark.parametrize(("file", "old", "new", "message", "fix"), BAD_EDITS, ids=lambda value: str(value)[:40])
def test_each_mistake_is_found_on_its_file_with_its_fix(
    copy: Path, edit: Edit, file: str, old: str, new: str, message: str, fix: str
) -> None:
    edit(file, old, new)
    found = [finding for finding in check(copy) if finding.file == f"julu/{file}"]
    assert found, "no finding at all"
    assert any(message in finding.message and fix in finding.fix for finding in found), found
    assert all(finding.fix for finding in found)
    with pytest.raises(PackError):
        load(copy)


def test_a_finding_prints_as_editors_jump_to_it(copy: Path, edit: Edit) -> None:
    line = edit("duties.csv", "M05,any,U03,town", "M05,any,U77,town")
    wanted = f"julu/duties.csv:{line}: main unit 'U77' is not in units.csv; add it there or correct this line"
    assert [str(finding) for finding in check(copy)] == [wanted]


def test_yaml_findings_carry_the_line_of_the_entry(copy: Path, edit: Edit) -> None:
    line = edit("correlation.yaml", "M23: {window_days: 120}", "M23: {window_days: soon}")
    (finding,) = check(copy)
    assert (finding.file, finding.line) == ("julu/correlation.yaml", line)
    assert finding.message.startswith("matters.M23.window_days")


def test_a_matter_without_a_duty_is_found_where_it_stands(copy: Path) -> None:
    duties = copy / "duties.csv"
    kept = [line for line in duties.read_text("utf-8").splitlines(keepends=True) if not line.startswith("M09")]
    duties.write_text("".join(kept), "utf-8")
    (finding,) = check(copy)
    assert str(finding).startswith(
        "julu/matters.csv:10: matter 'M09' has no duty under `any` circumstances in the whole county; add a line"
    )


def test_overlapping_grids_are_found_by_the_checker_and_do_not_keep_a_service_from_starting(copy: Path) -> None:
    grids = copy / "grids.csv"
    lines = grids.read_text("utf-8").splitlines()
    head, shape = lines[1].split('"', 1)
    lines[5] = lines[5].split('"', 1)[0] + '"' + shape
    grids.write_text("\n".join(lines) + "\n", "utf-8")
    (finding,) = check(copy)
    assert (finding.file, finding.line) == ("julu/grids.csv", 6)
    assert "overlaps grid" in finding.message
    assert head.startswith("13052910000101")
    assert load(copy).code == "130529"


@pytest.mark.parametrize(
    ("area", "message"),
    [
        ("POLYGON ((115.0 37.2, 115.01 37.21, 115.01 37.2, 115.0 37.21, 115.0 37.2))", "crosses itself"),
        ("POLYGON ((100 30, 100.1 30, 100.1 30.1, 100 30))", "lies outside the county"),
    ],
)
def test_a_grid_that_is_no_piece_of_the_county_is_found(copy: Path, area: str, message: str) -> None:
    grids = copy / "grids.csv"
    lines = grids.read_text("utf-8").splitlines()
    lines[1] = lines[1].split('"', 1)[0] + f'"{area}"'
    grids.write_text("\n".join(lines) + "\n", "utf-8")
    assert any(finding.line == 2 and message in finding.message for finding in check(copy))


def test_a_gb18030_file_is_named_as_such(copy: Path) -> None:
    units = copy / "units.csv"
    units.write_bytes(units.read_text("utf-8").encode("gb18030"))
    assert "julu/units.csv:2: is not UTF-8 (looks like GB18030); save the file as UTF-8" in map(str, check(copy))


def test_a_byte_order_mark_is_no_mistake(copy: Path) -> None:
    towns = copy / "towns.csv"
    towns.write_bytes(b"\xef\xbb\xbf" + towns.read_bytes())
    assert check(copy) == []


def test_a_missing_and_a_misspelt_column_are_found(copy: Path, edit: Edit) -> None:
    edit("towns.csv", "code,name_zh", "code,nmae_zh")
    found = [str(finding) for finding in check(copy)]
    assert any(line.startswith("julu/towns.csv:1: column 'name_zh' is missing; add it") for line in found)
    assert any(line.startswith("julu/towns.csv:1: column 'nmae_zh' is unknown; remove it") for line in found)


def test_a_line_with_a_cell_too_many_is_found(copy: Path, edit: Edit) -> None:
    edit("towns.csv", "130529103,官亭镇", "130529103,官亭镇,x")
    assert any(str(finding).startswith("julu/towns.csv:5: has 3 cells, the header has 2") for finding in check(copy))


@pytest.mark.parametrize("file", ["pack.yaml", "units.csv", "duties.csv", "clocks.yaml", "outline.geojson"])
def test_a_missing_file_is_found(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert any(str(finding).startswith(f"julu/{file}: file is missing; add it") for finding in check(copy))


def test_an_empty_file_is_found_and_breaks_nothing(copy: Path) -> None:
    for file in ("units.csv", "clocks.yaml", "outline.geojson"):
        (copy / file).write_text("", "utf-8")
    found = {finding.file: finding.message for finding in check(copy) if "is empty" in finding.message}
    assert set(found) == {"julu/units.csv", "julu/clocks.yaml", "julu/outline.geojson"}


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="is not a folder"):
        load(tmp_path / "nowhere")


def test_a_mapping_of_an_unknown_channel_is_found(copy: Path) -> None:
    (copy / "mappings" / "x.yaml").write_text("# origin\nchannel: telegraph\n", "utf-8")
    (copy / "mappings" / "y.yaml").write_text("- a list\n", "utf-8")
    found = [str(finding) for finding in check(copy)]
    assert any(line.startswith("julu/mappings/x.yaml:2: channel 'telegraph' is not in channels.yaml") for line in found)
    assert any(line.startswith("julu/mappings/y.yaml:1: is not a mapping") for line in found)


def test_all_mistakes_are_listed_at_once(copy: Path, edit: Edit) -> None:
    edit("duties.csv", "M02,any,U02,town", "M02,any,U77,town")
    edit("correlation.yaml", "ask_threshold: 0.5", "ask_threshold: 0.95")
    with pytest.raises(PackError) as caught:
        load(copy)
    assert {finding.file for finding in caught.value.findings} == {"julu/duties.csv", "julu/correlation.yaml"}
    assert "huying county check" in str(caught.value)
    assert "U77" in str(caught.value)


def placed(copy: Path, *lines: str) -> int:
    """A duty list with places; gives the line of the first of `lines`."""
    path = copy / "duties.csv"
    header, *rows = path.read_text("utf-8").splitlines()
    listed = [f"{header},town,village", *(f"{row},," for row in rows)]
    path.write_text("\n".join([*listed, *lines]) + "\n", "utf-8")
    return len(listed) + 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("M02,any,U05,,x,county,,130529999,", "town '130529999' is not in towns.csv; add it there, correct this line"),
        ("M02,any,U05,,x,county,,,130529100999", "village '130529100999' is not in villages.csv; add it there"),
        (
            "M02,any,U05,,x,county,,130529101,130529100006",
            "village '130529100006' is of town '130529100', not of '130529101'; correct one of the two",
        ),
        ("M02,any,U05,,x,county,,,", "duty 'M02 any' already stands on line"),
    ],
)
def test_a_duty_for_a_place_names_one_that_is_there(copy: Path, line: str, message: str) -> None:
    at = placed(copy, line)
    [finding] = check(copy)
    assert f"{finding}".startswith(f"julu/duties.csv:{at}: {message}")


def test_a_matter_needs_a_duty_for_the_whole_county_whatever_single_towns_say(copy: Path) -> None:
    placed(copy)
    path = copy / "duties.csv"
    path.write_text(
        path.read_text("utf-8").replace(
            "M02,any,U02,town,《城市照明管理规定》,county,,,", "M02,any,U02,town,x,county,,130529100,"
        ),
        "utf-8",
    )
    [finding] = check(copy)
    assert "matter 'M02' has no duty under `any` circumstances in the whole county" in f"{finding}"


def test_the_narrowest_duty_holds_as_of_rulings(copy: Path) -> None:
    placed(
        copy,
        "M01,any,U05,,x,county,,130529100,",
        "M01,any,U09,,x,county,,130529100,130529100006",
    )
    pack = load(copy)
    water = frozenset({"after_water_works"})
    assert pack.duty("M01", (), "130529101", "130529101001").main == "U01"
    assert pack.duty("M01", water, "130529101").main == "U04"
    assert pack.duty("M01", (), "130529100", "130529100007").main == "U05"
    assert pack.duty("M01", water, "130529100").main == "U05", "the place before the circumstance"
    village = pack.duty("M01", (), "130529100", "130529100006")
    assert village.main == "U09"
    assert pack.village("130529100006").name_zh in village.reason
    assert pack.duty("M01", (), None, None).main == "U01"


def test_a_pack_of_the_days_of_radius_m_is_read_and_told_what_to_delete(copy: Path) -> None:
    path = copy / "correlation.yaml"
    text = path.read_text("utf-8").replace("  window_days: 14\n", "  window_days: 14\n  radius_m: 300\n")
    path.write_text(text.replace("M12: {window_days: 7}", "M12: {window_days: 7, radius_m: 1000}"), "utf-8")
    assert load(copy).correlation_rule("M12").window_days == 7
    assert [f"{finding}" for finding in check(copy)] == [
        "julu/correlation.yaml:3: warning: radius_m is read by nothing; delete it",
        "julu/correlation.yaml:8: warning: radius_m is read by nothing; delete it",
    ]
