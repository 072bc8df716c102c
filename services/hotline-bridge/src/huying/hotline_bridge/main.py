"""Puts the hotline bridge together; the only place that reads its settings and builds its clients."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI

from huying import county
from huying.chassis.message import Handler, Message
from huying.chassis.parking import RawRecord
from huying.chassis.service import Ground, build
from huying.contracts import topics

from . import api
from .domain import mapping
from .domain.acceptance import Keys
from .handlers import LINES, Bridge
from .repository import INDEXES
from .settings import Settings
from .vault import Vault


def create_app(settings: Settings | None = None, *, vault: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The service; `settings` from the environment when absent; `vault` replaces the way to intake in tests."""
    settings = settings or Settings()
    client = Vault(settings, vault)

    async def wire(ground: Ground) -> Handler[Any]:
        pack = county.load(settings.pack)
        mappings = {origin: mapping.read(origin, document) for origin, document in pack.mappings.items()}
        return Bridge(ground.mongo, ground.measures, pack, mappings, Keys.of(settings.secret.get_secret_value()))

    def read_parked(ground: Ground, record: RawRecord) -> Message:
        from . import mqtt

        return mqtt.read_parked(ground, record)

    @contextlib.asynccontextmanager
    async def beside(ground: Ground) -> AsyncIterator[None]:
        from .mqtt import listening  # late: not every county has devices

        try:
            async with listening(ground):
                yield
        finally:
            await client.close()

    app = build(
        settings,
        wire=wire,
        topics=(topics.INCIDENTS, topics.RATINGS),
        routers=(api.router,),
        indexes=INDEXES,
        beside=beside,
        ways={LINES: read_parked},
        title="呼应 · 热线接入",
    )
    app.state.vault = client
    return app
