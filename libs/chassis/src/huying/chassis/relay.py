"""The relay: publishes the outbox in order per key, and only then marks it. Nothing else in a service publishes.

One per service: a lease keeps a second replica from doing the same work; that it may happen all the same costs only
repeats, which identity absorbs. The truth is polling; a commit in this process only wakes it earlier.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pymongo import IndexModel, UpdateOne
from pymongo.errors import DuplicateKeyError, PyMongoError

from . import faults
from .ledger import OUTBOX
from .measures import Measures
from .mongo import Mongo, heals

META = "meta"
RELAYED = "relayed"
ROWS = 1000
"""Rows a round: enough to fill the producer's batches, few enough to repeat after a crash."""
POLL_S = 0.5
"""How late another replica's row may be noticed; this process's own commits wake the relay at once."""
GRACE_S = 5.0
"""How long a stop waits for the round in hand."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

log = structlog.get_logger()


def indexes(retention: timedelta) -> list[IndexModel]:
    """Unpublished rows in order; published ones go after the retention time (wall time)."""
    return [
        IndexModel([("published", 1), ("_id", 1)]),
        IndexModel([("published_at", 1)], expireAfterSeconds=int(retention.total_seconds())),
    ]


class Relay:
    """Publishes one service's outbox on one cluster at a time."""

    def __init__(self, mongo: Mongo, measures: Measures, owner: str, lease: timedelta) -> None:
        """`owner` is the replica's static name: a restarted process takes its own lease back at once."""
        self._mongo = mongo
        self._measures = measures
        self._owner = owner
        self._lease = lease
        self._leased_until = 0.0
        self._wake = asyncio.Event()
        self._cluster: str | None = None
        self.healthy = True
        """False while publishing fails."""

    def wake(self) -> None:
        """There are new rows."""
        self._wake.set()

    async def run(self, producer: AIOKafkaProducer, cluster: str) -> None:
        """Publish on `cluster` until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                if self._cluster != cluster:
                    await self._begin(cluster)
                published = await self._to_the_end(producer, cluster) if await self._hold_lease() else 0
                self.healthy, pause = True, FIRST_PAUSE_S
            except (KafkaError, PyMongoError) as error:
                if isinstance(error, PyMongoError):
                    heals(error)
                self.healthy = False
                log.warning("the relay tries again", error=f"{type(error).__name__}: {error}", pause_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                continue
            if published < ROWS:  # the outbox is empty, or has what a commit after the look woke us for
                await self._wait()

    async def _to_the_end(self, producer: AIOKafkaProducer, cluster: str) -> int:
        """A round that a graceful stop does not cut between publishing and marking; how many rows it found."""
        going = asyncio.ensure_future(self._round(producer, cluster))
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            await asyncio.wait({going}, timeout=GRACE_S)
            raise

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _begin(self, cluster: str) -> None:
        """What another cluster had is unpublished here: a broker that lost its log is filled again."""
        rows = self._mongo.collection(OUTBOX)
        lost = await rows.update_many(
            {"published": {"$nin": [None, cluster]}}, {"$set": {"published": None}, "$unset": {"published_at": ""}}
        )
        if lost.modified_count:
            log.warning("a new broker cluster is filled again", cluster=cluster, rows=lost.modified_count)
        self._cluster = cluster

    async def _hold_lease(self) -> bool:
        if time.monotonic() < self._leased_until - self._lease.total_seconds() / 2:
            return True
        asked, now = time.monotonic(), datetime.now(UTC)
        lease: dict[str, Any] = {"$set": {"owner": self._owner, "until": now + self._lease}}
        mine = {"_id": "relay", "$or": [{"owner": self._owner}, {"until": {"$lt": now}}]}
        try:
            await self._mongo.collection(META).update_one(mine, lease, upsert=True)
        except DuplicateKeyError:
            return False
        self._leased_until = asked + self._lease.total_seconds()
        return True

    async def _round(self, producer: AIOKafkaProducer, cluster: str) -> int:
        self._wake.clear()
        rows = await self._mongo.collection(OUTBOX).find({"published": None}).sort("_id", 1).limit(ROWS).to_list(ROWS)
        self._measures.outbox_rows.set(len(rows))
        if not rows:
            self._measures.outbox_age.set(0)
            return 0
        self._measures.outbox_age.set(max(0.0, (datetime.now(UTC) - rows[0]["written_at"]).total_seconds()))
        faults.point("before-publish")
        sent = []
        for row in rows:
            headers = [(name, bytes(value)) for name, value in row["headers"]]
            sent.append(await producer.send(row["topic"], row["value"], key=row["key"], headers=headers))
        done, failed = await self._settle(rows, sent)
        faults.point("between-publish-and-mark")
        await self._mark(cluster, done)
        if failed is not None:
            raise failed
        return len(rows)

    async def _settle(self, rows: list[Any], sent: list[Any]) -> tuple[list[tuple[Any, Any]], KafkaError | None]:
        """Rows that are in the log; after one that failed, later ones of its key count as failed too."""
        done: list[tuple[Any, Any]] = []
        broken: set[Any] = set()
        failed: KafkaError | None = None
        for row, future in zip(rows, sent, strict=True):
            try:
                where = await future
            except KafkaError as error:
                failed = error
                broken.add((row["topic"], row["key"]))
                continue
            if (row["topic"], row["key"]) not in broken:
                done.append((row, where))
        return done, failed

    async def _mark(self, cluster: str, done: list[tuple[Any, Any]]) -> None:
        """First how far the log reaches, then the rows: who finds the outbox empty can trust the former."""
        if not done:
            return
        ends: dict[str, int] = {}
        for row, where in done:
            ends[f"{cluster}/{row['topic']}/{where.partition}"] = where.offset
            self._measures.published.labels(row["topic"]).inc()
        await self._mongo.fast(RELAYED).bulk_write(
            [UpdateOne({"_id": name}, {"$max": {"at": offset}}, upsert=True) for name, offset in ends.items()],
            ordered=False,
        )
        change = {"$set": {"published": cluster, "published_at": datetime.now(UTC)}}
        await self._mongo.fast(OUTBOX).update_many({"_id": {"$in": [row["_id"] for row, _ in done]}}, change)
