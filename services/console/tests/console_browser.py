"""A console in a real browser, on a bus and a database of its own."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from console_stories import Story

from huying.contracts.clocks import ClockEvent
from huying.contracts.envelope import CloudEvent
from huying.contracts.incidents import CommandDeclinedV1
from huying.contracts.topics import CLOCKS, INCIDENTS
from huying.devkit.stack import Stack

CHROMIUM = Path("/usr/bin/chromium")
PACK = Path(__file__).parents[3] / "deploy/county/julu"
SHOTS = os.environ.get("HUYING_SCREENSHOTS")
"""A folder for pictures to look at; none are taken when it is absent."""


async def publish(stack: Stack, events: list[Any]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    try:
        for n, event in enumerate(events):
            clock = isinstance(event, ClockEvent)
            if clock:
                identity = f"{event.clock_id}/{n}"
            elif isinstance(event, CommandDeclinedV1):
                identity = event.command_id
            else:
                identity = f"{event.incident_id}/{event.incident_version}"
            wrapped = CloudEvent(identity, "test", event.TYPE, event.encode(), event.at)
            topic = CLOCKS if clock else INCIDENTS
            await producer.send(
                topic.name, wrapped.data, key=event.incident_id.encode(), headers=list(wrapped.headers())
            )
        await producer.flush()
    finally:
        await producer.stop()


@dataclass
class Console:
    """A running console, one browser page, and everything that the page asked for."""

    url: str
    app: Any
    stack: Stack
    page: Any
    prefix: str
    stories: list[Story]
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def shot(self, name: str) -> None:
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            await self.page.screenshot(path=f"{SHOTS}/{name}.png")

    async def sign_in(self, name: str = "zhang", password: str = "一个长口令") -> None:
        await self.page.goto(self.url)
        await self.page.fill("#name", name)
        await self.page.fill("#password", password)
        await self.page.click("button")
