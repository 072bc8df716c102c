"""Puts routing together: the only place that loads the pack."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from huying.chassis import desk
from huying.chassis.service import Ground, build
from huying.contracts import topics

from . import api
from .handlers import Routing
from .models import Models
from .repository import INDEXES
from .settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The routing service."""
    chosen = settings or Settings()

    async def wire(ground: Ground) -> Routing:
        from huying.county import load

        pack = load(chosen.pack)
        models = Models(pack, chosen.model)
        judge = await asyncio.to_thread(models.first)  # half a minute where it compiles: probes are answered meanwhile
        return Routing(ground, pack, models, judge, chosen.memory)

    @contextlib.asynccontextmanager
    async def beside(ground: Ground) -> AsyncIterator[None]:
        watching = asyncio.create_task(ground.handler.watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    return build(
        chosen,
        wire=wire,
        topics=(topics.REPORTS, topics.COMMANDS),
        routers=(api.router, desk.router),
        indexes=INDEXES,
        beside=beside,
        title="Huying routing: one feed of incidents",
    )
