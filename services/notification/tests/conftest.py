"""Makes the lives and fakes importable for the tests of this folder; Julu's desk; a real HTTP receiver."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from notify_bench import JULU, Bench
from receiver import Receiver

from huying.contracts.topics import CLOCKS, INCIDENTS, NOTICES, RATINGS
from huying.county import Pack, load
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning
from huying.notification.audience import Audience
from huying.notification.domain import Desk
from huying.notification.wording import Wording


@pytest.fixture(scope="session")
def julu() -> Pack:
    return load(JULU)


@pytest.fixture(scope="session")
def desk(julu: Pack) -> Desk:
    return Desk(julu, Audience(julu, "file:"), Wording(julu), "https://rate.example/", "https://julu.example/")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@pytest.fixture
async def bench(embedded_stack: Stack, mongo_database: str, tmp_path: Path) -> Any:
    wanted = [(t.name, t.partitions, t.config()) for t in (INCIDENTS, CLOCKS, RATINGS, NOTICES)]
    await provisioning.create(embedded_stack.bootstrap, wanted)
    opened = Bench(embedded_stack, mongo_database, tmp_path)
    with opened.mongo:
        yield opened
