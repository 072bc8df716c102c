"""A few days through the real doors, on whole processes: everything arrives once, and a second time changes nothing."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from huying.contracts.clocks import ClockBreachedV1
from huying.contracts.ticks import TickV1
from huying.contracts.topics import CLOCKS, SOURCES, TICKS
from huying.devkit import logbook, summary, verify
from huying.devkit.books import books_of
from huying.devkit.installation import root
from huying.devkit.people import People
from huying.devkit.replay.driver import HOUR, Driver, Replayed
from huying.devkit.replay.target import Target
from huying.devkit.running import System
from huying.devkit.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.wire, pytest.mark.timeout(400)]

LINES = 24
"""Every door but one: citizens, grid workers, hotlines, devices."""


def lines() -> list[dict[str, Any]]:
    text = (root() / "tests/data/county/reports.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()[:LINES]]


async def drive(target: Target, some: list[dict[str, Any]]) -> Replayed:
    return await Driver(target, some, People(7), tail=timedelta(days=4)).run()


def ticks_and_deadlines(system: System) -> tuple[list[datetime], list[datetime]]:
    """Instants of the clock, and deadlines that were told as missed."""
    log = asyncio.run(logbook.read(system.stack.bootstrap, (TICKS, CLOCKS)))
    said = [record.event for records in log.values() for record in records if record.event is not None]
    ticks = [TickV1.model_validate_json(event.data).instant for event in said if event.type == TickV1.TYPE]
    breaches = [ClockBreachedV1.model_validate_json(e.data) for e in said if e.type == ClockBreachedV1.TYPE]
    return sorted(ticks), [breach.due_at for breach in breaches]


async def outcome(system: System) -> tuple[dict[str, Any], verify.Proof]:
    log = await logbook.read(system.stack.bootstrap, SOURCES)
    books = await books_of(system.stack.mongo_url, system.prefix)
    proof = verify.prove(log, books, system.stack.cluster_id)
    through = sum(map(len, books.doors.values()))
    assert through == len(set().union(*books.doors.values())) == len(books.reports), "each through one door"
    return dict(summary.read(log).figures), proof


def test_every_report_is_in_one_incident_and_a_second_replay_changes_nothing(
    fresh_stack: Callable[..., Stack],
) -> None:
    stack = fresh_stack(mqtt="amqtt")
    some = lines()
    with System(stack, "replay") as system:
        target = Target.of(system.services)
        first = asyncio.run(drive(target, some))
        assert set(first.reports) == {line["id"] for line in some}
        assert first.commands > 0
        figures, proof = asyncio.run(outcome(system))
        assert proof.as_json()["invariant_violations"] == 0, proof.as_json()
        assert figures["reports"] == LINES
        assert figures["incidents"] + figures["merged"] == LINES
        assert figures["dispatched"] == figures["incidents"]
        assert sum(figures["reports_by_channel"].values()) == LINES

        ticks, deadlines = ticks_and_deadlines(system)
        hours = (ticks[-1] - ticks[0]) / HOUR + 1
        assert len(ticks) == first.ticks < hours, "hours in which nothing happens are passed over"
        assert deadlines, "some are missed"
        for deadline in deadlines:
            assert any(deadline <= tick < deadline + HOUR for tick in ticks), "what falls due is told by the next hour"

        again = asyncio.run(drive(target, some))
        assert again.reports == first.reports
        assert again.ticks == 0, "the clock never goes back"
        after, proof = asyncio.run(outcome(system))
        assert proof.violations == 0, proof.as_json()
        for name in ("reports", "incidents", "merged", "dispatched", "dispatched_by_unit"):
            assert after[name] == figures[name]
