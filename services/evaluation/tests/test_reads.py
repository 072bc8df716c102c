"""What evaluation asks its database for every second: by an index, however many cases there are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from huying.chassis.measures import Measures
from huying.chassis.mongo import Mongo
from huying.devkit.stack import Stack
from huying.evaluation.domain import Rules
from huying.evaluation.handlers import Evaluation
from huying.evaluation.main import INDEXES
from huying.evaluation.repository import CASES
from huying.evaluation.tickets import Tickets

pytestmark = pytest.mark.wire
NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_due_callbacks_are_found_without_reading_every_case(embedded_stack: Stack, mongo_database: str) -> None:
    mongo = Mongo(embedded_stack.mongo_url, mongo_database)
    await mongo.ensure_indexes(CASES, INDEXES[CASES])
    client: MongoClient[dict[str, Any]] = MongoClient(embedded_stack.mongo_url)
    database = client[mongo_database]
    waiting = {"late": NOW - DAY, "today": NOW, "early": NOW + DAY}
    database[CASES].insert_many([{"_id": f"done-{n}", "callback_due_at": None} for n in range(50)])
    database[CASES].insert_many([{"_id": name, "callback_due_at": at} for name, at in waiting.items()])
    subject = Evaluation(mongo, Measures("evaluation"), Rules(DAY, DAY), Tickets(b"k" * 32))
    database.command("profile", 2)
    due = await subject.due(NOW)
    database.command("profile", 0)
    assert [message.key for message in due] == ["late", "today"]
    [asked] = database["system.profile"].find({"command.find": CASES})
    assert asked["docsExamined"] <= len(waiting)
    client.close()
    mongo.close()
