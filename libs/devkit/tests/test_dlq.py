"""What `huying dlq` shows of events that a broker refuses."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from huying.chassis.ledger import OutboxRow
from huying.contracts.topics import REPORTS
from huying.devkit.cli import app
from huying.devkit.stack import Stack

pytestmark = pytest.mark.wire


def test_a_refused_event_is_listed_with_its_place_in_the_outbox(embedded_stack: Stack, mongo_database: str) -> None:
    row = OutboxRow(REPORTS.name, b"130529", b"{}", (), "r-1").document(7, datetime.now(UTC))
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url) as client:
        outbox = client[f"{mongo_database}_intake"]["outbox"]
        outbox.insert_many([row | {"published": "refused", "refusal": "too large"}, row | {"_id": 8}])
    words = ["--mongo", embedded_stack.mongo_url, "--prefix", mongo_database]
    answer = CliRunner().invoke(app, ["dlq", "list", "--json", *words])
    [found] = json.loads(answer.stdout)
    assert (found["service"], found["id"], found["state"]) == ("intake", "r-1", "refused")
    assert (found["topic"], found["partition"], found["offset"]) == (REPORTS.name, "outbox", 7)
    assert (found["reason"], found["message"]) == ("refused_by_broker", "too large")
    table = CliRunner().invoke(app, ["dlq", "list", *words])
    assert table.exit_code == 0, table.output
