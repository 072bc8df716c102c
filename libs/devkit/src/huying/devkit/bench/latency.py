"""End to end through the real door: how many reports a second come out dispatched, and how long one takes at 50 a second."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from huying.chassis.broker import partitions_of
from huying.contracts.envelope import parse
from huying.contracts.incidents import IncidentDispatchedV1, IncidentOpenedV1, IncidentReportJoinedV1
from huying.contracts.topics import INCIDENTS

from ..installation import DOOR
from ..replay.target import Target

CONNECTIONS = 32
"""Enough to keep the door busy, few enough not to measure the client's queue."""
PATIENCE_S = 120.0

Bodies = Iterator[tuple[str, dict[str, Any]]]


class Watch:
    """When the feed told that a report was decided, and that its incident was dispatched (monotonic seconds)."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=5
        )
        self.decided: dict[str, float] = {}
        self.dispatched: dict[str, float] = {}
        self._opener: dict[str, str] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Watch until cancelled."""
        partitions = await partitions_of(self._bootstrap, [INCIDENTS.name])
        await self._consumer.start()
        try:
            self._consumer.assign(partitions)
            await self._consumer.seek_to_beginning(*partitions)
            while True:
                found = await self._consumer.getmany(timeout_ms=1000)
                now = time.monotonic()
                for record in (record for some in found.values() for record in some):
                    self._note(parse(record.headers, record.value), now)
                self._news.set()
        finally:
            await self._consumer.stop()

    def _note(self, event: Any, now: float) -> None:
        if event.type == IncidentOpenedV1.TYPE:
            opened = IncidentOpenedV1.model_validate_json(event.data)
            self._opener[opened.incident_id] = opened.report.report_id
            self.decided.setdefault(opened.report.report_id, now)
        elif event.type == IncidentReportJoinedV1.TYPE:
            self.decided.setdefault(IncidentReportJoinedV1.model_validate_json(event.data).report.report_id, now)
        elif event.type == IncidentDispatchedV1.TYPE:
            opener = self._opener.get(event.subject or "")
            if opener is not None:
                self.dispatched.setdefault(opener, now)

    async def until(self, reports: set[str]) -> None:
        """Wait until every one of `reports` is decided. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE_S):
            while not reports <= self.decided.keys():
                await self._news.wait()
                self._news.clear()


async def throughput(target: Target, bodies: Bodies, reports: int) -> float:
    """Reports a second from the first request to the last decision on the feed."""
    async with _watching(target) as (http, watch):
        began = time.monotonic()
        turn = asyncio.Semaphore(CONNECTIONS)

        async def one(key: str, body: dict[str, Any]) -> str:
            async with turn:
                return await _send(http, target, key, body)

        ids = await asyncio.gather(*(one(*next(bodies)) for _ in range(reports)))
        await watch.until(set(ids))
        return reports / (max(watch.decided[report] for report in ids) - began)


async def latencies(target: Target, bodies: Bodies, rate: float, seconds: float) -> list[float]:
    """Seconds from the door's 202 to `dispatched` on the feed, for every report that opened an incident, sorted."""
    async with _watching(target) as (http, watch):
        accepted: dict[str, float] = {}

        async def one(key: str, body: dict[str, Any]) -> None:
            accepted[await _send(http, target, key, body)] = time.monotonic()

        began = time.monotonic()
        tasks = []
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            tasks.append(asyncio.create_task(one(*next(bodies))))
        await asyncio.gather(*tasks)
        await watch.until(set(accepted))
        return sorted(max(0.0, at - accepted[report]) for report, at in watch.dispatched.items() if report in accepted)


class _watching:  # noqa: N801 - a context manager, read as a verb
    def __init__(self, target: Target) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS * 2)
        self._http = httpx.AsyncClient(timeout=60, limits=limits, trust_env=False)
        self._watch = Watch(target.bootstrap)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> tuple[httpx.AsyncClient, Watch]:
        self._task = asyncio.create_task(self._watch.run())
        return self._http, self._watch

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._http.aclose()


async def _send(http: httpx.AsyncClient, target: Target, key: str, body: dict[str, Any]) -> str:
    headers = {**target.headers(DOOR), "Idempotency-Key": key}
    answer = await http.post(target.urls["intake"] + "/v1/reports", json=body, headers=headers)
    answer.raise_for_status()
    return str(answer.json()["report_id"])
