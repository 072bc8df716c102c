"""A question beside an emergency's dispatch on the real broker and database: listed, remembered, answered, proved."""

from datetime import UTC, datetime

import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus

from huying.chassis.security import Principal
from huying.chassis.testing import SECRET, running, until
from huying.contracts import commands as c
from huying.contracts import topics
from huying.devkit import logbook
from huying.devkit.books import books_of
from huying.devkit.labels import labels_of
from huying.devkit.replay.quiet import CONSUMES
from huying.devkit.stack import cluster
from huying.devkit.verify import prove
from huying.routing.api import asks
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire
__all__ = ["bus"]
DESK = Principal("zhang", "dispatcher")


async def test_an_emergency_is_dispatched_asked_about_and_merged_with_what_the_answer_names(bus: Bus) -> None:
    stack, reports, at = bus.stack, month(52), datetime.now(UTC)
    settings = Settings(
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix="asked",
        group_prefix="asked",
        pack=ROOT / "deploy/county/julu",
        secret=SECRET,
    )
    app = create_app(settings)
    async with running(app):
        ground = app.state.ground
        for report in reports:
            await bus.report(report)

        async def all_in() -> bool:
            return bool(await ground.mongo.collection("reports").count_documents({}) == len(reports))

        await until(all_in, "all reports decided")
        listed = (await asks(DESK, ground, 50))["asks"]
        assert {row["holds"] for row in listed} == {True, False}
        assert all(row["holds"] == (row["state"] == "asked") for row in listed)
        beside = next(row for row in listed if not row["holds"] and len(row["ask"]["candidates"]) > 1)
        incident, named = beside["incident_id"], [one["incident_id"] for one in beside["ask"]["candidates"]]
        assert (beside["state"], beside["ask"]["candidate"]) == ("dispatched", named[0])
    again = create_app(settings)
    async with running(again):
        ground = again.state.ground
        memory = ground.handler.memory
        remembered = [one.model_dump() for one in memory.incidents[incident].ask.candidates]
        assert remembered == beside["ask"]["candidates"], "a question outlives a restart"
        stranger = next(row["incident_id"] for row in listed if row["holds"])
        refused = await bus.wish(ground, incident, c.AnswerAsk(same=True, candidates=(stranger,)), at)
        assert (refused["reason"], refused["message"].startswith(f"candidates：{stranger}")) == ("not_possible", True)
        before = set(memory.incidents[named[0]].reports) | set(memory.incidents[named[1]].reports)
        gave = memory.incidents[incident].reports
        answer = c.AnswerAsk(same=True, candidates=(named[1], named[0]))
        merged = await bus.wish(ground, incident, answer, at)
        assert (merged["status"], merged["state"]) == ("done", "merged")
        await until(lambda: memory.incidents[incident].state == "merged", "memory has it, too")
        assert [memory.incidents[name].merged_into for name in (incident, *named[:2])] == [named[0], None, named[0]]
        assert set(memory.incidents[named[0]].reports) == before | set(gave)
        held = memory.correlator.index.slot_of
        assert [name in held for name in (incident, *named[:2])] == [False, True, False]
        active = ground.mongo.collection("dispatches").find(
            {"active": True, "incident_id": {"$in": [incident, *named]}}
        )
        assert {row["incident_id"] async for row in active} == set(named) - {named[1]}
        assert incident not in {row["incident_id"] for row in (await asks(DESK, ground, 50))["asks"]}

        async def done() -> bool:
            read = {"_id": {"$regex": f"/{topics.COMMANDS.name}/"}, "at": 2 * bus.number - 1}
            unpublished = await ground.mongo.collection("outbox").count_documents({"published": None})
            return await ground.mongo.collection("positions").find_one(read) is not None and unpublished == 0

        await until(done, "the second copy of the last command read, and everything published")
    log = await logbook.read(stack.bootstrap, topics.SOURCES)
    broker = await cluster.cluster_id(stack.bootstrap) or ""
    proof = prove(log, await books_of(stack.mongo_url, "asked"), broker, CONSUMES.keys() - {"routing"})
    assert (proof.violations, proof.parked) == (0, 0), proof.examples
    taught = {(label.one, label.same) for label in labels_of(log)}
    assert taught >= {(gave[0], True)}
