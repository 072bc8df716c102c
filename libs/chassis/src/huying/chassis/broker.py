"""What a broker says of itself, its cluster and its topics' partitions, and how long its clients live.

It changes nothing there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

REQUEST_TIMEOUT_MS = 3000
"""A broker nearby answers in milliseconds; a frozen one should not hold a start for aiokafka's 40 s."""

LOOK_S = 10.0
"""How long a look at the ends of logs may take: a topic that goes away meanwhile would keep it waiting for ever."""
PEEK_BYTES = 1024
"""What comes with the answer to where a log ends is not looked at."""


class MissingTopicsError(Exception):
    """The broker has no such topics."""


class ConnectionEndedError(KafkaError):  # type: ignore[misc]  # the client has no types
    """Of a client that lives as long as its connection; a new one may be made."""


@asynccontextmanager
async def admin_of(bootstrap: str, timeout_ms: int = REQUEST_TIMEOUT_MS) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client that is closed whatever happens."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=timeout_ms)
    async with started(admin, admin.close):
        yield admin


@asynccontextmanager
async def started(client: Any, stop: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """A client of aiokafka that leaves no connection open, whenever it is cut off."""
    try:
        await whole(client.start())
        yield
    finally:
        await whole(stop())


async def whole(doing: Awaitable[None]) -> None:
    """Wait to its end for a start or stop of a client; a cancellation that comes meanwhile holds after it.

    Cut off, aiokafka's start forgets its first connection, open, and its stop takes the cancellation for that of a task
    of its own: nobody else hears of it, and who asked waits for ever. The other way round, a stop of its own may pass on
    the cancellation of such a task, which is nobody else's.
    """
    going = asyncio.ensure_future(doing)
    try:
        await asyncio.shield(going)
    except asyncio.CancelledError:
        await asyncio.gather(going, return_exceptions=True)
        asked = cast("asyncio.Task[None]", asyncio.current_task()).cancelling()
        if asked or not going.cancelled():
            raise


def lives_as_its_connection(producer: Any) -> None:
    """Let a producer send nothing more once a connection of it ended, instead of connecting anew.

    The embedded broker forgets its topics with its process. What a producer sends to the next one, of topics that it
    knows of the last, that one takes and acknowledges, and it stays hidden under what the topic gets once it is made,
    hiding some of that in turn (docs/decisions/2026-11-23-embedded-stack.md). A new producer asks for its topics first.
    """
    client, ended = producer.client, False
    send = client.send

    def closed(connection: Any, reason: Any) -> None:
        """Nor does it ask for its topics at once: tansu would make them, with other partitions than are wanted."""
        del connection, reason
        nonlocal ended
        ended = True

    async def send_once(node: Any, request: Any, **options: Any) -> Any:
        if ended:
            raise ConnectionEndedError
        return await send(node, request, **options)

    client._on_connection_closed, client.send = closed, send_once


async def cluster_id(bootstrap: str) -> str:
    """The cluster's id, asked now (tansu: random per start; Apache Kafka: kept for ever)."""
    async with admin_of(bootstrap) as admin:
        return str((await admin.describe_cluster())["cluster_id"])


async def partitions_of(bootstrap: str, names: Sequence[str]) -> list[TopicPartition]:
    """All partitions of the topics, as many as the broker has, topic by topic.

    Raises:
        MissingTopicsError: a topic is not there. tansu makes one that is asked for by name, so the list is read first.
    """
    if not names:
        return []
    async with admin_of(bootstrap) as admin:
        missing = set(names) - set(await admin.list_topics())
        if missing:
            raise MissingTopicsError(f"no topic {', '.join(sorted(missing))}")
        counts = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics(list(names))}
    return [TopicPartition(name, number) for name in names for number in range(counts[name])]


def end_seen(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int | None:
    """Where the log ended when the client last read of it; None before, and where another replica has it meanwhile."""
    return consumer.highwater(tp) if tp in consumer.assignment() else None


async def log_ends(bootstrap: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the logs of partitions end, asked now; without those that are not there.

    It is a fetch's high watermark that says so: tansu's `end_offsets` counts batches.

    Raises:
        MissingTopicsError: a whole topic is not there.
        TimeoutError: the broker does not say.
    """
    wanted = set(partitions)
    wanted &= set(await partitions_of(bootstrap, sorted({tp.topic for tp in wanted})))
    ends: dict[TopicPartition, int] = {}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=PEEK_BYTES,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    async with asyncio.timeout(LOOK_S), started(consumer, consumer.stop):
        consumer.assign(sorted(wanted))
        await consumer.seek_to_beginning(*wanted)
        while missing := wanted - ends.keys():
            await consumer.getmany(*missing, timeout_ms=100, max_records=1)
            ends |= {tp: int(end) for tp in missing if (end := consumer.highwater(tp)) is not None}
    return ends
