"""Puts routing together: the only place that loads the pack and the model."""

from fastapi import FastAPI

from huying.chassis import desk
from huying.chassis.errors import ConfigurationError
from huying.chassis.service import Ground, build
from huying.contracts import topics

from . import api
from .handlers import Routing
from .repository import INDEXES
from .settings import Settings, model_path


def create_app(settings: Settings | None = None) -> FastAPI:
    """The routing service."""
    chosen = settings or Settings()

    async def wire(ground: Ground) -> Routing:
        from huying.county import load

        from .judgement import load_model

        path = model_path(chosen)
        if not path.exists():
            raise ConfigurationError(
                f"no judgement model at {str(path)!r}: make one with `huying learn --from FILE...`"
            )
        routing = Routing(ground, load(chosen.pack), load_model(path), chosen.memory)
        await routing.rehearse()
        return routing

    return build(
        chosen,
        wire=wire,
        topics=(topics.REPORTS, topics.COMMANDS),
        routers=(api.router, desk.router),
        indexes=INDEXES,
        title="Huying routing: one feed of incidents",
    )
