"""The one place where intake is put together. Nothing is connected before the application starts."""

from fastapi import FastAPI

from huying.chassis.sealing import Sealer, derive
from huying.chassis.service import Ground, build

from . import api
from .handlers import CONSUMED, Intake
from .keys import keys_of
from .repository import INDEXES, Vault
from .settings import Settings


async def wire(ground: Ground) -> Intake:
    """The handler, with the county pack read."""
    from huying.county import load

    secret = ground.settings.secret.get_secret_value()
    return Intake(
        mongo=ground.mongo,
        clock=ground.clock,
        ring=ground.keys,
        measures=ground.measures,
        pack=load(ground.settings.pack),
        keys=keys_of(secret),
        vault=Vault(Sealer(secret, "vault"), derive(secret, "vault spelling")),
    )


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an application."""
    return build(
        settings or Settings(),
        wire=wire,
        topics=CONSUMED,
        routers=(api.router, api.front),
        indexes=INDEXES,
        title="Huying intake 事件上报",
    )
