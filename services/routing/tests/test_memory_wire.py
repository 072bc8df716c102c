"""What is finished for long leaves a running memory as it would at a restart: no verdict tells them apart."""

from datetime import timedelta
from typing import Any

import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus

from huying.chassis.clock import FixedClock
from huying.chassis.testing import SECRET, running, until
from huying.contracts import commands as c
from huying.contracts import topics
from huying.contracts.reports import ReportAcceptedV1
from huying.routing.domain import facts_of
from huying.routing.handlers import Routing
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire
__all__ = ["bus"]
KEPT = timedelta(days=120)


def later(report: ReportAcceptedV1, name: str, at: Any) -> ReportAcceptedV1:
    """The same, said another day."""
    return report.model_copy(
        update={"report_id": name, "tracking_number": name, "origin_id": name, "received_at": at, "accepted_at": at}
    )


def verdicts(routing: Routing, probes: list[ReportAcceptedV1]) -> list[Any]:
    """What routing would make of each."""
    correlator, facts = routing.memory.correlator, [facts_of(probe) for probe in probes]
    screened = correlator.engine.screen(facts)
    return [correlator.judge(one, screening) for one, screening in zip(facts, screened, strict=True)]


async def test_a_running_and_a_restarted_routing_remember_the_same(bus: Bus) -> None:
    reports = month(80)
    at = reports[-1].accepted_at
    settings = Settings(
        kafka=bus.stack.bootstrap,
        mongo=bus.stack.mongo_url,
        database_prefix="memory",
        group_prefix="memory",
        pack=ROOT / "deploy/county/julu",
        memory=KEPT,
        secret=SECRET,
    )
    app = create_app(settings)
    ground = app.state.ground
    ground.clock = clock = FixedClock(at)
    rows = ground.mongo.collection("incidents")

    async def finish(name: str) -> None:
        for action in (c.Accept(), c.Complete(text="办好了")):
            assert (await bus.wish(ground, name, action, clock.instant))["status"] == "done"

    async def led(name: str, action: c.Action) -> None:
        """What only a leader may wish."""
        wish = c.CommandIssuedV1(
            command_id=f"led-{action.kind}",
            jurisdiction=reports[0].jurisdiction,
            incident_id=name,
            actor=c.Actor(id="wang", role="leader"),
            action=action,
            issued_at=clock.instant,
        )
        await bus.send(topics.COMMANDS, wish.command_id, wish, clock.instant)

        async def decided() -> Any:
            return await ground.mongo.collection("commands").find_one({"_id": wish.command_id, "status": "done"})

        await until(decided, f"{action.kind} done")

    async def arrives(report: ReportAcceptedV1) -> str:
        await bus.report(report)

        async def decided() -> Any:
            row = await ground.mongo.collection("reports").find_one({"_id": report.report_id})
            known = ground.handler.memory.incidents.get(row["incident_id"]) if row else None
            return row if known is not None and report.report_id in known.reports else None

        return str((await until(decided, "decided"))["incident_id"])

    async with running(app):
        for report in reports:
            await bus.report(report)
        await arrives(reports[-1])
        found = await rows.find({"state": "dispatched", "reports": {"$size": 1}}).sort("number", 1).to_list(None)
        early, marked, merged, kept, into, mother, parent, order, covered = [row["_id"] for row in found[:9]]
        await led(marked, c.Supervise(reason="拖"))
        for family in ((mother, kept), (parent, order, covered)):
            for name, unit in zip(family, ("U09", "U05", "U05"), strict=False):
                await bus.wish(ground, name, c.Assign(unit=unit, reason="更合适"), at)
            assert (await bus.wish(ground, family[0], c.Group(children=family[1:]), at))["status"] == "done"
        for name in (early, marked, mother, parent):
            await finish(name)
        await bus.wish(ground, merged, c.Merge(into=into, reason="同一件"), at)
        clock.instant = at + timedelta(days=20)
        await finish(kept)
        before = set(ground.handler.memory.incidents)
        assert {early, marked, merged, kept, mother, parent} <= before

        clock.instant = at + KEPT + timedelta(days=1)
        again = later(next(one for one in reports if one.report_id in found[0]["reports"]), "again", clock.instant)
        assert await arrives(again) != early
        memory = ground.handler.memory
        assert before - set(memory.incidents) == {early, marked, merged}, (
            "a parent stays as long as one of its children"
        )
        assert not {early, marked, merged} & set(memory.correlator.index.slot_of)
        assert kept in memory.correlator.index.slot_of
        assert memory.incidents[covered].course.covered_by == order
        await bus.wish(ground, order, c.Assign(unit="U04", reason="更合适"), clock.instant)
        row = await rows.find_one({"_id": covered})
        assert row["dispatch"]["unit"] == "U04", "one family, though its parent is finished for long"

        await led(marked, c.LiftSupervision(reason="完"))
        declined = await bus.wish(ground, early, c.Accept(), clock.instant)
        assert declined["reason"] == "illegal_move"
        for name in ("last", "after it"):  # the wish comes twice, and its second coming may share the first one's batch
            await arrives(later(reports[-1], name, clock.instant))
        assert marked in memory.correlator.index.slot_of, "its last step is of today"
        assert early not in memory.incidents, "asked after, and let go again"
        probes = [later(one, f"probe-{n}", clock.instant) for n, one in enumerate(reports)]
        lived = memory.incidents, set(memory.correlator.index.slot_of), verdicts(ground.handler, probes)
    second = create_app(settings)
    ground = second.state.ground
    ground.clock = clock
    async with running(second):
        rebuilt = ground.handler
        assert set(rebuilt.memory.incidents) == set(lived[0])
        assert set(rebuilt.memory.correlator.index.slot_of) == lived[1]
        assert verdicts(rebuilt, probes) == lived[2]
        clock.instant += timedelta(days=20)
        await arrives(later(reports[-1], "much later", clock.instant))
        remembered = set(rebuilt.memory.incidents)
        assert not {kept, mother} & remembered, "the child is let go, and its parent with it"
        assert {parent, order, covered} <= remembered
        await bus.wish(ground, kept, c.Redo(reason="没好"), clock.instant)
        await arrives(later(reports[-1], "last of all", clock.instant))
        lived = rebuilt.memory.incidents, set(rebuilt.memory.correlator.index.slot_of), verdicts(rebuilt, probes)
        assert {kept, mother} <= lived[1], "both are back"
        await ground.batch.between(rebuilt.reload)
        assert set(rebuilt.memory.incidents) == set(lived[0])
        assert set(rebuilt.memory.correlator.index.slot_of) == lived[1]
        assert verdicts(rebuilt, probes) == lived[2]
