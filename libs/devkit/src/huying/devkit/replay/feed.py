"""Reads topics of a running system with a consumer of its own, up to a known end. It commits nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from huying.contracts.envelope import CloudEvent, EnvelopeError, parse
from huying.contracts.topics import Topic

WAIT_MS = 10
"""tansu answers a waiting fetch only at the end of the wait (guide: measured)."""


class Feed:
    """Events of some topics, in order within each key."""

    def __init__(self, bootstrap: str, topics: Sequence[Topic]) -> None:
        self._partitions = [TopicPartition(topic.name, n) for topic in topics for n in range(topic.partitions)]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=WAIT_MS,
        )
        self._next: dict[TopicPartition, int] = dict.fromkeys(self._partitions, 0)

    async def start(self) -> None:
        """Connect and stand at the beginning."""
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning(*self._partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def read(self, cluster: str, ends: Mapping[str, int]) -> list[CloudEvent]:
        """Everything new up to `ends` (last offset by `<cluster>/<topic>/<partition>`)."""
        missing = {
            tp: ends[f"{cluster}/{tp.topic}/{tp.partition}"]
            for tp in self._partitions
            if ends.get(f"{cluster}/{tp.topic}/{tp.partition}", -1) >= self._next[tp]
        }
        events: list[CloudEvent] = []
        while missing:
            found: dict[Any, list[Any]] = await self._consumer.getmany(*missing, timeout_ms=200)
            for tp in sorted(found):
                for record in found[tp]:
                    self._next[tp] = record.offset + 1
                    try:
                        events.append(parse(record.headers, record.value))
                    except EnvelopeError:
                        continue  # somebody else's garbage; the services park it
            missing = {tp: end for tp, end in missing.items() if self._next[tp] <= end}
        return events
