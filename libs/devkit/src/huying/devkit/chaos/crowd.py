"""Citizens who report and units that do their orders at once, through the public doors of a live system."""

import asyncio
import itertools
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from ..people import ZONE
from ..replay.doors import Doors, post
from ..replay.target import Target

DEEDS: tuple[dict[str, str], ...] = (
    {"kind": "accept"},
    {"kind": "contact", "note": "已联系反映人。"},
    {"kind": "complete", "text": "已到现场处理完毕。"},
)
WORK_S = 1.0
"""How often units look for new orders."""


class Crowd:
    """Everybody. `answered`: report ids by the sender's own, for what a door has accepted."""

    def __init__(self, target: Target, http: httpx.AsyncClient, lines: Sequence[Mapping[str, Any]]) -> None:
        """`lines` are told again and again, each time as a report of its own that comes now."""
        self._target, self._http = target, http
        self._doors = Doors(target, http)
        self._doors.open()
        rounds = ((number, line) for number in itertools.count() for line in lines)
        self._next = ({**line, "id": f"{line['id']}-{number}"} for number, line in rounds)
        self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            target.mongo_url, serverSelectionTimeoutMS=3000, socketTimeoutMS=5000
        )
        self._done: set[str] = set()
        self.sent = 0
        self.answered: dict[str, str] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def report(self) -> None:
        """Send the next report until it is accepted.

        Raises:
            RefusedError: the door says no, or says nothing for two minutes.
        """
        line = {**next(self._next), "received_at": datetime.now(UTC).astimezone(ZONE).isoformat(timespec="seconds")}
        self.sent += 1
        _, self.answered[line["id"]] = await self._doors.send(line)

    async def keep_reporting(self, per_second: float, stop: asyncio.Event) -> None:
        """Send at a steady rate, whoever answers or not, until told to stop; returns when all is accepted."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                tasks.create_task(self.report())
                await asyncio.sleep(max(0.0, began + self.sent / per_second - time.monotonic()))

    async def keep_working(self, stop: asyncio.Event) -> None:
        """Do the orders until told to stop."""
        while not stop.is_set():
            await self.work()
            await asyncio.sleep(WORK_S)

    async def work(self) -> int:
        """Accept, contact and complete every order that is open; how many there were; 0 while the database is away."""
        rows = self._client[self._target.database("routing")]["dispatches"]
        try:
            orders = [row async for row in rows.find({"active": True}) if row["_id"] not in self._done]
        except PyMongoError:
            return 0
        for order in orders:
            url = f"{self._target.urls['routing']}/v1/incidents/{order['incident_id']}/commands"
            for deed in DEEDS:
                headers = self._target.headers(f"unit-{order['unit']}")
                headers["Idempotency-Key"] = f"{order['_id']}/{deed['kind']}"
                await post(self._http, url, {"action": deed}, headers)
            self._done.add(order["_id"])
        return len(orders)
