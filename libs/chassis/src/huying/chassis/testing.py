"""For the tests of services: settings that need no environment, and an application that runs in this process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI

SECRET = "a-secret-of-the-tests-that-is-long-enough"  # noqa: S105 - opens nothing outside a test
PATIENCE_S = 30.0


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start `app` with its lifespan, wait until `/readyz` answers 200, and yield a client for it."""
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        await until(lambda: _ready(client, app), "ready")
        yield client


async def _ready(client: httpx.AsyncClient, app: FastAPI) -> bool:
    assert app.state.ground.failure is None, app.state.ground.failure
    return (await client.get("/readyz")).status_code == 200


async def until(condition: Any, what: str, patience_s: float = PATIENCE_S) -> Any:
    """Ask `condition` (maybe a coroutine function) until its answer is true, and return that.

    Raises:
        AssertionError: it did not become true in time; `what` says what was waited for.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        assert asyncio.get_running_loop().time() < deadline, f"not in {patience_s} s: {what}"
        await asyncio.sleep(0.01)
