"""Puts notification together: the only place that loads the pack and builds the sender."""

from fastapi import FastAPI

from huying.chassis.errors import ConfigurationError
from huying.chassis.service import Ground, build
from huying.contracts import topics

from . import api
from .delivery.worker import Worker
from .handlers import Notification
from .repository import INDEXES, Repository
from .settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The notification service."""
    chosen = settings or Settings()
    worker = Worker(chosen)

    async def wire(ground: Ground) -> Notification:
        from huying.county import load

        from .audience import Audience, unreachable
        from .domain import Desk
        from .wording import Wording, WordingError

        pack = load(chosen.pack)
        problems = unreachable(pack, chosen.webhooks, chosen.reporter_contact)
        if problems:
            raise ConfigurationError("\n  ".join(["some people cannot be reached:", *problems[:10]]))
        try:
            wording = Wording(pack)
        except WordingError as error:
            raise ConfigurationError(str(error)) from error
        desk = Desk(pack, Audience(pack, chosen.reporter_contact), wording, chosen.public_url, chosen.progress_url)
        return Notification(Repository(ground.mongo), desk, ground.measures, worker.wake)

    return build(
        chosen,
        wire=wire,
        topics=(topics.INCIDENTS, topics.CLOCKS, topics.RATINGS),
        routers=(api.router,),
        indexes=INDEXES,
        beside=worker.beside,
        title="Huying notification: the right people, once",
    )
