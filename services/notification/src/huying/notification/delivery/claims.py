"""Who is sending what: notices are claimed in batches, and a claim is a fencing token.

Only an open claim can settle notices. Who takes over a stale one closes it first, in one atomic step, so whoever
held it can still send, but no longer say what became of it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from huying.chassis.mongo import Mongo

from ..repository import CLAIMS, ROWS
from .outcome import Parcel


class Claims:
    """Claims of one medium by one replica."""

    def __init__(self, mongo: Mongo, medium: str, owner: str, lease: timedelta) -> None:
        """`owner` is the replica's static name: its earlier self's claims are stale at once."""
        self._mongo = mongo
        self._medium = medium
        self._owner = owner
        self._lease = lease

    async def take(self, claim: str, now: datetime, limit: int) -> list[Parcel]:
        """Claim notices that are due to be tried at `now` (wall time), the oldest first."""
        rows = self._mongo.collection(ROWS)
        ready = {"state": "intent", "next_try_at": {"$lte": now}, "medium": self._medium}
        ids = [row["_id"] async for row in rows.find(ready, {"_id": 1}).sort([("at", 1), ("_id", 1)]).limit(limit)]
        if not ids:
            return []
        await self._open(claim, now)
        taken = {"$set": {"state": "sending", "claim": claim}}
        await rows.update_many({"_id": {"$in": ids}, "state": "intent"}, taken)
        return await self._parcels(claim)

    async def stale(self, now: datetime, first: bool) -> Sequence[str]:
        """Open claims that nobody works on: older than the lease, and when we start, those of our earlier self."""
        expired: list[dict[str, Any]] = [{"at": {"$lt": now - self._lease}}]
        if first:
            expired.append({"owner": self._owner})
        query = {"open": True, "medium": self._medium, "$or": expired}
        return [row["_id"] async for row in self._mongo.collection(CLAIMS).find(query, {"_id": 1})]

    async def take_over(self, old: str, claim: str, now: datetime) -> list[Parcel]:
        """Close a stale claim and claim what it was sending; empty when another replica was faster."""
        await self._open(claim, now)
        closed = {"$set": {"open": False, "closed_at": now, "taken_over_by": claim}}
        result = await self._mongo.collection(CLAIMS).update_one({"_id": old, "open": True}, closed)
        if result.matched_count == 1:
            resumed = {"$set": {"claim": claim, "resumed": True}}
            await self._mongo.collection(ROWS).update_many({"claim": old, "state": "sending"}, resumed)
        return await self._parcels(claim)

    async def orphans(self) -> list[str]:
        """Closed claims that notices in sending still name: a take-over that died half-way."""
        named = await self._mongo.collection(ROWS).distinct("claim", {"state": "sending", "medium": self._medium})
        query = {"_id": {"$in": named}, "open": True}
        still = {row["_id"] async for row in self._mongo.collection(CLAIMS).find(query, {"_id": 1})}
        return [claim for claim in named if claim not in still]

    async def adopt(self, old: str, claim: str, now: datetime) -> list[Parcel]:
        """Claim what a closed claim left behind."""
        await self._open(claim, now)
        resumed = {"$set": {"claim": claim, "resumed": True}}
        await self._mongo.collection(ROWS).update_many({"claim": old, "state": "sending"}, resumed)
        return await self._parcels(claim)

    async def _open(self, claim: str, now: datetime) -> None:
        row = {"_id": claim, "open": True, "owner": self._owner, "medium": self._medium, "at": now}
        await self._mongo.collection(CLAIMS).insert_one(row)

    async def _parcels(self, claim: str) -> list[Parcel]:
        rows = self._mongo.collection(ROWS).find({"claim": claim, "state": "sending"}).sort([("at", 1), ("_id", 1)])
        return [
            Parcel(
                notice_id=row["_id"],
                incident_id=row["incident_id"],
                at=row["at"],
                recipient=row["recipient"],
                role=row["role"],
                handle=row["handle"],
                template=row["template"],
                title=row["title"],
                text=row["text"],
                attempts=row["attempts"],
                resumed=row.get("resumed", False),
            )
            async for row in rows
        ]
