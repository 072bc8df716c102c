"""Folds reports, commands and what ran out by itself over *committed index + overlay of this batch*.

The index and the open incidents live in memory; the overlay joins them after the commit and is thrown away otherwise.
A second replica's write is noticed by the fence, and memory is rebuilt.
"""

import asyncio
from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from aiokafka import TopicPartition
from aiokafka.partitioner import murmur2

from huying.chassis.clock import Clock
from huying.chassis.desk import CommandDesk
from huying.chassis.errors import Broken, Transient
from huying.chassis.message import API, TIMER, Effects, Message
from huying.chassis.security import Principal
from huying.chassis.service import Ground
from huying.contracts.commands import AnswerAsk, CommandIssuedV1, Merge, PartReport, Redo, Split, UndoMerge
from huying.contracts.identity import part_id
from huying.contracts.incidents import ReportPart
from huying.contracts.reports import ReportAcceptedV1
from huying.contracts.topics import REPORTS
from huying.contracts.wording import masked
from huying.county import Pack

from . import repository as store
from .domain import Arrival, Catalogue, Decision, Scene, facts_of, obey, receive, ref_of, wake, wakes_at
from .incident import Cause, Incident
from .judgement import Correlator, IncidentView, Judge, JudgementModel, ReportFacts, Screening, Verdict, parts
from .memory import Batch, Memory
from .meters import Meters
from .models import Models

LOOK_S = 1.0
"""How often a look at the model's file is taken."""
SHANGHAI = ZoneInfo("Asia/Shanghai")
REGROUPING = (AnswerAsk, Merge, Split, PartReport, UndoMerge, Redo)
"""Commands that need the reports of their incidents, or change what the index holds of them."""

log = structlog.get_logger()


