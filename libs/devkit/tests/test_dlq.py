"""`huying dlq`: events that a broker refuses are shown, and what nobody can mend is closed."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from huying.chassis.ledger import OutboxRow
from huying.contracts.identity import deterministic_id
from huying.contracts.topics import REPORTS
from huying.devkit.cli import app
from huying.devkit.stack import Stack

pytestmark = pytest.mark.wire
run = CliRunner()


def test_a_refused_event_is_listed_with_its_place_in_the_outbox(embedded_stack: Stack, mongo_database: str) -> None:
    row = OutboxRow(REPORTS.name, b"130529", b"{}", (), "r-1").document(7, datetime.now(UTC))
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url) as client:
        outbox = client[f"{mongo_database}_intake"]["outbox"]
        outbox.insert_many([row | {"published": "refused", "refusal": "too large"}, row | {"_id": 8}])
    words = ["--mongo", embedded_stack.mongo_url, "--prefix", mongo_database]
    answer = run.invoke(app, ["dlq", "list", "--json", *words])
    [found] = json.loads(answer.stdout)
    assert (found["service"], found["id"], found["state"]) == ("intake", "r-1", "refused")
    assert (found["topic"], found["partition"], found["offset"]) == (REPORTS.name, "outbox", 7)
    assert (found["reason"], found["message"]) == ("refused_by_broker", "too large")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00", found["parked_at"]), "ISO 8601, as everywhere else"
    table = run.invoke(app, ["dlq", "list", *words])
    assert table.exit_code == 0, table.output


@pytest.fixture
def parked(embedded_stack: Stack, mongo_database: str) -> Iterator[Callable[..., Any]]:
    """Adds a parked record of intake, or asks for it by id."""
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url, tz_aware=True) as client:
        rows = client[f"{mongo_database}_intake"]["parked"]

        def one(name: str, **facts: Any) -> dict[str, Any] | None:
            place = {"topic": REPORTS.name, "partition": 0, "offset": 1, "hold": None, "parked_at": datetime.now(UTC)}
            if facts:
                rows.insert_one(
                    {"_id": name, "state": "parked", "reason": "no_cloudevent", "message": "x"} | place | facts
                )
            return rows.find_one({"_id": name})

        yield one


def test_what_nobody_can_mend_is_closed_with_who_when_and_why_and_listed_only_when_asked_for(
    embedded_stack: Stack, mongo_database: str, parked: Callable[..., Any]
) -> None:
    words = ["--mongo", embedded_stack.mongo_url, "--prefix", mongo_database]
    name = deterministic_id("pk", "intake", 1)
    parked(name, value=b"")
    close = ["dlq", "close", name, "--by", "li", *words]
    assert run.invoke(app, [*close, "--reason", " "]).exit_code == 1
    assert parked(name)["state"] == "parked"
    assert run.invoke(app, [*close, "--reason", "a test's line"]).exit_code == 0
    kept = parked(name)
    assert (kept["state"], kept["closed_by"], kept["closed_reason"]) == ("closed", "li", "a test's line")
    assert datetime.now(UTC) - kept["closed_at"] < timedelta(minutes=1)
    assert json.loads(run.invoke(app, ["dlq", "list", "--json", *words]).stdout) == []
    [found] = json.loads(run.invoke(app, ["dlq", "list", "--all", "--json", *words]).stdout)
    assert (found["id"], found["state"], found["closed_reason"]) == (name, "closed", "a test's line")
    again = run.invoke(app, [*close, "--reason", "again"])
    assert (again.exit_code, "is not parked" in again.stderr) == (1, True)


def test_a_record_that_holds_others_back_is_closed_only_with_release(
    embedded_stack: Stack, mongo_database: str, parked: Callable[..., Any]
) -> None:
    words = ["--mongo", embedded_stack.mongo_url, "--prefix", mongo_database]
    parked("pk-1", hold="huying.incidents.v1/in-1")
    parked("pk-2", hold="huying.incidents.v1/in-1", state="waiting")
    close = ["dlq", "close", "pk-1", "--reason", "a test's line", *words]
    refused = run.invoke(app, close)
    assert (refused.exit_code, parked("pk-1")["state"]) == (1, "parked")
    assert all(said in refused.stderr for said in ("huying.incidents.v1/in-1", "1 by now", "--release"))
    assert run.invoke(app, [*close, "--release"]).exit_code == 0
    assert [parked(name)["state"] for name in ("pk-1", "pk-2")] == ["closed", "waiting"], "its service lets it go"


def test_the_id_that_the_next_command_wants_is_whole_in_a_narrow_window(
    embedded_stack: Stack, mongo_database: str, parked: Callable[..., Any]
) -> None:
    name = deterministic_id("pk", "intake", 1)
    parked(name, message="ValidationError: 1 validation error for ReportAcceptedV1", topic="huying.inbound.rejected.v1")
    words = ["dlq", "list", "--mongo", embedded_stack.mongo_url, "--prefix", mongo_database]
    assert name in run.invoke(app, words, env={"COLUMNS": "80"}).output
