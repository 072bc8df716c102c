"""Webhook receivers in trouble. One that is down is asked by one notice at a time; the others wait, and none fails.

Kept beside the notices, in no transaction: a count that is one short finds a receiver down one notice later.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import structlog
from pymongo import ReturnDocument

from huying.chassis.mongo import Mongo

from ..repository import RECEIVERS
from .webhook import LONGEST_PAUSE

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a receiver may be asked now: by whatever waits, by one notice to see whether it is back, or not at all."""

    ask: Literal["all", "one", "none"]
    off: bool = False
    """A person switched it off: nothing is sent there, not even what a dead sender began."""
    down: bool = False


class Receivers:
    """State of the receivers, by handle."""

    def __init__(self, mongo: Mongo, disable_after: int, first_pause: timedelta) -> None:
        """`disable_after` failures in a row mean that one is down; `first_pause` before it is asked again."""
        self._mongo = mongo
        self._disable_after = disable_after
        self._first_pause = first_pause

    async def standing(self, handle: str, now: datetime) -> Standing:
        """Whether and how it may be asked. What an earlier release switched off for good is down, and asked at once."""
        row = await self._mongo.collection(RECEIVERS).find_one({"_id": handle}) or {}
        if row.get("switched_off_at"):
            return Standing("none", off=True, down=True)
        if not row.get("disabled_at"):
            return Standing("all")
        again = row.get("next_try_at")
        return Standing("one" if again is None or again <= now else "none", down=True)

    async def note(self, handle: str, answers: list[str | None], now: datetime) -> bool:
        """Take a batch's answers into account, in their order: why each failed, or None.

        Returns:
            Whether the failures count against their notices: not in a row that began before this batch, which is the
            receiver's trouble. So no outage uses up a notice's attempts, and a notice that it cannot bear still ends.
        """
        trailing = next((n for n, failed in enumerate(reversed(answers)) if failed is None), len(answers))
        rows = self._mongo.collection(RECEIVERS)
        if trailing < len(answers):
            well = {"failures": 0, "disabled_at": None, "next_try_at": None}
            before = await rows.find_one_and_update({"_id": handle}, {"$set": well}, upsert=True)
            if before and before.get("disabled_at"):
                log.info("a receiver takes notices again", receiver=handle, down_since=str(before["disabled_at"]))
        if not trailing:
            return True
        more = {"$inc": {"failures": trailing}}
        row = await rows.find_one_and_update({"_id": handle}, more, upsert=True, return_document=ReturnDocument.AFTER)
        counts = bool(row["failures"] == trailing)
        if row["failures"] < self._disable_after:
            return counts
        since = row.get("disabled_at") or now
        # After as long as it has been down already: a short trouble costs little, a long one is asked each minute.
        pause = min(max(now - since, self._first_pause), LONGEST_PAUSE)
        await rows.update_one({"_id": handle}, {"$set": {"disabled_at": since, "next_try_at": now + pause}})
        if not row.get("disabled_at"):
            log.error(
                "a receiver is down: its notices wait, and it is asked again by itself",
                receiver=handle,
                failures=row["failures"],
                reason=answers[-1],
            )
        return counts

    async def all(self) -> list[dict[str, Any]]:
        """Every receiver that ever answered or failed to, or that a person switched off."""
        return [row async for row in self._mongo.collection(RECEIVERS).find().sort("_id", 1)]

    async def enable(self, handle: str) -> bool:
        """Ask it at once, whoever or whatever stopped it; False when there is no such receiver."""
        change = {"$set": {"failures": 0, "disabled_at": None, "next_try_at": None, "switched_off_at": None}}
        return bool((await self._mongo.collection(RECEIVERS).update_one({"_id": handle}, change)).matched_count)

    async def switch_off(self, handle: str, now: datetime) -> None:
        """Ask it no more until a person enables it: its notices wait."""
        await self._mongo.collection(RECEIVERS).update_one(
            {"_id": handle}, {"$set": {"switched_off_at": now}, "$setOnInsert": {"failures": 0}}, upsert=True
        )
