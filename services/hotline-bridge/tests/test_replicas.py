"""Two replicas of the bridge on one database: incidents are shared out among them, the orders in them are not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from feeds import MONDAY, Incident
from pymongo import MongoClient

from huying.chassis.errors import Conflict
from huying.chassis.ledger import Commit, Ledger
from huying.chassis.measures import Measures
from huying.chassis.message import Message
from huying.chassis.mongo import Mongo
from huying.contracts.topics import INCIDENTS
from huying.county import Pack
from huying.devkit.stack import Stack
from huying.hotline_bridge.domain.acceptance import Keys
from huying.hotline_bridge.domain.mapping import OriginMapping
from huying.hotline_bridge.handlers import Bridge

pytestmark = pytest.mark.wire


class Replica:
    """A bridge that can be stopped between what it read and what it writes."""

    def __init__(self, stack: Stack, database: str, pack: Pack, mappings: dict[str, OriginMapping]) -> None:
        self.mongo = Mongo(stack.mongo_url, database)
        keys = Keys.of("a-secret-of-the-tests-that-is-long-enough")
        self.bridge = Bridge(self.mongo, Measures("hotline-bridge"), pack, mappings, keys)
        self.ledger = Ledger(self.mongo)

    async def read(self, event: Any) -> Commit:
        message = Message(INCIDENTS.name, f"{event.incident_id}/{event.incident_version}", event)
        state = await self.bridge.load([message])
        effects = self.bridge.fold(state, message, MONDAY)
        return Commit({}, effects.writes, effects.guards, [])


@pytest.mark.parametrize("revision", [{"revision": 0}, {}], ids=["new", "written by an earlier release"])
async def test_an_order_that_two_replicas_move_at_once_stands_where_it_went(
    embedded_stack: Stack,
    mongo_database: str,
    pack: Pack,
    mappings: dict[str, OriginMapping],
    revision: dict[str, int],
) -> None:
    database = f"{mongo_database}_hotline_bridge"
    one, other = (Replica(embedded_stack, database, pack, mappings) for _ in range(2))
    client: MongoClient[dict[str, Any]] = MongoClient(embedded_stack.mongo_url)
    orders = client[database]["orders"]
    order = {"_id": "rp-1", "origin": "hotline_12345", "number": "A-1", "incidents": [], "moves": {}, "parts": {}}
    told = {"tracking_number": "T", "digest": "d", "accepted_at": datetime.now(UTC), "standing": {}}
    orders.insert_one({**order, **told, **revision})
    left, went = Incident("in-1").opened("rp-1").accepted(), Incident("in-2").opened("rp-2").joined("rp-1", moves=1)
    for event in (*left.steps[:2], *went.steps[:2]):
        await one.ledger.commit(await one.read(event))

    slow, quick = await one.read(left.steps[2]), await other.read(went.steps[2])
    await other.ledger.commit(quick)
    with pytest.raises(Conflict):
        await one.ledger.commit(slow)
    one.ledger.forget()
    await one.ledger.commit(await one.read(left.steps[2]))

    [found] = orders.find({"_id": "rp-1"})
    assert found["moves"] == {"in-1": 0, "in-2": 1}
    assert found["standing"]["incident_id"] == "in-2"
    client.close()
    for replica in (one, other):
        replica.mongo.close()
