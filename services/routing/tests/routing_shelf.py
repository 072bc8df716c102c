"""A database in memory, as far as routing uses one: what a batch reads and writes, with instants kept to milliseconds."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import bson
from bson.codec_options import CodecOptions
from pymongo import InsertOne

from huying.chassis.clock import FixedClock
from huying.chassis.errors import Transient
from huying.chassis.message import Effects, Message
from huying.contracts.course import CatalogueRule
from huying.contracts.incidents import IncidentEvent, ReportRef
from huying.county import Pack
from huying.routing.handlers import Routing
from huying.routing.incident import Incident
from huying.routing.judgement import Judge, ReportFacts
from huying.routing.models import Models
from huying.routing.repository import Tally, restore

KEPT = timedelta(days=120)


def stored(row: Any) -> Any:
    """As the database gives it back."""
    return bson.decode(bson.encode(row), CodecOptions(tz_aware=True, tzinfo=UTC))


class Shelf:
    """In the repository's place."""

    def __init__(self) -> None:
        names = ("incidents", "reports", "dispatches", "rulings", "commands")
        self.rows: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in names}
        self.counted: dict[str, Any] = {"epoch": 0, **Tally().document()}
        self.events: list[IncidentEvent] = []

    async def fence(self) -> tuple[int, Tally]:
        return self.counted["epoch"], Tally(*(self.counted[name] for name in ("opened", "merged", "reversed")))

    def advance(self, epoch: int, change: dict[str, Any]) -> Any:
        assert epoch == self.counted["epoch"]
        return change

    async def rulings(self) -> tuple[CatalogueRule, ...]:
        return tuple(CatalogueRule.model_validate(row) for row in self.rows["rulings"].values())

    async def remembered(self, since: datetime | None) -> list[Incident]:
        return await self.incidents(self.rows["incidents"])

    async def incidents(self, ids: Collection[str]) -> list[Incident]:
        return [restore(self.rows["incidents"][name]) for name in ids if name in self.rows["incidents"]]

    def _of(self, incidents: Collection[str]) -> list[dict[str, Any]]:
        return [row for row in self.rows["reports"].values() if row["incident_id"] in incidents]

    async def facts(self, incidents: Collection[str]) -> dict[str, ReportFacts]:
        return {row["_id"]: ReportFacts(**row["facts"]) for row in self._of(incidents)}

    async def refs(self, incidents: Collection[str]) -> dict[str, ReportRef]:
        return {row["_id"]: ReportRef.model_validate(row["ref"]) for row in self._of(incidents)}

    async def known_reports(self, ids: Collection[str]) -> set[str]:
        return {name for name in ids if name in self.rows["reports"]}

    async def incidents_of_tracking(self, tracking: Collection[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for row in sorted(self.rows["reports"].values(), key=lambda row: (row.get("part_of") or "", row["_id"])):
            if row["tracking_number"] in tracking:
                found.setdefault(row["tracking_number"], {})[row["_id"]] = row["incident_id"]
        return found

    async def decided(self, ids: Collection[str]) -> set[str]:
        return {name for name in ids if name in self.rows["commands"]}

    def commit(self, many: Sequence[Effects]) -> None:
        for effects in many:
            for change in effects.guards:
                self.counted |= change["$set"]  # type: ignore[index]
            for name, operation in effects.writes:
                self._write(self.rows[name], operation)
            for (name, one), make in effects.documents.items():
                self.rows[name][one] = stored(make())
            self.events += [out.event for out in effects.events]  # type: ignore[misc]

    def _write(self, rows: dict[str, dict[str, Any]], operation: Any) -> None:
        if isinstance(operation, InsertOne):
            row = stored(operation._doc)
            assert row["_id"] not in rows
            rows[row["_id"]] = row
            return
        row = rows.setdefault(operation._filter["_id"], dict(operation._filter))
        for path, value in stored(operation._doc["$set"]).items():
            *way, last = path.split(".")
            inner = row
            for name in way:
                inner = inner[name]
            inner[last] = value


def routing_on(shelf: Shelf, pack: Pack, judge: Judge, now: datetime) -> Routing:
    """A routing that has just started; `reload` it."""
    ground = SimpleNamespace(
        clock=FixedClock(now), mongo=MagicMock(), settings=SimpleNamespace(service="routing"), measures=MagicMock()
    )
    made = Routing(ground, pack, Models(pack, None), judge, KEPT)  # type: ignore[arg-type]
    made.repository = shelf  # type: ignore[assignment]
    return made


async def give(routing: Routing, shelf: Shelf, messages: Sequence[Message]) -> None:
    """One batch, as the chassis gives it: what ran out comes first, and after a transient fault memory is read again."""
    for _ in range(3):
        try:
            state = await routing.load(messages)
            effects = []
            for message in messages:
                now = message.time
                assert now is not None
                effects += [routing.fold(state, due, now) for due in routing.overdue(state, now)]
                effects.append(routing.fold(state, message, now))
        except Transient:
            await routing.reload()
            continue
        shelf.commit(effects)
        routing.committed(state)
        return
    raise AssertionError("it never stops being transient")
