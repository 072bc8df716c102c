"""Puts sla-timer together: the only place that loads the pack."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI

from huying.chassis.ledger import Partition
from huying.chassis.service import Ground, build
from huying.contracts import topics

from . import api
from .clocks import Rulebook
from .handlers import SlaTimer
from .repository import INDEXES, Repository
from .settings import Settings

if TYPE_CHECKING:
    from huying.county import ClockPolicy


def create_app(settings: Settings | None = None) -> FastAPI:
    """The sla-timer service."""
    chosen = settings or Settings()

    async def wire(ground: Ground) -> SlaTimer:
        from huying.county import load

        pack = load(chosen.pack)
        policies: dict[tuple[str, str], ClockPolicy] = {(p.kind, p.clock_class): p for p in pack.clocks.policies}
        towns = {unit.serves: unit.code for unit in pack.units if unit.serves}
        rules = Rulebook(pack.hash, policies, pack.calendar, pack.county.dispatch_centre, towns)
        caught_up = reads_to_the_end(ground) if chosen.clock == "live" else _always
        return SlaTimer(Repository(ground.mongo), rules, ground.measures, chosen.tolerance, caught_up)

    return build(
        chosen,
        wire=wire,
        topics=(topics.INCIDENTS,),
        routers=(api.router,),
        indexes=INDEXES,
        title="Huying sla-timer: legal clocks",
    )


def reads_to_the_end(ground: Ground) -> Callable[[], Awaitable[bool]]:
    """Whether every record that the broker has shown of this process' partitions is in the ledger."""

    async def caught_up() -> bool:
        consumer = ground.link.consumer
        assigned = consumer.assignment() if consumer is not None else ()
        ends = {Partition.of(ground.link.cluster, tp): consumer.highwater(tp) for tp in assigned}
        if not ends or None in ends.values():
            return False
        reached = {partition: ground.ledger.position(partition) for partition in ends}
        unread = [partition for partition, position in reached.items() if position is None and ends[partition]]
        stored = await ground.ledger.stored(unread) if unread else {}
        return all(ends[p] - 1 <= (stored.get(p, -1) if at is None else at) for p, at in reached.items())

    return caught_up


async def _always() -> bool:
    """In a replay the driver strikes only when everything was read."""
    return True