class Routing:
    """The handler of routing."""

    def __init__(self, ground: Ground, pack: Pack, models: Models, judge: Judge, memory_kept: timedelta) -> None:
        """Judge by `judge` until `models` has another; remember finished incidents for `memory_kept`."""
        self._ground = ground
        self._clock: Clock = ground.clock
        self._pack = pack
        self._judge = judge
        self._kept = memory_kept
        self._batch: Batch | None = None
        self._unread: set[str] = set()
        """Incidents whose reports the batch at hand turned out to need: the next reading brings them."""
        self.memory = Memory(Correlator(self._judge), Catalogue(pack))
        self.repository = store.Repository(ground.mongo, pack.code)
        self.jurisdiction = pack.code
        self.desk = CommandDesk(ground.mongo, self.sees)
        self.models = models
        self._meters = Meters(ground.measures)
        self._tell()

    @property
    def model(self) -> JudgementModel:
        """The model that judges now."""
        return self._judge.model

    def _tell(self) -> None:
        """Say which model judges, and what is wrong with the one that should."""
        self._meters.model(self.model.version, self.models.refused is not None)
        if self.models.refused is None:
            log.info("judging", model=self.model.version)
        else:
            log.error("a model is refused", model=self.model.version, error=self.models.refused)

    async def watch(self) -> None:
        """Follow what `huying learn` and its rollback put in the model's place."""
        while True:
            await asyncio.sleep(LOOK_S)
            file = self.models.changed()
            if file is not None:
                await self._succeed(file)

    async def _succeed(self, file: Path) -> None:
        """Judge by another model between two batches; one that cannot judge leaves everything as it is."""
        assert self._ground.batch is not None
        try:
            judge = await asyncio.to_thread(self.models.judge, file)
            await self._ground.batch.between(lambda: self._adopt(judge))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the one before goes on
            self.models.refused = str(error)
        else:
            self.models.refused = None
        self._tell()

    async def _adopt(self, judge: Judge) -> None:
        self.memory = await self._remembered(judge)
        self._judge = judge

    async def sees(self, who: Principal, incident_id: str) -> bool:
        """Whether they are shown an incident; who sees all, also one that is none."""
        return who.only_unit is None or await self.repository.is_shown(incident_id, store.seen_by(who, self._pack))

    async def reload(self) -> None:
        """Rebuild the memory from the database."""
        self.memory = await self._remembered(self._judge)

    async def _remembered(self, judge: Judge) -> Memory:
        """What the database holds, as this judge reads it; read beside the event loop, since it may take seconds."""
        self._drop()
        memory = Memory(Correlator(judge), Catalogue(self._pack, await self.repository.rulings()))
        memory.epoch, memory.tally = await self.repository.fence()
        found = await self.repository.remembered(self._since())
        memory.remember(found)
        facts = await self.repository.facts([incident.id for incident in found if incident.reports])
        views = [  # with the reports in the order in which they came to it, as a running memory has them
            IncidentView(i.id, told, i.opened_at, i.completed_at)
            for i in sorted(found, key=lambda incident: (incident.opened_at, incident.number))
            if (told := tuple(facts[name] for name in i.reports if name in facts))
        ]
        await asyncio.to_thread(memory.correlator.add_incidents, views)
        return memory

    def _since(self) -> datetime | None:
        """Whatever was finished before is forgotten; None while a replay's clock has not struck."""
        try:
            return self._clock.now() - self._kept
        except Transient:
            return None

    async def load(self, messages: Sequence[Message]) -> Batch:
        """Screen all texts of the batch at once, and ask the database what is known of its ids."""
        self._drop()
        if (since := self._since()) is not None:
            self.memory.forget(since)
        reports = [m.body for m in messages if isinstance(m.body, ReportAcceptedV1)]
        commands = [m.body for m in messages if isinstance(m.body, CommandIssuedV1) and m.topic != API]
        facts = [facts_of(report) for report in reports]
        screened = self._judge.screen(facts) if facts else []
        memory, repository = self.memory, self.repository
        extra = await self._older(commands)
        incidents = ChainMap(extra, memory.incidents)
        regrouped = list(dict.fromkeys([*_regrouped(commands, incidents), *extra, *sorted(self._unread)]))
        tracked = [r.relates_to for r in reports if r.relates_to]
        self._batch = Batch(
            overlay=memory.correlator.fork(),
            index=memory.correlator,
            older=frozenset(extra),
            incidents=incidents,
            catalogue=memory.catalogue,
            floods=dict.fromkeys(sorted(memory.floods)),
            tally=memory.tally,
            seen=await repository.known_reports([r.report_id for r in reports]) if reports else set(),
            decided=await repository.decided([c.command_id for c in commands]) if commands else set(),
            facts={f.report_id: f for f in facts},
            screenings={f.report_id: s for f, s in zip(facts, screened, strict=True)},
            refs=await repository.refs(regrouped) if regrouped else {},
            wishes=await self.desk.load(messages),
            tracked=await repository.incidents_of_tracking(tracked) if tracked else {},
        )
        if regrouped:
            self._batch.facts |= await repository.facts(regrouped)
        return self._batch

    async def _older(self, commands: Sequence[CommandIssuedV1]) -> dict[str, Incident]:
        """Incidents that commands name and memory has let go, with those that they were merged into and their parents."""
        found: dict[str, Incident] = {}
        wanted = {name for command in commands for name in _named(command)}
        while missing := wanted - self.memory.incidents.keys() - found.keys():
            found |= {incident.id: incident for incident in await self.repository.incidents(missing)}
            wanted = {name for one in found.values() for name in (one.merged_into, one.course.parent) if name} - missing
        return found

    def fold(self, state: Batch, message: Message, now: datetime) -> Effects:
        """Decide one message."""
        if message.topic == API:
            return self.desk.fold(state.wishes, message.body)
        if isinstance(message.body, ReportAcceptedV1) and message.body.jurisdiction != self.jurisdiction:
            theirs = message.body.jurisdiction
            raise Broken("unknown_jurisdiction", f"{theirs!r}; this routing serves {self.jurisdiction!r}")
        effects = Effects()
        if message.topic == TIMER:
            self._wake(state, message.body, now, effects)
        elif isinstance(message.body, ReportAcceptedV1):
            self._report(state, message.body, now, effects)
        elif isinstance(message.body, CommandIssuedV1):
            self._command(state, message.body, now, effects)
        if effects.writes or effects.documents or effects.events:
            if not state.fenced:
                effects.guards.append(self.repository.advance(self.memory.epoch, state.fence))
            state.fence["$set"] = {"epoch": self.memory.epoch + 1, **state.tally.document()}
        return effects

    def overdue(self, state: Batch, now: datetime) -> Iterator[Message]:
        """What ran out by `now` happens before what comes at `now`."""
        told: set[tuple[str, datetime | None]] = set()
        while due := [one for one in state.due(self.memory, now) if (one.id, wakes_at(one)) not in told]:
            told.add((due[0].id, wakes_at(due[0])))
            yield _woken(due[0].id, now)

    def _wake(self, state: Batch, incident_id: str, now: datetime, effects: Effects) -> None:
        incident = state.incidents.get(incident_id)
        at = wakes_at(incident) if incident is not None else None
        if incident is not None and at is not None and at <= now:
            self._apply(state, wake(incident, self._scene(state, now)), effects)

    def _scene(self, state: Batch, now: datetime) -> Scene:
        day = now.astimezone(SHANGHAI)
        number = f"{day.year % 100:02d}{day.month:02d}{day.day:02d}-{state.tally.opened + 1:05d}"
        return Scene(state.incidents, state.catalogue, state.refs, {}, number, tuple(sorted(state.floods)))

    def _report(self, state: Batch, report: ReportAcceptedV1, now: datetime, effects: Effects) -> None:
        if report.report_id in state.seen:
            return
        facts, own = state.facts[report.report_id], state.screenings[report.report_id]
        verdict = state.index.judge(facts, own)
        screening = state.index.revise(own, verdict)
        tracked = state.tracked.get(report.relates_to or "", {})
        related = [name for name in tracked.values() if name in state.incidents]
        if related:  # of a report's two problems the one that this is about, else the first
            meant = verdict.incident_id if verdict.incident_id in related else related[0]
            verdict = Verdict(report.report_id, "merge", meant, 1.0, ())
        ref = ref_of(report, self._proposal(facts))
        arrival = Arrival(report, ref, screening, verdict, own)
        decision = receive(arrival, self._scene(state, now), Cause(now, self._pack.hash))
        state.seen.add(report.report_id)
        state.refs[report.report_id] = ref
        self._apply(state, decision, effects)
        [(_, incident)] = decision.joins
        effects.write("reports", store.report_row(arrival, facts, incident, now))
        if decision.opened:
            state.index.add_incident(IncidentView(incident, (facts,), now), [screening])
        else:
            if incident in decision.regrouped:
                state.index.reopen(incident)
            state.index.join(incident, facts, screening)
        asked = state.incidents[incident].state == "asked"
        state.bands["ask" if asked and decision.opened else "new" if decision.opened else "merge"] += 1

    def _proposal(self, facts: ReportFacts) -> tuple[ReportPart, ...] | None:
        """How a report that tells of two problems could be parted; None for one problem."""
        named = [(part.text, part.screening.matter) for part in parts(self._judge, facts)]
        return tuple(ReportPart(text=t, matter=m, matter_name=self._pack.matter(m).name_zh) for t, m in named) or None

    def _command(self, state: Batch, command: CommandIssuedV1, now: datetime, effects: Effects) -> None:
        if command.command_id in state.decided:
            return
        self._read_first(state, command)
        scene = self._scene(state, now)
        if isinstance(command.action, Split):
            evidence = {name: self._screened(state, name) for name in command.action.reports if name in state.facts}
            scene = replace(scene, evidence=evidence)
        elif isinstance(command.action, PartReport) and command.action.report in state.facts:
            scene = replace(scene, evidence=self._piece(state, masked(command.action)))
        decision = obey(command, scene, now)
        state.decided.add(command.command_id)
        self._apply(state, decision, effects)
        for whole, part in decision.parts:
            facts, screening = self._screened(state, part.report_id)
            incident = dict(decision.joins)[part.report_id]
            effects.write("reports", *store.part_rows(whole, part, facts, screening, incident, now))
        for name in decision.closed:
            if name in state.index.index.slot_of:
                state.index.close(name, state.incidents[name].completed_at or now)
        stay = {*decision.incidents, *(one.course.parent for one in decision.incidents.values())}
        for name in sorted(decision.regrouped | (state.older & stay)):
            self._reindex(state, state.incidents[name])

    def _read_first(self, state: Batch, command: CommandIssuedV1) -> None:
        """A question that this batch has opened is about incidents which nobody knew of when it was read.

        Raises:
            Transient: their reports are read when the batch is tried again.
        """
        if not state.incidents.maps[0] or not isinstance(command.action, REGROUPING):
            return
        needed = _regrouped([command], state.incidents)
        unread = {name for name in needed if not state.has_read(state.incidents[name])} - self._unread
        if unread:
            self._unread |= unread
            raise Transient(f"{command.command_id!r} needs the reports of {sorted(unread)}")

    def _piece(self, state: Batch, action: PartReport) -> dict[str, tuple[ReportFacts, Screening]]:
        """What judgement says of the piece by itself."""
        text = action.text.strip()
        name = part_id(action.report, text)
        state.facts[name] = replace(state.facts[action.report], report_id=name, text=text, matter_hint=None)
        return {name: self._screened(state, name)}

    def _reindex(self, state: Batch, incident: Incident) -> None:
        """The index holds what the incident holds; one that it let go long ago is remembered from this step on."""
        if incident.id in state.index.index.slot_of:
            state.index.remove(incident.id)
        reports = [self._screened(state, name) for name in incident.reports if name in state.facts]
        if reports:
            facts = tuple(fact for fact, _ in reports)
            view = IncidentView(incident.id, facts, incident.opened_at, incident.completed_at)
            state.index.add_incident(view, [screening for _, screening in reports])

    def _screened(self, state: Batch, report_id: str) -> tuple[ReportFacts, Screening]:
        facts = state.facts[report_id]
        if report_id not in state.screenings:
            state.screenings[report_id] = self._judge.screen([facts])[0]
        return facts, state.screenings[report_id]

    def _apply(self, state: Batch, decision: Decision, effects: Effects) -> None:
        """Bring the batch's state forward and add the decision's effects."""
        more = store.effects_of(decision)
        state.take(decision)
        effects.writes.extend(more.writes)
        effects.documents |= more.documents
        effects.events.extend(more.events)
        answer = store.answer_of(decision)
        if answer is not None:
            state.decisions.append(answer)

    def committed(self, state: Batch) -> None:
        """The overlay becomes memory."""
        memory, before = self.memory, self.memory.tally
        memory.commit(state)
        self._batch = None
        self._unread.clear()
        for command_id, decision in state.decisions:
            self.desk.decided(command_id, decision)
        self._meters.count(before, memory.tally, state.bands)
        self._meters.open.set(len(memory.correlator))

    def _drop(self) -> None:
        if self._batch is not None:
            self._batch.overlay.discard()
            self._batch = None

    async def due(self, now: datetime) -> Sequence[Message]:
        """One message for each incident of which something ran out, if this replica is the county's owner."""
        due = sorted({wake for wake in self.memory.wakes if wake[0] <= now and self.memory.waits(wake)})
        return [_woken(name, now) for _, name in due] if due and self._owner() else ()

    async def next_due(self) -> datetime | None:
        """When the next incident goes on by itself."""
        return min((wake[0] for wake in self.memory.wakes if self.memory.waits(wake)), default=None)

    def _owner(self) -> bool:
        """Whether this replica reads the partition that holds this county's reports."""
        consumer = self._ground.link.consumer
        partitions = consumer.partitions_for_topic(REPORTS.name) if consumer is not None else None
        if not partitions:
            return False
        county = (murmur2(self._pack.code.encode()) & 0x7FFFFFFF) % len(partitions)
        return TopicPartition(REPORTS.name, county) in consumer.assignment()


