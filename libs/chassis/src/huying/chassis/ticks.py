"""What strikes: the second hand of a live service, or the driver's ticks in a replay.

Ticks are read by own assignment, outside the ledger, by every replica; they never go back. The mode belongs to
the database: a live one refuses ticks for ever, and a replayed one refuses to go live.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from huying.contracts.envelope import EnvelopeError, parse
from huying.contracts.ticks import TickV1
from huying.contracts.topics import TICKS

from .broker import started
from .clock import Clock, ReplayClock
from .errors import Broken, ConfigurationError, Transient
from .microbatch import MicroBatch
from .mongo import Mongo, heals
from .settings import ServiceSettings

META = "meta"
LIVE_S = 1.0
"""Deadlines are minutes at the least; a second late is on time."""
POLL_MS = 200
PARTITION = TopicPartition(TICKS.name, 0)

log = structlog.get_logger()


async def claim_mode(mongo: Mongo, clock: Clock) -> None:
    """Bind the database to the clock's mode, or find that it is bound; a replay goes on where it stood.

    Raises:
        ConfigurationError: the database belongs to the other mode.
    """
    try:
        await mongo.collection(META).update_one(
            {"_id": "clock"}, {"$setOnInsert": {"mode": clock.mode, "number": 0}}, upsert=True
        )
        row = await mongo.collection(META).find_one({"_id": "clock"})
    except PyMongoError as error:
        raise heals(error) from error
    if row["mode"] != clock.mode:
        raise ConfigurationError(
            f"database {mongo.name!r} belongs to a {row['mode']} system and HUYING_CLOCK is {clock.mode!r}: "
            "use another HUYING_DATABASE_PREFIX, or set the clock back"
        )
    if isinstance(clock, ReplayClock) and row["number"]:
        clock.strike(TickV1(number=row["number"], instant=row["instant"], until=row["until"]))


async def run_live(batch: MicroBatch) -> None:
    """Ask every second what became due, and for parked records whose replay was ordered."""
    while True:
        await _tried(batch.due)
        await _tried(batch.due_stored)
        await asyncio.sleep(LIVE_S)


async def _tried(attempt: Callable[[], Awaitable[None]]) -> None:
    try:
        await attempt()
    except Broken as error:
        log.error("a parked record can neither be processed nor parked; trying again", error=str(error))
    except Transient as error:
        log.warning("nothing can become due yet", error=str(error))


async def run_replay(settings: ServiceSettings, follower: "Follower", batch: MicroBatch) -> None:
    """Bring parked records whose replay was ordered and, where the link does not, the driver's ticks."""
    if (
        not settings.by_group
    ):  # they come by the link: on the embedded broker a second consumer costs as much as a service
        while True:
            await _tried(batch.due_stored)
            await asyncio.sleep(LIVE_S)
    while True:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MS,
        )
        try:
            async with started(consumer, consumer.stop):
                consumer.assign([PARTITION])
                await consumer.seek_to_beginning(PARTITION)
                while True:
                    found = await consumer.getmany(PARTITION, timeout_ms=POLL_MS)
                    for record in found.get(PARTITION, []):
                        await follower.follow(record)
                    if not found:
                        await _tried(batch.due_stored)
        except (KafkaError, OSError) as error:
            log.warning("the replay's clock is out of reach", error=str(error))
            await asyncio.sleep(0.2)


class Follower:
    """Follows the driver: each tick moves the clock, brings what became due, and is noted as seen."""

    def __init__(self, mongo: Mongo, clock: ReplayClock, batch: MicroBatch) -> None:
        self._mongo = mongo
        self._clock = clock
        self._batch = batch

    async def follow(self, record: Any) -> None:
        """One record of the ticks' topic; one that is none, or came before, changes nothing."""
        try:
            tick = TickV1.model_validate_json(parse(record.headers, record.value).data)
        except (EnvelopeError, ValidationError) as error:
            log.error("a tick that is none", error=str(error))
            return
        if self._clock.strike(tick):
            await _tried(self._batch.due)
            await self._note(tick)

    async def _note(self, tick: TickV1) -> None:
        """With when the next thing falls due: the driver passes over hours in which nothing happens."""
        seen = {"number": tick.number, "instant": tick.instant, "until": tick.until}
        change = {"$set": {**seen, "next_due": await self._batch.next_due()}}
        await self._batch.patiently(lambda: self._mongo.fast(META).update_one({"_id": "clock"}, change))
