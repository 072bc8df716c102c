"""Reads from a partition what the client's own decoding fails on: record by record, and nothing stops at one.

The client decodes a whole fetch or none of it, and a header's name that is no UTF-8, or a codec that it does not
have, is enough for none. Only asked after that happened; `aiokafka`'s own fetch and batch, its decoding of records
left out.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import LeaderNotAvailableError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint

WAIT_MS = 40
"""For what is there already."""
READ_UNCOMMITTED = 0
PREFIX = struct.Struct(">qi")
"""Base offset and length, in front of every batch."""
BY_THE_BROKER = 1
"""Type of a timestamp that is the batch's and not the record's."""
MAGIC = 2
"""The batch's format since Kafka 0.11."""


@dataclass(frozen=True, slots=True)
class Found:
    """A record, or what can be had of one: `fault` says why it cannot be used."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    fault: str | None = None
    timestamp: int | None = None
    """Milliseconds since 1970; None of a batch that cannot be opened."""


async def read(consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int, most_bytes: int) -> list[Found]:
    """What lies in the partition from `offset` on; of a batch that cannot be opened its bytes, at its last offset.

    Raises:
        KafkaError: the broker does not give it.
    """
    client = consumer._client
    leader = client.cluster.leader_for_partition(tp)
    if leader is None or leader == -1:
        raise LeaderNotAvailableError(f"{tp} has no leader now")
    wanted = [(tp.topic, [(tp.partition, offset, most_bytes)])]
    answer = await client.send(leader, FetchRequest(WAIT_MS, 1, most_bytes, READ_UNCOMMITTED, wanted))
    found: list[Found] = []
    for _, partitions in answer.topics:
        for _, code, _, *rest in partitions:
            if code:
                raise for_code(code)(f"{tp} at {offset}")
            found += [one for one in _batches(tp, rest[-1]) if one.offset >= offset]
    return found


def _batches(tp: TopicPartition, data: bytes) -> Iterator[Found]:
    at = 0
    while at + PREFIX.size <= len(data):
        _, size = PREFIX.unpack_from(data, at)
        sealed = data[at : at + PREFIX.size + size]
        at += PREFIX.size + size
        if at > len(data):  # the end of what was asked for
            return
        batch = _DefaultRecordBatchPy(sealed)
        if batch.magic < MAGIC:
            raise ValueError(f"{tp}: batches of format {batch.magic}, before Kafka 0.11")
        if batch.is_control_batch:
            continue
        try:
            if not batch.validate_crc():
                raise ValueError("its checksum is wrong")
            batch._maybe_uncompress()
            yield from list(_records(tp, batch))
        except Exception as error:  # noqa: BLE001 - whatever a sender put there; each codec has errors of its own
            last = batch.next_offset - 1
            fault = f"a batch of the records {batch.base_offset} to {last}: {type(error).__name__}: {error}"
            yield Found(tp.topic, tp.partition, last, value=sealed, fault=fault)


def _records(tp: TopicPartition, batch: Any) -> Iterator[Found]:
    data, at = batch._buffer, batch._pos
    for _ in range(batch._num_records):
        size, at = decode_varint(data, at)
        end = at + size
        if size < 0 or end > len(data):
            raise ValueError("a record is longer than its batch")
        yield _record(tp, batch, data[at:end])
        at = end


def _record(tp: TopicPartition, batch: Any, data: bytearray) -> Found:
    later, at = decode_varint(data, 1)  # after the attributes
    stamp = batch.max_timestamp if batch.timestamp_type == BY_THE_BROKER else batch.first_timestamp + later
    delta, at = decode_varint(data, at)
    key, at = _sized(data, at)
    value, at = _sized(data, at)
    count, at = decode_varint(data, at)
    headers, fault = [], None
    for _ in range(count):
        name, at = _sized(data, at)
        content, at = _sized(data, at)
        try:
            text = (name or b"").decode()
        except UnicodeDecodeError:
            text = (name or b"").decode("utf-8", "backslashreplace")
            fault = f"the header name {text[:200]!r} is not UTF-8"
        headers.append((text, content))
    return Found(tp.topic, tp.partition, batch.base_offset + delta, key, value, tuple(headers), fault, stamp)


def _sized(data: bytearray, at: int) -> tuple[bytes | None, int]:
    size, at = decode_varint(data, at)
    if size < 0:
        return None, at
    if at + size > len(data):
        raise ValueError("a field is longer than its record")
    return bytes(data[at : at + size]), at + size
