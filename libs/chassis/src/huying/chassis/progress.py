"""How far a service has come in its partitions: from where each is read, its lag, and what the broker is told of it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from huying.contracts.topics import TICKS, Topic

from .broker import end_seen
from .ledger import Ledger, Partition
from .measures import Measures
from .microbatch import MicroBatch

COMMIT_S = 3.0
"""Offsets that take longer to commit are left to the next time."""

log = structlog.get_logger()


class Progress:
    """Of one service on one cluster."""

    def __init__(
        self, cluster: str, topics: Sequence[Topic], batch: MicroBatch, ledger: Ledger, measures: Measures
    ) -> None:
        """`batch` waits out the database's faults."""
        self._cluster = cluster
        self._topics = topics
        self._batch = batch
        self._ledger = ledger
        self._measures = measures
        self._had: dict[TopicPartition, int] = {}
        """The last offset had of each partition, as far as it is known here; -1 for none. After a race the ledger is
        forgotten until the next batch, and this is not."""
        self._committed: dict[TopicPartition, int] = {}
        self.assigned: set[TopicPartition] = set()
        """What this replica consumes, as `note` saw it last; without the replay's ticks."""

    @property
    def placed(self) -> bool:
        """Whether it was ever said from where to read."""
        return bool(self._had)

    async def place(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        """Read on behind the ledger, whatever was committed: a database put back to yesterday's reads today again.

        From the start where the ledger has nothing; the replay's ticks always. Until then nothing is read: a group's
        client would begin where was committed.
        """
        own = {Partition.of(self._cluster, tp): tp for tp in partitions}
        consumer.pause(*own.values())
        positions = await self._batch.patiently(lambda: self._ledger.stored(own))
        await self._missed(consumer, {own[partition]: position for partition, position in positions.items()})
        for partition, position in positions.items():
            consumer.seek(own[partition], position + 1)
        if new := [tp for partition, tp in own.items() if partition not in positions]:
            await consumer.seek_to_beginning(*new)
        self._had |= {tp: positions.get(partition, -1) for partition, tp in own.items()}
        consumer.resume(*own.values())

    async def _missed(self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
        """Say what the log let go before it was read here: the client would go on behind it without a word."""
        if not positions:
            return
        try:
            begins: Mapping[TopicPartition, int] = await consumer.beginning_offsets([*positions])
        except KafkaError as error:
            log.info("the broker does not say where logs begin; a gap would not be noticed", error=str(error))
            return
        for tp, had in positions.items():
            if begins[tp] > had + 1:
                self._measures.violation("log_gap")
                records = f"{tp.topic}/{tp.partition}: {had + 1} to {begins[tp] - 1}"
                log.error("records left the log before they were read; its retention is too short", records=records)

    def note(self, consumer: AIOKafkaConsumer) -> None:
        """Show what this replica consumes now, and its lag; no lag of what another one has taken over."""
        assigned = {tp for tp in consumer.assignment() if tp.topic != TICKS.name}
        if assigned != self.assigned:
            for tp in self.assigned - assigned:
                self._measures.lag.remove(tp.topic, str(tp.partition))
            counted = Counter(tp.topic for tp in assigned)
            for topic in self._topics:
                self._measures.assigned.labels(topic.name).set(counted[topic.name])
            self.assigned = assigned
        for tp in assigned:
            if self._ledger.knows(partition := Partition.of(self._cluster, tp)):
                position = self._ledger.position(partition)
                self._had[tp] = -1 if position is None else position
            end, had = end_seen(consumer, tp), self._had.get(tp)
            if end is not None and had is not None:
                self._measures.lag.labels(tp.topic, str(tp.partition)).set(max(0, end - 1 - had))

    async def commit(self, consumer: AIOKafkaConsumer) -> None:
        """Tell the broker how far the ledger is, for who watches the group; nobody reads on from there.

        Beside the batches and not after each: that would be a round trip of its own for a figure.
        """
        had = {tp: self._had.get(tp, -1) for tp in self.assigned}
        # A log that ends before its ledger is another one.
        offsets = {tp: at + 1 for tp, at in had.items() if 0 <= at < (end_seen(consumer, tp) or 0)}
        if not offsets or offsets == self._committed:
            return
        try:
            async with asyncio.timeout(COMMIT_S):
                await consumer.commit(offsets)
        except (KafkaError, TimeoutError) as error:
            self._measures.commit_failures.inc()
            log.info("offsets were not committed; the ledger knows better", error=str(error))
        else:
            self._committed = offsets


class Placing(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Where the group hands partitions out: each is read from where the ledger says."""

    def __init__(self, place: Callable[[Iterable[TopicPartition]], Awaitable[None]]) -> None:
        self._place = place

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Whoever has them next reads the ledger."""

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Before the first record of them."""
        await self._place(assigned)
