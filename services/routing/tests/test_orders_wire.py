"""Merges, splits, a ruling and a flood on the real broker and database: told once, remembered, proved from the log."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from test_feed import PACK, ROOT, month

from huying.chassis.testing import SECRET, running, until
from huying.contracts import commands as c
from huying.contracts import topics
from huying.contracts.envelope import CloudEvent
from huying.contracts.message import Event
from huying.contracts.reports import ReportAcceptedV1
from huying.county import load
from huying.devkit import logbook
from huying.devkit.books import books_of
from huying.devkit.labels import labels_of
from huying.devkit.replay.quiet import CONSUMES
from huying.devkit.stack import cluster
from huying.devkit.stack import topics as provisioning
from huying.devkit.verify import prove
from huying.devkit.whatif import Rules, what_if
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire


class Bus:
    """Sends reports and commands as doors and desks do; every command twice."""

    def __init__(self, stack: Any, producer: AIOKafkaProducer) -> None:
        self.stack, self.producer, self.number = stack, producer, 0
        self.last: str = ""

    async def send(self, topic: topics.Topic, name: str, event: Event, at: Any) -> None:
        wrapped = CloudEvent(name, "test", event.TYPE, event.encode(), at)
        await self.producer.send_and_wait(
            topic.name, wrapped.data, key=PACK.code.encode(), headers=list(wrapped.headers())
        )

    async def report(self, report: ReportAcceptedV1) -> None:
        await self.send(topics.REPORTS, report.report_id, report, report.accepted_at)

    async def wish(self, ground: Any, incident: str, action: c.Action, at: Any) -> dict[str, Any]:
        """What became of it."""
        self.number += 1
        name = f"command-{self.number}"
        actor = c.Actor(id="zhang", role="dispatcher")
        wish = c.CommandIssuedV1(
            command_id=name, jurisdiction=PACK.code, incident_id=incident, actor=actor, action=action, issued_at=at
        )
        for _ in range(2):
            await self.send(topics.COMMANDS, name, wish, at)
        decisions = ground.mongo.collection("commands")

        async def decided() -> bool:
            return await decisions.find_one({"_id": name}) is not None

        await until(decided, f"{action.kind} decided")
        row: dict[str, Any] = await decisions.find_one({"_id": name})
        return row


@pytest.fixture
async def bus(fresh_stack: Any) -> AsyncIterator[Bus]:
    stack = fresh_stack()
    await provisioning.create(stack.bootstrap, [(t.name, t.partitions, t.config()) for t in topics.ALL])
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    yield Bus(stack, producer)
    await producer.stop()


async def test_people_merge_split_and_rule_and_the_log_proves_that_nothing_was_lost_or_dispatched_twice(
    bus: Bus, tmp_path: Path
) -> None:
    stack, reports = bus.stack, month(40)
    at = reports[-1].accepted_at
    settings = Settings(
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix="orders",
        group_prefix="orders",
        pack=ROOT / "deploy/county/julu",
        secret=SECRET,
    )
    app = create_app(settings)
    async with running(app):
        ground = app.state.ground
        rows = ground.mongo.collection("incidents")
        for report in reports:
            await bus.report(report)

        async def all_in() -> bool:
            return bool(await ground.mongo.collection("reports").count_documents({}) == len(reports))

        await until(all_in, "all reports decided")
        one, other, third, fourth = [
            row["_id"] for row in await rows.find({"state": "dispatched"}).sort("number", 1).limit(4).to_list(None)
        ]
        assert (await bus.wish(ground, one, c.Accept(), at))["status"] == "done"
        merged = await bus.wish(ground, one, c.Merge(into=other, reason="同一件"), at)
        assert (merged["status"], merged["incident_id"], merged["state"]) == ("done", one, "merged")
        assert (await bus.wish(ground, one, c.Accept(), at))["reason"] == "illegal_move"
        assert (await bus.wish(ground, one, c.UndoMerge(reason="不是同一件"), at))["state"] == "dispatched"
        await bus.wish(ground, one, c.Merge(into=other, reason="还是同一件"), at)
        moved = (await rows.find_one({"_id": one}))["gave"]
        assert (await bus.wish(ground, other, c.Split(reports=tuple(moved), reason="两件事"), at))["status"] == "done"
        for _ in range(2):
            await bus.wish(ground, third, c.Return(reason="不归我们管", basis="职责清单"), at)
        assert (await bus.wish(ground, third, c.Rule(unit="U09", basis="纪要"), at))["state"] == "dispatched"
        await bus.wish(ground, other, c.Group(children=(fourth,)), at)
    again = create_app(settings)
    async with running(again):
        ground = again.state.ground
        memory = ground.handler.memory
        [rule] = memory.catalogue.rulings
        assert (rule.main, rule.incident_id, memory.tally.reversed) == ("U09", third, 2 * len(moved))
        for kind in (c.Accept(), c.Complete(text="办好了", with_covered=True)):
            assert (await bus.wish(ground, other, kind, at))["status"] == "done"

        async def done() -> bool:
            read = {"_id": {"$regex": f"/{topics.COMMANDS.name}/"}, "at": 2 * bus.number - 1}
            unpublished = await ground.mongo.collection("outbox").count_documents({"published": None})
            return await ground.mongo.collection("positions").find_one(read) is not None and unpublished == 0

        await until(done, "the second copy of the last command read, and everything published")
        incidents = await ground.mongo.collection("incidents").find().to_list(None)
    numbers = [row["number"] for row in incidents]
    assert len(numbers) == len(set(numbers))
    log = await logbook.read(stack.bootstrap, topics.SOURCES)
    broker = await cluster.cluster_id(stack.bootstrap) or ""
    proof = prove(log, await books_of(stack.mongo_url, "orders"), broker, CONSUMES.keys() - {"routing"})
    assert proof.violations == 0, proof.examples
    assert proof.parked == 0
    taught = labels_of(log)
    assert {(label.one, label.same) for label in taught} >= {(name, False) for name in moved}
    other_rules = tmp_path / "pack"
    shutil.copytree(ROOT / "deploy/county/julu", other_rules)
    duties = other_rules / "duties.csv"
    duties.write_text(duties.read_text("utf-8").replace("M09,any,U02,", "M09,any,U07,"), "utf-8")
    answer = what_if(log, Rules(PACK), Rules(load(other_rules)), reports[0].accepted_at - timedelta(days=1))
    opened = [row["classification"]["matter"] for row in incidents if row["state"] != "asked"]
    assert answer.looked_at == len(opened)
    assert {(one.old_unit, one.new_unit) for one in answer.changed} == {("U02", "U07")}
    assert len(answer.changed) == opened.count("M09") > 0


async def test_a_report_of_two_problems_is_proposed_in_parts_and_parted_by_a_person(bus: Bus) -> None:
    stack = bus.stack
    first, *rest = month(6)
    words, lamp = "村口垃圾桶满了三天没人拉，臭得很。另外学校门口12号路灯也不亮了", "学校门口12号路灯也不亮了"
    double = first.model_copy(update={"text": words, "place": first.place.model_copy(update={"address": None})})
    settings = Settings(
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix="parts",
        group_prefix="parts",
        pack=ROOT / "deploy/county/julu",
        secret=SECRET,
    )
    app = create_app(settings)
    async with running(app):
        ground = app.state.ground
        for report in (double, *rest):
            await bus.report(report)
        known = ground.mongo.collection("reports")

        async def all_in() -> bool:
            return bool(await known.count_documents({}) == 1 + len(rest))

        await until(all_in, "all reports decided")
        row = await known.find_one({"_id": double.report_id})
        assert [piece["matter"] for piece in row["ref"]["parts"]] == ["M09", "M02"]
        assert row["ref"]["parts"][1]["text"] == lamp
        wish = c.PartReport(report=double.report_id, text=lamp.replace("12", "１２"), reason="两件事")
        assert (await bus.wish(ground, row["incident_id"], wish, double.accepted_at))["status"] == "done"
        assert (await bus.wish(ground, row["incident_id"], wish, double.accepted_at))["reason"] == "not_possible"
        part = await known.find_one({"part_of": double.report_id})
        made = await ground.mongo.collection("incidents").find_one({"_id": part["incident_id"]})
        assert (made["classification"]["matter"], made["state"]) == ("M02", "dispatched")
        assert (part["facts"]["text"], part["tracking_number"]) == (lamp, double.tracking_number)
    again = create_app(settings)
    async with running(again):
        ground = again.state.ground
        index = ground.handler.memory.correlator.index
        assert made["_id"] in index.slot_of
        merged = await bus.wish(
            ground, made["_id"], c.Merge(into=row["incident_id"], reason="一件"), double.accepted_at
        )
        assert merged["status"] == "done"
        undone = await bus.wish(ground, made["_id"], c.UndoMerge(reason="两件"), double.accepted_at)
        assert (undone["status"], undone["state"]) == ("done", "dispatched")

        async def quiet() -> bool:
            read = {"_id": {"$regex": f"/{topics.COMMANDS.name}/"}, "at": 2 * bus.number - 1}
            unpublished = await ground.mongo.collection("outbox").count_documents({"published": None})
            return await ground.mongo.collection("positions").find_one(read) is not None and unpublished == 0

        await until(quiet, "the second copy of the last command read, and everything published")
    log = await logbook.read(stack.bootstrap, topics.SOURCES)
    books = await books_of(stack.mongo_url, "parts")
    cluster_id = await cluster.cluster_id(stack.bootstrap) or ""
    others = CONSUMES.keys() - {"routing"}
    proof = prove(log, books, cluster_id, others)
    assert proof.violations == 0, proof.examples
    lost = {name: where for name, where in books.reports.items() if name != part["_id"]}
    assert prove(log, replace(books, reports=lost), cluster_id).found["lost"] == 1, "a part is counted as a report is"
