"""Ask a broker who it is. Refuses to trust a listening socket: a cluster has answered or it has not."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

Answer = TypeVar("Answer")

REQUEST_TIMEOUT_MS = 3_000
"""A local broker answers in milliseconds; a frozen one should not hold a start for aiokafka's 40 s."""


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it to its end from synchronous code, also inside a running event loop, which then waits."""
    with ThreadPoolExecutor(1, thread_name_prefix="huying-stack") as thread:
        return thread.submit(asyncio.run, work).result()


async def cluster_id(bootstrap: str) -> str | None:
    """The cluster's id (tansu: random per start; Apache Kafka: kept for ever); None while nobody answers."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        return str((await admin.describe_cluster())["cluster_id"])
    except KafkaError:
        return None
    finally:
        await admin.close()


async def coordinates_groups(bootstrap: str, group: str) -> bool:
    """Whether a group could join: Apache Kafka makes its offsets topic at the first request, which takes a moment."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        await admin.find_coordinator(group)
        return True
    except KafkaError:
        return False
    finally:
        await admin.close()
