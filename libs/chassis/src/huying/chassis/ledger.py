"""Effects, outgoing events and positions in one transaction; what was done is never done again.

`positions` holds one document a partition (`cluster/topic/partition`) and one for the outbox sequence. All are
advanced conditionally, from the value this process knows: a replay or a zombie hits nothing and aborts.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from pymongo import InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from huying.contracts.envelope import CloudEvent

from . import faults
from .errors import Broken, Conflict, Outrun, PutBack
from .message import Guard, Outgoing, WriteOp
from .mongo import Mongo

POSITIONS = "positions"
OUTBOX = "outbox"
SEQUENCE = "outbox"
REFUSED = "refused"

BATCH_BYTES, RECORD_BYTES, HEADER_BYTES = 61, 31, 10
"""What Kafka's format (v2) adds at most: to a batch of one, to its record, to each header."""

WRITE_CONFLICT = 112
"""Another transaction has the document in hand."""
DUPLICATE_KEY = 11000
"""Another replica may have been first, so read again before calling it broken."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One partition of one cluster's topic."""

    cluster: str
    topic: str
    number: int

    @classmethod
    def of(cls, cluster: str, tp: TopicPartition) -> "Partition":
        """What the client calls `tp`, on its cluster."""
        return cls(cluster, tp.topic, tp.partition)

    @property
    def id(self) -> str:
        """`cluster/topic/partition`."""
        return f"{self.cluster}/{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An event as it will travel."""

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    event_id: str
    ordered: bool = False
    """Whether later rows of its key must not pass it."""

    @property
    def size(self) -> int:
        """What a broker counts against its topic's limit, at most."""
        headers = sum(HEADER_BYTES + len(name.encode()) + len(value) for name, value in self.headers)
        return BATCH_BYTES + RECORD_BYTES + len(self.key or b"") + len(self.value) + headers

    def document(self, sequence: int, written_at: datetime) -> dict[str, Any]:
        """What is stored; `published` names the cluster that has it, or says that the broker refuses it."""
        return {
            "_id": sequence,
            "topic": self.topic,
            "key": self.key,
            "value": self.value,
            "headers": [[name, value] for name, value in self.headers],
            "event": self.event_id,
            "ordered": self.ordered,
            "written_at": written_at,
            "published": None,
        }


def encode(outgoing: Outgoing, service: str, trace: str | None) -> OutboxRow:
    """An event as a row of the outbox: CloudEvents binary mode."""
    event = CloudEvent(
        id=outgoing.id,
        source=f"huying/{service}",
        type=outgoing.event.TYPE,
        data=outgoing.event.encode(),
        time=outgoing.time,
        subject=outgoing.subject or outgoing.key,
        trace={"traceparent": trace} if trace else {},
    )
    row = OutboxRow(
        outgoing.topic.name,
        outgoing.key.encode(),
        event.data,
        event.headers(),
        outgoing.id,
        ordered=outgoing.topic.key == "incident_id",
    )
    if row.size > outgoing.topic.max_message_bytes:
        raise Broken("too_large", f"{outgoing.event.TYPE} would have {row.size} bytes")
    return row


@dataclass(slots=True)
class Commit:
    """Everything that one transaction does."""

    advance: Mapping[Partition, int]
    writes: Sequence[tuple[str, WriteOp]]
    guards: Sequence[Guard]
    rows: Sequence[OutboxRow]
    stamps: Mapping[Partition, int | None] = field(default_factory=dict)
    """How the record at each new position is dated: by that the log is known again."""


