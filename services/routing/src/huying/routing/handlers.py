"""Folds reports, commands and questions that ran out over *committed index + overlay of this batch*.

The index and the open incidents live in memory; the overlay joins them after the commit and is thrown away otherwise.
A second replica's write is noticed by the fence, and memory is rebuilt.
"""

import heapq
from collections import ChainMap
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiokafka.partitioner import murmur2

from huying.chassis.clock import Clock
from huying.chassis.desk import CommandDesk, decision_of
from huying.chassis.errors import Broken, Transient
from huying.chassis.message import API, TIMER, Effects, Message
from huying.chassis.service import Ground
from huying.contracts.commands import CommandIssuedV1
from huying.contracts.incidents import CommandDeclinedV1, IncidentEvent, ReportRef
from huying.contracts.reports import ReportAcceptedV1
from huying.contracts.topics import REPORTS
from huying.county import Pack

from . import repository as store
from .domain import Arrival, Decision, facts_of, obey, receive, ref_of, run_out
from .incident import Incident
from .judgement import Correlator, IncidentView, Judge, JudgementModel, ReportFacts, Screening, Verdict
from .judgement.pack import bits_of

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(slots=True)
class Memory:
    """What is committed: incidents by id, questions by the time they run out, the fence."""

    correlator: Correlator
    incidents: dict[str, Incident] = field(default_factory=dict)
    asks: list[tuple[datetime, str]] = field(default_factory=list)
    epoch: int = 0
    opened: int = 0


