"""Commands beside a running system: a database that is away, or that nobody of that prefix has, is no empty answer."""

from typing import Any

import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from huying.devkit.cli import app
from huying.devkit.stack import Stack, topics
from huying.devkit.stack.cluster import run as finish

pytestmark = pytest.mark.wire
run = CliRunner()
AWAY = "mongodb://127.0.0.1:1/?directConnection=true"
BESIDE_THE_BROKER = [["verify"], ["ledger", "forget", "--yes"]]
ALONE = [["dlq", "list"], ["dlq", "show", "pk-1"], ["dlq", "replay", "pk-1"], ["dlq", "close", "pk-1", "--reason", "x"]]


@pytest.fixture
def bus(embedded_stack: Stack) -> list[str]:
    """Where the broker is, with its topics."""
    bootstrap = embedded_stack.bootstrap
    finish(topics.create(bootstrap, finish(topics.of_the_contract(bootstrap))))
    return ["--kafka", bootstrap]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUYING_SECRET", "s" * 64)


@pytest.mark.parametrize("words", [*BESIDE_THE_BROKER, *ALONE])
def test_a_database_that_is_away_is_said_to_be_away(words: list[str], bus: list[str]) -> None:
    answer = run.invoke(app, [*words, "--mongo", AWAY, *(bus if words in BESIDE_THE_BROKER else [])])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, "127.0.0.1:1" in answer.stderr, "--mongo" in answer.stderr) == (1, True, True)
    assert "Topology" not in answer.stderr


@pytest.mark.parametrize("words", [*BESIDE_THE_BROKER, *ALONE])
def test_a_prefix_that_nobody_has_is_refused_with_those_that_there_are(
    words: list[str], bus: list[str], embedded_stack: Stack, mongo_database: str
) -> None:
    there = f"{mongo_database}_replay"
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url) as client:
        client[f"{there}_routing"]["positions"].insert_one({"_id": "c/huying.reports.v1/0", "at": 7})
        where = ["--mongo", embedded_stack.mongo_url, "--prefix", mongo_database]
        answer = run.invoke(app, [*words, *where, *(bus if words in BESIDE_THE_BROKER else [])])
        assert isinstance(answer.exception, SystemExit), answer.exception
        assert (answer.exit_code, there in answer.stderr, "--prefix" in answer.stderr) == (1, True, True), answer.stderr
        assert client[f"{there}_routing"]["positions"].count_documents({}) == 1


def test_a_position_is_forgotten_where_it_is(bus: list[str], embedded_stack: Stack, mongo_database: str) -> None:
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url) as client:
        positions = client[f"{mongo_database}_routing"]["positions"]
        positions.insert_many([{"_id": f"c/huying.{topic}.v1/0", "at": 7} for topic in ("reports", "commands")])
        which = ["--service", "routing", "--topic", "huying.reports.v1"]
        where = ["--mongo", embedded_stack.mongo_url, "--prefix", mongo_database, "--group-prefix", mongo_database]
        answer = run.invoke(app, ["ledger", "forget", "--yes", *which, *where, *bus])
        assert answer.exit_code == 0, answer.output
        assert [row["_id"] for row in positions.find()] == ["c/huying.commands.v1/0"]


def test_a_broker_without_topics_is_said_to_have_none(fresh_stack: Any) -> None:
    stack = fresh_stack()
    answer = run.invoke(app, ["verify", "--kafka", stack.bootstrap, "--mongo", stack.mongo_url])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, "huying topics create" in answer.stderr) == (1, True), answer.stderr
