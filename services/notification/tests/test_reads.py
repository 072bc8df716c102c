"""What people ask of the notices: by an index, however many there are."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pymongo import MongoClient

from huying.chassis.mongo import Mongo
from huying.chassis.problem import Problem
from huying.chassis.security import Principal
from huying.devkit.stack import Stack
from huying.notification import api
from huying.notification.repository import INDEXES, ROWS

pytestmark = pytest.mark.wire
NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)
OPS = Principal("ops", "dispatcher")


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
    told = await api.notices(OPS, ground, state="confirmed", limit=5)
    database.command("profile", 0)
    assert [one["notice_id"] for one in told["notices"]] == [f"nt-{n}" for n in range(5)]
    [asked] = database["system.profile"].find({"command.find": ROWS})
    assert asked["docsExamined"] <= 10
    client.close()
    mongo.close()


async def test_however_many_there_are_each_notice_of_a_state_is_listed_once(
    embedded_stack: Stack, mongo_database: str
) -> None:
    mongo = Mongo(embedded_stack.mongo_url, mongo_database)
    await mongo.ensure_indexes(ROWS, INDEXES[ROWS])
    row = dict.fromkeys(api._SHOWN, "x") | {"state": "expired", "template": "dispatched"}
    wanted = [f"nt-{n:03}" for n in range(700)]
    rows = [row | {"_id": name, "at": NOW + timedelta(minutes=n // 9)} for n, name in enumerate(wanted)]
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url) as client:
        database = client[mongo_database]
        database[ROWS].insert_many([*rows, row | {"_id": "nt-350x", "at": NOW, "state": "confirmed"}])
        database.command("profile", 2)
        ground: Any = SimpleNamespace(mongo=mongo)
        seen: list[str] = []
        page: dict[str, Any] = {"after": None}
        while page["after"] is not None or not seen:
            page = await api.notices(OPS, ground, state="expired", limit=100, after=page["after"])
            seen += [one["notice_id"] for one in page["notices"]]
        database.command("profile", 0)
        assert seen == wanted
        asked = list(database["system.profile"].find({"command.find": ROWS}))
        assert max(one["docsExamined"] for one in asked) <= 120
    with pytest.raises(Problem, match="no notice"):
        await api.notices(OPS, ground, state="expired", after="nt-none")
    mongo.close()
