"""Routing beside a bare loop on the same records: batches, one transaction for the same documents, publish, mark.

The bare loop has no FastStream and no domain: what it writes is what routing wrote. It is measured right after routing, on
the same broker and database, from the first record to the last mark.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient, InsertOne, ReplaceOne, UpdateOne, WriteConcern

from huying.chassis.broker import partitions_of
from huying.contracts.topics import REPORTS

BATCH = 500
"""As many as a service takes at once."""
PATIENCE_S = 300.0
POLL_S = 0.1
"""Each look takes processor from what is measured; a run takes seconds."""
Client = AsyncMongoClient[dict[str, Any]]
Work = tuple[list[Any], list[Any], list[Any], list[dict[str, Any]]]
"""Inserted reports, the incident as it is at the end, inserted dispatches, and outbox rows, of one report."""


class TooSlowError(Exception):
    """Nothing moved for minutes."""


async def routing_seconds(mongo_url: str, database: str, reports: int) -> float:
    """From the first position in routing's ledger to the last event published, `reports` records later."""
    async with Client(mongo_url) as client:
        rows = client[database]
        began, counted = 0.0, 0
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            positions = rows["positions"].find({"_id": {"$regex": f"/{REPORTS.name}/"}})
            done = sum([int(row["at"]) + 1 async for row in positions])
            if not counted and done:
                began, counted = time.monotonic(), done
            if done >= reports and await rows["outbox"].find_one({"published": None}, {"_id": 1}) is None:
                return (time.monotonic() - began) * reports / max(1, reports - counted)
            await asyncio.sleep(POLL_S)
    raise TooSlowError(f"routing did not finish {reports} reports in {PATIENCE_S:g} s: see its log")


async def works(mongo_url: str, database: str) -> list[Work]:
    """What routing wrote, report by report, in the order of its outbox."""
    found: list[Work] = []
    async with Client(mongo_url) as client:
        rows = client[database]
        reports = {row["_id"]: row async for row in rows["reports"].find()}
        incidents = {row["_id"]: row async for row in rows["incidents"].find()}
        dispatches: dict[str, list[dict[str, Any]]] = {}
        async for row in rows["dispatches"].find():
            dispatches.setdefault(row["incident_id"], []).append(row)
        waiting: dict[str, list[dict[str, Any]]] = {}
        async for row in rows["outbox"].find().sort("_id", 1):
            waiting.setdefault(row["event"].split("/")[0], []).append(_unpublished(row))
        for report in reports.values():
            incident = report["incident_id"]
            mine = waiting.get(incident, [])
            share = max(1, len(mine) // max(1, len(incidents[incident]["reports"])))
            events, waiting[incident] = mine[:share], mine[share:]
            found.append(
                (
                    [InsertOne(report)],
                    [incidents[incident]],
                    [InsertOne(row) for row in dispatches.pop(incident, ())],
                    events,
                )
            )
        for incident, left in waiting.items():
            if left and found:
                found[-1][3].extend(left)
            del incident
    return found


def _unpublished(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "published_at"} | {"published": None}


async def bare_seconds(bootstrap: str, mongo_url: str, database: str, like: str, work: Sequence[Work]) -> float:
    """The same records, documents and events without FastStream and domain; topics of its own take the events.

    `like`: routing's database, since what a document costs to write depends on its indexes.
    """
    partitions = await partitions_of(bootstrap, [REPORTS.name])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=0)
    client = Client(mongo_url, w="majority", journal=True)
    await consumer.start()
    await producer.start()
    try:
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        await _prepared(client, database, like)
        done, began = 0, 0.0
        counted = 0
        while done < len(work):
            found = await consumer.getmany(timeout_ms=1000, max_records=BATCH)
            records = sum(map(len, found.values()))
            if not records:
                continue
            part = work[done : done + records]
            await _transaction(client, database, done, part)
            rows = [row for item in part for row in item[3]]
            for future in [await _sent(producer, row) for row in rows]:
                await future
            marks = {"$set": {"published": "bench", "published_at": datetime.now(UTC)}}
            outbox = client[database].get_collection("outbox", write_concern=WriteConcern(w=1))
            await outbox.update_many({"_id": {"$in": [row["_id"] for row in rows]}}, marks)
            done += records
            if not began:
                began, counted = time.monotonic(), done
        return (time.monotonic() - began) * len(work) / max(1, len(work) - counted)
    finally:
        await consumer.stop()
        await producer.stop()
        await client.close()


async def _sent(producer: AIOKafkaProducer, row: Mapping[str, Any]) -> Any:
    headers = [(name, value) for name, value in row["headers"]]
    return await producer.send(f"bench.{row['topic']}", row["value"], key=row["key"], headers=headers)


async def _prepared(client: Client, database: str, like: str) -> None:
    """Empty collections with the indexes of routing's."""
    rows = client[database]
    await rows["positions"].insert_one({"_id": "bench", "at": 0})
    for name in ("reports", "incidents", "dispatches", "outbox"):
        for index in (await client[like][name].index_information()).values():
            keys = index.pop("key")
            del index["v"]
            if keys != [("_id", 1)]:
                await rows[name].create_index(keys, **index)


async def _transaction(client: Client, database: str, done: int, part: Sequence[Work]) -> None:
    rows = client[database]
    async with client.start_session() as session, await session.start_transaction():
        at = done + len(part)
        await rows["positions"].bulk_write(
            [UpdateOne({"_id": "bench", "at": done}, {"$set": {"at": at}})], session=session
        )
        touched = {row["_id"]: ReplaceOne({"_id": row["_id"]}, row, upsert=True) for item in part for row in item[1]}
        writes = {"reports": [w for item in part for w in item[0]], "dispatches": [w for item in part for w in item[2]]}
        for name, operations in (*writes.items(), ("incidents", [*touched.values()])):
            if operations:
                await rows[name].bulk_write(operations, session=session)
        events = [row for item in part for row in item[3]]
        if events:
            await rows["outbox"].insert_many(events, session=session)
