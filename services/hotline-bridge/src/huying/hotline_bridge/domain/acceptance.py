"""Whether an order or an alarm is let in, and in which form: accepted, repeated or refused, and why.

Both come through here as `Arrival`. It never sees a person's name or number: the vault took them before.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from huying.chassis.sealing import derive, keyed_hash
from huying.contracts import identity, wording
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1, Reporter, ReporterRef, ReportSubmittedV1
from huying.county import Pack

from .places import located

CLOCK_LEEWAY = timedelta(minutes=10)
"""Clocks of other systems go wrong by minutes; more than that is a wrong date."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, so a number can be read out on the telephone."""

TRACKING_CHARS = 12
"""60 bits: with a million reports, a guesser needs a million million tries for one."""

SHORTEST_PHONE = 7
"""A number of a county's exchange has seven digits; less than that is no number (无, 0, 110)."""

REF_HEX = 24
"""96 bits: no two persons of a county share a reference by accident."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of the installation that identities are made with; the same as at every other door."""

    tracking: bytes
    reporter: bytes
    body: bytes

    @classmethod
    def of(cls, secret: str) -> "Keys":
        """Derived from the installation's secret."""
        return cls(derive(secret, "tracking"), derive(secret, "reporter"), derive(secret, "order body"))


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

    reason: Literal["number_reused", "future_date"]
    field: str
    message: str


Decision = Accepted | Repeated | Refused


def tracking_number(report_id: str, key: bytes) -> str:
    """Twelve characters that only this installation can make for a report."""
    number = int(keyed_hash(key, report_id), 16)
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(TRACKING_CHARS))


def anonymous_reference(reference: str, key: bytes) -> ReporterRef:
    """A person of whom the origin tells no more than a reference: the same one at every door."""
    told = wording.clean_line(reference)
    ref = f"ps-{keyed_hash(key, 'reference', unicodedata.normalize('NFKC', told))[:REF_HEX]}"
    return ReporterRef(ref=ref, masked=wording.mask_numbers(told))


def arrival_of(
    source: str, origin_id: str, body: ReportSubmittedV1, pack: Pack, digest: str, reporter: ReporterRef | None
) -> Arrival:
    """A translated order or alarm, its place looked up, its words masked and its reporter dropped.

    Raises:
        UnknownCode: a grid or village that the county does not have.
        KeyError: a channel that the pack does not have.
    """
    place = located(body, pack.channel(body.channel), pack)
    person = body.reporter
    address = hide(place.address or "", person) or None
    shown = body.model_copy(
        update={
            "text": hide(wording.clean(body.text), person),
            "category_hint": hide(wording.clean_line(body.category_hint or ""), person) or None,
            "reporter": None,
        }
    )
    town = hide(place.town or "", person) or None
    shown_place = place.model_copy(update={"address": address, "town": town})
    return Arrival(source, origin_id, shown, shown_place, digest, reporter)


def hide(text: str, reporter: Reporter | None) -> str:
    """`text` as it may be published: numbers masked, and the reporter's own name and number too."""
    hidden = wording.mask_numbers(text)
    if reporter is None:
        return hidden
    if reporter.name and len(reporter.name) > 1:
        hidden = hidden.replace(reporter.name, f"{reporter.name[:1]}**")
    phone = "".join(character for character in reporter.phone or "" if character.isdigit())
    if len(phone) >= SHORTEST_PHONE:
        hidden = hidden.replace(phone, f"****{phone[-2:]}")
    return hidden


def names_a_person(reporter: Reporter | None) -> bool:
    """Whether the vault is needed: a name or number, more than an anonymous reference."""
    return reporter is not None and any((reporter.name, reporter.phone, reporter.id_number))


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
    for field, moment in (("received_at", body.received_at), ("happened_at", body.happened_at)):
        if moment is not None and moment > now + CLOCK_LEEWAY:
            message = f"{moment.isoformat()} is after now, {now.isoformat()}; check the origin's clock and time zone"
            return Refused("future_date", field, message)
    event = ReportAcceptedV1(
        report_id=arrival.report_id,
        tracking_number=tracking_number(arrival.report_id, keys.tracking),
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
        relates_to=body.relates_to,
        attachments=body.attachments,
        pack_hash=pack.hash,
    )
    return Accepted(event)
