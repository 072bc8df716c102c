"""What goes on by itself and the reports in whose batch it does: neither can stop the other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus

from huying.chassis import aside, ticks
from huying.chassis.testing import SECRET, running, until
from huying.contracts import commands as c
from huying.routing import handlers
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire
__all__ = ["bus"]


async def test_an_incident_that_cannot_go_on_stops_neither_the_reports_nor_the_others(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "LIVE_S", 3600.0)  # so that only reports bring it
    monkeypatch.setattr(aside, "FIRST_PAUSE", timedelta(milliseconds=1))
    monkeypatch.setattr(aside, "LONGEST_PAUSE", timedelta(milliseconds=1))
    settings = Settings(
        kafka=bus.stack.bootstrap,
        mongo=bus.stack.mongo_url,
        database_prefix="wakes",
        group_prefix="wakes",
        pack=ROOT / "deploy/county/julu",
        secret=SECRET,
    )
    *first, third, fourth = month(12)
    app = create_app(settings)
    async with running(app) as client:
        mongo = app.state.ground.mongo

        async def decided(name: str) -> Any:
            return await mongo.collection("reports").find_one({"_id": name})

        async def state(name: str) -> str:
            return str((await mongo.collection("incidents").find_one({"_id": name}))["state"])

        async def shown() -> bool:
            return "huying_routing_due_failing_messages 1.0" in (await client.get("/metrics")).text

        for report in first:
            await bus.report(report)
        await until(lambda: decided(first[-1].report_id), "all reports decided")
        wanted = {"state": "dispatched", "classification.clock_class": {"$ne": "emergency"}}
        rows = await mongo.collection("incidents").find(wanted).sort("number", 1).to_list(2)
        one, other = (row["_id"] for row in rows)
        end = datetime.now(UTC) + timedelta(seconds=5)
        for name in (one, other):
            for action in (c.Accept(), c.Suspend(reason="等材料", until=end)):
                assert (await bus.wish(app.state.ground, name, action, end))["status"] == "done"
        wake = handlers.wake

        def fails(incident: Any, *rest: Any) -> Any:
            if incident.id == one:
                raise RuntimeError("it cannot go on")
            return wake(incident, *rest)

        monkeypatch.setattr(handlers, "wake", fails)
        await until(lambda: datetime.now(UTC) > end, "both ran out")
        await bus.report(third)
        await until(lambda: decided(third.report_id), "the report is decided")
        assert (await state(one), await state(other)) == ("suspended", "accepted")
        await until(shown, "it shows")
        monkeypatch.setattr(handlers, "wake", wake)
        await bus.report(fourth)
        await until(lambda: decided(fourth.report_id), "the next one too")
        assert await state(one) == "accepted"
        assert await app.state.ground.parking.count() == 0
