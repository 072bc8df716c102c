"""What people ask of the notices: by an index, however many there are."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import MongoClient

from huying.chassis.mongo import Mongo
from huying.chassis.security import Principal
from huying.devkit.stack import Stack
from huying.notification import api
from huying.notification.repository import INDEXES, ROWS

pytestmark = pytest.mark.wire
NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)


async def test_notices_of_a_state_are_listed_without_reading_and_sorting_all(
    embedded_stack: Stack, mongo_database: str
) -> None:
    mongo = Mongo(embedded_stack.mongo_url, mongo_database)
    await mongo.ensure_indexes(ROWS, INDEXES[ROWS])
    client: MongoClient[dict[str, Any]] = MongoClient(embedded_stack.mongo_url)
    database = client[mongo_database]
    row = dict.fromkeys(api._SHOWN, "x") | {"state": "confirmed", "template": "dispatched"}
    database[ROWS].insert_many([row | {"_id": f"nt-{n}", "at": NOW + timedelta(minutes=n)} for n in range(500)])
    database.command("profile", 2)
    ground: Any = SimpleNamespace(mongo=mongo)
    told = await api.notices(Principal("ops", "dispatcher"), ground, state="confirmed", limit=5)
    database.command("profile", 0)
    assert [one["notice_id"] for one in told["notices"]] == [f"nt-{n}" for n in range(5)]
    [asked] = database["system.profile"].find({"command.find": ROWS})
    assert asked["docsExamined"] <= 10
    client.close()
    mongo.close()
