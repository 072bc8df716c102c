"""pytest fixtures for tests on the real broker and database. Refuses to isolate by topic: topic names are the contract.

Import them in a conftest: `from huying.devkit.stack.fixtures import *`. A test takes `embedded_stack` or `kafka_stack`
(one of each per session, on free ports), `mongo_database` or `kafka_mongo_database` (a prefix for the names of its
databases, dropped afterwards) and `unique_name` (for consumer groups, client ids, and topics of its own).
"""

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from .errors import ProgramMissingError
from .mqtt_brokers import MqttBroker, MqttKind
from .ports import Ports, free_ports
from .stack import BrokerKind, Stack

__all__ = [
    "embedded_stack",
    "fresh_stack",
    "kafka_mongo_database",
    "kafka_stack",
    "mongo_database",
    "mosquitto_broker",
    "mqtt_broker",
    "unique_name",
]


@pytest.fixture(scope="session")
def embedded_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A tansu and a mongod, once per session. A test that kills or freezes parts takes `fresh_stack`."""
    yield from _stack(tmp_path_factory.mktemp("embedded"), "embedded")


@pytest.fixture(scope="session")
def kafka_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Apache Kafka and mongod, once per session; skips where Java or Maven is missing."""
    yield from _stack(tmp_path_factory.mktemp("kafka"), "kafka")


@pytest.fixture
def fresh_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes stacks for this test alone: `fresh_stack(broker="kafka", mqtt="amqtt")`, each in a folder of its own."""
    made: list[Stack] = []

    def start(broker: BrokerKind = "embedded", mqtt: MqttKind | None = None) -> Stack:
        stack = Stack(tmp_path / f"stack-{len(made)}", broker=broker, mqtt=mqtt, ports=Ports.free())
        made.append(stack)
        try:
            stack.start()
        except ProgramMissingError as missing:
            pytest.skip(str(missing))
        return stack

    yield start
    for stack in made:
        stack.stop()
        # pytest keeps the folders of three sessions, and a database's files take hundreds of megabytes.
        shutil.rmtree(stack.directory / "mongod", ignore_errors=True)


@pytest.fixture
def unique_name() -> str:
    """A name no other test uses: t and 12 hexadecimal digits, good for groups, clients, topics and databases."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def mongo_database(embedded_stack: Stack, unique_name: str) -> Iterator[str]:
    """A prefix for this test's databases in the embedded stack; all that begin with it are dropped afterwards."""
    yield unique_name
    _drop(embedded_stack, unique_name)


@pytest.fixture
def kafka_mongo_database(kafka_stack: Stack, unique_name: str) -> Iterator[str]:
    """The same in the Kafka stack."""
    yield unique_name
    _drop(kafka_stack, unique_name)


@pytest.fixture(scope="session")
def mqtt_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """The embedded MQTT broker, once per session: `.url`, `.username`, `.password`."""
    yield from _mqtt(tmp_path_factory.mktemp("mqtt"), "amqtt")


@pytest.fixture(scope="session")
def mosquitto_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    """Debian's mosquitto, once per session; skips where it is missing."""
    yield from _mqtt(tmp_path_factory.mktemp("mosquitto"), "mosquitto")


def _stack(directory: Path, broker: BrokerKind) -> Iterator[Stack]:
    stack = Stack(directory, broker=broker, ports=Ports.free())
    try:
        stack.start()
    except ProgramMissingError as missing:
        pytest.skip(str(missing))
    try:
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(directory / "mongod", ignore_errors=True)


def _mqtt(directory: Path, kind: MqttKind) -> Iterator[MqttBroker]:
    broker = MqttBroker(directory, free_ports(1)[0], kind)
    try:
        broker.start()
    except ProgramMissingError as missing:
        pytest.skip(str(missing))
    try:
        yield broker
    finally:
        broker.process.stop()


def _drop(stack: Stack, prefix: str) -> None:
    stack.mend()
    client: MongoClient[dict[str, Any]] = MongoClient(stack.mongo_url)
    with client:
        for name in client.list_database_names():
            if name.startswith(prefix):
                client.drop_database(name)
