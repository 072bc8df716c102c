"""A report as it comes over HTTP: plain JSON with an Idempotency-Key, or a CloudEvent in either mode.

It finds out identity, sender's source and data; it never looks inside the data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote_to_bytes

from huying.chassis.security import Principal
from huying.contracts.envelope import STRUCTURED, CloudEvent, EnvelopeError, parse
from huying.contracts.reports import ReportSubmittedV1

from .domain.acceptance import WRONG_TYPE, Refused, identity_problem, may_speak_for

IDEMPOTENCY_KEY = "idempotency-key"
PREFIX = "ce-"
"""HTTP's binary mode; Kafka's has an underscore."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Who says it under which identity, and the JSON."""

    source: str
    origin_id: str
    data: bytes
    id_field: str = "id"
    """What its sender calls the `id`."""

    def blamed(self, refused: Refused) -> Refused:
        """A refusal of this letter, in its sender's words."""
        return replace(refused, field=self.id_field) if refused.field == "id" else refused


def text_of(header: str) -> str:
    """A header in its sender's words: HTTP hands UTF-8 over as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def opened(headers: Mapping[str, str], body: bytes, who: Principal) -> Letter | Refused:
    """The letter in a request.

    Source: CloudEvents 1.0.2, HTTP Protocol Binding 1.0.2.

    Args:
        headers: by lower-case name.
        body: as it travelled.
        who: whose key was shown. Without a CloudEvents source it speaks for its own first one.
    """
    name = text_of(headers[IDEMPOTENCY_KEY]) if IDEMPOTENCY_KEY in headers else None
    letter: Letter | Refused
    if f"{PREFIX}specversion" in headers or headers.get("content-type", "").lower().startswith(STRUCTURED):
        letter = _cloudevent(headers, body, who, name)
    elif name is None:
        return Refused(
            "invalid_identity", "Idempotency-Key", "is missing; send a header that names this report for good"
        )
    else:
        letter = Letter(_own_source(who), name, body, "Idempotency-Key")
    if isinstance(letter, Refused):
        return letter
    refused = identity_problem(letter.source, letter.origin_id)
    return letter if refused is None else letter.blamed(refused)


def _own_source(who: Principal) -> str:
    first = who.sources[0] if who.sources else "*"
    return f"key/{who.id}" if first == "*" else first


def _cloudevent(headers: Mapping[str, str], body: bytes, who: Principal, name: str | None) -> Letter | Refused:
    sent = {header: value.encode("latin-1", "replace") for header, value in headers.items()}
    pairs = [  # the binding percent-encodes attributes that are not plain ASCII
        (f"ce_{header.removeprefix(PREFIX)}", unquote_to_bytes(value))
        for header, value in sent.items()
        if header.startswith(PREFIX)
    ]
    if "content-type" in sent:
        pairs.append(("content-type", sent["content-type"]))
    try:
        event: CloudEvent = parse(pairs, body)
    except EnvelopeError as error:
        return Refused("invalid_data", error.attribute, error.problem)
    if event.type != ReportSubmittedV1.TYPE:
        return WRONG_TYPE
    if name not in (None, event.id):
        return Refused("invalid_identity", "Idempotency-Key", "differs from the CloudEvent's id; send one of them")
    if not may_speak_for(who.sources, event.source) and event.source != _own_source(who):
        return Refused("wrong_source", "source", f"is not yours; you may speak for {list(who.sources)!r}")
    return Letter(event.source, event.id, event.data)
