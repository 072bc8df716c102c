"""Orders of origin systems become reports by their mapping files, and the county's reports become orders again."""

import copy
from datetime import datetime
from typing import Any

import pytest

from huying.chassis.errors import ConfigurationError
from huying.county import Pack, distance_m
from huying.hotline_bridge.domain import mapping as mapping_file
from huying.hotline_bridge.domain.acceptance import arrival_of
from huying.hotline_bridge.domain.mapping import OriginMapping
from huying.hotline_bridge.domain.translating import Untranslatable, order_of_report, translate

Mappings = dict[str, OriginMapping]
Orders = dict[str, dict[str, Any]]


def test_every_mapping_file_has_an_order_that_it_reads(mappings: Mappings, orders: Orders, pack: Pack) -> None:
    assert set(mappings) == set(orders) >= {"hotline_12345", "secretary_hotline"}
    for origin, order in orders.items():
        body = translate(mappings[origin], order, pack.code).body
        assert (body.channel, body.jurisdiction) == (origin, "130529")
        assert body.received_at is not None
        assert body.received_at.second == {"hotline_12345": 39, "secretary_hotline": 25}.get(origin, 0)


def test_an_order_of_12345_is_read_field_by_field(mappings: Mappings, orders: Orders, pack: Pack) -> None:
    translated = translate(mappings["hotline_12345"], orders["hotline_12345"], pack.code)
    body = translated.body
    assert translated.number == body.origin_number == "XT2026030212345"
    assert body.received_at == datetime.fromisoformat("2026-03-02T09:51:39+08:00")
    assert body.origin_due_at == datetime.fromisoformat("2026-03-09T18:00:00+08:00")
    assert (body.category_hint, body.town, body.village_code) == ("M09", "西郭城镇", "130529102201")
    assert body.point is not None
    assert (body.point.lon, body.point.crs) == (114.9457, "wgs84")
    assert body.reporter is not None
    assert body.reporter.name == "张国强"
    assert body.attachments[0].url.endswith("1.jpg")


def test_points_of_other_systems_arrive_as_wgs84(mappings: Mappings, orders: Orders, pack: Pack) -> None:
    spots = {}
    for origin in ("internet_supervision", "party_gov_site"):
        body = translate(mappings[origin], orders[origin], pack.code).body
        place = arrival_of(origin, "1", body, pack, "d").place
        assert place.point is not None
        assert place.point.crs == "wgs84"
        spots[origin] = (place.point.lon, place.point.lat)
        assert body.point is not None
        assert distance_m(spots[origin], (body.point.lon, body.point.lat)) > 400
    assert distance_m(spots["internet_supervision"], spots["party_gov_site"]) < 100


def without(order: dict[str, Any], path: str, value: Any = None) -> dict[str, Any]:
    changed = copy.deepcopy(order)
    *heads, last = path.split(".")
    here = changed
    for head in heads:
        here = here[head]
    here[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "ours", "message"),
    [
        ("工单.诉求内容", None, "text", "is missing"),
        ("工单.诉求内容", "  ", "text", "is missing"),
        ("工单.诉求内容", "长" * 5001, "text", "at most 5000"),
        ("工单.受理时间", "02.03.2026", "received_at", "is no time as %Y-%m-%d %H:%M:%S or iso8601"),
        ("工单.工单编号", None, "origin_number", "1 to 100"),
        ("工单.工单编号", "x" * 101, "origin_number", "1 to 100"),
        ("工单.诉求类别代码", "9999", "category_hint", "use one of 0101"),
        ("工单.事发地点.经度", "一百一", "point.lon", "must be a number"),
        pytest.param("工单.事发地点.经度", 10**400, "point.lon", "must be a number", id="beyond every float"),
        ("工单.事发地点.经度", None, "point.lon", "is missing beside"),
        ("工单.事发地点.经度", "1149", "point.lon", "less than or equal to 180"),
        ("工单.诉求内容", {"a": 1}, "text", "single value"),
    ],
)
def test_a_refusal_names_their_field_and_ours(
    mappings: Mappings, orders: Orders, path: str, value: Any, ours: str, message: str
) -> None:
    with pytest.raises(Untranslatable) as refused:
        translate(mappings["hotline_12345"], without(orders["hotline_12345"], path, value), "130529")
    [fault] = refused.value.faults
    assert (fault.theirs, fault.ours) == (path, ours)
    assert message in fault.message
    assert "张国强" not in str(refused.value)


def test_all_faults_of_an_order_are_told_at_once(mappings: Mappings) -> None:
    with pytest.raises(Untranslatable) as refused:
        translate(mappings["hotline_12345"], {"工单": {"受理时间": "x"}}, "130529")
    assert [fault.ours for fault in refused.value.faults] == ["origin_number", "text", "received_at"]


def test_every_report_of_the_county_survives_as_an_order(
    mappings: Mappings, county_reports: list[dict[str, Any]], pack: Pack
) -> None:
    told = [report for report in county_reports if report["channel"] in mappings]
    assert len(told) == 128
    for report in told:
        mapping = mappings[report["channel"]]
        translated = translate(mapping, order_of_report(mapping, report), pack.code)
        body = translated.body
        assert translated.number == report["id"]
        assert (body.text, body.address, body.village_code) == (
            report["text"],
            report["address"],
            report["village_code"],
        )
        assert body.received_at == datetime.fromisoformat(report["received_at"])
        assert (body.reporter.reference if body.reporter else None) == report["reporter"]
        place = arrival_of(report["channel"], report["id"], body, pack, "d").place
        assert place.town == report["town"]
        assert (place.town_code is None) == (report["town"] is None)
        if report["point"]:
            assert place.point is not None
            assert (place.point.lon, place.point.lat) == (report["point"]["lon"], report["point"]["lat"])


def test_a_point_goes_out_in_the_system_that_the_origin_sends(mappings: Mappings, pack: Pack) -> None:
    report = {
        "id": "1",
        "text": "路灯不亮",
        "received_at": "2026-03-02T08:00:00+08:00",
        "point": {"lon": 115.03, "lat": 37.22, "crs": "wgs84"},
    }
    mapping = mappings["party_gov_site"]
    order = order_of_report(mapping, report)
    assert distance_m((order["liuyan"]["zb"]["x"], order["liuyan"]["zb"]["y"]), (115.03, 37.22)) > 800
    place = arrival_of("party_gov_site", "1", translate(mapping, order, pack.code).body, pack, "d").place
    assert place.point is not None
    assert distance_m((place.point.lon, place.point.lat), (115.03, 37.22)) < 0.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": {"received_at": "a"}}, "`text` is missing"),
        ({"fields": {"text": "a", "colour": "b"}}, "fields.colour"),
        ({"timezone": "Mars/Olympus"}, "IANA"),
        ({"states": {"received": {"code": "1", "name_zh": "收"}}}, "asked, dispatched"),
        ({"required": ["address"], "fields": {"text": "a"}}, "'address' is not in fields"),
        ({"colour": 1}, "colour"),
    ],
)
def test_a_wrong_mapping_file_stops_the_service_and_says_where(
    pack: Pack, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"^mappings/hotline_12345\.yaml") as stopped:
        mapping_file.read("hotline_12345", {**pack.mappings["hotline_12345"], **change})
    assert message in str(stopped.value)
