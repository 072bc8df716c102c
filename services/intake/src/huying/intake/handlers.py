"""What intake does with requests, inbound records and the feed. Decides nothing itself: `domain` does.

Signatures are checked while a batch is loaded (they need the key ring's file) and signed records read (they may name
somebody in the vault), everything else in the pure fold.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from huying.chassis.clock import Clock
from huying.chassis.decoding import ANY
from huying.chassis.measures import Measures
from huying.chassis.message import API, Effects, Message, Outgoing, Stateless
from huying.chassis.mongo import Mongo
from huying.chassis.security import KeyRing, Principal, signed_bytes
from huying.contracts import dates, identity, persons, topics, wording
from huying.contracts.clocks import ClockEvent
from huying.contracts.envelope import SIGNATURE_HEADER
from huying.contracts.incidents import IncidentEvent, IncidentOpenedV1, IncidentReportJoinedV1
from huying.contracts.message import Event
from huying.contracts.ratings import IncidentRatedV1
from huying.contracts.reports import Reporter, ReportRejectedV1, ReportSubmittedV1
from huying.county import Pack

from . import repository
from .domain import acceptance, progress
from .domain.acceptance import Accepted, Keys, Known, Refused, Repeated, Submitted
from .repository import Vault

UNKNOWN_PUBLISHER = "unknown"
"""Key of refusals of records that name no publisher at all."""
LONGEST_KEY = 200
"""Of a refusal: what an untrusted record calls its publisher may be as long as a record."""


class InboundRecord(Event):
    """A record of `huying.inbound.v1` before anyone trusts it.

    The data is read by the handler and not by the chassis, so that a publisher learns of a wrong field by
    `huying.inbound.rejected.v1` instead of finding nothing.
    """

    TYPE = ReportSubmittedV1.TYPE

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **_: Any) -> Self:
        """Take any data; `Message.value` has it."""
        del json_data
        return cls()


class ForeignRecord(InboundRecord):
    """A record of another type: a slip of the pen is told to whoever made it, too."""

    TYPE = ANY


INBOUND = replace(topics.INBOUND, events=(InboundRecord, ForeignRecord))
CONSUMED = (INBOUND, topics.INCIDENTS, topics.CLOCKS, topics.RATINGS)


@dataclass(frozen=True, slots=True)
class Registration:
    """A request to keep a person in the vault. `scope` tells people apart who told no more than one same name."""

    reporter: Reporter
    scope: str


@dataclass(frozen=True, slots=True)
class Unmasking:
    """A request to look behind a mask, for a purpose."""

    ref: str
    who: Principal
    purpose: str


@dataclass(slots=True)
class State:
    """What a batch stands on, brought forward by each message."""

    known: dict[str, Known] = field(default_factory=dict)
    signers: dict[tuple[str, bytes], Principal] = field(default_factory=dict)
    read: dict[bytes, ReportSubmittedV1 | Refused] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    clocks: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    vault: dict[str, dict[str, Any]] = field(default_factory=dict)
    tally: Counter[tuple[str, ...]] = field(default_factory=Counter)


class Intake(Stateless):
    """The handler of intake."""

    def __init__(
        self, *, mongo: Mongo, clock: Clock, ring: KeyRing, measures: Measures, pack: Pack, keys: Keys, vault: Vault
    ) -> None:
        """Everything it needs is made by `main.wire`."""
        self.pack = pack
        self._mongo = mongo
        self._clock = clock
        self._ring = ring
        self._keys = keys
        self._vault = vault
        self._leeway = dates.CLOCK_LEEWAY if clock.mode == "live" else timedelta(0)
        self._measures = measures
        self._accepted = measures.counter("accepted_total", "Reports let in", "channel", "door")
        self._repeated = measures.counter("repeated_total", "Reports sent again, answered as before", "door")
        self._refused = measures.counter("refused_total", "Reports refused", "door", "reason")
        self._unmaskings = measures.counter("unmaskings_total", "Looks behind a mask")

    async def load(self, messages: Sequence[Message]) -> State:
        """Two reads for a batch of any size; a third when somebody in the vault is named or looked at."""
        state = State()
        reports: list[str] = []
        incidents: list[str] = []
        refs: list[str] = []
        for message in messages:
            body = message.body
            if isinstance(body, Submitted):
                reports.append(identity.report_id(body.source, body.origin_id))
                refs += _named(body.body)
            elif isinstance(body, InboundRecord):
                reports.append(identity.report_id(message.source, message.id))
                self._check_signature(state, message)
                refs += _named(state.read.get(message.value))
            elif isinstance(body, IncidentEvent | ClockEvent):
                incidents.append(body.incident_id)
            elif isinstance(body, Unmasking):
                refs.append(body.ref)
        if reports:
            state.known = await repository.find_known(self._mongo, reports)
        if incidents:
            for incident_id, row in (await repository.find_progress(self._mongo, incidents)).items():
                state.versions[incident_id] = row.get("version", 0)
                for key, clock in row.get("clocks", {}).items():
                    state.clocks[incident_id, key] = clock
        if refs:
            state.vault = await repository.find_vault(self._mongo, refs)
        return state

    def fold(self, state: State, message: Message, now: datetime) -> Effects:
        """Decide one message."""
        body = message.body
        if message.topic == API:
            if isinstance(body, Submitted):
                return self._on_submitted(state, body)
            if isinstance(body, Registration):
                return self._on_registration(body, now)
            if isinstance(body, Unmasking):
                return self._on_unmasking(state, message.id, body, now)
        if isinstance(body, InboundRecord):
            return self._on_inbound(state, message, now)
        if isinstance(body, IncidentEvent):
            return self._on_incident(state, body)
        if isinstance(body, ClockEvent):
            return self._on_clock(state, body)
        if isinstance(body, IncidentRatedV1):
            effects = Effects()
            repository.save_rating(effects, body.report_id, body.grade, body.at)
            return effects
        return Effects()

    def committed(self, state: State) -> None:
        """Count what is in the database now, so that a batch tried again is not counted twice."""
        counters = {"accepted": self._accepted, "repeated": self._repeated, "refused": self._refused}
        for (what, *labels), times in state.tally.items():
            if what == "version_gap":
                for _ in range(times):
                    self._measures.violation("version_gap")
            elif what == "unmasked":
                self._unmaskings.inc(times)
            else:
                counters[what].labels(*labels).inc(times)

    def _on_submitted(self, state: State, submitted: Submitted) -> Effects:
        effects = Effects()
        decision = self._decide(state, submitted, "http", effects, None)
        effects.answer = decision
        return effects

    def _decide(
        self, state: State, submitted: Submitted, door: str, effects: Effects, hint: datetime | None
    ) -> acceptance.Decision:
        """Decide and add the effects of an acceptance.

        The clock is asked for the report's own instant: in a replay that is what the month had.
        """
        report_id = identity.report_id(submitted.source, submitted.origin_id)
        now = self._clock.stamp(submitted.body.received_at or hint)
        known = state.known.get(report_id)
        person = next((self._vault.person(state.vault.get(ref)) for ref in _named(submitted.body)), ())
        decision = acceptance.decide(known, submitted, self.pack, self._keys, now, self._leeway, person)
        if isinstance(decision, Refused):
            state.tally["refused", door, decision.reason] += 1
        elif isinstance(decision, Repeated):
            state.tally["repeated", door] += 1
        else:
            self._accept(effects, decision, now)
            event = decision.event
            state.known[report_id] = Known(report_id, event.tracking_number, decision.body_hash)
            state.tally["accepted", event.channel, door] += 1
        return decision

    def _accept(self, effects: Effects, accepted: Accepted, now: datetime) -> None:
        event, secrets = accepted.event, accepted.secrets
        repository.save_report(effects, accepted)
        if secrets.reporter is not None and secrets.ref is not None:
            self._vault.keep_person(effects, secrets.ref.ref, secrets.reporter, now)
        if secrets.words:
            self._vault.keep_words(effects, event.report_id, secrets.words, now)
        effects.publish(Outgoing(topics.REPORTS, event.jurisdiction, event.report_id, event, now))

    def _check_signature(self, state: State, message: Message) -> None:
        if acceptance.identity_problem(message.source, message.id) is not None:
            return
        header = message.headers.get(SIGNATURE_HEADER, "")
        signed = _signed(message)
        signer = self._ring.by_signature(header, signed)
        if signer is not None:
            state.signers[header, signed] = signer
            state.read[message.value] = acceptance.read(message.value)

    def _on_inbound(self, state: State, message: Message, now: datetime) -> Effects:
        effects = Effects()
        signer, decision = self._judge(state, message, effects)
        if isinstance(decision, Refused):
            named = wording.encodable(message.key or UNKNOWN_PUBLISHER)[:LONGEST_KEY]
            publisher = signer.id if signer is not None else named
            event = ReportRejectedV1(
                publisher=publisher,
                reason=f"{decision.reason}: {decision.message}",
                field=decision.field or None,
                source=wording.encodable(message.source)[:200],
                origin_id=wording.encodable(message.id)[:200],
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                rejected_at=now,
            )
            key = message.key or publisher
            name = identity.deterministic_id(
                "rj", key, message.source, message.id, message.value.hex(), decision.reason
            )
            effects.publish(Outgoing(topics.INBOUND_REJECTED, key[:LONGEST_KEY], name, event, now))
        return effects

    def _judge(self, state: State, message: Message, effects: Effects) -> tuple[Principal | None, acceptance.Decision]:
        """Who sent it, as far as that is proven, and what becomes of it."""
        foreign = acceptance.WRONG_TYPE if isinstance(message.body, ForeignRecord) else None
        refused = acceptance.identity_problem(message.source, message.id) or foreign
        signer = None
        if refused is None:
            header = message.headers.get(SIGNATURE_HEADER, "")
            signer = state.signers.get((header, _signed(message)))
            refused = _trust(header, signer, message.source)
        read: ReportSubmittedV1 | Refused = refused or state.read[message.value]
        if isinstance(read, Refused):
            state.tally["refused", "kafka", read.reason] += 1
            return signer, read
        bound = signer.jurisdiction if signer is not None else None
        submitted = Submitted(message.source, message.id, read, bound, on_bus=True)
        return signer, self._decide(state, submitted, "kafka", effects, message.time)

    def _on_registration(self, registration: Registration, now: datetime) -> Effects:
        effects = Effects()
        reporter = persons.told(registration.reporter)
        if reporter is not None:
            ref = persons.reference_of(reporter, registration.scope, self._keys.reporter)
            self._vault.keep_person(effects, ref.ref, reporter, now)
            effects.answer = ref
        return effects

    def _on_unmasking(self, state: State, unmasking_id: str, asked: Unmasking, now: datetime) -> Effects:
        effects = Effects()
        document = state.vault.get(asked.ref)
        if document is not None:
            effects.answer = {"kind": document["kind"], "told": self._vault.open(document)}
            who = asked.who
            repository.save_unmasking(effects, unmasking_id, asked.ref, who.id, who.role, asked.purpose, now)
            state.tally["unmasked",] += 1
        return effects

    def _on_incident(self, state: State, event: IncidentEvent) -> Effects:
        effects = Effects()
        seen = state.versions.get(event.incident_id, 0)
        if event.incident_version <= seen:
            return effects
        repository.save_progress(effects, event.incident_id, progress.after_step(event))
        if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1):
            repository.link_report(effects, event.report, event.incident_id)
        if event.incident_version > seen + 1:
            state.tally["version_gap",] += 1
        state.versions[event.incident_id] = event.incident_version
        return effects

    def _on_clock(self, state: State, event: ClockEvent) -> Effects:
        effects = Effects()
        key = repository.clock_key(event.clock_id)
        clock = progress.after_clock(state.clocks.get((event.incident_id, key)), event)
        if clock is not None:
            repository.save_clock(effects, event.incident_id, key, clock)
            state.clocks[event.incident_id, key] = clock
        return effects


def _named(body: ReportSubmittedV1 | Refused | None) -> list[str]:
    """The reference by which a report names its reporter, if it does."""
    reporter = body.reporter if isinstance(body, ReportSubmittedV1) else None
    return [reporter.ref] if reporter is not None and reporter.ref is not None else []


def _signed(message: Message) -> bytes:
    return signed_bytes(message.id, message.source, ReportSubmittedV1.TYPE, message.value)


def _trust(header: str, signer: Principal | None, source: str) -> Refused | None:
    if not header:
        return Refused("unsigned", SIGNATURE_HEADER, "is missing; sign every record with the key you registered")
    if signer is None:
        message = "is by no key we know, or not over this record; ask the county to register your public key"
        return Refused("unknown_key", SIGNATURE_HEADER, message)
    if not acceptance.may_speak_for(signer.sources, source):
        return Refused("wrong_source", "source", f"{source!r} is not yours; you may speak for {list(signer.sources)!r}")
    return None
