"""A few days through the real doors, on whole processes: everything arrives once, and a second time changes nothing."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from huying.contracts.topics import SOURCES
from huying.devkit import logbook, summary, verify
from huying.devkit.installation import root
from huying.devkit.people import People
from huying.devkit.replay.driver import Driver, Replayed
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
    return await Driver(target, some, People(7), tail=timedelta(hours=6)).run()


async def outcome(system: System) -> tuple[dict[str, Any], verify.Proof]:
    log = await logbook.read(system.stack.bootstrap, SOURCES)
    books = await verify.books_of(system.stack.mongo_url, system.prefix)
    proof = verify.prove(log, books, system.stack.cluster_id)
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

        again = asyncio.run(drive(target, some))
        assert again.reports == first.reports
        assert again.ticks == 0, "the clock never goes back"
        after, proof = asyncio.run(outcome(system))
        assert proof.violations == 0, proof.as_json()
        for name in ("reports", "incidents", "merged", "dispatched", "dispatched_by_unit"):
            assert after[name] == figures[name]
