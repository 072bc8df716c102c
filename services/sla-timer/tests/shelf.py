"""A database in memory, as far as sla-timer uses one: guards hit one document, instants keep milliseconds."""

from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any

from pymongo import InsertOne, UpdateOne

from huying.chassis.errors import Conflict
from huying.chassis.message import Effects, Message
from huying.sla_timer.domain import Case
from huying.sla_timer.repository import CASES, TIMERS, read


def stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    if isinstance(value, dict):
        return {key: stored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [stored(item) for item in value]
    return value


class Shelf:
    def __init__(self) -> None:
        self.rows: dict[str, dict[str, dict[str, Any]]] = {CASES: {}, TIMERS: {}}
        self.events: dict[str, Any] = {}
        self.published: list[str] = []

    async def cases(self, incidents: Sequence[str]) -> dict[str, Case]:
        found = {}
        for row in self.rows[CASES].values():
            if row["_id"] in incidents:
                timers = {t["_id"]: read(t) for t in self.rows[TIMERS].values() if t["incident_id"] == row["_id"]}
                found[row["_id"]] = Case(row["_id"], row["jurisdiction"], row["version"], row["unit"], timers)
        return found

    async def due(self, now: datetime) -> list[str]:
        ready = [
            (row["next_at"], row["incident_id"])
            for row in self.rows[TIMERS].values()
            if row["state"] == "armed" and row["next_at"] is not None and row["next_at"] <= now
        ]
        return list(dict.fromkeys(incident for _, incident in sorted(ready)))

    async def provisional(self, pack_hash: str) -> list[tuple[str, str]]:
        return [
            (row["incident_id"], row["_id"])
            for row in self.rows[TIMERS].values()
            if row["state"] == "armed" and row["provisional"] and row["counted_with"] != pack_hash
        ]

    def commit(self, many: Sequence[Effects]) -> None:
        """All or nothing."""
        before = deepcopy(self.rows)
        try:
            self._commit(many)
        except Conflict:
            self.rows = before
            raise

    def _commit(self, many: Sequence[Effects]) -> None:
        """All guards, then all writes, as the ledger does."""
        for guard in [guard for effects in many for guard in effects.guards]:
            row = self.rows[guard.collection].get(guard.filter["_id"])
            if row is None or any(row[name] != value for name, value in guard.filter.items()):
                raise Conflict(f"guard {guard.filter!r}")
            row |= stored(guard.update["$set"])
        for name, operation in [write for effects in many for write in effects.writes]:
            self._write(self.rows[name], operation)
        for out in [out for effects in many for out in effects.events]:
            self.published.append(out.id)
            self.events[out.id] = out.event

    def _write(self, rows: dict[str, dict[str, Any]], operation: Any) -> None:
        if isinstance(operation, InsertOne):
            row = operation._doc
            if row["_id"] in rows:
                raise Conflict(f"{row['_id']!r} is there")
            rows[row["_id"]] = stored(dict(row))
            return
        assert isinstance(operation, UpdateOne)
        key = operation._filter["_id"]
        if key not in rows:
            assert operation._upsert, f"update of nothing: {key!r}"
            rows[key] = {"_id": key}
        rows[key] |= stored(operation._doc["$set"])


async def give(handler: Any, shelf: Shelf, messages: Sequence[Message], now: datetime | None = None) -> None:
    """One batch."""
    state = await handler.load(messages)
    shelf.commit([handler.fold(state, message, now or message.time) for message in messages])
    handler.committed(state)


async def strike(handler: Any, shelf: Shelf, now: datetime) -> int:
    """What the chassis does when time has passed; gives how many messages there were."""
    count = 0
    while messages := await handler.due(now):
        count += len(messages)
        await give(handler, shelf, messages, now)
    return count
