"""Lets the tests of the chassis share their bench."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning

sys.path.insert(0, str(Path(__file__).parent))

import tally
from tally_bench import Bench


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.wire), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def ground(request: pytest.FixtureRequest, unique_name: str) -> tuple[Stack, Any]:
    """A broker of this kind with a database; the test's own are dropped afterwards."""
    prefix = "" if request.param == "embedded" else "kafka_"
    assert request.getfixturevalue(f"{prefix}mongo_database") == unique_name
    return request.getfixturevalue(f"{request.param}_stack"), request.param


@pytest.fixture
async def bench(ground: tuple[Stack, Any], unique_name: str) -> AsyncIterator[Bench]:
    stack, broker = ground
    numbers, sums = tally.topics_of(unique_name)
    wanted = [(t.name, t.partitions, t.config()) for t in (numbers, sums)]
    await provisioning.create(stack.bootstrap, [*wanted, (numbers.dlq, 1, {})])
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap, max_request_size=4_000_000) as producer:
        yield Bench(stack, unique_name, producer, broker)
