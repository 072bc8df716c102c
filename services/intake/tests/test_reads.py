"""What intake asks its database for: by an index, however much there is."""

from typing import Any

import pytest
from pymongo import MongoClient

from huying.chassis.mongo import Mongo
from huying.devkit.stack import Stack
from huying.intake import repository

pytestmark = pytest.mark.wire


@pytest.mark.parametrize(("number", "read"), [("N0000000007", 1), ("NOBODYS", 0)])
async def test_a_citizens_number_is_looked_up_without_reading_everybodys_reports(
    embedded_stack: Stack, mongo_database: str, number: str, read: int
) -> None:
    mongo = Mongo(embedded_stack.mongo_url, mongo_database)
    await mongo.ensure_indexes(repository.REPORTS, repository.INDEXES[repository.REPORTS])
    client: MongoClient[dict[str, Any]] = MongoClient(embedded_stack.mongo_url)
    database = client[mongo_database]
    database.reports.insert_many([{"_id": f"rp-{n}", "tracking_number": f"N{n:010}"} for n in range(50)])
    database.reports.insert_many([{"_id": f"rp-rated-{n}", "rating": {}} for n in range(2)])
    database.command("profile", 2)
    found = await repository.find_tracked(mongo, number)
    database.command("profile", 0)
    assert (found is not None) == bool(read)
    [asked] = database["system.profile"].find({"command.find": repository.REPORTS})
    assert asked["docsExamined"] == read
    client.close()
    mongo.close()
