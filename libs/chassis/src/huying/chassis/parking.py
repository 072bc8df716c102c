"""Records that cannot be used: kept with their reason, encrypted, and released in order when they are replayed.

A record parked on a topic keyed by incident holds back that incident: later records of it wait behind. Nothing of the
log is ever dropped here, also when a person gives it up; what came by another way is kept for as long as its service says.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from pymongo import IndexModel, UpdateOne

from huying.contracts.identity import deterministic_id
from huying.contracts.topics import DLQ_MESSAGE_BYTES, MAX_MESSAGE_BYTES

from .errors import ConfigurationError
from .ledger import OutboxRow, Partition
from .message import Guard, WriteOp
from .mongo import Mongo
from .sealing import Sealer

PARKED = "parked"
INDEXES = [
    IndexModel([("state", 1), ("hold", 1), ("partition", 1), ("offset", 1)]),
    IndexModel("expires_at", expireAfterSeconds=0),
]

STORED_BYTES = 12 * 1024 * 1024
"""A document holds 16 MB; of a larger record the head is kept, and the log has the rest for its retention."""

HEAD_BYTES = MAX_MESSAGE_BYTES + 1
"""The same for key and headers: what was cut is still over the limit of a record, so no replay takes it for whole."""

SHORT_KEY_BYTES = 1024
"""Above any key of ours; what is longer stands for itself by its hash where a key is only a name."""

SIZE_BYTES = 4
"""Of a header's name or value, in front of it."""

MESSAGE_CHARS = 1000
STACK_CHARS = 4000
IN_ORDER = [("parked_at", 1), ("partition", 1), ("offset", 1)]
HELD_STATES = ["parked", "waiting", "requested"]
AT_ONCE = 200
"""Of what was ordered or fell due, in one transaction: there may be thousands, a parked record is a round trip of its
own there, and the database ends a transaction that takes longer than five seconds."""
CLOSED = "closed"
"""A person has given it up."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as it lay in the log."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    stamp: int | None = None
    """Milliseconds since 1970, as its sender or the broker dated it; None where that was not kept."""

    @property
    def size(self) -> int:
        """What its sender filled; a compressed record may have far more than the limit of its topic."""
        headers = sum(2 * SIZE_BYTES + len(name.encode()) + len(value) for name, value in self.headers)
        return len(self.key or b"") + len(self.value) + headers

    def header(self, name: str) -> bytes | None:
        """The first header of that name."""
        return next((value for found, value in self.headers if found == name), None)


@dataclass(frozen=True, slots=True)
class Stored:
    """A record that lies in the parking."""

    id: str
    hold: str | None
    state: str
    record: RawRecord
    fault: str | None = None
    """Why it cannot be opened; then of `record` only its place is known."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record was parked."""

    reason: str
    message: str
    stack: str = ""

    @classmethod
    def of(cls, error: BaseException, reason: str = "handler_error") -> "Failure":
        """With the stack, for whoever mends it."""
        stack = "".join(traceback.format_exception(error))[-STACK_CHARS:]
        return cls(getattr(error, "reason", reason), f"{type(error).__name__}: {error}"[:MESSAGE_CHARS], stack)


