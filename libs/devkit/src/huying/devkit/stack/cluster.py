"""Ask a broker who it is. Refuses to trust a listening socket: a cluster has answered or it has not."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

from huying.chassis import broker

from .errors import StackError

Answer = TypeVar("Answer")


def run(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run it to its end from synchronous code, also inside a running event loop, which then waits."""
    with ThreadPoolExecutor(1, thread_name_prefix="huying-stack") as thread:
        return thread.submit(asyncio.run, work).result()


async def cluster_id(bootstrap: str) -> str | None:
    """The cluster's id (tansu: random per start; Apache Kafka: kept for ever); None while nobody answers."""
    try:
        return await broker.cluster_id(bootstrap)
    except KafkaError:
        return None


async def answering(bootstrap: str) -> str:
    """The cluster's id.

    Raises:
        StackError: nobody answers.
    """
    found = await cluster_id(bootstrap)
    if found is None:
        raise StackError(f"no broker at {bootstrap!r}: start the system with `huying up`, or give --kafka")
    return found


async def coordinates_groups(bootstrap: str, group: str) -> bool:
    """Whether a group could join: Apache Kafka makes its offsets topic at the first request, which takes a moment."""
    try:
        async with broker.admin_of(bootstrap) as admin:
            await admin.find_coordinator(group)
            return True
    except KafkaError:
        return False
