"""Who is sending what: notices are claimed in batches, and a claim is a fencing token.

Only an open claim can settle notices. Who takes over a stale one closes it first, in one atomic step, so whoever
held it can still send, but no longer say what became of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from huying.chassis.mongo import Mongo

from ..repository import CLAIMS, ROWS
from .age import Age
from .outcome import Parcel


@dataclass(frozen=True, slots=True)
class Way:
    """A way out: the files, one webhook receiver, or (`beside` those) every handle that has no target here."""

    medium: str
    handle: str | None = None
    beside: tuple[str, ...] = ()

    @property
    def query(self) -> dict[str, Any]:
        """Its notices, and its claims; one of an earlier release names no handle, and is its medium's last way's."""
        if self.handle is not None:
            return {"medium": self.medium, "handle": self.handle}
        return {"medium": self.medium} | ({"handle": {"$nin": list(self.beside)}} if self.beside else {})


class Claims:
    """Claims of one way out by one replica: ways never wait for one another."""

    def __init__(self, mongo: Mongo, way: Way, owner: str, lease: timedelta) -> None:
        """`owner` is the replica's static name: its earlier self's claims are stale at once."""
        self._mongo = mongo
        self._way = way
        self._owner = owner
        self._lease = lease

    async def take(
        self, claim: str, now: datetime, limit: int, age: Age | None = None, first: str = "at"
    ) -> list[Parcel]:
        """Claim notices that are due to be tried at `now` (wall time), those with the least `first` first."""
        return await self._take(claim, now, {"next_try_at": {"$lte": now}}, limit, age, first)

    async def take_past(self, age: Age, claim: str, now: datetime, limit: int) -> list[Parcel]:
        """Claim notices that are past their age, whether or not it is time to try them."""
        return await self._take(claim, now, age.query, limit, age, "at")

    async def _take(
        self, claim: str, now: datetime, wanted: dict[str, Any], limit: int, age: Age | None, first: str
    ) -> list[Parcel]:
        rows = self._mongo.collection(ROWS)
        ready = self._way.query | {"state": "intent"} | wanted
        ids = [row["_id"] async for row in rows.find(ready, {"_id": 1}).sort([(first, 1), ("_id", 1)]).limit(limit)]
        if not ids:
            return []
        await self._open(claim, now)
        still, taken = {"_id": {"$in": ids}, "state": "intent"}, {"state": "sending", "claim": claim}
        if age is not None:  # in the step that claims it: whoever takes it up after us must not send it
            await rows.update_many(still | age.query, {"$set": taken | {"expiring": True}})
        await rows.update_many(still, {"$set": taken})
        return await self._parcels(claim)

    async def stale(self, now: datetime, first: bool) -> Sequence[str]:
        """Open claims that nobody works on: older than the lease, and when we start, those of our earlier self."""
        expired: list[dict[str, Any]] = [{"at": {"$lt": now - self._lease}}]
        if first:
            expired.append({"owner": self._owner})
        query = self._way.query | {"open": True, "$or": expired}
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
        named = await self._mongo.collection(ROWS).distinct("claim", self._way.query | {"state": "sending"})
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
        way = {"medium": self._way.medium, "handle": self._way.handle}
        row = {"_id": claim, "open": True, "owner": self._owner, **way, "at": now}
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
                expiring=row.get("expiring", False),
            )
            async for row in rows
        ]
