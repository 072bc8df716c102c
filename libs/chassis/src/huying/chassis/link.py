"""The link to the broker: FastStream's subscriber, the relay's producer, and which cluster it is.

It notices a broker that comes back as another cluster and starts over on it; it never publishes by itself.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage, TopicPartition

from huying.contracts.topics import DLQ_MESSAGE_BYTES, TICKS, Topic

from . import faults
from .arrival import arrived
from .broker import MissingTopicsError, cluster_id, lives_as_its_connection, partitions_of, started, whole
from .continuity import Continuity
from .errors import ConfigurationError
from .ledger import Ledger, Partition
from .measures import Measures
from .microbatch import MicroBatch
from .pace import Pace
from .parking import RawRecord
from .progress import Placing, Progress
from .settings import ServiceSettings
from .ticks import Follower

EMBEDDED_WAIT_MS = 40
"""tansu answers a waiting fetch only at the end of the wait, so the wait is the latency (guide: measured)."""
KAFKA_WAIT_MS = 250
IDLE_MS = 9 * 60 * 1000
"""When an unused connection of the relay is closed; below Kafka's own ten minutes."""
SESSION_MS = 6000
"""Above the worst pause seen of a process (2 s of imports), below the patience of a dispatcher."""
REQUEST_BYTES = DLQ_MESSAGE_BYTES + 64 * 1024
ASK_CLUSTER_S = 2.0
"""A new connection each time, since a client remembers the cluster that it met first; so not more often."""
ASK_AGAIN_S = 0.1
PATIENCE_S = 60.0
"""How long a start waits for the broker before it gives up and says so."""

Answer = TypeVar("Answer")


