"""Domain: what is let in, in which form, and what is refused with which field."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from huying.contracts import identity, wording
from huying.contracts.reports import ReportSubmittedV1
from huying.county import Pack, distance_m, to_wgs84
from huying.intake.domain import acceptance
from huying.intake.domain.acceptance import Accepted, Keys, Known, Refused, Repeated, Submitted
from huying.intake.keys import keys_of

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
Make = Callable[..., ReportSubmittedV1]


@pytest.fixture
def decide(pack: Pack, keys: Keys, report: Make) -> Callable[..., Any]:
    def run(known: Known | None = None, *, origin_id: str = "k1", bound: str | None = None, **changes: Any) -> Any:
        submitted = Submitted("gov/park", origin_id, report(**changes), bound)
        return acceptance.decide(known, submitted, pack, keys, NOW)

    return run


def test_a_plain_report_is_accepted_with_its_identity_and_a_tracking_number(decide: Any, pack: Pack) -> None:
    decision = decide()
    assert isinstance(decision, Accepted)
    event = decision.event
    assert event.report_id.startswith("rp-")
    assert len(event.tracking_number) == 12
    assert set(event.tracking_number) <= set(identity.ALPHABET)
    assert (event.received_at, event.accepted_at, event.pack_hash) == (NOW, NOW, pack.hash)
    assert decide().event == event


def test_another_secret_gives_another_tracking_number(keys: Keys) -> None:
    other = keys_of("another-secret-that-is-also-long-enough!")
    assert identity.tracking_number("rp-1", keys.tracking) != identity.tracking_number("rp-1", other.tracking)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("abcd-efgh-jkmn", "ABCDEFGHJKMN"), (" o1il0000 0000", "011100000000"), ("ABC", ""), ("ABCDEFGHJKM\x00", "")],
)
def test_a_tracking_number_is_read_as_people_type_it(typed: str, kept: str) -> None:
    assert identity.typed_number(typed) == kept


def test_the_same_body_again_is_repeated_and_another_body_is_refused(decide: Any) -> None:
    first = decide()
    known = Known(first.event.report_id, first.event.tracking_number, first.body_hash)
    assert decide(known) == Repeated(known)
    other = decide(known, text="另一件事")
    assert (other.reason, other.field) == ("identity_reused", "id")


def test_a_report_that_another_door_accepted_is_repeated(decide: Any) -> None:
    known = Known("rp-1", "ABCDEFGHJKMN", None)
    assert decide(known) == Repeated(known)


def test_a_body_spaced_or_ordered_otherwise_is_the_same_body(keys: Keys) -> None:
    told = {
        "jurisdiction": "130529",
        "channel": "citizen_app",
        "text": "路灯坏了",
        "received_at": "2026-03-02T08:00:00+08:00",
    }
    same = {**dict(reversed(told.items())), "received_at": "2026-03-02T00:00:00Z", "unknown_field": 1}
    hashes = {
        acceptance.body_hash(ReportSubmittedV1.model_validate_json(text), keys.body)
        for text in (json.dumps(told), json.dumps(same, indent=3))
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("changes", "reason", "field", "says"),
    [
        ({"jurisdiction": "110101"}, "unknown_jurisdiction", "jurisdiction", "130529"),
        ({"channel": "carrier_pigeon"}, "unknown_channel", "channel", "citizen_app"),
        ({"village_code": "130529999999"}, "unknown_place", "village_code", "villages.csv"),
        ({"grid_code": "13052999999901"}, "unknown_place", "grid_code", "grids.csv"),
        ({"grid_code": "13052910000101", "village_code": "130529100003"}, "unknown_place", "grid_code", "130529100001"),
        ({"received_at": NOW + timedelta(minutes=11)}, "future_date", "received_at", "clock"),
        ({"happened_at": NOW + timedelta(days=365)}, "future_date", "happened_at", "clock"),
        ({"origin_due_at": NOW + timedelta(days=9_999)}, "implausible_date", "origin_due_at", "leave it out"),
        ({"text": "\x00\x07\u202e"}, "invalid_data", "text", "what happened"),
        ({"bound": "130530"}, "wrong_jurisdiction", "jurisdiction", "130530"),
        ({"origin_id": "a\nb"}, "invalid_identity", "id", "printable"),
        ({"origin_id": "\ud800"}, "invalid_identity", "id", "printable"),
        ({"origin_id": "k" * 201}, "invalid_identity", "id", "200"),
        ({"attachments": [{"url": "https://a.example/x y"}]}, "invalid_data", "attachments.0.url", "percent"),
        ({"device": {"device_id": "d1", "alarm": "\x01"}}, "invalid_data", "device.alarm", "alarm"),
        ({"reporter": {"ref": "ps-1", "phone": "13803191234"}}, "invalid_data", "reporter.ref", "leave out"),
    ],
)
def test_a_wrong_report_is_refused_with_its_field_and_what_to_do(
    decide: Any, changes: dict[str, Any], reason: str, field: str, says: str
) -> None:
    decision = decide(**changes)
    assert isinstance(decision, Refused)
    assert (decision.reason, decision.field) == (reason, field)
    assert says in decision.message


def test_a_sender_whose_clock_is_ten_minutes_fast_is_let_in(decide: Any) -> None:
    assert isinstance(decide(received_at=NOW + timedelta(minutes=10)), Accepted)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"{", ""),
        (b"[]", ""),
        (b"\xff\xfe", ""),
        (b'{"jurisdiction":"130529","channel":"c"}', "text"),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","text":"b"}', "text"),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","point":{"lon":1,"lat":1,"lon":2}}', "lon"),
        (b'{"jurisdiction":"130529","channel":"c","text":"\\ud800"}', ""),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","received_at":"2026-03-02T08:00:00"}', "received_at"),
        (
            b'{"jurisdiction":"130529","channel":"c","text":"a","received_at":"0001-01-01T00:00:00+14:00"}',
            "received_at",
        ),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","point":{"lon":NaN,"lat":37}}', "point.lon"),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","point":{"lon":1e999,"lat":37}}', "point.lon"),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","point":{"lon":37,"lat":115}}', "point.lat"),
        (b'{"jurisdiction":"130529","channel":"c","text":"a","x":' + b"[" * 5000 + b"]" * 5000 + b"}", ""),
        (
            b'{"jurisdiction":"130529","channel":"c","text":"a","reporter":{"phone":"' + b"1" * 99 + b'"}}',
            "reporter.phone",
        ),
    ],
    ids=range(15),
)
def test_garbage_is_refused_with_its_field_and_never_quoted(body: bytes, field: str) -> None:
    refused = acceptance.read(body)
    assert isinstance(refused, Refused)
    assert refused.field == field
    assert "1" * 99 not in refused.message
    assert field or "send a JSON object in UTF-8" in refused.message


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fall_over(data: bytes) -> None:
    assert isinstance(acceptance.read(data), Refused | ReportSubmittedV1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=st.text(min_size=1, max_size=60), name=st.text(max_size=20), phone=st.text(max_size=20))
def test_any_text_is_accepted_clean_or_refused(decide: Any, text: str, name: str, phone: str) -> None:
    decision = decide(text=text, reporter={"name": name, "phone": phone}, address=text, town=name)
    assert isinstance(decision, Accepted | Refused)
    if isinstance(decision, Accepted):
        decision.event.encode().decode()
        assert wording.clean(decision.event.text) == decision.event.text


def test_the_channel_says_in_which_system_its_points_come(decide: Any) -> None:
    given_lon, given_lat = 115.038522, 37.228385
    plain = decide(point={"lon": given_lon, "lat": given_lat}).event.place.point
    said = decide(point={"lon": given_lon, "lat": given_lat, "crs": "wgs84", "accuracy_m": 5}).event.place.point
    assert distance_m((plain.lon, plain.lat), to_wgs84(given_lon, given_lat, "gcj02")) < 0.1
    assert (said.lon, said.lat, said.accuracy_m) == (given_lon, given_lat, 5)
    assert (plain.crs, plain.accuracy_m) == ("wgs84", 30)
    assert distance_m((plain.lon, plain.lat), (said.lon, said.lat)) > 300


@pytest.mark.parametrize("point", [(0, 0), (116.39, 39.9), (-180, 37), (115, -90), (115.03, 38)])
@pytest.mark.parametrize("crs", ["wgs84", "gcj02", "bd09"])
def test_a_point_far_outside_the_county_is_no_place_of_the_report(decide: Any, point: Any, crs: str) -> None:
    """A device without a fix says 0, 0; two of them would be one spot, and each be far from its own problem."""
    lon, lat = point
    decision = decide(point={"lon": lon, "lat": lat, "crs": crs}, village_code="130529100003")
    assert (decision.event.place.point, decision.event.place.village_code) == (None, "130529100003")


def test_a_point_a_little_outside_the_county_stays(decide: Any) -> None:
    assert decide(point={"lon": 115.4, "lat": 37.5, "crs": "wgs84"}).event.place.point is not None


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"town": "巨鹿镇"}, ("130529100", "巨鹿镇", None)),
        ({"town": " 巨鹿 "}, ("130529100", "巨鹿镇", None)),
        ({"town": "某镇"}, (None, "某镇", None)),
        ({"village_code": "130529100003", "town": "王虎寨镇"}, ("130529100", "巨鹿镇", "130529100003")),
        ({"grid_code": "13052910000101"}, ("130529100", "巨鹿镇", "130529100001")),
    ],
)
def test_the_most_exact_code_fills_the_others(decide: Any, changes: dict[str, Any], codes: tuple[Any, ...]) -> None:
    place = decide(**changes).event.place
    assert (place.town_code, place.town, place.village_code) == codes


def test_a_follow_up_names_the_report_as_it_is_kept(decide: Any) -> None:
    assert decide(relates_to="abcd-efgh-jkmn").event.relates_to == "ABCDEFGHJKMN"
    assert decide(relates_to="巨-17").event.relates_to == "巨-17"


def test_names_and_numbers_stay_out_of_the_event(decide: Any) -> None:
    decision = decide(
        text="我是张三丰，电话１３８ 0319 1234，身份证13052919800101123x，请回电0319-4332211。",
        address="北街张三丰家 13803191234",
        category_hint="张三丰反映",
        reporter={"name": "张三丰", "phone": "+86 138-0319-1234", "id_number": "13052919800101123X"},
    )
    wire = decision.event.encode().decode()
    for secret in ("张三丰", "13803191234", "1380319", "0319 1234", "13052919800101123", "4332211"):
        assert secret not in wire
    assert decision.event.reporter.masked == "张** 138****1234"
    assert "138****1234" in decision.event.text
    assert "13803191234" in decision.secrets.words["address"]
    assert decision.secrets.reporter.name == "张三丰"


def test_an_origin_number_is_never_taken_for_a_telephone(decide: Any) -> None:
    assert decide(origin_number="031912345678").event.origin_number == "031912345678"


def test_a_telephone_in_a_kind_of_alarm_is_masked_and_kept_for_who_names_a_purpose(decide: Any) -> None:
    decision = decide(device={"device_id": "sos-1", "alarm": "一键求助 13812345678"})
    assert "13812345678" not in decision.event.encode().decode()
    assert decision.event.device.alarm == "一键求助 138****5678"
    assert decision.secrets.words == {"alarm": "一键求助 13812345678"}


def test_a_mask_longer_than_what_it_hides_does_not_break_the_contract(decide: Any) -> None:
    event = decide(
        text="0319-123456," + "字" * 4987, address="电话0319-123456" + "字" * 487, reporter={"name": "字字"}
    ).event
    assert type(event).model_validate_json(event.encode()) == event
