"""CloudEvents 1.0 as they travel on Kafka, in binary and in structured mode.

It refuses anything that is not a CloudEvent with `EnvelopeError`, which names the attribute at fault; it never
looks inside the data.

Source: CloudEvents 1.0.2, Kafka Protocol Binding 1.0.2, JSON Event Format 1.0.2.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from . import members
from .members import DuplicateMember

STRUCTURED = "application/cloudevents+json"
BINARY_PREFIX = "ce_"
REQUIRED = ("id", "source", "type", "specversion")
SIGNATURE_HEADER = "huying_signature"
"""Kafka header of a publisher's records: `<key id>:<base64 Ed25519>` over id, source, type and the data's SHA-256 in
hexadecimal, joined by line feeds."""
TRACE_HEADERS = ("traceparent", "tracestate")
CORE = frozenset({"id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema"})

Headers = tuple[tuple[str, bytes], ...]

_ATTRIBUTE_NAME = re.compile(r"(?!data$)[a-z0-9]+")
"""CloudEvents 1.0.2, 2: longer than 20 is discouraged, not forbidden; `data` is no attribute."""


class EnvelopeError(ValueError):
    """A record that is not a CloudEvent; `attribute` names what is missing or wrong."""

    def __init__(self, attribute: str, problem: str) -> None:
        """Keep the attribute apart from the sentence, for metrics and refusals."""
        super().__init__(f"{attribute}: {problem}")
        self.attribute = attribute
        self.problem = problem


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event: the attributes of CloudEvents 1.0 and its data as the bytes that travel.

    `data` is UTF-8 JSON for every Huying event. `extensions` holds further CloudEvents attributes; `trace` holds
    W3C trace context headers, which travel beside the attributes.
    """

    id: str
    source: str
    type: str
    data: bytes
    time: datetime | None = None
    subject: str | None = None
    datacontenttype: str = "application/json"
    dataschema: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    trace: Mapping[str, str] = field(default_factory=dict)

    def headers(self) -> Headers:
        """Kafka headers of the binary mode."""
        pairs = [
            ("ce_specversion", "1.0"),
            ("ce_id", self.id),
            ("ce_source", self.source),
            ("ce_type", self.type),
            ("content-type", self.datacontenttype),
        ]
        if self.time is not None:
            pairs.append(("ce_time", format_time(self.time)))
        if self.subject is not None:
            pairs.append(("ce_subject", self.subject))
        if self.dataschema is not None:
            pairs.append(("ce_dataschema", self.dataschema))
        if self.extensions:
            pairs.extend((f"{BINARY_PREFIX}{name}", value) for name, value in self.extensions.items())
        pairs.extend(self.trace.items())
        return tuple([(name, value.encode()) for name, value in pairs])

    def structured(self) -> tuple[Headers, bytes]:
        """Headers and value of the structured mode."""
        body: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "datacontenttype": self.datacontenttype,
            **self.extensions,
        }
        if self.time is not None:
            body["time"] = format_time(self.time)
        if self.subject is not None:
            body["subject"] = self.subject
        if self.dataschema is not None:
            body["dataschema"] = self.dataschema
        if self.data and _is_json(self.datacontenttype):
            body["data"] = json.loads(self.data)
        elif self.data:
            body["data_base64"] = base64.b64encode(self.data).decode()
        headers = [("content-type", STRUCTURED.encode())]
        headers.extend((name, value.encode()) for name, value in self.trace.items())
        return tuple(headers), json.dumps(body, ensure_ascii=False).encode()


