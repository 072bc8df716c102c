"""What the broker is asked, on the real one."""

import asyncio
import contextlib
import gc
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from huying.chassis.broker import MissingTopicsError, cluster_id, partitions_of, started
from huying.chassis.link import Link
from huying.chassis.measures import Measures
from huying.chassis.settings import ServiceSettings
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning

pytestmark = pytest.mark.wire


async def _producing(bootstrap: str) -> None:
    settings = ServiceSettings(
        service="tally", port=0, kafka=bootstrap, mongo="mongodb://x", secret=SecretStr("x" * 32)
    )
    async with Link(settings, (), Measures("tally")).producer():
        await asyncio.Event().wait()


async def test_there_are_as_many_partitions_as_the_broker_has_and_asking_makes_no_topic(
    embedded_stack: Stack, unique_name: str
) -> None:
    for _ in range(2):
        with pytest.raises(MissingTopicsError, match=unique_name):
            await partitions_of(embedded_stack.bootstrap, [unique_name])
    await provisioning.create(embedded_stack.bootstrap, [(unique_name, 3, {})])
    found = await partitions_of(embedded_stack.bootstrap, [unique_name])
    assert [(tp.topic, tp.partition) for tp in found] == [(unique_name, n) for n in range(3)]
    assert await partitions_of(embedded_stack.bootstrap, []) == []


@pytest.mark.parametrize("ask", [cluster_id, _producing])
async def test_who_is_cancelled_while_connecting_leaves_no_connection_open(
    embedded_stack: Stack, ask: Callable[[str], Coroutine[Any, Any, object]]
) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for attempt in range(40):
            asking = asyncio.create_task(ask(embedded_stack.bootstrap))
            for _ in range(attempt):  # a little later each time: every step of a start is cut off once
                await asyncio.sleep(0)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
        gc.collect()
    assert [str(one.message) for one in said if issubclass(one.category, ResourceWarning)] == []


async def test_what_is_sent_while_the_embedded_broker_is_another_one_without_topics_spoils_none_of_them(
    fresh_stack: Callable[..., Stack], unique_name: str
) -> None:
    stack = fresh_stack()
    wanted = [(unique_name, 1, {})]
    await provisioning.create(stack.bootstrap, wanted)
    settings = ServiceSettings(
        service="tally", port=0, kafka=stack.bootstrap, mongo="mongodb://x", secret=SecretStr("x" * 32)
    )
    link = Link(settings, (), Measures("tally"))
    async with link.producer() as producer:
        await producer.send_and_wait(unique_name, b"of the last one")
        await asyncio.to_thread(stack.restart, "broker")
        for _ in range(5):
            with pytest.raises(KafkaError):
                await producer.send_and_wait(unique_name, b"spoils what comes")
    await provisioning.create(stack.bootstrap, wanted)
    given = [f"{number}".encode() for number in range(20)]
    async with link.producer() as producer:
        for value in given:
            await producer.send_and_wait(unique_name, value)
    async with AIOKafkaConsumer(unique_name, bootstrap_servers=stack.bootstrap, auto_offset_reset="earliest") as reader:
        assert [(await reader.getone()).value for _ in given] == given


async def test_who_is_cancelled_while_a_client_closes_ends_all_the_same() -> None:
    """The client's stop ends its own task so: what cancels the stop meanwhile is taken for that, and nobody hears."""
    closing = asyncio.Event()

    class Client:
        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            own = asyncio.ensure_future(asyncio.sleep(0.05))
            closing.set()
            with contextlib.suppress(asyncio.CancelledError):
                await own

    async def ask() -> None:
        client = Client()
        async with started(client, client.stop):
            pass
        await asyncio.Event().wait()

    asking = asyncio.create_task(ask())
    await closing.wait()
    asking.cancel()
    done, _ = await asyncio.wait({asking}, timeout=5)
    assert asking in done
    assert asking.cancelled()


async def test_a_client_that_is_cut_off_by_its_own_task_while_it_closes_cuts_off_nobody_else() -> None:
    """The consumer's stop cancels its fetches and awaits them: one that pauses after a fault of the broker says so."""

    class Client:
        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            own = asyncio.ensure_future(asyncio.sleep(1))
            own.cancel()
            await own

    async def ask() -> str:
        client = Client()
        async with started(client, client.stop):
            pass
        return "went on"

    assert await asyncio.create_task(ask()) == "went on"
