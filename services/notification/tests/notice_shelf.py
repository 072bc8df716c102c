"""A database in memory, as far as the handler of notices uses one."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from pymongo import DeleteOne, InsertOne, UpdateOne

from huying.chassis.errors import Conflict
from huying.chassis.message import Document, Effects, Message
from huying.contracts.topics import EVENTS
from huying.notification.repository import CLAIMS, INCIDENTS, ROWS, WAITING, Known, facts_of


class Shelf:
    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Document]] = {name: {} for name in (INCIDENTS, WAITING, ROWS, CLAIMS)}
        self.published: list[str] = []

    async def known(self, incidents: Sequence[str]) -> dict[str, Known]:
        found = [row for row in self.rows[INCIDENTS].values() if row["_id"] in incidents]
        return {row["_id"]: Known(facts_of(row), row["held"], stored=True) for row in found}

    async def waiting(self, incidents: Sequence[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for row in sorted(self.rows[WAITING].values(), key=lambda row: (row["at"], row["_id"])):
            if row["incident_id"] in incidents:
                event = EVENTS[row["type"]].model_validate_json(row["data"])
                found.setdefault(row["incident_id"], {})[row["_id"]] = event
        return found

    async def claimed(self, claims: Sequence[str]) -> dict[str, dict[str, Document]]:
        still = [claim for claim in claims if self.rows[CLAIMS].get(claim, {}).get("open")]
        return {claim: {k: row for k, row in self.rows[ROWS].items() if row.get("claim") == claim} for claim in still}

    def commit(self, many: Sequence[Effects]) -> None:
        """All or nothing."""
        before = deepcopy(self.rows)
        try:
            self._commit(many)
        except Conflict:
            self.rows = before
            raise

    def _commit(self, many: Sequence[Effects]) -> None:
        for guard in [guard for effects in many for guard in effects.guards]:
            row = self.rows[guard.collection].get(guard.filter["_id"])
            if row is None or any(row.get(name) != value for name, value in guard.filter.items()):
                raise Conflict(f"guard {guard.filter!r}")
            _update(row, guard.update)
        for name, operation in [write for effects in many for write in effects.writes]:
            self._write(self.rows[name], operation)
        self.published += [out.id for effects in many for out in effects.events]

    def _write(self, rows: dict[str, Document], operation: Any) -> None:
        if isinstance(operation, InsertOne):
            if operation._doc["_id"] in rows:
                raise Conflict(operation._doc["_id"])
            rows[operation._doc["_id"]] = dict(operation._doc)
        elif isinstance(operation, DeleteOne):
            rows.pop(operation._filter["_id"], None)
        else:
            assert isinstance(operation, UpdateOne)
            key = operation._filter["_id"]
            if key not in rows:
                assert operation._upsert, f"update of nothing: {key!r}"
                rows[key] = {"_id": key, **operation._doc.get("$setOnInsert", {})}
            _update(rows[key], operation._doc)


def _update(row: Document, change: Document) -> None:
    row |= change.get("$set", {})
    for name, amount in change.get("$inc", {}).items():
        row[name] = row.get(name, 0) + amount
    for name in change.get("$unset", {}):
        row.pop(name, None)


async def give(handler: Any, shelf: Shelf, messages: Sequence[Message]) -> None:
    """One batch."""
    state = await handler.load(messages)
    shelf.commit([handler.fold(state, message, message.time) for message in messages])
    handler.committed(state)
