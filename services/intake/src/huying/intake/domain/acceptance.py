"""Whether a report is let in, and in which form: `decide` says accepted, repeated or refused, and why.

Both doors, HTTP and Kafka, come through here. It never looks at who signed or which key was shown: `submitted` is
already known to come from whom it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from pydantic import ValidationError

from huying.contracts import dates, identity, members, persons, wording
from huying.contracts.identity import KeyedHash
from huying.contracts.members import DuplicateMember
from huying.contracts.message import Value
from huying.contracts.reports import ReportAcceptedV1, Reporter, ReporterRef, ReportSubmittedV1
from huying.county import Pack, UnknownCode, located

V = TypeVar("V", bound=Value)

RefusalReason = Literal[
    "unsigned",
    "unknown_key",
    "wrong_source",
    "wrong_jurisdiction",
    "unknown_jurisdiction",
    "unknown_channel",
    "unknown_place",
    "unknown_person",
    "personal_data",
    "invalid_data",
    "invalid_identity",
    "future_date",
    "implausible_date",
    "identity_reused",
]


@dataclass(frozen=True, slots=True)
class Keys:
    """The installation's keyed hashes that identities are made with; each takes words and returns hexadecimal."""

    tracking: KeyedHash
    reporter: KeyedHash
    body: KeyedHash


@dataclass(frozen=True, slots=True)
class Submitted:
    """A report at the door: its identity, and whom its sender may speak for."""

    source: str
    origin_id: str
    body: ReportSubmittedV1
    jurisdiction: str | None = None
    """The only one that the sender's key is for, when it is bound."""
    on_bus: bool = False
    """It came by Kafka, where every reader of the topic sees it as it was sent."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was accepted under an identity. No `body_hash` when another door accepted it."""

    report_id: str
    tracking_number: str
    body_hash: str | None


@dataclass(frozen=True, slots=True)
class Secrets:
    """What goes into the vault and nowhere else."""

    reporter: Reporter | None
    ref: ReporterRef | None
    words: dict[str, str]
    """Free text as it was told, where the published form masks something."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Let in: the event, what the vault keeps, and how the same body is known again."""

    event: ReportAcceptedV1
    secrets: Secrets
    body_hash: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """Let in before: the same answer again, and nothing else."""

    known: Known


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in. `message` says what is wrong with `field` and what to do."""

    reason: RefusalReason
    field: str
    message: str


WRONG_TYPE = Refused("invalid_data", "type", f"this door takes {ReportSubmittedV1.TYPE}")
"""A CloudEvent of something else."""

Decision = Accepted | Repeated | Refused


def read(data: bytes) -> ReportSubmittedV1 | Refused:
    """A publisher's JSON as a report, or the refusal that names the field."""
    return read_as(ReportSubmittedV1, data)