class Link:
    """Consumes the service's topics into its micro-batch."""

    def __init__(self, settings: ServiceSettings, topics: Sequence[Topic], measures: Measures) -> None:
        """Nothing is connected before `consume`."""
        self._settings = settings
        self._topics = topics
        self._measures = measures
        self._ledger: Ledger | None = None
        self.broker = KafkaBroker(
            settings.kafka.split(","),
            client_id=f"{settings.service}-{settings.replica}",
            logger=logging.getLogger("faststream"),
            allow_auto_create_topics=False,
        )
        self.cluster = ""
        self._subscriber: Any = None
        self._batch: MicroBatch | None = None
        self._follower: Follower | None = None
        self._partitions: list[Any] = []
        self._silent = False
        """Whether the broker did not answer when it was asked last."""
        self._pace = Pace(settings.paced_records)
        self.fault: asyncio.Future[None] | None = None
        """Ends with the fault of a batch that went nowhere; None before `subscribe`."""
        self._leaving: asyncio.Future[None]
        """Done as soon as it stops; made by `subscribe`."""
        self._continuity: Continuity | None = None
        self._progress: Progress | None = None
        """Both None before `subscribe`."""

    @property
    def refused(self) -> str | None:
        """Why this service must not consume, for as long as it runs; None when it may."""
        return self._continuity.refused if self._continuity is not None else None

    async def wait_for_cluster(self) -> str:
        """The cluster's id, as soon as the broker answers.

        Raises:
            ConfigurationError: nobody answers for a minute.
        """
        return await self._answer(cluster_id, "start a broker there or set HUYING_KAFKA")

    async def _answer(self, ask: Callable[[str], Awaitable[Answer]], remedy: str) -> Answer:
        """What the broker says, as soon as it can: whoever starts it may still be at it."""
        until = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                return await ask(self._settings.kafka)
            except (MissingTopicsError, KafkaError, OSError) as error:
                if asyncio.get_running_loop().time() > until:
                    raise ConfigurationError(f"Kafka at {self._settings.kafka!r}: {error}; {remedy}") from error
                await asyncio.sleep(ASK_AGAIN_S)

    async def subscribe(self, batch: MicroBatch, ledger: Ledger, follower: Follower | None = None) -> None:
        """Declare the one subscriber: raw bytes, batches, acknowledged by hand after the commit.

        A `follower` gets the replay's ticks where partitions are assigned by hand.

        Raises:
            ConfigurationError: the topics are not there.
        """
        self._batch, self._ledger, self._follower = batch, ledger, follower
        self._progress = Progress(self.cluster, self._topics, batch, ledger, self._measures)
        self._continuity = Continuity(self._settings, self.cluster, batch, ledger, self._measures, self._answer)
        self.fault = asyncio.get_running_loop().create_future()
        self._leaving = asyncio.get_running_loop().create_future()
        if not self._topics and (follower is None or self._settings.by_group):
            return
        embedded = self._settings.broker == "embedded"
        options: dict[str, Any] = {
            "group_id": self._settings.group,
            "batch": True,
            "max_records": self._settings.batch_records,
            "fetch_max_wait_ms": EMBEDDED_WAIT_MS if embedded else KAFKA_WAIT_MS,
            "fetch_max_bytes": self._settings.batch_bytes,
            "auto_offset_reset": "earliest",
            "ack_policy": AckPolicy.MANUAL,
            "no_reply": True,
            "parser": self._parse,
            "decoder": _raw,
        }
        names = [topic.name for topic in self._topics]
        self._partitions = await self._answer(partial(partitions_of, names=names), "run `huying topics create`")
        if self._settings.by_group:
            self._subscriber = self.broker.subscriber(
                *(topic.name for topic in self._topics),
                listener=Placing(self._place),
                group_instance_id=f"{self._settings.group}.{self._settings.replica}",
                session_timeout_ms=SESSION_MS,
                heartbeat_interval_ms=SESSION_MS // 4,
                **options,
            )
        else:
            assigned = [TopicPartition(tp.topic, tp.partition) for tp in self._partitions]
            if follower is not None:
                assigned.append(TopicPartition(TICKS.name, 0))
            self._subscriber = self.broker.subscriber(partitions=assigned, **options)
        # FastStream's own waits in vain and then sleeps as long, deaf to what arrives.
        self._subscriber.get_msg = self._next_batch
        self._subscriber(self._on_batch)

    async def _next_batch(self, consumer: AIOKafkaConsumer) -> tuple[Any, ...]:
        """What has arrived, as soon as something has and the last batch has rested.

        A fault here would be logged and passed by FastStream; all but what may heal ends the service.
        """
        await self._pace.rest()
        if self.refused:
            await asyncio.Event().wait()
        try:
            if not self._settings.by_group and not cast("Progress", self._progress).placed:
                await self._place(consumer.assignment())
            return tuple(await arrived(consumer, self._settings.batch_records))
        except ConsumerStoppedError:
            raise
        except Exception as error:
            if not getattr(error, "retriable", False):
                self._fail(error)
                await asyncio.Event().wait()
            raise

    async def _place(self, partitions: Iterable[AioPartition]) -> None:
        """Until a stop: a group's client waits at its end for this, and a database that is away is waited for.

        A fault here would be logged and passed by that client, which reads on from what was committed.
        """
        placing = asyncio.ensure_future(cast("Progress", self._progress).place(self.consumer, partitions))
        try:
            await asyncio.wait({placing, self._leaving}, return_when=asyncio.FIRST_COMPLETED)
            if placing.done():
                placing.result()
        except Exception as error:
            self._fail(error)
            raise
        finally:
            placing.cancel()

    def _fail(self, error: Exception) -> None:
        """The service ends over it and starts from the ledger."""
        fault = cast("asyncio.Future[None]", self.fault)
        if not fault.done():
            fault.set_exception(error)

    async def _parse(self, records: Any) -> KafkaMessage:
        """Headers stay bytes: a record with a header that is no text must not stop the loop."""
        return KafkaMessage(
            body=b"", headers={}, content_type=None, message_id="", raw_message=records, consumer=self.consumer
        )

    @property
    def consumer(self) -> Any:
        """The client's consumer; None before the start."""
        return self._subscriber.consumer if self._subscriber is not None else None

    @property
    def subscribers(self) -> list[Any]:
        """For the inherited suite, which asserts the policy of each."""
        return [] if self._subscriber is None else [self._subscriber]

    async def _on_batch(self, message: KafkaMessage) -> None:
        """FastStream would log a fault and go on to the next batch; here nothing passes one that went nowhere."""
        fault = cast("asyncio.Future[None]", self.fault)
        if fault.done():
            return
        try:
            await self._take(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service ends over it
            self._fail(error)

    async def _take(self, message: KafkaMessage) -> None:
        batch = cast("MicroBatch", self._batch)
        records = cast("tuple[Any, ...]", message.raw_message)
        cluster = self.cluster
        items, ticked = [], []
        for record in records:
            if record.topic == TICKS.name:
                ticked.append(record)
                continue
            raw = RawRecord(
                Partition(cluster, record.topic, record.partition),
                record.offset,
                record.key,
                record.value or b"",
                tuple((name, value or b"") for name, value in record.headers or ()),
                record.timestamp,
            )
            item = batch.unreadable(raw, fault) if (fault := getattr(record, "fault", None)) else batch.decode(raw)
            if item is not None:
                items.append(item)
        await cast("Continuity", self._continuity).check(
            self.consumer,
            {AioPartition(item.record.partition.topic, item.record.partition.number) for item in items if item.record},
        )
        if self.refused:
            return  # nothing is processed and nothing acknowledged: it is all read again
        began = time.monotonic()
        await batch.process(items)
        self._pace.took(len(items), time.monotonic() - began)
        for record in ticked:  # after what came with it: the driver struck when all before was in the log
            await cast("Follower", self._follower).follow(record)
        cast("Progress", self._progress).note(self.consumer)
        faults.point("before-kafka-commit")

    @property
    def missing(self) -> str | None:
        """What consuming lacks; None when records flow."""
        if self.refused:
            return self.refused
        if self._silent:
            return f"kafka: nobody answers at {self._settings.kafka}"
        if self._subscriber is None:
            return None
        consumer = self.consumer
        if consumer is None:
            return "kafka: not connected"
        if not consumer.assignment():
            return "kafka: no partition assigned yet"
        return None

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """The relay's producer: all replicas acknowledge, and idempotent where the broker can."""
        embedded = self._settings.broker == "embedded"
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka,
            client_id=f"{self._settings.service}-{self._settings.replica}-relay",
            acks="all",
            enable_idempotence=not embedded,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=10000,
            linger_ms=0,
            connections_max_idle_ms=None if embedded else IDLE_MS,
        )
        if embedded:
            lives_as_its_connection(producer)
        async with started(producer, producer.stop):
            yield producer

    async def start(self) -> None:
        """Consume; the ledger says from where, and whether it was found ahead of the log before."""
        if self._topics:
            await cast("Continuity", self._continuity).recall(topic.name for topic in self._topics)
        if not self._settings.by_group:  # by group it is read as each partition's first record comes
            known = [Partition.of(self.cluster, tp) for tp in self._partitions]
            ledger = cast("Ledger", self._ledger)
            await cast("MicroBatch", self._batch).patiently(lambda: ledger.read(known, sequence=False))
        await self.broker.start()

    async def stop(self) -> None:
        """Finish the batch in hand and leave."""
        if self.consumer is not None and not self._silent and not self.refused:
            await cast("Progress", self._progress).commit(self.consumer)
        self._leaving.set_result(None)
        await whole(self.broker.stop())

    async def changed_cluster(self) -> str:
        """Return when the broker answers as another cluster."""
        progress, continuity = cast("Progress", self._progress), cast("Continuity", self._continuity)
        while True:
            await asyncio.sleep(ASK_CLUSTER_S)
            if self.consumer is not None:
                progress.note(self.consumer)
            try:
                found = await cluster_id(self._settings.kafka)
            except (KafkaError, OSError):
                self._silent = True
                continue
            self._silent = False
            if found != self.cluster:
                return found
            await continuity.check(self.consumer, progress.assigned)
            if self.consumer is not None and not self.refused:
                await progress.commit(self.consumer)


async def _raw(message: KafkaMessage) -> bytes:
    del message
    return b""
