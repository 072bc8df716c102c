"""The micro-batch: whatever has arrived goes through the handler in one transaction.

Three fates, decided here and nowhere else: declined is an effect like any other; transient, and a race that was lost,
is retried with bounded back-off and nothing is skipped; broken is parked, found by bisecting when only the database
knows. What fell due has no record to park: it is set aside and tried again with growing pauses, and nothing else waits
for it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import structlog
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError

from .aside import Aside, name_of
from .clock import Clock
from .decoding import Decoder
from .errors import Broken, Conflict, Outrun, Transient
from .item import Batch, Item, nowhere_left
from .ledger import Commit, Ledger, Partition, encode
from .measures import Measures
from .message import Handler, Message
from .mongo import heals, translate
from .pace import Pace, give_way
from .parking import AT_ONCE, MESSAGE_CHARS, PARKED, Failure, Parking, RawRecord, Stored, short
from .telemetry import BatchSpans, Telemetry, in_hand

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0
"""A database that elects a primary is back within seconds; a longer pause would only add to it."""

CONFLICTS_AT_MOST = 8
"""With the pauses between them over a second: what of its own documents still conflicts then is their fault."""
LOST_ALOUD = 16
"""Races in a row: some ten seconds of them, of which people should know."""

log = structlog.get_logger()
R = TypeVar("R")


class MicroBatch:
    """Runs one handler of one service. One batch at a time: the handler's memory has one writer."""

    def __init__(
        self,
        *,
        service: str,
        handler: Handler[Any],
        ledger: Ledger,
        parking: Parking,
        decoder: Decoder,
        clock: Clock,
        measures: Measures,
        telemetry: Telemetry,
        holding: frozenset[str],
        requests: int,
    ) -> None:
        """`holding`: topics whose parked records hold back later ones of a key; `requests`: as many as fill a batch."""
        self._service = service
        self._handler = handler
        self._ledger = ledger
        self._parking = parking
        self._decoder = decoder
        self._clock = clock
        self._measures = measures
        self._telemetry = telemetry
        self._holding = holding
        self._turn = asyncio.Lock()
        self._inbox: list[Item] = []
        self._pace = Pace(requests)
        self._blocked: frozenset[str] = frozenset()
        """Holds that this round of replays may not release any more: something of them failed again."""
        self._aside = Aside(clock, measures)
        self.on_rows: Callable[[], None] = lambda: None
        """Called after every commit that wrote outbox rows."""
        self._failing, self._patient = False, 0
        """Whether a batch waits out a transient fault, and how many others do."""

    @property
    def healthy(self) -> bool:
        """False while a transient fault is being waited out."""
        return not self._failing and not self._patient

    def decode(self, record: RawRecord) -> Item | None:
        """An item of the log, or None when the record is none of our business."""
        try:
            message = self._decoder.decode(record)
        except Broken as error:
            return Item(None, record, Failure(error.reason, str(error)[:MESSAGE_CHARS]))
        if message is None:
            self._measures.skipped.labels(record.partition.topic, "unknown_type").inc()
        return Item(message, record)

    def unreadable(self, record: RawRecord, fault: str) -> Item:
        """An item of the log that is no record; it is parked with what could be had of it."""
        return Item(None, record, Failure("undecodable", fault[:MESSAGE_CHARS]))

    async def submit(self, message: Message) -> Any:
        """Process one request, together with whatever else waits, and return its effects' answer.

        Raises:
            Broken: it could not be processed; nothing was written.
        """
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._inbox.append(Item(message, waiter=waiter))
        await self._pace.rest()
        async with self._turn:
            items, self._inbox = self._inbox, []
            if items:
                began = time.monotonic()
                try:
                    await self._run(items)
                except BaseException as error:  # nobody else has the others' requests in hand
                    told = error if isinstance(error, Exception) else Transient("the batch was cut off; ask again")
                    for item in items:
                        if item.waiter is not waiter:
                            item.answer(told)
                    raise
                if len(items) > 1:  # who comes alone is never kept waiting
                    self._pace.took(len(items), time.monotonic() - began)
        return await waiter

    async def process(self, items: Sequence[Item]) -> None:
        """Bring items of the log into the database; returns when they are there or parked."""
        async with self._turn:
            await self._run(list(items))

    async def due(self) -> None:
        """Process what became due by the clock's now."""
        async with self._turn:
            while items := await self._due():
                await self._run(items[:AT_ONCE])

    async def _due(self) -> list[Item]:
        """What is due and not set aside; what is due no more is not aside either."""
        messages = await self.patiently(lambda: self._handler.due(self._clock.now()))
        self._aside.forget_all_but(messages)
        return [Item(message) for message in messages if not self._aside.holds(message)]

    async def next_due(self) -> datetime | None:
        """When the next thing falls due, as things stand; None for never."""
        async with self._turn:
            return await self.patiently(self._handler.next_due)

    async def between(self, attempt: Callable[[], Awaitable[R]]) -> R:
        """What `attempt` gives, made between two batches: for what changes the handler's memory from outside.

        Raises:
            Exception: a fault that does not heal.
        """
        async with self._turn:
            return await self.patiently(attempt)

    async def due_stored(self) -> None:
        """Process parked records whose replay was ordered, with what waits behind them."""
        async with self._turn:
            try:
                if self._parking.held:  # another replica may have released some
                    await self._parking.read()
                stored = await self._parking.requested()
            except PyMongoError as error:
                log.warning("the parking is out of reach", error=str(heals(error)))
                return
            self._blocked = frozenset()
            if stored:
                await self._run([self._from_parking(one) for one in stored])

    def _from_parking(self, stored: Stored) -> Item:
        if stored.fault:
            return Item(None, failure=Failure("sealed", stored.fault), stored=stored)
        item = self.decode(stored.record) or Item(None)
        return Item(item.message, failure=item.failure, stored=stored)

    async def _run(self, items: list[Item]) -> None:
        pause, lost, conflicts = FIRST_PAUSE_S, 0, 0
        while True:
            await self._learn(items)
            try:
                items = [item for item in items if not self._done(item)]
                await self._attempt(items)
            except Conflict as error:
                lost += 1
                conflicts += not isinstance(error, Outrun)
                self._measures.retries.labels("conflict").inc()
                if conflicts >= CONFLICTS_AT_MOST:
                    await self._split(await self._forget(items), Broken("conflict", str(error)))
                    return
                if lost % LOST_ALOUD == 0:
                    self._failing = True
                    log.warning("races are lost again and again", error=str(error), lost=lost)
                await give_way(lost)
                items = await self._forget(items)
            except Exception as error:  # noqa: BLE001 - the one place where an unknown fault becomes a parked record
                fate = translate(error)
                if not isinstance(fate, Transient) and nowhere_left(items):
                    with in_hand(items[0].trace):
                        log.error("neither processed nor parked; nothing may pass it", error=str(error))
                    fate = Transient(f"the parking refuses a record: {error}")
                if isinstance(fate, Transient):
                    self._failing = True
                    pause = await self._wait_out(fate, pause)
                    items = await self._forget(items)
                    continue
                await self._split(await self._forget(items), fate)
                return
            else:
                self._failing = False
                return

    async def _wait_out(self, error: Transient, pause: float) -> float:
        self._measures.retries.labels("transient").inc()
        log.warning("transient fault, trying again", error=str(error), pause_s=pause)
        await asyncio.sleep(pause)
        return min(pause * 2, LONGEST_PAUSE_S)

    async def _forget(self, items: list[Item]) -> list[Item]:
        """What is known may be stale: it is read again. The items without parked records that were let go meanwhile.

        Another replica did it, or a commit of this one whose answer was lost.
        """
        self._ledger.forget()
        stored = [item.stored for item in items if item.stored is not None]
        there = await self.patiently(lambda: self._parking.still_there(stored)) if stored else set()
        return [item for item in items if item.stored is None or item.stored.id in there]

    async def patiently(self, attempt: Callable[[], Awaitable[R]]) -> R:
        """What `attempt` gives, however long the database takes to come back; it may be made several times.

        Raises:
            Exception: a fault that does not heal.
        """
        pause, waits = FIRST_PAUSE_S, 0
        try:
            while True:
                try:
                    return await attempt()
                except (Transient, PyMongoError) as error:
                    fault = heals(error)
                self._patient += 1 - waits
                waits = 1
                pause = await self._wait_out(fault, pause)
        finally:
            self._patient -= waits

    async def learn(self) -> None:
        """Read what the handler remembers and what is parked, however long the database takes to come back."""
        async with self._turn:
            await self.patiently(lambda: self._read(()))

    async def _learn(self, items: Sequence[Item]) -> None:
        unknown = {i.record.partition for i in items if i.record and not self._ledger.knows(i.record.partition)}
        if unknown or not self._ledger.fenced:  # taken over from another replica, or a race was lost
            await self.patiently(lambda: self._read(unknown))

    async def _read(self, partitions: Iterable[Partition]) -> None:
        """The ledger first: whoever writes after that is found by the commit, whatever of it was in memory by then."""
        await self._ledger.read(partitions)
        await self._handler.reload()
        await self._parking.read()

    def _done(self, item: Item) -> bool:
        if item.record is None:
            return False
        position = self._ledger.position(item.record.partition)
        if position is None or item.record.offset > position:
            return False
        self._measures.skipped.labels(item.record.partition.topic, "redelivered").inc()
        return True

    async def _split(self, items: list[Item], error: Exception) -> None:
        """Find the item at fault, left half first, so that the ledger advances by prefix."""
        if len(items) > 1:
            middle = len(items) // 2
            await self._run(items[:middle])
            await self._run(items[middle:])
            return
        if not items:
            return
        [item] = items
        if item.waiter is not None:
            item.answer(error)
        elif item.raw is not None and item.failure is None:
            if item.overdue:  # it may be their fault and not its own
                await self._run([Item(message) for message in item.overdue])
                await self._run([item])
            else:
                await self._run([Item(None, item.record, Failure.of(error), stored=item.stored)])
        elif item.raw is None and item.message is not None:
            self._aside.put(item.message, Failure.of(error))
        else:
            log.error("it cannot be processed", error=str(error), message=repr(item.message))
            raise error

    async def _attempt(self, items: Sequence[Item]) -> None:
        if not items:
            return
        messages = [item.message for item in items if item.message is not None]
        with self._measures.transaction.time():
            state = await self._handler.load(messages)
            batch = Batch(dict(self._parking.held), blocked=set(self._blocked))
            with self._telemetry.batch(messages) as spans:
                for item in items:
                    with in_hand(item.trace):
                        self._fold(batch, state, item, spans)
                whole = (
                    (name, ReplaceOne({"_id": one}, make(), upsert=True))
                    for (name, one), make in batch.documents.items()
                )
                commit = Commit(batch.advance, [*batch.writes, *whole], batch.guards, batch.rows, batch.stamps)
                if commit.advance or commit.writes or commit.rows or commit.guards:
                    await self._ledger.commit(commit)
        self._handler.committed(state)
        self._parking.held = {key: n for key, n in batch.held.items() if n > 0}
        self._blocked = frozenset(batch.blocked)
        self._measures.committed(len(items), batch.advance)
        for failure in batch.failures:
            self._measures.parked.labels(failure.reason).inc()
        for message, failure in batch.aside:
            self._aside.put(message, failure)
        if batch.rows:
            self.on_rows()
        for item, told in batch.answers:
            item.answer(told)

    def _fold(self, batch: Batch, state: Any, item: Item, spans: BatchSpans) -> None:
        record = item.record
        if record is not None and record.offset > batch.advance.get(record.partition, -1):
            batch.advance[record.partition], batch.stamps[record.partition] = record.offset, record.stamp
        hold = self._hold_of(item)
        if item.stored is not None and hold in batch.blocked:
            return
        if hold is not None and record is not None and batch.held.get(hold, 0) > 0:
            batch.held[hold] += 1
            batch.writes.extend((PARKED, write) for write in self._parking.park(record, hold, None))
            return
        failure = item.failure
        if failure is None and item.message is not None:
            now = self._clock.stamp(item.message.time)
            if item.raw is not None:
                self._fold_overdue(batch, state, item, now, spans)
            with spans.of(item.message) as trace:
                try:
                    effects = self._handler.fold(state, item.message, now)
                except (Conflict, Transient):
                    raise
                except Exception as error:  # noqa: BLE001 - a poison record must not stop its batch-mates
                    if item.waiter is not None:
                        batch.answers.append((item, error))
                        return
                    failure = Failure.of(error)
                else:  # a refusal from here on is the whole batch's: the state has gone on
                    batch.rows.extend([encode(event, self._service, trace) for event in effects.events])
                    batch.writes.extend(effects.writes)
                    batch.documents |= effects.documents
                    batch.guards.extend(effects.guards)
                    if item.waiter is not None:
                        batch.answers.append((item, effects.answer))
        if failure is None:
            if item.stored is not None:
                batch.guards.append(self._parking.release(item.stored))
                if hold is not None:
                    batch.held[hold] = batch.held.get(hold, 1) - 1
            return
        self._park(batch, item, hold, failure)

    def _fold_overdue(self, batch: Batch, state: Any, item: Item, now: datetime, spans: BatchSpans) -> None:
        """What must happen before the item: each a message of its own, so that neither's fault is the other's."""
        item.overdue = ()
        for due in self._handler.overdue(state, now):
            if self._aside.holds(due) or name_of(due) in {name_of(failed) for failed, _ in batch.aside}:
                continue
            item.overdue += (due,)
            with in_hand(due.trace):
                self._fold(batch, state, Item(due), spans)

    def _park(self, batch: Batch, item: Item, hold: str | None, failure: Failure) -> None:
        if item.raw is None and item.message is not None:
            batch.aside.append((item.message, failure))
            return
        batch.failures.append(failure)
        if hold is not None and item.stored is not None:
            batch.blocked.add(hold)
        if item.stored is not None:
            batch.writes.extend((PARKED, write) for write in self._parking.fail_again(item.stored.id, failure))
        elif item.record is not None:
            log.error("parked", reason=failure.reason, error=failure.message, origin=item.record.partition.id)
            batch.writes.extend((PARKED, write) for write in self._parking.park(item.record, hold, failure))
            batch.rows.append(self._parking.dlq_row(item.record, failure))
            if hold is not None:
                batch.held[hold] = batch.held.get(hold, 0) + 1

    def _hold_of(self, item: Item) -> str | None:
        if item.stored is not None:
            return item.stored.hold
        if item.record is None or item.record.partition.topic not in self._holding or item.record.key is None:
            return None
        return f"{item.record.partition.topic}/{short(item.record.key).decode('utf-8', 'replace')}"
