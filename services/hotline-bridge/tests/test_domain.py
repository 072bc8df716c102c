"""Acceptance, masking, alarms: what is let in, in which form, and what never gets out."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from huying.chassis.problem import Problem
from huying.contracts.reports import ReporterRef
from huying.county import Pack
from huying.hotline_bridge.domain import alarms
from huying.hotline_bridge.domain.acceptance import (
    Accepted,
    Arrival,
    Keys,
    Known,
    Refused,
    Repeated,
    arrival_of,
    decide,
)
from huying.hotline_bridge.domain.alarms import Alarm
from huying.hotline_bridge.domain.mapping import OriginMapping
from huying.hotline_bridge.domain.translating import translate
from huying.hotline_bridge.door import arrival_of_alarm, take_order

KEYS = Keys.of("a-secret-of-the-tests-that-is-long-enough")
NOW = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)


def hotline_arrival(mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack) -> Arrival:
    translated = translate(mappings["hotline_12345"], orders["hotline_12345"], pack.code)
    return arrival_of("hotline_12345", translated.number, translated.body, pack, "digest")


def test_an_accepted_order_carries_no_name_and_no_number(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack
) -> None:
    ref = ReporterRef(ref="ps-1", masked="张** 138****2345")
    decision = decide(None, replace(hotline_arrival(mappings, orders, pack), reporter=ref), pack, KEYS, NOW)
    assert isinstance(decision, Accepted)
    event = decision.event
    assert event.accepted_at == NOW
    assert event.received_at == datetime.fromisoformat("2026-03-02T09:51:39+08:00")
    assert event.reporter == ref
    assert "138****2345" in event.text
    wire = event.encode().decode()
    assert "13831912345" not in wire
    assert "张国强" not in wire
    assert (event.place.village, event.place.town_code) == ("西郭城村委会", "130529102")


def test_a_telephone_in_a_kind_of_alarm_is_masked(pack: Pack) -> None:
    told = alarm(device="sos-1", alarm="一键求助 13812345678")
    arrival = arrival_of(alarms.SOURCE, told.origin_id, alarms.submitted(told, pack.code), pack, "d")
    decision = decide(None, arrival, pack, KEYS, told.at)
    assert isinstance(decision, Accepted)
    assert "13812345678" not in decision.event.encode().decode()
    assert decision.event.device is not None
    assert decision.event.device.alarm == "一键求助 138****5678"


def test_the_same_order_is_repeated_and_a_changed_one_refused(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack
) -> None:
    arrival = hotline_arrival(mappings, orders, pack)
    assert decide(Known("rp-1", "T1", "digest"), arrival, pack, KEYS, NOW) == Repeated("rp-1", "T1")
    changed = decide(Known("rp-1", "T1", "another"), arrival, pack, KEYS, NOW)
    assert isinstance(changed, Refused)
    assert (changed.reason, changed.field) == ("number_reused", "origin_number")


def test_an_order_from_the_future_is_refused(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack
) -> None:
    arrival = hotline_arrival(mappings, orders, pack)
    received = arrival.body.received_at
    assert received is not None
    assert isinstance(decide(None, arrival, pack, KEYS, received - timedelta(minutes=9)), Accepted)
    refused = decide(None, arrival, pack, KEYS, received - timedelta(minutes=11))
    assert isinstance(refused, Refused)
    assert refused.field == "received_at"


def test_an_order_with_a_deadline_that_no_order_has_is_refused(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack
) -> None:
    arrival = hotline_arrival(mappings, orders, pack)
    never = datetime(9999, 12, 31, 15, 59, 59, tzinfo=UTC)
    body = arrival.body.model_copy(update={"origin_due_at": never})
    refused = decide(None, replace(arrival, body=body), pack, KEYS, NOW)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.field) == ("implausible_date", "origin_due_at")


def alarm(**change: Any) -> Alarm:
    told = {"device": "JG-100214", "alarm": "tilt", "kind": "manhole", "at": "2026-03-04T02:17:59+08:00", **change}
    return Alarm.model_validate(told)


def test_an_alarm_is_named_by_device_kind_state_and_instant_or_by_its_own_id() -> None:
    same = alarm(at="2026-03-03T18:17:59Z", text="别的话")
    assert alarm().origin_id == same.origin_id
    others = [alarm(device="X"), alarm(alarm="open"), alarm(at="2026-03-04T02:18:00+08:00"), alarm(state="cleared")]
    assert len({alarm().origin_id, *(other.origin_id for other in others)}) == 5
    assert alarm(id="L-1").origin_id == "L-1"


@pytest.mark.parametrize(
    "told",
    [
        alarm(id="L" * 200),
        alarm(id="L" * 101),
        alarm(device="d" * 64, alarm="警" * 100, at="2026-03-04T02:17:59.123456Z"),
    ],
)
def test_the_longest_line_that_a_device_may_send_is_accepted(told: Alarm, pack: Pack) -> None:
    arrival = arrival_of(alarms.SOURCE, told.origin_id, alarms.submitted(told, pack.code), pack, "d")
    decision = decide(None, arrival, pack, KEYS, told.at)
    assert isinstance(decision, Accepted)
    assert decision.event.origin_id == told.origin_id
    assert decision.event.origin_number is None


def test_no_number_hides_behind_marks_that_nobody_sees_in_an_alarms_identity() -> None:
    told = alarm(alarm="求助 138\u200e1234\u200e5678\x00")
    assert told.origin_id == alarm(alarm="求助 138****5678").origin_id


@pytest.mark.parametrize("name", ["L-1\n{}", "L-1\x00", "L\u202e1", " ", "L-1 "])
def test_an_alarm_under_an_id_that_is_none_at_intake_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="printable characters without blanks"):
        alarm(id=name)


@pytest.mark.parametrize(
    ("typed", "kept"), [("abcd-efgh-jkmn", "ABCDEFGHJKMN"), ("巨-\u202e17", "巨-17"), ("\x00", None)]
)
def test_the_number_of_an_earlier_report_is_known_however_it_was_typed(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack, typed: str, kept: str | None
) -> None:
    order = copy.deepcopy(orders["hotline_12345"])
    order["工单"]["关联查询码"] = typed
    translated = translate(mappings["hotline_12345"], order, pack.code)
    arrival = arrival_of("hotline_12345", translated.number, translated.body, pack, "digest")
    decision = decide(None, arrival, pack, KEYS, NOW)
    assert isinstance(decision, Accepted)
    assert decision.event.relates_to == kept


async def test_a_link_that_shows_another_address_than_it_opens_is_refused(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack
) -> None:
    order = copy.deepcopy(orders["hotline_12345"])
    order["工单"]["附件"] = ["https://12345.example.cn/1.jpg", "https://12345.example.cn/\u202egpj.exe"]
    ground: Any = SimpleNamespace(handler=SimpleNamespace(mappings=mappings, pack=pack, keys=KEYS))
    vault: Any = None
    with pytest.raises(Problem, match="percent-encode") as refused:
        await take_order(ground, vault, "hotline_12345", order)
    [error] = refused.value.body["errors"]
    assert (refused.value.status, error["field"], error["ours"]) == (422, "工单.附件", "attachments.1.url")


def test_two_long_kinds_of_alarm_that_differ_at_their_end_are_two_alarms() -> None:
    long = [alarm(device="d" * 64, alarm="警" * 99 + end, at="2026-03-04T02:17:59.123456Z") for end in "火水"]
    assert len({one.origin_id for one in long}) == 2


async def test_an_order_nested_too_deeply_is_refused(
    mappings: dict[str, OriginMapping], orders: dict[str, Any], pack: Pack
) -> None:
    nested: list[Any] = []
    for _ in range(5000):
        nested = [nested]
    ground: Any = SimpleNamespace(handler=SimpleNamespace(mappings=mappings, pack=pack, keys=KEYS))
    vault: Any = None
    with pytest.raises(Problem, match="nested too deeply") as refused:
        await take_order(ground, vault, "hotline_12345", {**orders["hotline_12345"], "附加": nested})
    assert refused.value.status == 422


def test_a_line_that_no_report_may_hold_is_refused_by_field(pack: Pack) -> None:
    bridge: Any = SimpleNamespace(pack=pack, keys=KEYS)
    with pytest.raises(Problem) as refused:
        arrival_of_alarm(bridge, alarm().model_copy(update={"alarm": "警" * 101}))
    assert (refused.value.status, refused.value.body["errors"][0]["field"]) == (422, "alarm")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "井盖倾斜告警 JG-100214（重要）"),
        ({"state": "cleared"}, "井盖倾斜告警恢复 JG-100214"),
        ({"alarm": "vendor_77", "kind": None, "severity": "critical"}, "设备告警 vendor_77 JG-100214（紧急）"),
        ({"text": "井盖倾角告警 JG-100214 倾角41° 电压3.6V"}, "井盖倾角告警 JG-100214 倾角41° 电压3.6V"),
    ],
)
def test_an_alarm_says_in_chinese_what_happened(change: dict[str, Any], text: str) -> None:
    assert alarms.submitted(alarm(**change), "130529").text == text


def test_two_alarms_are_never_one_identity() -> None:
    assert alarm(device="gw-1/lid", alarm="tilt").origin_id != alarm(device="gw-1", alarm="lid/tilt").origin_id
    assert alarm(device="gw-1", alarm="lid/tilt").origin_id == alarm(device="gw-1", alarm="lid/tilt").origin_id


def test_a_county_without_a_channel_for_devices_refuses_alarms_and_says_what_to_add(pack: Pack) -> None:
    channels = tuple(channel for channel in pack.channels if channel.code != alarms.CHANNEL)
    told = {name: getattr(pack, name) for name in Pack.model_fields} | {"channels": channels}
    bridge: Any = SimpleNamespace(pack=Pack.model_construct(**told), keys=KEYS)
    with pytest.raises(Problem, match="adds it to channels") as refused:
        arrival_of_alarm(bridge, alarm())
    assert refused.value.body["errors"][0]["field"] == "channel"


@pytest.mark.parametrize("point", [{"lon": 0, "lat": 0}, {"lon": -180, "lat": 37, "crs": "bd09"}])
def test_an_alarm_whose_device_has_no_fix_is_taken_without_a_point(pack: Pack, point: dict[str, Any]) -> None:
    """Of points at the map's edge BD-09 makes some beyond it, which no report can hold."""
    told = alarm(point=point, village_code="130529103202")
    place = arrival_of(alarms.SOURCE, told.origin_id, alarms.submitted(told, pack.code), pack, "d").place
    assert (place.point, place.village_code) == (None, "130529103202")


def test_every_alarm_line_of_the_county_becomes_a_report(county_reports: list[dict[str, Any]], pack: Pack) -> None:
    lines = [report for report in county_reports if report["channel"] == "iot"]
    assert len(lines) == 76
    names = set()
    for report in lines:
        given = report["device"]
        told = alarm(
            id=report["id"],
            device=given["id"],
            kind=given["kind"],
            alarm=given["alarm"],
            state=given["state"],
            at=report["received_at"],
            **{name: report[name] for name in ("text", "address", "village_code", "point")},
        )
        arrival = arrival_of(alarms.SOURCE, told.origin_id, alarms.submitted(told, pack.code), pack, "d")
        decision = decide(None, arrival, pack, KEYS, told.at)
        assert isinstance(decision, Accepted)
        event = decision.event
        assert (event.text, event.place.village_code) == (report["text"], report["village_code"])
        assert event.received_at == event.accepted_at == datetime.fromisoformat(report["received_at"])
        assert event.device is not None
        assert (event.device.device_id, event.device.state) == (given["id"], given["state"])
        assert event.place.point is not None
        assert event.place.point.accuracy_m == 10.0
        names.add(event.report_id)
    assert len(names) == 76