def read_as(model: type[V], data: bytes) -> V | Refused:
    """JSON as a `model`, or the refusal that names the field, none for the whole. Input is never quoted back."""
    try:
        body = model.model_validate_json(data)
        members.read(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        return Refused("invalid_data", field, first["msg"] if field else f"{first['msg']}; send a JSON object in UTF-8")
    except DuplicateMember as error:
        return Refused("invalid_data", error.args[0], members.TWICE)
    return body


def may_speak_for(sources: Sequence[str], source: str) -> bool:
    """Whether a key with these `sources` may send under `source`; `*` is the installation's own door."""
    return source in sources or "*" in sources


def identity_problem(source: str, origin_id: str) -> Refused | None:
    """Why (`source`, `id`) is no identity, if it is none."""
    for field, text in (("source", source), ("id", origin_id)):
        if not identity.is_identity(text):
            return Refused("invalid_identity", field, identity.NO_IDENTITY)
    return None


def body_hash(body: ReportSubmittedV1, hashed: KeyedHash) -> str:
    """Equal for equal content, however it was spaced or ordered; says nothing without the key."""
    return hashed(body.encode().decode("utf-8", "surrogatepass"))


def decide(
    known: Known | None,
    submitted: Submitted,
    pack: Pack,
    keys: Keys,
    now: datetime,
    leeway: timedelta = dates.CLOCK_LEEWAY,
    person: Sequence[Reporter] = (),
) -> Decision:
    """Let a report in or not.

    Args:
        known: what was accepted under the same identity.
        submitted: the report at the door.
        pack: of the county that this installation serves.
        keys: of the installation.
        now: business time; written as `accepted_at`.
        leeway: how far after `now` a sender's own times may lie.
        person: whom `reporter.ref` names, out of the vault: every spelling, and whoever shares the telephone.
    """
    problem = identity_problem(submitted.source, submitted.origin_id)
    if problem is not None:
        return problem
    body = submitted.body
    hashed = body_hash(body, keys.body)
    if known is not None:
        if known.body_hash in (None, hashed):
            return Repeated(known)
        message = "this identity was used for another report; send a new report under a new one"
        return Refused("identity_reused", "id", message)
    refused = _jurisdiction(submitted, pack) or _times(body, now, leeway) or _reporter(submitted, person)
    if refused is not None:
        return refused
    try:
        channel = pack.channel(body.channel)
    except KeyError:
        choice = ", ".join(channel.code for channel in pack.channels)
        return Refused("unknown_channel", "channel", f"{body.channel!r} is no channel of {pack.name_zh}; use {choice}")
    try:
        place = located(body, channel, pack)
    except UnknownCode as error:
        return Refused("unknown_place", error.field, str(error))
    text = wording.clean(body.text)
    if not text:
        return Refused("invalid_data", "text", "has nothing readable; write what happened and where")
    for number, attachment in enumerate(body.attachments):
        if not wording.is_plain_address(attachment.url):
            field = f"attachments.{number}.url"
            return Refused("invalid_data", field, "has blanks or control characters; percent-encode them")

    device = body.device
    if device is not None:
        device = device.model_copy(update={"alarm": wording.clean_line(device.alarm)})
        if not device.alarm:
            return Refused("invalid_data", "device.alarm", "has nothing readable; name the kind of alarm")

    report_id = identity.report_id(submitted.source, submitted.origin_id)
    reporter, ref = persons.told(body.reporter), None
    if reporter is not None:
        ref = persons.reference_of(reporter, report_id, keys.reporter)
    elif body.reporter is not None and body.reporter.ref is not None and person:
        ref = ReporterRef(ref=body.reporter.ref, masked=persons.masked_form(max(person, key=_length_of_name)))
    told = {"text": text, "address": place.address or "", "town": place.town or ""}
    told["category_hint"] = wording.clean_line(body.category_hint or "")
    told["alarm"] = device.alarm if device is not None else ""
    shown = persons.shown(told, reporter, *person)
    event = ReportAcceptedV1(
        report_id=report_id,
        tracking_number=identity.tracking_number(report_id, keys.tracking),
        jurisdiction=body.jurisdiction,
        source=submitted.source,
        origin_id=submitted.origin_id,
        channel=body.channel,
        text=shown["text"],
        place=place.model_copy(update={"address": shown["address"] or None, "town": shown["town"] or None}),
        received_at=body.received_at or now,
        accepted_at=now,
        happened_at=body.happened_at,
        device=device.model_copy(update={"alarm": shown["alarm"]}) if device is not None else None,
        category_hint=shown["category_hint"] or None,
        reporter=ref,
        on_behalf=body.on_behalf,
        origin_number=wording.clean_line(body.origin_number or "") or None,
        origin_due_at=body.origin_due_at,
        relates_to=wording.earlier_report(body.relates_to),
        attachments=body.attachments,
        pack_hash=pack.hash,
    )
    hidden = {name: words for name, words in told.items() if words != shown[name]}
    return Accepted(event, Secrets(reporter, ref, hidden), hashed)


def _jurisdiction(submitted: Submitted, pack: Pack) -> Refused | None:
    code = submitted.body.jurisdiction
    if submitted.jurisdiction not in (None, code):
        message = f"your key is for {submitted.jurisdiction!r}, not for {code!r}"
        return Refused("wrong_jurisdiction", "jurisdiction", message)
    if code != pack.code:
        message = f"{code!r} is not served here; this is {pack.name_zh} {pack.code!r}"
        return Refused("unknown_jurisdiction", "jurisdiction", message)
    return None


def _length_of_name(reporter: Reporter) -> int:
    return len(reporter.name or "")


def _reporter(submitted: Submitted, person: Sequence[Reporter]) -> Refused | None:
    reporter = submitted.body.reporter
    if reporter is None:
        return None
    told = persons.told(reporter)
    clear = persons.in_clear(told) if told is not None and submitted.on_bus else None
    if clear is not None:
        message = (
            "everyone on the bus can read it; send the report by HTTP, or keep the person with"
            " POST /v1/vault/identities and name the answer's `ref` as `reporter.ref`"
        )
        return Refused("personal_data", f"reporter.{clear}", message)
    if reporter.ref is None:
        return None
    if told is not None:
        message = "says already who it is; leave out the other fields of `reporter`, or this one"
        return Refused("invalid_data", "reporter.ref", message)
    if not person:
        message = "is nobody in the vault; keep the person with POST /v1/vault/identities and name the answer's `ref`"
        return Refused("unknown_person", "reporter.ref", message)
    return None


def _times(body: ReportSubmittedV1, now: datetime, leeway: timedelta) -> Refused | None:
    wrong = dates.wrong_date(body, now, leeway)
    return Refused(wrong.reason, wrong.field, wrong.message) if wrong is not None else None
