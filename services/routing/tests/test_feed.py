"""A month's first days through routing on the real broker and database: one feed, versions without gaps, one dispatch."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from huying.chassis.broker import partitions_of
from huying.chassis.testing import SECRET, running, until
from huying.contracts import topics
from huying.contracts.envelope import CloudEvent, parse
from huying.contracts.identity import report_id
from huying.contracts.places import Place, Point
from huying.contracts.reports import Device, ReportAcceptedV1, ReporterRef
from huying.county import load, to_wgs84
from huying.devkit.stack import topics as provisioning
from huying.routing.main import create_app
from huying.routing.settings import Settings

ROOT = Path(__file__).parents[3]
PACK = load(ROOT / "deploy/county/julu")
pytestmark = pytest.mark.wire


def accepted(line: dict[str, Any]) -> ReportAcceptedV1:
    """A line of the county's file as intake would let it in."""
    point = line["point"]
    where = to_wgs84(point["lon"], point["lat"], point["crs"]) if point else None
    village = PACK.village(line["village_code"]) if line["village_code"] else None
    town = PACK.town_named(line["town"]) if line["town"] else None
    device = line["device"]
    return ReportAcceptedV1(
        report_id=report_id("test", line["id"]),
        tracking_number=f"T{line['id']}",
        jurisdiction=PACK.code,
        source="test",
        origin_id=line["id"],
        channel=line["channel"],
        text=line["text"],
        place=Place(
            address=line["address"],
            village_code=line["village_code"],
            village=village.name_zh if village else None,
            town_code=town.code if town else None,
            town=line["town"],
            point=Point(lon=where.lon, lat=where.lat) if where else None,
        ),
        device=Device(device_id=device["id"], alarm=device["alarm"], state=device["state"]) if device else None,
        reporter=ReporterRef(ref=line["reporter"]) if line["reporter"] else None,
        received_at=datetime.fromisoformat(line["received_at"]),
        accepted_at=datetime.fromisoformat(line["received_at"]),
    )


def month(first: int) -> list[ReportAcceptedV1]:
    """The first reports of March."""
    with (ROOT / "tests/data/county/reports.jsonl").open(encoding="utf-8") as lines:
        return [accepted(json.loads(line)) for _, line in zip(range(first), lines, strict=False)]


async def test_the_same_reports_twice_make_one_feed_and_one_dispatch_each(
    fresh_stack: Any,
) -> None:
    stack = fresh_stack()
    await provisioning.create(stack.bootstrap, [(t.name, t.partitions, t.config()) for t in topics.ALL])
    app = create_app(
        Settings(
            kafka=stack.bootstrap,
            mongo=stack.mongo_url,
            database_prefix="feed",
            group_prefix="feed",
            pack=ROOT / "deploy/county/julu",
            secret=SECRET,
        )
    )
    reports = month(120)
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    async with running(app):
        ground = app.state.ground
        stored = ground.mongo.collection("reports")
        for report in [*reports, *reports[::-1]]:
            event = CloudEvent(report.report_id, "test", report.TYPE, report.encode(), report.accepted_at)
            await producer.send(
                topics.REPORTS.name, event.data, key=report.jurisdiction.encode(), headers=list(event.headers())
            )
        await producer.stop()

        async def taken() -> bool:
            known: int = await stored.count_documents({"_id": {"$in": [r.report_id for r in reports]}})
            unpublished: int = await ground.mongo.collection("outbox").count_documents({"published": None})
            positions = await ground.mongo.collection("positions").find({}).to_list(None)
            read = sum(row["at"] + 1 for row in positions if topics.REPORTS.name in row["_id"])
            return known == len(reports) and unpublished == 0 and read == 2 * len(reports)

        await until(taken, "all reports decided and published")
        feed = await _feed(stack.bootstrap)
        incidents = await ground.mongo.collection("incidents").find().to_list(None)
        active = await ground.mongo.collection("dispatches").find({"active": True}).to_list(None)
        parked = await ground.parking.count()
    ours = {row["_id"] for row in incidents}
    versions: dict[str, list[int]] = {}
    for body in feed:
        if body["incident_id"] in ours:
            versions.setdefault(body["incident_id"], []).append(body["incident_version"])
    assert parked == 0
    assert sum(len(row["reports"]) for row in incidents) == len(reports)
    assert len({report for row in incidents for report in row["reports"]}) == len(reports)
    assert len(incidents) < len(reports), "some reports are one problem"
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in versions.values())
    assert max(Counter(row["incident_id"] for row in active).values()) == 1
    assert {row["_id"] for row in incidents if row["state"] == "dispatched"} == {row["incident_id"] for row in active}


async def _feed(bootstrap: str) -> list[dict[str, Any]]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        parts = await partitions_of(bootstrap, [topics.INCIDENTS.name])
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        found: dict[str, dict[str, Any]] = {}
        for _ in range(10):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    event = parse(record.headers, record.value)
                    found.setdefault(event.id, json.loads(event.data))
        return list(found.values())
    finally:
        await consumer.stop()