class Parking:
    """Parked records of one service."""

    def __init__(self, mongo: Mongo, service: str, sealer: Sealer) -> None:
        """`held` is read by `read`."""
        self._mongo = mongo
        self._service = service
        self._sealer = sealer
        self.held: dict[str, int] = {}
        """Hold key to the number of records parked or waiting under it."""

    async def read(self) -> None:
        """Learn what is held from the database."""
        held: dict[str, int] = {}
        cursor = self._mongo.collection(PARKED).aggregate(
            [
                {"$match": {"state": {"$in": HELD_STATES}, "hold": {"$ne": None}}},
                {"$group": {"_id": "$hold", "n": {"$sum": 1}}},
            ]
        )
        async for row in cursor:
            held[row["_id"]] = row["n"]
        self.held = held

    async def count(self) -> int:
        """Records parked now, those that wait behind them not counted."""
        return int(await self._mongo.collection(PARKED).count_documents({"state": {"$in": ["parked", "requested"]}}))

    def id_of(self, record: RawRecord) -> str:
        """Deterministic: the same record parked again is the same document, another one at its place is not."""
        dated = () if record.stamp is None else (record.stamp,)
        return deterministic_id("pk", self._service, record.partition.id, record.offset, *dated)

    def park(self, record: RawRecord, hold: str | None, failure: Failure | None) -> list[WriteOp]:
        """Writes that keep `record`; without a failure it waits behind one that has.

        One that is kept already is the same document: after `huying ledger forget` a whole topic is read again.
        """
        document = self._document(record, hold, failure)
        found = {"_id": document.pop("_id")}
        now = {name: document.pop(name) for name in ("state", "reason", "message", "stack")} if failure else {}
        return [UpdateOne(found, {"$setOnInsert": document, **({"$set": now} if now else {})}, upsert=True)]

    def keep(self, record: RawRecord, failure: Failure, kept: timedelta) -> UpdateOne:
        """The write that parks what did not come by the log: once, however often it comes, and not for ever."""
        document = self._document(record, None, failure)
        document["expires_at"] = document["parked_at"] + kept
        return UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True)

    def _document(self, record: RawRecord, hold: str | None, failure: Failure | None) -> dict[str, Any]:
        key = None if record.key is None else record.key[:HEAD_BYTES]
        value, headers = record.value[:STORED_BYTES], _pack_headers(record.headers)
        document: dict[str, Any] = {
            "_id": self.id_of(record),
            "state": "parked" if failure else "waiting",
            "hold": hold,
            "cluster": record.partition.cluster,
            "topic": record.partition.topic,
            "partition": record.partition.number,
            "offset": record.offset,
            "stamp": record.stamp,
            "key": key,
            "value": self._sealer.seal(value),
            "headers": self._sealer.seal(headers[:HEAD_BYTES]),
            "bytes": len(record.value),
            "cut": (key, value) != (record.key, record.value) or len(headers) > HEAD_BYTES,
            "parked_at": datetime.now(UTC),
            "attempts": 1,
        }
        if failure:
            document |= {"reason": failure.reason, "message": failure.message, "stack": failure.stack}
        return document

    def fail_again(self, parked_id: str, failure: Failure) -> list[WriteOp]:
        """Writes that note one more attempt in vain."""
        change = {"reason": failure.reason, "message": failure.message, "stack": failure.stack, "state": "parked"}
        found = {"_id": parked_id, "state": {"$in": HELD_STATES}}
        return [UpdateOne(found, {"$set": change, "$inc": {"attempts": 1}})]

    def release(self, stored: Stored) -> Guard:
        """The write that lets a record go; a guard, so that two replicas cannot both do it."""
        change = {"state": "released", "released_at": datetime.now(UTC)}
        return Guard(PARKED, {"_id": stored.id, "state": stored.state}, {"$set": change})

    def dlq_row(self, record: RawRecord, failure: Failure) -> OutboxRow:
        """The record on its way to `<topic>.dlq`: sealed, with its reason and position in the headers."""
        headers = {
            "huying_parked_id": self.id_of(record),
            "huying_service": self._service,
            "huying_reason": failure.reason,
            "huying_message": failure.message,
            "huying_stack": failure.stack,
            "huying_origin": f"{record.partition.id}/{record.offset}",
            "huying_value": "sealed",
        }
        row = OutboxRow(
            topic=f"{record.partition.topic}.dlq",
            key=None if record.key is None else short(record.key),
            value=self._sealer.seal(record.value) if len(record.value) <= MAX_MESSAGE_BYTES else b"",
            headers=_texts(headers),
            event_id=self.id_of(record),
        )
        if row.value and row.size <= DLQ_MESSAGE_BYTES:
            return row
        return replace(row, value=b"", headers=_texts(headers | {"huying_value": "in-database"}))

    async def request(self, parked_id: str) -> bool:
        """Order the replay of a parked record; its service does it within a second. False if it is not parked."""
        change = {"$set": {"state": "requested"}}
        result = await self._mongo.collection(PARKED).update_one({"_id": parked_id, "state": "parked"}, change)
        return bool(result.modified_count)

    async def close(self, parked_id: str, by: str, reason: str) -> bool:
        """Give a parked record up for good: kept with who and why, and held against nothing any more. False if not parked.

        What waits behind it is left behind then, and goes on within a second.
        """
        change = {"state": CLOSED, "closed_at": datetime.now(UTC), "closed_by": by, "closed_reason": reason}
        parked = {"_id": parked_id, "state": "parked"}  # not one whose replay was ordered: its service has it in hand
        result = await self._mongo.collection(PARKED).update_one(parked, {"$set": change})
        return bool(result.modified_count)

    async def requested(self) -> list[Stored]:
        """Records whose replay was ordered, each with what waits behind it, in the order of the log; so many at once.

        With them what waits behind nothing any more: a person has closed that, or a replay was in several transactions
        and the rest of it is still to come.
        """
        found = await self._left_behind() if self.held else []
        rows = self._mongo.collection(PARKED)
        for row in await rows.find({"state": "requested"}).sort(IN_ORDER).limit(AT_ONCE).to_list(AT_ONCE):
            if len(found) >= AT_ONCE:
                break
            found.append(self._stored(row))
            if row["hold"] is not None:
                behind = rows.find({"state": "waiting", "hold": row["hold"]}).sort(IN_ORDER).limit(AT_ONCE)
                found.extend([self._stored(waiting) async for waiting in behind])
        return found[:AT_ONCE]

    async def _left_behind(self) -> list[Stored]:
        """Records that wait, and the one that they waited for is gone; asked in this order, since that one came first."""
        rows = self._mongo.collection(PARKED)
        waiting = set(await rows.distinct("hold", {"state": "waiting"}))
        held = set(await rows.distinct("hold", {"state": {"$in": ["parked", "requested"]}}))
        left = rows.find({"state": "waiting", "hold": {"$in": sorted(waiting - held)}}).sort(IN_ORDER).limit(AT_ONCE)
        return [self._stored(row) async for row in left]

    async def still_there(self, stored: Sequence[Stored]) -> set[str]:
        """Ids of those that stand as they were found: nobody let them go, and no attempt was in vain."""
        as_found = [{"_id": one.id, "state": one.state} for one in stored]
        return {row["_id"] async for row in self._mongo.collection(PARKED).find({"$or": as_found}, {"_id": 1})}

    def _stored(self, row: dict[str, Any]) -> Stored:
        try:
            return Stored(row["_id"], row["hold"], row["state"], self.restore(row))
        except ConfigurationError as error:
            place = RawRecord(_partition(row), row["offset"], row["key"], b"", ())
            return Stored(row["_id"], row["hold"], row["state"], place, str(error))

    def restore(self, row: dict[str, Any]) -> RawRecord:
        """The raw record out of its document.

        Raises:
            ConfigurationError: another secret sealed it.
        """
        return RawRecord(
            partition=_partition(row),
            offset=row["offset"],
            key=row["key"],
            value=self._sealer.open(row["value"]),
            headers=_unpack_headers(self._sealer.open(row["headers"])),
            stamp=row.get("stamp"),
        )


def _partition(row: dict[str, Any]) -> Partition:
    return Partition(row["cluster"], row["topic"], row["partition"])


def short(key: bytes) -> bytes:
    """The key where it is only a name."""
    return key if len(key) <= SHORT_KEY_BYTES else sha256(key).hexdigest().encode()


def _texts(headers: dict[str, str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, text.encode("utf-8", "replace")) for name, text in headers.items())


def _pack_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    parts = []
    for name, value in headers:
        for raw in (name.encode("utf-8", "replace"), value or b""):
            parts += [len(raw).to_bytes(SIZE_BYTES, "big"), raw]
    return b"".join(parts)


def _unpack_headers(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    headers, at = [], 0
    while at < len(packed):
        pair = []
        for _ in range(2):
            size = int.from_bytes(packed[at : at + SIZE_BYTES], "big")
            pair.append(packed[at + SIZE_BYTES : at + SIZE_BYTES + size])
            at += SIZE_BYTES + size
        headers.append((pair[0].decode("utf-8", "replace"), pair[1]))
    return tuple(headers)