class Ledger:
    """Positions of this service, and the one door through which effects enter the database."""

    def __init__(self, mongo: Mongo) -> None:
        """Nothing is read before `read`."""
        self._mongo = mongo
        self._known: dict[Partition, int | None] = {}
        self._reached: dict[Partition, int] = {}
        """The last positions that this process committed: from there it was handed records, and gets none again."""
        self._sequence: int | None = None
        self._turn = asyncio.Lock()

    def position(self, partition: Partition) -> int | None:
        """Last offset whose effects are in the database, as far as this process knows; None for none."""
        return self._known.get(partition)

    def knows(self, partition: Partition) -> bool:
        """Whether the position was read."""
        return partition in self._known

    @property
    def fenced(self) -> bool:
        """Whether it would be noticed if somebody else wrote from now on."""
        return self._sequence is not None

    async def read(self, partitions: Iterable[Partition], *, sequence: bool = True) -> None:
        """Read the positions of `partitions` from the database, and the sequence: before all that is decided on them.

        Without it what was known of the sequence holds on, for whoever reads nothing else anew.

        Raises:
            PutBack: one is behind what this process committed; what lies between would be passed.
        """
        wanted = {partition.id: partition for partition in partitions}
        found: dict[str, int] = {}
        async for row in self._mongo.collection(POSITIONS).find({"_id": {"$in": [*wanted, SEQUENCE]}}):
            found[row["_id"]] = row["at"]
        for name, partition in wanted.items():
            at, reached = found.get(name), self._reached.get(partition, -1)
            if reached > (-1 if at is None else at):
                raise PutBack(
                    f"{name}: the ledger stood at {reached} and stands at {at} now: the database was put back while "
                    "this service ran; start it anew, it reads on from there"
                )
            self._known[partition] = at
        if not sequence:
            return
        self._sequence = found.get(SEQUENCE)
        if self._sequence is None:
            await self._mongo.collection(POSITIONS).update_one(
                {"_id": SEQUENCE}, {"$setOnInsert": {"at": 0}}, upsert=True
            )
            self._sequence = 0

    async def stored(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Positions as the database has them, without learning them."""
        wanted = {partition.id: partition for partition in partitions}
        rows = self._mongo.collection(POSITIONS).find({"_id": {"$in": [*wanted]}})
        return {wanted[row["_id"]]: row["at"] async for row in rows}

    async def marks(self, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
        """Offset and stamp of the last record had, where it was stamped."""
        wanted = {partition.id: partition for partition in partitions}
        rows = self._mongo.collection(POSITIONS).find({"_id": {"$in": [*wanted]}, "stamp": {"$type": "number"}})
        return {wanted[row["_id"]]: (row["at"], row["stamp"]) async for row in rows}

    async def refuse(self, partition: Partition, reason: str) -> None:
        """Keep why nothing may be consumed, until the position is forgotten: a log that was made anew grows on.

        Once it is longer than the ledger, nothing else would tell it from the old one.
        """
        await self._mongo.collection(POSITIONS).update_one({"_id": partition.id}, {"$set": {REFUSED: reason}})

    async def refusal(self, cluster: str, topics: Iterable[str]) -> str | None:
        """Why none of these topics may be consumed; None when all may."""
        names = "|".join(re.escape(f"{cluster}/{topic}/") for topic in topics)
        row = await self._mongo.collection(POSITIONS).find_one(
            {REFUSED: {"$exists": True}, "_id": {"$regex": f"^({names})"}}
        )
        return None if row is None else str(row[REFUSED])

    def forget(self) -> None:
        """Drop what is known: it may be stale."""
        self._known.clear()
        self._sequence = None

    async def commit(self, commit: Commit) -> None:
        """Do it all or nothing.

        Raises:
            Outrun: a position or the sequence was not where we thought, or another transaction has a document.
            Conflict: a guard was not, or a document was there already: a race, or the documents' own fault.
            Transient: it may heal; the outcome may be unknown.
            Exception: the server refuses these documents for good.
        """
        async with self._turn:
            if self._sequence is None:
                await self.read(commit.advance)
            sequence = self._sequence or 0
            faults.point("before-transaction")
            if not commit.writes and not commit.guards and not commit.rows:
                await self._advance(None, commit, sequence)  # each position for itself: nothing to tie it to
                self._had(commit)
                faults.point("after-transaction")
                return
            async with self._mongo.transaction() as session:
                await self._advance(session, commit, sequence)
                for guard in commit.guards:
                    result = await self._mongo.collection(guard.collection).update_one(
                        guard.filter, guard.update, session=session
                    )
                    if result.matched_count != 1:
                        raise Conflict(f"guard on {guard.collection} {guard.filter!r} hit {result.matched_count}")
                await self._write(session, commit.writes)
                if commit.rows:
                    now = datetime.now(UTC)
                    await self._mongo.collection(OUTBOX).insert_many(
                        [row.document(sequence + i, now) for i, row in enumerate(commit.rows, 1)], session=session
                    )
                faults.point("inside-transaction")
            self._had(commit)
            self._sequence = sequence + len(commit.rows)
            faults.point("after-transaction")

    def _had(self, commit: Commit) -> None:
        self._known.update(commit.advance)
        self._reached.update(commit.advance)

    async def _advance(self, session: Any, commit: Commit, sequence: int) -> None:
        operations: list[Any] = []
        expected, rows = 0, len(commit.rows)
        for partition, offset in commit.advance.items():
            known, place = self._known.get(partition), {"at": offset, "stamp": commit.stamps.get(partition)}
            if known is None:
                operations.append(InsertOne({"_id": partition.id, **place}))
            else:
                operations.append(UpdateOne({"_id": partition.id, "at": known}, {"$set": place}))
                expected += 1
        if rows:
            operations.append(UpdateOne({"_id": SEQUENCE, "at": sequence}, {"$inc": {"at": rows}}))
            expected += 1
        if not operations:
            return
        try:
            result = await self._mongo.collection(POSITIONS).bulk_write(operations, session=session)
        except BulkWriteError as error:
            code, said = _told(error)
            if code in {WRITE_CONFLICT, DUPLICATE_KEY}:
                raise Outrun(f"a position was taken by another replica: {said}") from error
            raise
        if result.matched_count != expected:
            raise Outrun(f"{expected - result.matched_count} positions moved under us")

    async def _write(self, session: Any, writes: Sequence[tuple[str, WriteOp]]) -> None:
        by_collection: dict[str, list[WriteOp]] = {}
        for name, operation in writes:
            by_collection.setdefault(name, []).append(operation)
        for name, operations in by_collection.items():
            try:
                await self._mongo.collection(name).bulk_write(operations, session=session, ordered=True)
            except BulkWriteError as error:
                code, said = _told(error)
                said = f"{name}: {said}"
                if code == WRITE_CONFLICT:
                    raise Outrun(said) from error
                if code == DUPLICATE_KEY:
                    raise Conflict(said) from error
                raise Broken("refused_by_database", said) from error


def _told(error: BulkWriteError) -> tuple[int | None, str]:
    """Code and words of the first refusal."""
    first: Mapping[str, Any] = ((error.details or {}).get("writeErrors") or [{}])[0]
    return first.get("code"), str(first.get("errmsg", error))
