"""The relay: publishes the outbox in order per key, and only then marks it. Nothing else in a service publishes.

One per service, by a lease whose epoch counts its holders: who was frozen past its lease sends nothing more, and who
was followed marks nothing more. What may happen all the same, a repeat, identity absorbs
(docs/decisions/2026-11-26-the-relay-is-fenced.md). The truth is polling; a commit in this process only wakes it earlier.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from pymongo import IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError, PyMongoError

from . import faults
from .broker import MissingTopicsError
from .errors import Transient
from .ledger import OUTBOX
from .measures import Measures
from .mongo import FAST, Mongo, heals
from .parking import MESSAGE_CHARS

META = "meta"
LEASE = "relay"
"""The lease's document: owner, until when, epoch."""
RELAYED = "relayed"
ROWS = 1000
"""Rows a round: enough to fill the producer's batches, few enough to repeat after a crash."""
POLL_S = 0.5
"""How late another replica's row may be noticed; this process's own commits wake the relay at once."""
REFUSED = "refused"
"""`published` of a row that the broker will not take, and of those that must not pass it: set aside, tried again when
a relay begins."""
REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What no second attempt heals."""
ALONE_BYTES = 16 * 1024
"""The producer sends what is larger in a batch of its own, and a broker's limit is above it: only then a refusal is
one row's, and it is waited for before a later row of its key goes out."""
GRACE_S = 5.0
"""How long a stop waits for the round in hand."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0

log = structlog.get_logger()

Connect = Callable[[], AbstractAsyncContextManager[AIOKafkaProducer]]
Ends = Callable[[Iterable[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Where the broker's logs end, as `broker.log_ends` asks it."""
Outcome: TypeAlias = Any
"""Of sending a row: a future that tells where it lies, or the `KafkaError` that says why it was not sent."""


def indexes(retention: timedelta) -> list[IndexModel]:
    """Unpublished rows in order; published ones go after the retention time (wall time)."""
    return [
        IndexModel([("published", 1), ("_id", 1)]),
        IndexModel([("published_at", 1)], expireAfterSeconds=int(retention.total_seconds())),
    ]


