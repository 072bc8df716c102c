"""What has arrived at the client, as soon as something has: as it decodes it, or past what it cannot decode."""

from collections.abc import Awaitable, Callable, Iterable
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError

from huying.contracts.topics import MAX_MESSAGE_BYTES

from . import lenient

WAIT_MS = 1000
"""How long one wait for records takes at most; what arrives ends it at once."""
PARTITION_BYTES = MAX_MESSAGE_BYTES
"""Of one partition in one answer; a single batch may be larger."""


async def arrived(consumer: AIOKafkaConsumer, most: int) -> list[Any]:
    """Records, `most` at the most; none when none came in time.

    Partition by partition: what was taken from one is gone from the client, so no other's fault may follow it.

    Raises:
        KafkaError: the broker or the client says so; nothing was taken.
        RuntimeError: the client fails, and no record is at fault.
    """
    try:
        first = await consumer.getmany(timeout_ms=WAIT_MS, max_records=1)
    except Exception as error:
        if not _undecodable(error):
            raise
        found = await _gathered(consumer, consumer.assignment(), [], most, _leniently)
        if not found:
            raise RuntimeError("the client cannot read what a broker sends") from error
        return found
    found = list(chain.from_iterable(first.values()))
    others = [*first, *(consumer.assignment() - set(first))] if found else ()
    return await _gathered(consumer, others, found, most, _strictly)


Take = Callable[[AIOKafkaConsumer, TopicPartition, int], Awaitable[list[Any]]]
"""So many records of one partition at the most."""


async def _gathered(
    consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition], found: list[Any], most: int, take: Take
) -> list[Any]:
    """What is in hand, and what each partition gives besides, until it fills a batch."""
    for tp in partitions:
        room = most - len(found)
        if room <= 0:
            break
        try:
            found += await take(consumer, tp, room)
        except Exception:
            if not found:
                raise
            break  # it says so again when there is nothing in hand
    return found


async def _strictly(consumer: AIOKafkaConsumer, tp: TopicPartition, most: int) -> list[Any]:
    try:
        return list((await consumer.getmany(tp, timeout_ms=0, max_records=most)).get(tp, ()))
    except Exception as error:
        if not _undecodable(error):
            raise
        return await _leniently(consumer, tp, most)


async def _leniently(consumer: AIOKafkaConsumer, tp: TopicPartition, most: int) -> list[Any]:
    """What the client has not given of a partition, and go on behind it."""
    found = await lenient.read(consumer, tp, await consumer.position(tp), PARTITION_BYTES)
    found = found[:most]
    if found:
        consumer.seek(tp, found[-1].offset + 1)
    return list(found)


def _undecodable(error: Exception) -> bool:
    """Whether a record is at fault, or its batch: whatever is no word of the broker or the client."""
    codec = isinstance(error, UnsupportedCodecError | CorruptRecordException)
    return codec or not isinstance(error, KafkaError | ConsumerStoppedError)
