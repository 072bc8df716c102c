"""Makes the lives and fakes importable for the tests of this folder; Julu's desk; a real HTTP receiver."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from receiver import Receiver

from huying.county import Pack, load
from huying.notification.audience import Audience
from huying.notification.domain import Desk
from huying.notification.wording import Wording

JULU = Path(__file__).parents[3] / "deploy/county/julu"


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