def _woken(incident_id: str, now: datetime) -> Message:
    return Message(TIMER, f"wake/{incident_id}/{now.isoformat()}", incident_id, key=incident_id, time=now)


def _named(command: CommandIssuedV1) -> set[str]:
    """Incidents that a command speaks of."""
    action = command.action
    others = getattr(action, "children", ()) or ((action.into,) if isinstance(action, Merge) else ())
    return {command.incident_id, *others}


def _regrouped(commands: Sequence[CommandIssuedV1], incidents: ChainMap[str, Incident]) -> list[str]:
    """Incidents whose reports the batch's commands may need: those named, asked about, come back or merged into."""
    wanted: list[str | None] = []
    for command in commands:
        if isinstance(command.action, REGROUPING):
            wanted += sorted(_named(command))
    came_back: dict[str, list[str]] = {}
    if any(isinstance(command.action, AnswerAsk) for command in commands):  # it goes where the trouble came back
        for one in incidents.values():
            if one.recurrence_of is not None:
                came_back.setdefault(one.recurrence_of, []).append(one.id)
    found: dict[str, None] = {}
    while wanted:
        name = wanted.pop()
        incident = incidents.get(name) if name else None
        if incident is not None and incident.id not in found:
            found[incident.id] = None
            asked = incident.ask.candidates if incident.ask else ()
            wanted += [incident.merged_into, *(one.incident_id for one in asked), *came_back.get(incident.id, ())]
    return list(found)