def parse(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> CloudEvent:
    """Read a Kafka record in either mode.

    Raises:
        EnvelopeError: the record is no CloudEvent 1.0.
    """
    read: dict[str, str] = {}
    for name, raw in headers:
        lower = name.lower()
        if lower in read and (lower.startswith(BINARY_PREFIX) or lower == "content-type"):
            raise EnvelopeError(lower.removeprefix(BINARY_PREFIX), "is given twice; send each attribute once")
        try:
            read[lower] = (raw or b"").decode()
        except UnicodeDecodeError as error:
            raise EnvelopeError(name, "the header is not UTF-8") from error
    trace = {name: read[name] for name in TRACE_HEADERS if name in read}
    content_type = read.get("content-type", "")
    if content_type.lower().startswith("application/cloudevents") or "ce_specversion" not in read:
        return _parse_structured(value, trace)
    attributes = {
        name.removeprefix(BINARY_PREFIX): text for name, text in read.items() if name.startswith(BINARY_PREFIX)
    }
    return _build(attributes, value or b"", content_type or "application/json", trace)


def _parse_structured(value: bytes | None, trace: Mapping[str, str]) -> CloudEvent:
    try:
        body = members.read(value or b"")
    except DuplicateMember as error:
        raise EnvelopeError(error.args[0], members.TWICE) from error
    except (ValueError, RecursionError) as error:
        raise EnvelopeError(
            "specversion", "no ce_specversion header and the value is not JSON: send CloudEvents 1.0"
        ) from error
    if not isinstance(body, dict):
        raise EnvelopeError("specversion", f"the value is a JSON {type(body).__name__}, not a CloudEvent object")
    attributes: dict[str, str] = {}
    for name, item in body.items():
        if name in {"data", "data_base64"} or item is None:
            continue
        if isinstance(item, bool):
            attributes[name] = "true" if item else "false"
        elif isinstance(item, str | int):
            attributes[name] = str(item)
        else:
            raise EnvelopeError(name, f"must be a string, an integer or a boolean, not {type(item).__name__}")
    content_type = attributes.get("datacontenttype", "application/json")
    return _build(attributes, _data(body, content_type), content_type, trace)


def _data(body: Mapping[str, Any], content_type: str) -> bytes:
    """The data of the JSON format as the bytes that `content_type` speaks of; empty when there is none."""
    if "data_base64" in body:
        if "data" in body:
            raise EnvelopeError("data_base64", "stands beside data; send one of them")
        try:
            return base64.b64decode(body["data_base64"], validate=True)
        except (TypeError, ValueError) as error:
            raise EnvelopeError("data_base64", "is not base64") from error
    if "data" not in body:
        return b""
    if _is_json(content_type):
        return json.dumps(body["data"], ensure_ascii=False).encode("utf-8", "surrogatepass")
    if not isinstance(body["data"], str):
        raise EnvelopeError("data", f"must be a string or data_base64 where the content is {content_type!r}")
    return body["data"].encode("utf-8", "surrogatepass")


def _build(attributes: Mapping[str, str], data: bytes, content_type: str, trace: Mapping[str, str]) -> CloudEvent:
    for name in REQUIRED:
        if not attributes.get(name):
            raise EnvelopeError(name, "is missing; CloudEvents 1.0 requires it")
    if attributes["specversion"] != "1.0":
        raise EnvelopeError("specversion", f"is {attributes['specversion']!r}; this system reads 1.0")
    extensions = {name: text for name, text in attributes.items() if name not in CORE}
    for name in extensions:
        if not _ATTRIBUTE_NAME.fullmatch(name):
            raise EnvelopeError(name, "is no attribute name: those are lower-case letters and digits, and not data")
    moment = attributes.get("time")
    return CloudEvent(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        data=data,
        time=parse_time(moment) if moment else None,
        subject=attributes.get("subject"),
        datacontenttype=content_type,
        dataschema=attributes.get("dataschema"),
        extensions=extensions,
        trace=trace,
    )


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds where there are any.

    Raises:
        EnvelopeError: the time is naive.
    """
    if moment.tzinfo is None:
        raise EnvelopeError("time", f"{moment!r} has no time zone")
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def parse_time(text: str) -> datetime:
    """An aware UTC time from RFC 3339.

    Raises:
        EnvelopeError: the text is no RFC 3339 time with an offset.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise EnvelopeError("time", f"{text!r} has no UTC offset; write 2026-03-02T08:10:01+08:00")
        return moment.astimezone(UTC)
    except EnvelopeError:
        raise
    except (ValueError, OverflowError) as error:
        raise EnvelopeError("time", f"{text!r} is not an RFC 3339 time") from error


def _is_json(content_type: str) -> bool:
    kind = content_type.split(";", maxsplit=1)[0].strip().lower()
    return kind.endswith(("/json", "+json"))
