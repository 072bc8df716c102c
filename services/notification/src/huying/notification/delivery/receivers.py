"""Webhook receivers in trouble: counted, switched off after too many failures in a row, on again by a person.

Kept beside the notices, in no transaction: a count that is one short disables a receiver one notice later.
"""

from datetime import datetime
from typing import Any

from huying.chassis.mongo import Mongo

from ..repository import RECEIVERS


class Receivers:
    """State of the receivers, by handle."""

    def __init__(self, mongo: Mongo, disable_after: int) -> None:
        """`disable_after` failures in a row switch one off."""
        self._mongo = mongo
        self._disable_after = disable_after

    async def disabled(self) -> set[str]:
        """Handles that are not asked now."""
        rows = self._mongo.collection(RECEIVERS).find({"disabled_at": {"$ne": None}}, {"_id": 1})
        return {row["_id"] async for row in rows}

    async def note(self, handle: str, answers: list[bool], now: datetime) -> None:
        """Take a batch's answers into account, in their order; True is a failure."""
        trailing = next((n for n, failed in enumerate(reversed(answers)) if not failed), len(answers))
        rows = self._mongo.collection(RECEIVERS)
        if trailing < len(answers):
            await rows.update_one({"_id": handle}, {"$set": {"failures": 0, "disabled_at": None}}, upsert=True)
        if trailing:
            await rows.update_one({"_id": handle}, {"$inc": {"failures": trailing}}, upsert=True)
            over = {"_id": handle, "failures": {"$gte": self._disable_after}, "disabled_at": None}
            await rows.update_one(over, {"$set": {"disabled_at": now}})

    async def all(self) -> list[dict[str, Any]]:
        """Every receiver that ever answered or failed to."""
        return [row async for row in self._mongo.collection(RECEIVERS).find().sort("_id", 1)]

    async def enable(self, handle: str) -> bool:
        """Ask it again; False when there is no such receiver."""
        change = {"$set": {"failures": 0, "disabled_at": None}}
        return bool((await self._mongo.collection(RECEIVERS).update_one({"_id": handle}, change)).matched_count)
