"""Whether the log is the one that the ledger knows: one that was made anew under its old name is not consumed.

What comes from it would pass for what was had before. Decision: docs/decisions/2026-11-26-a-log-made-anew.md.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from huying.contracts.topics import MAX_MESSAGE_BYTES

from . import lenient
from .broker import cluster_id, end_seen, log_ends
from .ledger import Ledger, Partition
from .measures import Measures
from .microbatch import MicroBatch
from .settings import ServiceSettings

LOOK = "look at it"
"""What is to be done about a broker that does not answer."""

log = structlog.get_logger()
Answer = Callable[[Callable[[str], Awaitable[Any]], str], Awaitable[Any]]
"""Asks the broker until it answers."""


class Continuity:
    """Of one service on one cluster."""

    def __init__(
        self,
        settings: ServiceSettings,
        cluster: str,
        batch: MicroBatch,
        ledger: Ledger,
        measures: Measures,
        answer: Answer,
    ) -> None:
        """`batch` waits out the database's faults, `answer` the broker's."""
        self._settings = settings
        self._cluster = cluster
        self._batch = batch
        self._ledger = ledger
        self._measures = measures
        self._answer = answer
        self._recognised: set[TopicPartition] = set()
        self.refused: str | None = None
        """Why nothing may be consumed, for as long as the process runs."""

    async def recall(self, topics: Iterable[str]) -> None:
        """Refuse what was refused before."""
        reason = await self._batch.patiently(partial(self._ledger.refusal, self._cluster, list(topics)))
        if reason is not None:
            self._refuse(reason)

    async def check(self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        """Refuse to consume where the log ends before the ledger, or has another record at its position."""
        await self._recognise(consumer, partitions - self._recognised)
        unknown = [one for one in map(self._partition, partitions) if not self._ledger.knows(one)]
        stored = await self._batch.patiently(lambda: self._ledger.stored(unknown)) if unknown else {}
        for tp in partitions:
            partition, seen = self._partition(tp), end_seen(consumer, tp)
            position = stored.get(partition) if partition in unknown else self._ledger.position(partition)
            if position is None or seen is None or position < seen or self.refused:
                continue
            # Another replica may have brought the ledger past what was seen here.
            end = (await self._answer(partial(log_ends, partitions=[tp]), LOOK)).get(tp, 0)
            if position >= end:
                await self._found(tp, f"the ledger was at {position} when the log ended at {end}")

    async def _recognise(self, consumer: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        """A log of the same name may have grown past the ledger: then another record lies there.

        Once a partition; what the broker keeps no more, and what was had before stamps were kept, is believed.
        """
        if not partitions:
            return
        marks = await self._batch.patiently(partial(self._ledger.marks, [self._partition(tp) for tp in partitions]))
        for tp in partitions:
            at, stamp = marks.get(self._partition(tp), (None, None))
            found = None if at is None else await self._answer(partial(_stamp_at, consumer, tp, at), LOOK)
            if found not in (None, stamp):
                await self._found(tp, f"at {at}, the last of the ledger, lies another record by now")
        self._recognised |= partitions

    async def _found(self, tp: TopicPartition, what: str) -> None:
        """Refuse until the position is forgotten: a restart may find nothing odd, once the new log is longer."""
        if await self._answer(cluster_id, LOOK) != self._cluster:
            self.refused = self.refused or "kafka: another cluster answers now"
            return
        if self.refused:  # the other look at the log found it as well
            return
        reason = (
            f"{tp.topic}/{tp.partition} of cluster {self._cluster!r} was made anew: {what}. Stop this service and "
            f"`huying ledger forget --service {self._settings.service} --topic {tp.topic}`"
        )
        self._refuse(reason)
        await self._batch.patiently(partial(self._ledger.refuse, self._partition(tp), reason))

    def _refuse(self, reason: str) -> None:
        self.refused = reason
        log.critical("nothing is consumed", reason=reason)
        self._measures.violation("ledger_ahead_of_log")

    def _partition(self, tp: TopicPartition) -> Partition:
        return Partition.of(self._cluster, tp)


async def _stamp_at(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int, _: str) -> int | None:
    """How the record there is dated; None when it is there no more, or not yet."""
    try:
        found = await lenient.read(consumer, tp, offset, MAX_MESSAGE_BYTES)
    except OffsetOutOfRangeError:
        return None
    return next((record.timestamp for record in found if record.offset == offset), None)
