"""Which part breaks when, by a seed; and how long until records flow again. It decides nothing about right or wrong."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from ..replay.target import Target
from ..running import create_topics
from ..session import Session
from ..stack import PartName, StackError
from ..system import READY_TIMEOUT_S, SERVICES

Kind = Literal["kill", "freeze"]

STACK = ("mongod", "broker")
PARTS = (*(service.name for service in SERVICES), *STACK)
KILLS = 0.7
"""Share of kills; the rest is frozen, which is what a stalled disk or a paused machine looks like."""
PAUSE_S = (1.0, 4.0)
"""Between two faults, once the last is healed."""
FROZEN_S = (0.5, 8.0)
"""Below and above the six seconds after which a broker gives a silent consumer up."""
POLL_S = 0.02
PATIENCE_S = 90.0
RECOVERY_S = 3.0
"""What is promised of a process that was started again, on both brokers."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one part, `pause_s` after the one before was healed."""

    kind: Kind
    part: str
    pause_s: float
    frozen_s: float


@dataclass(frozen=True, slots=True)
class Healed:
    """A fault, and the seconds from the part being up again to the next step of the ledger that hangs on it."""

    fault: Fault
    recovery_s: float

    @property
    def late(self) -> bool:
        """Whether a promise is broken: a killed part is up, and records do not flow. Of a thawed one none is made."""
        return self.fault.kind == "kill" and self.recovery_s > RECOVERY_S


def faults(seed: int) -> Iterator[Fault]:
    """One fault after another, without end: every part once before any part twice."""
    dice = random.Random(seed)
    while True:
        for part in dice.sample(PARTS, len(PARTS)):
            kind: Kind = "kill" if dice.random() < KILLS else "freeze"
            yield Fault(kind, part, dice.uniform(*PAUSE_S), dice.uniform(*FROZEN_S))


class Breaker:
    """Breaks a running system and watches it heal."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session, self._target = session, target
        self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            target.mongo_url, serverSelectionTimeoutMS=1000, socketTimeoutMS=5000
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def inflict(self, fault: Fault) -> Healed:
        """Do it, undo it, and wait until records flow again.

        Raises:
            StackError: they never did.
        """
        witness = "routing" if fault.part in STACK else fault.part
        before = await self._positions(witness)
        if fault.kind == "freeze":
            await self._freeze(fault)
        elif fault.part in STACK:
            await asyncio.to_thread(self._replace_part, cast("PartName", fault.part))
        else:
            await asyncio.to_thread(self._replace_service, fault.part)
        up = time.monotonic()
        while await self._positions(witness) in (None, before):
            if time.monotonic() - up > PATIENCE_S:
                raise StackError(
                    f"{witness} made no progress in {PATIENCE_S:g} s after {fault.kind} {fault.part}: see its log in "
                    f"{str(self._session.stack.directory / 'logs')!r}"
                )
            await asyncio.sleep(POLL_S)
        return Healed(fault, time.monotonic() - up)

    async def _freeze(self, fault: Fault) -> None:
        stack, services = self._session.stack, self._session.services
        process = stack.process(cast("PartName", fault.part)) if fault.part in STACK else services.process(fault.part)
        process.freeze()
        await asyncio.sleep(fault.frozen_s)
        process.thaw()

    def _replace_part(self, part: PartName) -> None:
        stack = self._session.stack
        stack.kill(part)
        stack.restart(part)
        if part == "broker":
            create_topics(stack.bootstrap)  # tansu comes back empty

    def _replace_service(self, name: str) -> None:
        """Returns when the new process answers: up, and not yet ready."""
        services = self._session.services
        services.process(name).kill()
        services.add(name)
        services.process(name).wait_until_ready(f"{services.url(name)}/healthz", READY_TIMEOUT_S)

    async def _positions(self, service: str) -> dict[str, int] | None:
        """The service's ledger; None while the database is away."""
        rows = self._client[self._target.database(service)]["positions"]
        try:
            return {row["_id"]: row["at"] async for row in rows.find({"_id": {"$ne": "outbox"}})}
        except PyMongoError:
            return None
