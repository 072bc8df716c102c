"""Whether an order or an alarm is let in, and in which form: accepted, repeated or refused, and why.

Both come through here as `Arrival`. It never sees a person's name or number: the vault took them before.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from huying.chassis.sealing import derive, keyed_hash
from huying.contracts import dates, identity, persons, wording
from huying.contracts.identity import KeyedHash
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1, Reporter, ReporterRef, ReportSubmittedV1
from huying.county import Pack, UnknownCode, located


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of the installation that identities are made with; the same as at every other door."""

    tracking: KeyedHash
    reporter: KeyedHash
    body: bytes

    @classmethod
    def of(cls, secret: str) -> "Keys":
        """Derived from the installation's secret."""
        tracking, reporter = (partial(keyed_hash, derive(secret, purpose)) for purpose in ("tracking", "reporter"))
        return cls(tracking, reporter, derive(secret, "order body"))


@dataclass(frozen=True, slots=True)
class Arrival:
    """An order or alarm, read and without persons."""

    source: str
    origin_id: str
    body: ReportSubmittedV1
    """Without `reporter`; its words are already masked."""
    place: Place
    digest: str
    """Equal for the same content; says nothing without the key."""
    reporter: ReporterRef | None = None

    @property
    def report_id(self) -> str:
        """Unique by source and the origin's own number."""
        return identity.report_id(self.source, self.origin_id)


@dataclass(frozen=True, slots=True)
class Known:
    """What was accepted under an identity."""

    report_id: str
    tracking_number: str
    digest: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Let in."""

    event: ReportAcceptedV1

    @property
    def report_id(self) -> str:
        """Of the report."""
        return self.event.report_id

    @property
    def tracking_number(self) -> str:
        """For whoever asks how it stands."""
        return self.event.tracking_number


@dataclass(frozen=True, slots=True)
class Repeated:
    """Let in before: the same answer again, and nothing else."""

    report_id: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in. `field` is ours; `message` says what to do."""

    reason: Literal["number_reused", "future_date", "implausible_date"]
    field: str
    message: str


Decision = Accepted | Repeated | Refused


def arrival_of(source: str, origin_id: str, body: ReportSubmittedV1, pack: Pack, digest: str) -> Arrival:
    """A translated order or alarm, its place looked up, its words masked and its reporter dropped.

    Raises:
        UnknownCode: a channel, grid or village that the county does not have.
    """
    try:
        channel = pack.channel(body.channel)
    except KeyError:
        said = f"{body.channel!r} is no channel of {pack.name_zh}; the county's IT adds it to channels.yaml"
        raise UnknownCode("channel", said) from None
    place = located(body, channel, pack)
    told = {"text": wording.clean(body.text), "category_hint": wording.clean_line(body.category_hint or "")}
    told |= {"address": place.address or "", "town": place.town or ""}
    told["alarm"] = body.device.alarm if body.device is not None else ""
    shown = persons.shown(told, persons.told(body.reporter))
    device = body.device.model_copy(update={"alarm": shown["alarm"]}) if body.device is not None else None
    words = {"text": shown["text"], "category_hint": shown["category_hint"] or None, "device": device, "reporter": None}
    where = {"address": shown["address"] or None, "town": shown["town"] or None}
    return Arrival(source, origin_id, body.model_copy(update=words), place.model_copy(update=where), digest)


def names_a_person(reporter: Reporter) -> bool:
    """Whether the vault is needed: a name or number, more than an anonymous reference."""
    return any((reporter.name, reporter.phone, reporter.id_number))


def decide(known: Known | None, arrival: Arrival, pack: Pack, keys: Keys, now: datetime) -> Decision:
    """Let it in or not.

    Args:
        known: what was accepted under the same identity.
        arrival: the order or alarm.
        pack: of the county.
        keys: of the installation.
        now: business time; written as `accepted_at`.
    """
    if known is not None:
        if known.digest == arrival.digest:
            return Repeated(known.report_id, known.tracking_number)
        message = "this number was used for another content; send a changed order under a number of its own"
        return Refused("number_reused", "origin_number", message)
    body = arrival.body
    wrong = dates.wrong_date(body, now, dates.CLOCK_LEEWAY)
    if wrong is not None:
        return Refused(wrong.reason, wrong.field, wrong.message)
    event = ReportAcceptedV1(
        report_id=arrival.report_id,
        tracking_number=identity.tracking_number(arrival.report_id, keys.tracking),
        jurisdiction=body.jurisdiction,
        source=arrival.source,
        origin_id=arrival.origin_id,
        channel=body.channel,
        text=body.text,
        place=arrival.place,
        received_at=body.received_at or now,
        accepted_at=now,
        happened_at=body.happened_at,
        device=body.device,
        category_hint=body.category_hint,
        reporter=arrival.reporter,
        on_behalf=body.on_behalf,
        origin_number=body.origin_number,
        origin_due_at=body.origin_due_at,
        relates_to=wording.earlier_report(body.relates_to),
        attachments=body.attachments,
        pack_hash=pack.hash,
    )
    return Accepted(event)
