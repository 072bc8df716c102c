"""Reports: what people, systems and devices tell, before anyone decides what it is."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .message import Code, Event, Identifier, Instant, Opaque, Text, Value
from .places import Place, Point

LONGEST_ORIGIN_NUMBER = 100
"""Characters: people are shown it and type it."""


class Attachment(Value):
    """A picture or recording, kept where the publisher keeps it; bytes never travel on the bus."""

    url: Annotated[str, Field(max_length=2000, pattern=r"^https?://"), Opaque]
    media_type: Annotated[str, Field(max_length=100)] = "application/octet-stream"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), Opaque] | None = None


class Device(Value):
    """An IoT device's line. Alarm identity is device and alarm kind."""

    device_id: Code
    alarm: Annotated[str, Field(min_length=1, max_length=100)]
    state: Literal["raised", "cleared"] = "raised"
    severity: Literal["info", "minor", "major", "critical"] = "major"


class Reporter(Value):
    """Who reports, as the door learns it. It goes into the vault and no further."""

    reference: Annotated[str, Field(max_length=200)] | None = None
    name: Annotated[str, Field(max_length=100)] | None = None
    phone: Annotated[str, Field(max_length=40)] | None = None
    id_number: Annotated[str, Field(max_length=40)] | None = None
    ref: Identifier | None = None
    """The vault's own reference of a person that it keeps already, instead of the words above."""


class ReporterRef(Value):
    """Who reported, as everyone but the vault sees it: a stable reference and a masked form."""

    ref: Identifier
    masked: str | None = None


class ReportSubmittedV1(Event):
    """A report as a publisher sends it: body of `POST /v1/reports`, data on `huying.inbound.v1`."""

    TYPE: ClassVar[str] = "cn.huying.report.submitted.v1"

    jurisdiction: Code
    channel: Code
    text: Annotated[str, Field(min_length=1, max_length=5000)]
    received_at: Instant | None = None
    """When its channel received it; ours when absent."""
    happened_at: Instant | None = None
    address: Annotated[str, Field(max_length=500)] | None = None
    village_code: Code | None = None
    town: Annotated[str, Field(max_length=100)] | None = None
    grid_code: Code | None = None
    point: Point | None = None
    device: Device | None = None
    category_hint: Annotated[str, Field(max_length=100)] | None = None
    reporter: Reporter | None = None
    on_behalf: bool = False
    """A grid worker reports for somebody without a smartphone (帮我办)."""
    origin_number: Annotated[str, Field(max_length=LONGEST_ORIGIN_NUMBER)] | None = None
    """The number that the origin system gave it."""
    origin_due_at: Instant | None = None
    relates_to: Identifier | None = None
    """The tracking number of an earlier report that this one follows up."""
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=20)] = ()


class ReportAcceptedV1(Event):
    """A report that was let in: validated, normalised, without a name or number of a person."""

    TYPE: ClassVar[str] = "cn.huying.report.accepted.v1"

    report_id: Identifier
    tracking_number: Identifier
    jurisdiction: Code
    source: Identifier
    origin_id: Identifier
    channel: Code
    text: Text
    place: Place
    received_at: Instant
    accepted_at: Instant
    happened_at: Instant | None = None
    device: Device | None = None
    category_hint: str | None = None
    reporter: ReporterRef | None = None
    on_behalf: bool = False
    origin_number: str | None = None
    origin_due_at: Instant | None = None
    relates_to: Identifier | None = None
    attachments: tuple[Attachment, ...] = ()
    pack_hash: str | None = None


class ReportRejectedV1(Event):
    """A record on `huying.inbound.v1` that was refused, for its publisher to read."""

    TYPE: ClassVar[str] = "cn.huying.report.rejected.v1"

    publisher: str
    reason: str
    field: str | None = None
    source: str | None = None
    origin_id: str | None = None
    topic: str
    partition: int
    offset: int
    rejected_at: Instant