@dataclass(slots=True)
class Batch:
    """One batch: what it read, and what it changes on top of the memory."""

    overlay: Any
    index: Correlator
    incidents: ChainMap[str, Incident]
    asks: list[tuple[datetime, str]]
    opened: int
    seen: set[str]
    decided: set[str]
    screenings: dict[str, tuple[ReportFacts, Screening]]
    refs: dict[str, ReportRef]
    tracked: dict[str, str]
    fenced: bool = False
    decisions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class Routing:
    """The handler of routing."""

    def __init__(self, ground: Ground, pack: Pack, model: JudgementModel, memory_kept: timedelta) -> None:
        """Judge with `model` under `pack`; remember finished incidents for `memory_kept`."""
        self._ground = ground
        self._clock: Clock = ground.clock
        self._pack = pack
        self._judge = Judge(bits_of(pack), model)
        self._kept = memory_kept
        self._batch: Batch | None = None
        self.memory = Memory(Correlator(self._judge))
        self.repository = store.Repository(ground.mongo, pack.code)
        self.jurisdiction = pack.code
        self.desk = CommandDesk(ground.mongo, ground.settings.service)
        self._partition = (murmur2(pack.code.encode()) & 0x7FFFFFFF) % REPORTS.partitions
        measures = ground.measures
        self._outcomes = measures.counter("reports_total", "Reports by what became of them", "band")
        self._open = measures.gauge("open_incidents", "Incidents in memory that are not finished")

    async def reload(self) -> None:
        """Rebuild the memory from the database."""
        self._drop()
        try:
            since = self._clock.now() - self._kept
        except Transient:
            since = None
        memory = Memory(Correlator(self._judge))
        memory.epoch, memory.opened = await self.repository.fence()
        found = await self.repository.remembered(since)
        memory.incidents = {incident.id: incident for incident in found}
        facts = await self.repository.facts([incident.id for incident in found if incident.reports])
        memory.correlator.add_incidents(
            IncidentView(i.id, tuple(facts[i.id]), i.opened_at, i.completed_at)
            for i in sorted(found, key=lambda incident: (incident.opened_at, incident.number))
            if i.reports and i.id in facts
        )
        memory.asks = [(i.ask.until, i.id) for i in found if i.ask is not None]
        heapq.heapify(memory.asks)
        self.memory = memory

    async def load(self, messages: Sequence[Message]) -> Batch:
        """Screen all texts of the batch at once, and ask the database what is known of its ids."""
        self._drop()
        reports = [m.body for m in messages if isinstance(m.body, ReportAcceptedV1)]
        commands = [m.body for m in messages if isinstance(m.body, CommandIssuedV1) and m.topic != API]
        facts = [facts_of(report) for report in reports]
        screened = self._judge.screen(facts) if facts else []
        extra: dict[str, Incident] = {}
        memory = self.memory
        unknown = {c.incident_id for c in commands} - memory.incidents.keys()
        if unknown:
            extra = {incident.id: incident for incident in await self.repository.incidents(unknown)}
        asked = [c.incident_id for c in commands if c.action.kind == "answer_ask"]
        tracked = [r.relates_to for r in reports if r.relates_to]
        overlay = memory.correlator.fork()
        self._batch = Batch(
            overlay=overlay,
            index=memory.correlator,
            incidents=ChainMap(extra, memory.incidents),
            asks=[],
            opened=memory.opened,
            seen=await self.repository.known_reports([r.report_id for r in reports]) if reports else set(),
            decided=await self.repository.decided([c.command_id for c in commands]) if commands else set(),
            screenings={f.report_id: (f, s) for f, s in zip(facts, screened, strict=True)},
            refs=await self.repository.refs(asked) if asked else {},
            tracked=await self.repository.incident_of_tracking(tracked) if tracked else {},
        )
        return self._batch

    def fold(self, state: Batch, message: Message, now: datetime) -> Effects:
        """Decide one message; questions that ran out by then run out first."""
        if message.topic == API:
            return self.desk.fold(message.body)
        effects = Effects()
        for incident in self._expired(state, now):
            self._apply(state, run_out(incident, self._pack), effects)
        if isinstance(message.body, ReportAcceptedV1):
            self._report(state, message.body, now, effects)
        elif isinstance(message.body, CommandIssuedV1):
            self._command(state, message.body, now, effects)
        if (effects.writes or effects.events) and not state.fenced:
            state.fenced = True
            effects.guards.append(self.repository.advance(self.memory.epoch, state.opened))
        return effects

    def _report(self, state: Batch, report: ReportAcceptedV1, now: datetime, effects: Effects) -> None:
        if report.jurisdiction != self.jurisdiction:
            raise Broken("unknown_jurisdiction", f"{report.jurisdiction!r}; this routing serves {self.jurisdiction!r}")
        if report.report_id in state.seen:
            return
        facts, screening = state.screenings[report.report_id]
        verdict = state.index.judge(facts, screening, now)
        related = state.tracked.get(report.relates_to or "")
        if related is not None and related in state.incidents:
            verdict = Verdict(report.report_id, "merge", related, 1.0, ())
        number = f"{now.astimezone(SHANGHAI):%y%m%d}-{state.opened + 1:05d}"
        decision = receive(Arrival(report, screening, verdict, number), state.incidents, self._pack, now)
        state.seen.add(report.report_id)
        state.refs[report.report_id] = ref_of(report)
        self._apply(state, decision, effects)
        [(_, incident)] = decision.joins
        effects.write("reports", store.report_row(report, facts, verdict, incident, now))
        if decision.opened:
            state.opened += 1
            state.index.add_incident(IncidentView(incident, (facts,), now), [screening])
        else:
            state.index.join(incident, facts, screening)
        asked = state.incidents[incident].state == "asked"
        self._outcomes.labels("ask" if asked and decision.opened else "new" if decision.opened else "merge").inc()

    def _command(self, state: Batch, command: CommandIssuedV1, now: datetime, effects: Effects) -> None:
        if command.command_id in state.decided:
            return
        decision = obey(command, state.incidents, state.refs, self._pack, now)
        state.decided.add(command.command_id)
        self._apply(state, decision, effects)
        for report_id, incident in decision.joins:
            effects.write("reports", store.moved(report_id, incident))
        for gone, into in decision.merged:
            facts = [
                self._facts_in(state, report_id) for report_id in state.refs if (report_id, into) in decision.joins
            ]
            state.index.remove(gone)
            for known, screening in facts:
                state.index.join(into, known, screening)
        for finished in decision.closed:
            if finished in self.memory.incidents or finished in state.incidents.maps[0]:
                state.index.close(finished, now)

    def _facts_in(self, state: Batch, report_id: str) -> tuple[ReportFacts, Screening]:
        if report_id not in state.screenings:
            ref = state.refs[report_id]
            facts = ReportFacts(report_id, ref.channel, ref.received_at, ref.text)
            state.screenings[report_id] = (facts, self._judge.screen([facts])[0])
        return state.screenings[report_id]

    def _apply(self, state: Batch, decision: Decision, effects: Effects) -> None:
        """Bring the batch's state forward and add the decision's effects."""
        state.incidents.maps[0].update(decision.incidents)
        for incident in decision.incidents.values():
            if incident.ask is not None:
                heapq.heappush(state.asks, (incident.ask.until, incident.id))
        more = store.effects_of(decision)
        effects.writes.extend(more.writes)
        effects.events.extend(more.events)
        told: list[IncidentEvent | CommandDeclinedV1] = [*decision.events]
        if decision.declined is not None:
            told.append(decision.declined)
        for event in told:
            answer = decision_of(event)
            if event.command_id is not None and answer is not None:
                state.decisions.append((event.command_id, answer))

    def _expired(self, state: Batch, now: datetime) -> list[Incident]:
        """Asked incidents whose time ran out by `now`, in that order; the committed heap is only looked at."""
        found: dict[str, Incident] = {}
        for until, incident_id in sorted([*(ask for ask in self.memory.asks if ask[0] <= now), *state.asks]):
            incident = state.incidents.get(incident_id)
            if until <= now and incident is not None and incident.ask is not None and incident.ask.until == until:
                found[incident_id] = incident
        return list(found.values())

    def committed(self, state: Batch) -> None:
        """The overlay becomes memory."""
        memory = self.memory
        state.overlay.commit()
        self._batch = None
        memory.incidents.update(state.incidents.maps[0])
        memory.opened = state.opened
        memory.epoch += state.fenced
        for ask in state.asks:
            heapq.heappush(memory.asks, ask)
        while memory.asks and not self._waits(memory.asks[0]):
            heapq.heappop(memory.asks)
        for command_id, decision in state.decisions:
            self.desk.decided(command_id, decision)
        self._open.set(len(memory.correlator))

    def _waits(self, ask: tuple[datetime, str]) -> bool:
        incident = self.memory.incidents.get(ask[1])
        return incident is not None and incident.ask is not None and incident.ask.until == ask[0]

    def _drop(self) -> None:
        if self._batch is not None:
            self._batch.overlay.discard()
            self._batch = None

    async def due(self, now: datetime) -> Sequence[Message]:
        """One message when a question has run out and this replica is the county's owner."""
        if not any(until <= now and self._waits((until, key)) for until, key in self.memory.asks) or not self._owner():
            return ()
        return [Message(TIMER, f"asks/{now.isoformat()}", None, time=now)]

    def _owner(self) -> bool:
        consumer = self._ground.link.consumer
        assigned = consumer.assignment() if consumer is not None else ()
        return any(tp.topic == REPORTS.name and tp.partition == self._partition for tp in assigned)
