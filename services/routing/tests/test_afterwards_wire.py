"""Not fixed after all, on the real broker and database: done again once, then a linked incident; the log proves it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus

from huying.chassis.testing import SECRET, running, until
from huying.contracts import commands as c
from huying.contracts import topics
from huying.contracts.reports import ReportAcceptedV1
from huying.devkit import logbook
from huying.devkit.books import books_of
from huying.devkit.replay.quiet import CONSUMES
from huying.devkit.stack import cluster
from huying.devkit.verify import prove
from huying.routing.judgement import Candidate, Correlator, Verdict
from huying.routing.judgement.index import COLUMN
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire
__all__ = ["bus"]


def said_again(first: ReportAcceptedV1, number: int, at: Any) -> ReportAcceptedV1:
    """The reporter writes to the order's page that nothing was done."""
    name = f"again-{number}"
    return first.model_copy(
        update={
            "report_id": name,
            "tracking_number": name,
            "origin_id": name,
            "text": "办结是假的，问题还在，没人来过",
            "relates_to": first.tracking_number,
            "received_at": at,
            "accepted_at": at,
            "device": None,
        }
    )


def indexed(correlator: Correlator) -> dict[str, list[float]]:
    """What the index holds of each incident."""
    index = correlator.index
    return {name: index.rows[slot].tolist() for name, slot in index.slot_of.items()}


async def test_what_is_not_fixed_is_done_again_once_and_then_opens_anew_across_a_restart(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, reports = bus.stack, month(12)
    settings = Settings(
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix="after",
        group_prefix="after",
        pack=ROOT / "deploy/county/julu",
        secret=SECRET,
    )
    at = datetime.now(UTC)
    app = create_app(settings)
    async with running(app):
        database = app.state.ground.mongo
        for report in reports:
            await bus.report(report)

        async def decided(name: str) -> Any:
            return await database.collection("reports").find_one({"_id": name})

        await until(lambda: decided(reports[-1].report_id), "all reports decided")
        row = await database.collection("incidents").find_one({"state": "dispatched", "reports": {"$size": 1}})
        incident, first = row["_id"], next(each for each in reports if each.report_id in row["reports"])

        async def says_the_same_of_a_question(ground: Any, old: str, back: str, at: Any) -> None:
            """The old one is finished, so that its answer goes to what came back of it, and the index knows that."""
            verdict = Verdict("asked", "ask", old, 0.6, (), None, (Candidate(old, 0.6, False),))
            report = said_again(first, 9, at).model_copy(update={"report_id": "asked", "relates_to": None})
            with monkeypatch.context() as patch:
                patch.setattr(Correlator, "judge", lambda *_: verdict)
                await bus.report(report)
                asked = str((await until(lambda: decided("asked"), "asked"))["incident_id"])
            assert (await bus.wish(ground, asked, c.AnswerAsk(same=True), at))["state"] == "merged"
            memory = ground.handler.memory
            await until(lambda: len(memory.incidents[back].reports) == 2, "its report is there")
            lived = indexed(memory.correlator)
            await ground.batch.between(ground.handler.reload)
            np.testing.assert_equal(lived, indexed(ground.handler.memory.correlator))

        async def finish(ground: Any, name: str, at: Any) -> None:
            for action in (c.Accept(), c.Complete(text="办好了")):
                assert (await bus.wish(ground, name, action, at))["status"] == "done"

        async def again(number: int, at: Any, times: int = 2) -> str:
            report = said_again(first, number, at)
            for _ in range(times):
                await bus.report(report)
            return str((await until(lambda: decided(report.report_id), "decided"))["incident_id"])

        await finish(app.state.ground, incident, at)
        at += timedelta(hours=1)
        assert await again(1, at) == incident
        row = await database.collection("incidents").find_one({"_id": incident})
        assert (row["state"], row["course"]["redone"], row["completed_at"]) == ("dispatched", 1, None)
        index = app.state.ground.handler.memory.correlator.index
        assert index.rows[index.slot(incident), COLUMN["open"]] == 1, "further reports find it among the open ones"
        await finish(app.state.ground, incident, at)
    second = create_app(settings)
    async with running(second):
        database = second.state.ground.mongo
        at += timedelta(hours=1)
        fresh = await again(2, at)
        assert fresh != incident
        row = await database.collection("incidents").find_one({"_id": fresh})
        assert (row["state"], row["recurrence_of"]) == ("dispatched", incident)
        await says_the_same_of_a_question(second.state.ground, incident, fresh, at)
        await finish(second.state.ground, fresh, at)
        late = await again(3, at + timedelta(days=11), times=1)  # whoever proves the log next waits for no second one
        row = await database.collection("incidents").find_one({"_id": late})
        assert row["recurrence_of"] == fresh, "the tracking number leads to a result that is too old to be doubted"

        async def published() -> bool:
            return bool(await database.collection("outbox").count_documents({"published": None}) == 0)

        await until(published, "everything published")
    log = await logbook.read(stack.bootstrap, topics.SOURCES)
    broker = await cluster.cluster_id(stack.bootstrap) or ""
    proof = prove(log, await books_of(stack.mongo_url, "after"), broker, CONSUMES.keys() - {"routing"})
    assert (proof.violations, proof.parked) == (0, 0), proof.examples
