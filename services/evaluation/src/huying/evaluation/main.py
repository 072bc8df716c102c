"""Puts evaluation together; the only place that reads its settings."""

from typing import Any

from fastapi import FastAPI
from pymongo import IndexModel

from huying.chassis.message import Handler
from huying.chassis.sealing import derive
from huying.chassis.service import Ground, build
from huying.contracts import topics

from . import api, citizen
from .domain import Rules
from .handlers import Evaluation
from .repository import CASES
from .settings import Settings
from .tickets import Tickets

INDEXES = {
    CASES: [
        IndexModel("dispatched_at"),
        IndexModel("invitations.rating_id"),
        IndexModel("callback_due_at", partialFilterExpression={"callback_due_at": {"$type": "date"}}),
    ],
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service; `settings` from the environment when absent."""
    settings = settings or Settings()
    tickets = Tickets(derive(settings.secret.get_secret_value(), "rating"))
    rules = Rules(settings.rating_open, settings.callback_after)

    async def wire(ground: Ground) -> Handler[Any]:
        return Evaluation(ground.mongo, ground.measures, rules, tickets)

    app = build(
        settings,
        wire=wire,
        topics=(topics.INCIDENTS, topics.CLOCKS),
        routers=(api.router, citizen.router),
        indexes=INDEXES,
        title="呼应 · 评价考核",
    )
    app.state.tickets = tickets
    return app