class Relay:
    """Publishes one service's outbox on one cluster at a time."""

    def __init__(self, mongo: Mongo, measures: Measures, owner: str, lease: timedelta, ends: Ends) -> None:
        """`owner` is the replica's static name: a restarted process takes its own lease back at once."""
        self._mongo = mongo
        self._ends = ends
        self._measures = measures
        self._owner = owner
        self._lease = lease
        self._leased_until = 0.0
        self._epoch: int | None = None
        """Which holder of the lease this is; None while another one is, or may be."""
        self._displaced = False
        self._wake = asyncio.Event()
        self._cluster: str | None = None
        self._held: set[tuple[str, bytes | None]] = set()
        """Topic and key of ordered rows that were refused: later ones wait behind them."""
        self._pause = FIRST_PAUSE_S
        self.healthy = True
        """False while publishing fails."""

    def wake(self) -> None:
        """There are new rows."""
        self._wake.set()

    async def run(self, connect: Connect, cluster: str) -> None:
        """Publish on `cluster` until cancelled, with a new producer after every fault.

        An idempotent one counts what it sends; of what the broker did not take the number is missing, and the broker
        refuses all that follows.
        """
        while True:
            try:
                async with connect() as producer:
                    while True:
                        await self._once(producer, cluster)
            except (KafkaError, Transient, PyMongoError) as error:
                if isinstance(error, PyMongoError):
                    heals(error)
                self.healthy = False
                log.warning("the relay tries again", error=f"{type(error).__name__}: {error}", pause_s=self._pause)
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    async def _once(self, producer: AIOKafkaProducer, cluster: str) -> None:
        holds, published = await self._hold_lease(), 0
        if holds:
            if self._cluster != cluster:
                await self._begin(cluster)
            published = await self._to_the_end(producer, cluster)
        self.healthy, self._pause = True, FIRST_PAUSE_S
        if not holds:  # what wakes a relay is for who holds the lease
            await asyncio.sleep(POLL_S)
        elif published < ROWS:  # the outbox is empty, or has what a commit after the look woke us for
            await self._wait()

    async def _to_the_end(self, producer: AIOKafkaProducer, cluster: str) -> int:
        """A round that a graceful stop does not cut between publishing and marking; how many rows it found."""
        going = asyncio.ensure_future(self._round(producer, cluster))
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            await asyncio.wait({going}, timeout=GRACE_S)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
            raise

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_S):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _begin(self, cluster: str) -> None:
        """What another cluster had is unpublished here: a broker that lost its log is filled again.

        So it is where the cluster kept its name and its log is shorter than what it was given (a volume lost under a
        cluster id that stands in the settings, a topic made anew). What was refused is tried again, in order: somebody
        may have raised a limit.
        """
        rows = self._mongo.collection(OUTBOX)
        again = {"$set": {"published": None}, "$unset": {"published_at": "", "refusal": ""}}
        await rows.update_many({"published": REFUSED}, again)
        self._held.clear()
        kept = [] if await self._is_shorter(cluster) else [cluster]
        lost = await rows.update_many({"published": {"$nin": [None, *kept]}}, again)
        if not kept:
            await self._mongo.collection(RELAYED).delete_many(_places(cluster))
        if lost.modified_count:
            log.warning("a new broker cluster is filled again", cluster=cluster, rows=lost.modified_count)
        self._cluster = cluster

    async def _is_shorter(self, cluster: str) -> bool:
        """Whether a log of the cluster ends before what was published to it."""
        reached: dict[TopicPartition, int] = {}
        async for row in self._mongo.collection(RELAYED).find(_places(cluster)):
            _, topic, number = row["_id"].rsplit("/", 2)
            reached[TopicPartition(topic, int(number))] = row["at"]
        if not reached:
            return False
        try:
            ends = await self._ends(reached)
        except MissingTopicsError as error:
            raise Transient(f"{error}; run `huying topics create`") from error
        except TimeoutError as error:
            raise Transient("the broker does not say where its logs end") from error
        return any(ends.get(tp, 0) <= at for tp, at in reached.items())

    async def _hold_lease(self) -> bool:
        """Whether this relay is the one; renewed at half-time, by epoch."""
        lease = self._lease.total_seconds()
        if time.monotonic() < self._leased_until - lease / 2:
            return True
        asked, now = time.monotonic(), datetime.now(UTC)
        meta, until = self._mongo.collection(META), {"until": now + self._lease}
        if self._epoch is not None:
            renewed = await meta.update_one({"_id": LEASE, "epoch": self._epoch}, {"$set": until})
            if not renewed.matched_count:
                self._was_followed()
        if self._epoch is None:
            free: list[dict[str, Any]] = [{"until": {"$lt": now}}]
            if not self._displaced:  # what a process of this name held before it was started anew
                free.append({"owner": self._owner})
            taken = {"$set": {"owner": self._owner, **until}, "$inc": {"epoch": 1}}
            try:
                row = await meta.find_one_and_update(
                    {"_id": LEASE, "$or": free}, taken, upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError:
                return False
            self._epoch = row["epoch"]
        self._leased_until = asked + lease
        return True

    def _was_followed(self) -> None:
        """Another one holds the lease: what this one knows of the outbox is old."""
        log.warning("another relay has taken over", owner=self._owner, epoch=self._epoch)
        self._epoch, self._cluster, self._leased_until, self._displaced = None, None, 0.0, True

    async def _round(self, producer: AIOKafkaProducer, cluster: str) -> int:
        self._wake.clear()
        rows = await self._mongo.collection(OUTBOX).find({"published": None}).sort("_id", 1).limit(ROWS).to_list(ROWS)
        self._measures.outbox_rows.set(len(rows))
        if not rows:
            self._measures.outbox_age.set(0)
            return 0
        self._measures.outbox_age.set(max(0.0, (datetime.now(UTC) - rows[0]["written_at"]).total_seconds()))
        faults.point("before-publish")
        sent = await self._send(producer, rows)
        done, refused, failed = await self._settle(rows, sent)
        faults.point("between-publish-and-mark")
        await self._mark(cluster, done, refused)
        if failed is not None:
            raise failed
        return len(rows)

    async def _send(self, producer: AIOKafkaProducer, rows: list[Any]) -> list[Outcome]:
        """What becomes of each row, up to the end of the lease or to one that shows that the producer is of no more use."""
        sent: list[Outcome] = []
        for row in rows:
            if time.monotonic() >= self._leased_until:  # frozen or slow: somebody else may be at it
                break
            if _ordered(row) and (row["topic"], row["key"]) in self._held:
                sent.append(MessageSizeTooLargeError("waits behind an event of its key that is refused"))
                continue
            headers = [(name, bytes(value)) for name, value in row["headers"]]
            try:
                future = await producer.send(row["topic"], row["value"], key=row["key"], headers=headers)
            except REFUSALS as error:
                self._hold(row)
                sent.append(error)
                continue
            except KafkaError as error:
                sent.append(error)
                break
            sent.append(future)
            if len(row["key"] or b"") + len(row["value"]) > ALONE_BYTES:
                await asyncio.wait({future})
            if future.done() and future.exception() is not None:
                break
        return sent

    def _hold(self, row: Any) -> None:
        if _ordered(row):
            self._held.add((row["topic"], row["key"]))

    async def _settle(
        self, rows: list[Any], sent: list[Outcome]
    ) -> tuple[list[tuple[Any, Any]], list[tuple[Any, str]], KafkaError | None]:
        """Rows that are in the log; rows that are refused, and why; the broker's fault, after which to begin anew.

        After a row that failed, later ones of its key count as failed too.
        """
        done: list[tuple[Any, Any]] = []
        refused: list[tuple[Any, str]] = []
        broken: set[Any] = set()
        failed: KafkaError | None = None
        for row, outcome in zip(rows, sent, strict=False):
            if isinstance(outcome, REFUSALS):
                refused.append((row, str(outcome)))
                continue
            try:
                where = await _landed(outcome)
            except REFUSALS as error:
                failed = error
                self._hold(row)
                refused.append((row, str(error)))
            except KafkaError as error:
                failed = error
                broken.add((row["topic"], row["key"]))
            else:
                if (row["topic"], row["key"]) not in broken:
                    done.append((row, where))
        return done, refused, failed

    async def count_refused(self) -> int:
        """Rows that were set aside."""
        return int(await self._mongo.collection(OUTBOX).count_documents({"published": REFUSED}))

    async def _mark(self, cluster: str, done: list[tuple[Any, Any]], refused: list[tuple[Any, str]]) -> None:
        """How far the log reaches, and the rows, at once: who finds the outbox empty can trust the former.

        In a transaction with the lease's epoch, since a successor may count on another cluster. What the broker will
        not take must not keep the rest: it stays, for a person to see.
        """
        if not done and not refused:
            return
        ends = {f"{cluster}/{row['topic']}/{where.partition}": where.offset for row, where in done}
        change = {"$set": {"published": cluster, "published_at": datetime.now(UTC)}}
        aside = [
            UpdateOne({"_id": row["_id"]}, {"$set": {"published": REFUSED, "refusal": why[:MESSAGE_CHARS]}})
            for row, why in refused
        ]
        async with self._mongo.transaction(FAST) as session:
            held = {"_id": LEASE, "epoch": self._epoch}
            lease = await self._mongo.collection(META).update_one(held, {"$inc": {"marks": 1}}, session=session)
            if not lease.matched_count:
                self._was_followed()
                return
            outbox = self._mongo.collection(OUTBOX)
            if done:
                await self._mongo.collection(RELAYED).bulk_write(
                    [UpdateOne({"_id": name}, {"$max": {"at": at}}, upsert=True) for name, at in ends.items()],
                    ordered=False,
                    session=session,
                )
                await outbox.update_many({"_id": {"$in": [row["_id"] for row, _ in done]}}, change, session=session)
            if aside:
                await outbox.bulk_write(aside, session=session)
        for row, _ in done:
            self._measures.published.labels(row["topic"]).inc()
        for row, why in refused:
            log.error("the broker refuses an event; set aside", row=row["_id"], topic=row["topic"], error=why)


def _places(cluster: str) -> dict[str, Any]:
    """Those of RELAYED in a cluster."""
    return {"_id": {"$regex": f"^{re.escape(cluster)}/"}}


def _ordered(row: Any) -> bool:
    """Whether the row must not pass an earlier one of its key; rows of an earlier release do not say, so they wait."""
    return bool(row.get("ordered", True))


async def _landed(outcome: Outcome) -> Any:
    if isinstance(outcome, KafkaError):
        raise outcome
    return await outcome
