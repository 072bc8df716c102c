"""Reads topics of a running system with a consumer of its own, up to a known end. It commits nothing.

Between two reads it is paused: a waiting consumer fetches a hundred times a second, which the embedded broker feels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from huying.chassis.broker import partitions_of
from huying.contracts.envelope import CloudEvent, EnvelopeError, parse
from huying.contracts.topics import Topic

WAIT_MS = 10
"""tansu answers a waiting fetch only at the end of the wait (guide: measured)."""


class Feed:
    """Events of some topics, in order within each key."""

    def __init__(self, bootstrap: str, topics: Sequence[Topic]) -> None:
        self._bootstrap = bootstrap
        self._topics = [topic.name for topic in topics]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=WAIT_MS,
        )
        self._next: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connect and stand at the beginning."""
        partitions = await partitions_of(self._bootstrap, self._topics)
        self._next = dict.fromkeys(partitions, 0)
        await self._consumer.start()
        self._consumer.assign(partitions)
        await self._consumer.seek_to_beginning(*partitions)
        self._consumer.pause(*partitions)

    async def stop(self) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def read(self, cluster: str, ends: Mapping[str, int]) -> list[CloudEvent]:
        """Everything new up to `ends` (last offset by `<cluster>/<topic>/<partition>`)."""
        missing = {
            tp: ends[f"{cluster}/{tp.topic}/{tp.partition}"]
            for tp in self._next
            if ends.get(f"{cluster}/{tp.topic}/{tp.partition}", -1) >= self._next[tp]
        }
        events: list[CloudEvent] = []
        self._consumer.resume(*missing)
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
        self._consumer.pause(*self._next)
        return events
