"""Positions and guards stop a zombie by themselves, whatever its effects are."""

from collections.abc import AsyncIterator

import pytest
from pymongo import InsertOne, UpdateOne

from huying.chassis.errors import Conflict
from huying.chassis.ledger import Commit, Ledger, Partition
from huying.chassis.message import Guard
from huying.chassis.mongo import Mongo
from huying.devkit.stack import Stack

pytestmark = pytest.mark.wire
HERE = Partition("c", "numbers", 0)


@pytest.fixture
async def mongo(embedded_stack: Stack, mongo_database: str) -> AsyncIterator[Mongo]:
    mongo = Mongo(embedded_stack.mongo_url, f"{mongo_database}_tally")
    yield mongo
    mongo.close()


def adding(offset: int, *guards: Guard) -> Commit:
    one = UpdateOne({"_id": "a"}, {"$inc": {"total": 1}}, upsert=True)
    return Commit({HERE: offset}, [("sums", one)], guards, ())


@pytest.mark.parametrize("before", [0, 1])
async def test_who_knows_an_older_position_changes_nothing(mongo: Mongo, before: int) -> None:
    one, zombie = Ledger(mongo), Ledger(mongo)
    for offset in range(before):
        await one.read([HERE])
        await one.commit(adding(offset))
    await one.read([HERE])
    await zombie.read([HERE])
    await one.commit(adding(5))
    with pytest.raises(Conflict):
        await zombie.commit(adding(5))
    assert [row["total"] async for row in mongo.collection("sums").find()] == [before + 1]


async def test_a_zombie_that_is_behind_does_not_put_the_position_back(mongo: Mongo) -> None:
    one, zombie = Ledger(mongo), Ledger(mongo)
    await one.read([HERE])
    await one.commit(adding(0))
    await one.read([HERE])
    await zombie.read([HERE])
    await one.commit(adding(9))
    with pytest.raises(Conflict):
        await zombie.commit(Commit({HERE: 3}, (), (), ()))
    assert await one.stored([HERE]) == {HERE: 9}


async def test_a_guard_that_hits_nothing_undoes_the_whole_transaction(mongo: Mongo) -> None:
    ledger = Ledger(mongo)
    await ledger.read([HERE])
    with pytest.raises(Conflict):
        await ledger.commit(adding(0, Guard("fence", {"_id": "x", "epoch": 1}, {"$inc": {"epoch": 1}})))
    assert await mongo.collection("sums").count_documents({}) == 0
    assert await ledger.stored([HERE]) == {}


async def test_what_somebody_else_has_inserted_meanwhile_is_a_race_and_no_fault_of_the_record(mongo: Mongo) -> None:
    ledger = Ledger(mongo)
    await mongo.collection("sums").insert_one({"_id": "a"})
    await ledger.read([HERE])
    with pytest.raises(Conflict):
        await ledger.commit(Commit({HERE: 0}, [("sums", InsertOne({"_id": "a"}))], (), ()))
