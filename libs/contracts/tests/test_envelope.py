"""The envelope against the messages of CloudEvents 1.0.2 itself: Kafka Protocol Binding 3.2.5 and 3.3.4, JSON 3.2."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huying.contracts.envelope import (
    SIGNATURE_HEADER,
    STRUCTURED,
    CloudEvent,
    EnvelopeError,
    format_time,
    parse,
    parse_time,
)
from huying.contracts.generate import asyncapi
from huying.contracts.topics import INBOUND

AVRO = b"\x00\x01 avro \xff"
KAFKA_HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_type", b"com.example.someevent"),
    ("ce_source", b"/mycontext/subcontext"),
    ("ce_id", b"1234-1234-1234"),
    ("ce_time", b"2018-04-05T03:56:24Z"),
    ("content-type", b"application/avro"),
]
JSON_HEADERS = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
COMMON = {
    "specversion": "1.0",
    "type": "com.example.someevent",
    "source": "/mycontext",
    "time": "2018-04-05T17:31:00Z",
    "comexampleextension1": "value",
    "comexampleothervalue": 5,
}
THRIFT = "application/vnd.apache.thrift.binary"
JSON_EXAMPLES: dict[str, tuple[dict[str, Any], str, bytes]] = {
    "binary": (
        {"id": "A234-1234-1234", "datacontenttype": THRIFT, "data_base64": base64.b64encode(AVRO).decode()},
        THRIFT,
        AVRO,
    ),
    "xml": (
        {
            "id": "B234-1234-1234",
            "unsetextension": None,
            "datacontenttype": "application/xml",
            "data": '<much wow="xml"/>',
        },
        "application/xml",
        b'<much wow="xml"/>',
    ),
    "object": (
        {
            "id": "C234-1234-1234",
            "subject": None,
            "datacontenttype": "application/json",
            "data": {"appinfoA": "abc", "appinfoB": 123, "appinfoC": True},
        },
        "application/json",
        b'{"appinfoA": "abc", "appinfoB": 123, "appinfoC": true}',
    ),
    "string": (
        {"id": "D234-1234-1234", "subject": None, "data": "I'm just a string"},
        "application/json",
        b'"I\'m just a string"',
    ),
    "absent": ({"id": "E234-1234-1234"}, "application/json", b""),
    "null": ({"id": "F234-1234-1234", "data": None}, "application/json", b"null"),
}
"""Members beside the common ones; content type and data as the binary mode shows them. The last two: JSON 3.1.1."""


def structured(**members: Any) -> bytes:
    return json.dumps({**COMMON, **members}).encode()


def test_the_binding_s_binary_example_is_read_and_written_as_it_stands() -> None:
    event = parse(KAFKA_HEADERS, AVRO)
    assert event == CloudEvent(
        id="1234-1234-1234",
        source="/mycontext/subcontext",
        type="com.example.someevent",
        data=AVRO,
        time=datetime(2018, 4, 5, 3, 56, 24, tzinfo=UTC),
        datacontenttype="application/avro",
    )
    assert sorted(event.headers()) == sorted(KAFKA_HEADERS)


@pytest.mark.parametrize("name", JSON_EXAMPLES)
def test_the_json_format_s_examples_become_their_binary_form_and_come_back(name: str) -> None:
    members, content_type, data = JSON_EXAMPLES[name]
    event = parse(JSON_HEADERS, structured(**members))
    assert dict(event.headers()) == {
        "ce_specversion": b"1.0",
        "ce_type": b"com.example.someevent",
        "ce_source": b"/mycontext",
        "ce_id": members["id"].encode(),
        "ce_time": b"2018-04-05T17:31:00Z",
        "ce_comexampleextension1": b"value",
        "ce_comexampleothervalue": b"5",
        "content-type": content_type.encode(),
    }
    assert event.data == data
    assert parse(event.headers(), event.data) == event
    assert parse(*event.structured()) == event
    body = json.loads(event.structured()[1])
    assert ("data" in body) == (bool(data) and content_type == "application/json")
    assert ("data_base64" in body) == (bool(data) and content_type != "application/json")


def test_the_mode_is_told_by_the_content_type_alone_and_headers_may_stand_beside_it() -> None:
    value = structured(id="of the value", data=1)
    beside = [*JSON_HEADERS, ("ce_specversion", b"1.0"), ("ce_id", b"of the headers")]
    assert parse(beside, value).id == "of the value"
    assert parse([("Content-Type", b"Application/CloudEvents+JSON")], value).id == "of the value"
    assert parse([], value).id == "of the value", "a sender without headers: Kafka 0.10"
    assert parse([("content-type", b"application/json")], value).id == "of the value"


def test_a_value_that_is_absent_is_an_event_without_data() -> None:
    assert parse(KAFKA_HEADERS[:-1], None).data == b""


def test_extension_attributes_keep_their_meaning_as_text() -> None:
    event = parse(JSON_HEADERS, structured(id="1", flag=True, other=False, number=-7, longerthantwentyletters="x"))
    assert {name: event.extensions[name] for name in ("flag", "other", "number", "longerthantwentyletters")} == {
        "flag": "true",
        "other": "false",
        "number": "-7",
        "longerthantwentyletters": "x",
    }


def test_trace_context_travels_beside_the_attributes_in_both_modes() -> None:
    event = CloudEvent("1", "s", "t", b"{}", trace={"traceparent": "00-1-2-01", "tracestate": "a=b"})
    assert parse(event.headers(), event.data) == event
    assert parse(*event.structured()) == event
    assert b"traceparent" not in event.structured()[1]


@pytest.mark.parametrize(
    ("headers", "value", "attribute"),
    [
        *(
            ([pair for pair in KAFKA_HEADERS if pair[0] != f"ce_{name}"], AVRO, name)
            for name in ("type", "id", "source")
        ),
        ([pair for pair in KAFKA_HEADERS if pair[0] != "ce_specversion"], AVRO, "specversion"),
        ([*KAFKA_HEADERS[1:], ("ce_specversion", b"0.3")], AVRO, "specversion"),
        ([*KAFKA_HEADERS[1:], ("ce_specversion", b"2.0")], AVRO, "specversion"),
        ([*KAFKA_HEADERS, ("ce_id", b"another")], AVRO, "id"),
        ([*KAFKA_HEADERS, ("CE_ID", b"1234-1234-1234")], AVRO, "id"),
        ([*KAFKA_HEADERS, ("content-type", b"application/cloudevents+json")], AVRO, "content-type"),
        ([*KAFKA_HEADERS, ("ce_data", b"{}")], AVRO, "data"),
        ([*KAFKA_HEADERS, ("ce_not-a-name", b"x")], AVRO, "not-a-name"),
        ([*KAFKA_HEADERS, ("ce_subject", b"\xff")], AVRO, "ce_subject"),
        ([*KAFKA_HEADERS[:4], ("ce_time", b"2018-04-05T03:56:24")], AVRO, "time"),
        ([*KAFKA_HEADERS[:4], ("ce_time", b"yesterday")], AVRO, "time"),
        (JSON_HEADERS, b"", "specversion"),
        (JSON_HEADERS, b"[]", "specversion"),
        (JSON_HEADERS, b"[" * 100_000, "specversion"),
        (JSON_HEADERS, structured(), "id"),
        (JSON_HEADERS, structured(id=None), "id"),
        (JSON_HEADERS, structured(id=""), "id"),
        (JSON_HEADERS, structured(id="1", specversion="0.3"), "specversion"),
        (JSON_HEADERS, structured(id="1", specversion=1.0), "specversion"),
        (JSON_HEADERS, structured(id="1", subject={"a": 1}), "subject"),
        (JSON_HEADERS, structured(id="1", data_base64="not base64"), "data_base64"),
        (JSON_HEADERS, structured(id="1", data_base64=5), "data_base64"),
        (JSON_HEADERS, structured(id="1", data_base64="AA==", data={}), "data_base64"),
        (JSON_HEADERS, structured(id="1", datacontenttype="application/xml", data={"no": "xml"}), "data"),
    ],
)
def test_what_is_no_cloudevent_is_refused_and_the_attribute_at_fault_named(
    headers: Any, value: bytes, attribute: str
) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse(headers, value)
    assert caught.value.attribute == attribute


def test_times_are_kept_in_utc_to_the_microsecond() -> None:
    assert parse_time("2026-03-02T08:10:01.123456+08:00") == datetime(2026, 3, 2, 0, 10, 1, 123456, UTC)
    assert format_time(datetime(2026, 3, 2, 8, tzinfo=timezone(timedelta(hours=8)))) == "2026-03-02T00:00:00Z"
    with pytest.raises(EnvelopeError):
        format_time(datetime(2026, 3, 2))  # noqa: DTZ001 - that is the point


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
NAMES = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: (
        name not in {"id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema", "data"}
    )
)
CONTENT = st.one_of(
    st.tuples(
        st.just("application/json"),
        st.just(b"")
        | st.recursive(st.none() | st.booleans() | st.integers() | TEXT, st.lists).map(
            lambda value: json.dumps(value, ensure_ascii=False).encode()
        ),
    ),
    st.tuples(st.sampled_from(["application/xml", "application/avro", "text/plain; charset=utf-8"]), st.binary()),
)


@given(
    ids=st.tuples(TEXT, TEXT, TEXT),
    content=CONTENT,
    time=st.none() | st.datetimes(timezones=st.just(UTC)),
    subject=st.none() | TEXT,
    extensions=st.dictionaries(NAMES, TEXT, max_size=3),
)
def test_every_event_comes_back_in_both_modes(
    ids: tuple[str, str, str],
    content: tuple[str, bytes],
    time: datetime | None,
    subject: str | None,
    extensions: dict[str, str],
) -> None:
    event = CloudEvent(*ids, content[1], time, subject, content[0], extensions=extensions)
    assert parse(event.headers(), event.data) == event
    headers, value = event.structured()
    assert dict(headers)["content-type"].decode() == STRUCTURED
    assert parse(headers, value) == event


def test_the_generated_document_says_that_publishers_sign() -> None:
    document = asyncapi()
    headers = {
        name: message.get("headers", {}).get("$ref", "") for name, message in document["components"]["messages"].items()
    }
    signed = [name for name, ref in headers.items() if ref.endswith("/SignedHeaders")]
    assert signed == [event.__name__ for event in INBOUND.events]
    assert SIGNATURE_HEADER in document["components"]["schemas"]["SignedHeaders"]["required"]
