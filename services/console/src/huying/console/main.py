"""Puts the console together; the only place that reads its settings and that imports NiceGUI."""

from typing import Any

from fastapi import FastAPI
from pymongo import ASCENDING, DESCENDING, IndexModel

from huying.chassis import desk
from huying.chassis.message import Handler
from huying.chassis.sealing import derive
from huying.chassis.service import Ground, build
from huying.contracts import topics
from huying.county import load

from . import login
from .gate import Gate
from .handlers import Projection
from .repository import FEED, HISTORY, REPORTS
from .session import Sessions
from .settings import Settings
from .words import Names

INDEXES = {
    FEED: [
        IndexModel([("pinned", DESCENDING), ("opened_at", DESCENDING), ("_id", ASCENDING)]),  # whole, or all are sorted
        IndexModel([("state", ASCENDING), ("opened_at", DESCENDING)]),
        IndexModel("final_due_at"),
        IndexModel("merged_into"),
        IndexModel("number"),
        IndexModel("parent"),
        IndexModel("ask.until", sparse=True),
    ],
    HISTORY: [IndexModel([("incident_id", ASCENDING), ("at", ASCENDING)])],
    REPORTS: [
        IndexModel([("incident_id", ASCENDING), ("received_at", ASCENDING)]),
        IndexModel("tracking_number"),
        IndexModel("origin_number", sparse=True),
    ],
}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service; `settings` from the environment when absent. One per process at a time, as NiceGUI is."""
    settings = settings or Settings()
    pack = load(settings.pack)
    names = Names(
        county=pack.name_zh,
        units={unit.code: unit.name_zh for unit in pack.units},
        towns={town.code: town.name_zh for town in pack.towns},
        channels={channel.code: channel.name_zh for channel in pack.channels},
        matters={matter.code: f"{matter.name_zh}（{matter.class_zh}）" for matter in pack.matters},
        villages={village.code: f"{pack.town(village.town).name_zh}{village.name_zh}" for village in pack.villages},
        town_units={unit.serves: unit.code for unit in pack.units if unit.serves},
    )
    code = pack.code

    async def wire(ground: Ground) -> Handler[Any]:
        return Projection(ground.mongo, ground.measures, code, names)

    app = build(
        settings,
        wire=wire,
        topics=(topics.INCIDENTS, topics.CLOCKS),
        routers=(desk.router, login.router),
        indexes=INDEXES,
        title="呼应 · 调度台",
    )
    keys = app.state.ground.keys
    sessions = Sessions(derive(settings.secret.get_secret_value(), "session"), settings.session, keys)
    app.state.sessions = sessions
    app.state.names = names
    app.add_middleware(Gate, sessions=sessions, keys=keys)

    from .pages import attach

    attach(app)
    return app
