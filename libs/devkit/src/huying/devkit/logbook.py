"""The whole log of a running broker, topic by topic, from the start to its end. It reads and commits nothing."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from huying.chassis.broker import partitions_of
from huying.contracts.envelope import CloudEvent, EnvelopeError, parse
from huying.contracts.message import Event
from huying.contracts.topics import Topic

E = TypeVar("E", bound=Event)
WAIT_MS = 50
EMPTY_POLLS = 3
"""A partition without a record answers with its end at the first fetch; two more in case the broker was busy."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `event` None where it is no CloudEvent."""

    topic: str
    partition: int
    offset: int
    event: CloudEvent | None


async def read(bootstrap: str, topics: Iterable[Topic]) -> dict[str, list[Record]]:
    """Every record of `topics` by topic; within a partition in order. The end is the fetch's high watermark."""
    wanted = list(topics)
    partitions = await partitions_of(bootstrap, [topic.name for topic in wanted])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=WAIT_MS
    )
    found: dict[str, list[Record]] = {topic.name: [] for topic in wanted}
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        empty = 0
        while empty < EMPTY_POLLS:
            batches = await consumer.getmany(timeout_ms=300)
            for tp, records in batches.items():
                found[tp.topic].extend(_record(tp, record) for record in records)
            ended = [await _at_end(consumer, tp) for tp in partitions]
            empty = empty + 1 if not batches and all(ended) else 0
    finally:
        await consumer.stop()
    return found


def readable(records: Iterable[Record], kinds: Iterable[type[E]]) -> list[tuple[Record, E]]:
    """The records of these kinds that fit their contracts; services park the rest or pass it over, and so does this."""
    models = {kind.TYPE: kind for kind in kinds}
    found = []
    for record in records:
        if record.event is not None and (model := models.get(record.event.type)) is not None:
            with suppress(ValueError):
                found.append((record, model.model_validate_json(record.event.data)))
    return found


async def _at_end(consumer: AIOKafkaConsumer, tp: TopicPartition) -> bool:
    end = consumer.highwater(tp)
    return end is not None and await consumer.position(tp) >= end


def _record(tp: TopicPartition, record: object) -> Record:
    try:
        event = parse(record.headers, record.value)  # type: ignore[attr-defined]
    except EnvelopeError:
        event = None
    return Record(tp.topic, tp.partition, record.offset, event)  # type: ignore[attr-defined]
