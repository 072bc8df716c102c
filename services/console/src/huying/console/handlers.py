"""Keeps the console's projections: the feed, its history, its reports, and what became of people's commands."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from huying.chassis.desk import COMMANDS_COLLECTION, CommandDesk, decision_of
from huying.chassis.measures import Measures
from huying.chassis.message import API, Effects, Message, Stateless
from huying.chassis.mongo import Mongo
from huying.chassis.security import Principal
from huying.contracts.clocks import ClockEvent
from huying.contracts.commands import CommandIssuedV1
from huying.contracts.incidents import CommandDeclinedV1, IncidentEvent
from huying.contracts.orders import IncidentPartedV1, IncidentSplitV1

from . import repository
from .domain import Clock, card, clock_after, line_of_clock, line_of_step, own_of, report_of, takes_part
from .repository import FEED, HISTORY, REPORTS
from .words import Names


@dataclass(slots=True)
class Seen:
    """What is known of a batch's incidents, and what to tell once it is in the database."""

    versions: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, dict[str, Clock]] = field(default_factory=dict)
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    wishes: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: int = 0
    changed: bool = False
    gaps: int = 0


class Projection(Stateless):
    """The handler. Feed and clocks write parts of their own, so their order among each other does not matter."""

    def __init__(self, mongo: Mongo, measures: Measures, jurisdiction: str, names: Names) -> None:
        """One a service."""
        self._mongo, self._measures, self._names = mongo, measures, names
        self.jurisdiction = jurisdiction
        self.desk = CommandDesk(mongo, self.sees)
        self.board = repository.Board(mongo)
        self.changes = 0
        """Counts commits that changed what people see: pages look at it before they ask the database."""
        self._steps = measures.counter("feed_steps_total", "Steps of the feed shown")

    async def sees(self, who: Principal, incident_id: str) -> bool:
        """Whether they are shown an incident; machines of the installation are shown all."""
        if who.only_unit is None:
            return True
        document, own = await self.board.incident(incident_id), own_of(who.actor, self._names)
        return document is not None and (own is None or takes_part(document, own))

    async def load(self, messages: Sequence[Message]) -> Seen:
        """Versions and clocks of the batch's incidents."""
        keys = sorted({message.key for message in messages if message.key and message.topic != API})
        state = Seen(wishes=await self.desk.load(messages))
        if keys:
            cursor = self._mongo.collection(FEED).find({"_id": {"$in": keys}}, {"version": 1, "clocks": 1})
            async for row in cursor:
                state.versions[row["_id"]] = row.get("version", 0)
                state.clocks[row["_id"]] = row.get("clocks", {})
        return state

    def fold(self, state: Seen, message: Message, now: datetime) -> Effects:
        """One event or command."""
        del now
        body = message.body
        if isinstance(body, CommandIssuedV1):
            return self.desk.fold(state.wishes, body)
        if isinstance(body, CommandDeclinedV1):
            return self._decided(state, body)
        if isinstance(body, IncidentEvent):
            return self._step(state, body)
        if isinstance(body, ClockEvent):
            return self._clock(state, body, message.id)
        return Effects()

    def _decided(self, state: Seen, event: IncidentEvent | CommandDeclinedV1) -> Effects:
        """Commands that were ours get their answer; others have no row here."""
        decision = decision_of(event)
        effects = Effects()
        if decision is None or event.command_id is None:
            return effects
        waiting = {"_id": event.command_id, "status": "pending"}
        effects.write(COMMANDS_COLLECTION, UpdateOne(waiting, {"$set": decision}))
        state.decisions.setdefault(event.command_id, decision)
        return effects

    def _step(self, state: Seen, event: IncidentEvent) -> Effects:
        known = state.versions.get(event.incident_id, 0)
        if event.incident_version <= known:
            return Effects()
        line, changed = line_of_step(event, self._names), card(event)
        report = report_of(event)
        effects = self._decided(state, event)
        effects.write(FEED, repository.save_card(event.incident_id, changed))
        effects.write(HISTORY, repository.save_line(line))
        if report is not None:
            effects.write(REPORTS, repository.save_report(event.incident_id, report, event.at))
        if isinstance(event, IncidentSplitV1):
            effects.write(REPORTS, *(repository.drop_report(event.incident_id, r.report_id) for r in event.reports))
        if isinstance(event, IncidentPartedV1) and event.part.part_of is not None:
            effects.write(REPORTS, repository.mark_parted(event.incident_id, event.part.part_of))
        state.gaps += event.incident_version > known + 1
        state.versions[event.incident_id] = event.incident_version
        state.steps += 1
        state.changed = True
        return effects

    def _clock(self, state: Seen, event: ClockEvent, identity: str) -> Effects:
        clocks = state.clocks.get(event.incident_id, {})
        name = _field(event.clock_id)
        clock = clock_after(clocks.get(name), event)
        line = line_of_clock(event, identity, self._names)
        effects = Effects().write(HISTORY, repository.save_line(line))
        if clock is not None:
            clocks = clocks | {name: clock}
            effects.write(FEED, repository.save_clock(event.incident_id, name, clock, clocks))
            state.clocks[event.incident_id] = clocks
            state.changed = True
        return effects

    def committed(self, state: Seen) -> None:
        """Wake who waits for a command, and let the pages look again."""
        for command_id, decision in state.decisions.items():
            self.desk.decided(command_id, decision)
        for _ in range(state.gaps):
            self._measures.violation("version_gap")
        self._steps.inc(state.steps)
        self.changes += state.changed


def _field(clock_id: str) -> str:
    """A clock's id as the name of a field, where a dot would mean another level."""
    return clock_id.replace(".", "_").replace("$", "_")
