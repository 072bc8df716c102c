"""The chassis on both brokers and a real database: exactly once, poison parked alone, order kept behind a parked record."""

import importlib.util
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError
from fastapi import FastAPI
from pymongo import UpdateOne
from pymongo.errors import ServerSelectionTimeoutError

from huying.chassis.settings import ServiceSettings
from huying.chassis.testing import SECRET, running, until
from huying.contracts.envelope import CloudEvent
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning

_spec = importlib.util.spec_from_file_location("tally", Path(__file__).parent / "tally.py")
assert _spec is not None
assert _spec.loader is not None
tally = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tally)


@dataclass
class Bench:
    """Everything that a test of delivery touches."""

    stack: Stack
    name: str
    producer: AIOKafkaProducer
    broker: Literal["embedded", "kafka"] = "embedded"

    def app(self, **changes: Any) -> FastAPI:
        settings = ServiceSettings(
            service="tally",
            port=0,
            kafka=self.stack.bootstrap,
            mongo=self.stack.mongo_url,
            database_prefix=self.name,
            group_prefix=self.name,
            secret=SECRET,
            broker=self.broker,
            **changes,
        )
        app: FastAPI = tally.create_app(settings, self.name)
        return app

    async def give(self, key: str, *numbers: int) -> None:
        for number in numbers:
            event = CloudEvent("id", "test", tally.NumberGivenV1.TYPE, tally.NumberGivenV1(number=number).encode())
            await self.raw(key, event.data, event.headers())

    async def raw(self, key: str, value: bytes, headers: Any = ()) -> None:
        await self.producer.send_and_wait(f"{self.name}.numbers", value, key=key.encode(), headers=list(headers))

    async def told(self) -> list[tuple[str, bytes]]:
        """Ids and data of everything on the topic of sums."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            parts = [TopicPartition(f"{self.name}.sums", n) for n in range(2)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            found = []
            for _ in range(5):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(dict(r.headers)["ce_id"].decode(), r.value) for r in records]
            return found
        finally:
            await consumer.stop()


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.wire), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def ground(request: pytest.FixtureRequest, unique_name: str) -> tuple[Stack, Any]:
    """A broker of this kind with a database; the test's own are dropped afterwards."""
    prefix = "" if request.param == "embedded" else "kafka_"
    assert request.getfixturevalue(f"{prefix}mongo_database") == unique_name
    return request.getfixturevalue(f"{request.param}_stack"), request.param


@pytest.fixture
async def bench(ground: tuple[Stack, Any], unique_name: str) -> AsyncIterator[Bench]:
    stack, broker = ground
    numbers, sums = tally.topics_of(unique_name)
    wanted = [(t.name, t.partitions, t.config()) for t in (numbers, sums)]
    await provisioning.create(stack.bootstrap, [*wanted, (numbers.dlq, 1, {})])
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap, max_request_size=4_000_000) as producer:
        yield Bench(stack, unique_name, producer, broker)


async def _sums(app: FastAPI) -> dict[str, Any]:
    return {row["_id"]: row["total"] async for row in app.state.ground.mongo.collection("sums").find()}


async def _parked(app: FastAPI, state: str) -> list[Any]:
    found: list[Any] = await app.state.ground.mongo.collection("parked").find({"state": state}).to_list(None)
    return found


async def test_what_is_given_is_added_once_and_told_once_across_a_restart(bench: Bench) -> None:
    await bench.give("a", 1, 2, 3)
    async with running(bench.app()) as client:
        first = client._transport.app  # type: ignore[attr-defined]
        await until(lambda: _is(first, {"a": 6}), "the sum of a")
        assert (await client.get("/healthz")).status_code == 200
        await until(lambda: _metric(client, "huying_tally_messages_total 3.0"), "three counted")
    await bench.give("a", 4)
    async with running(bench.app()) as client:
        second = client._transport.app  # type: ignore[attr-defined]
        await until(lambda: _is(second, {"a": 10}), "the sum after the restart")
        await until(lambda: _drained(second), "an empty outbox")
    told = await bench.told()
    assert list(dict.fromkeys(event for event, _ in told)) == ["a/1", "a/2", "a/3", "a/4"]
    assert len(set(told)) == 4, "a repeat is the same event"


async def _metric(client: Any, line: str) -> bool:
    return line in (await client.get("/metrics")).text


async def _is(app: FastAPI, wanted: dict[str, Any]) -> bool:
    return await _sums(app) == wanted


async def _drained(app: FastAPI) -> bool:
    outbox = app.state.ground.mongo.collection("outbox")
    return await outbox.count_documents({"published": None}) == 0 and await outbox.count_documents({}) > 0


async def test_poison_is_parked_alone_and_its_batch_mates_are_processed(bench: Bench) -> None:
    await bench.give("a", 1)
    await bench.raw("b", b"\xff\x00 garbage", [("ce_specversion", b"\xff\xfe")])
    await bench.raw("c", b'{"number": "x"}', CloudEvent("1", "t", tally.NumberGivenV1.TYPE, b"").headers())
    await bench.raw("d", b"{}", CloudEvent("1", "t", "cn.huying.number.given.v2", b"").headers())
    await bench.raw("e", b"{}", CloudEvent("1", "t", "org.example.other", b"").headers())
    if bench.broker == "embedded":  # Apache Kafka has limits, and refuses it to its sender
        await bench.raw("f", b"x" * 2_000_000, CloudEvent("1", "t", tally.NumberGivenV1.TYPE, b"").headers())
    await bench.give("g", 13)
    await bench.give("h", 666)
    await bench.give("i", 2)
    app = bench.app()
    async with running(app):
        await until(lambda: _is(app, {"a": 1, "i": 2}), "the sums of a and i")
        expected = {
            b"b": "no_cloudevent",
            b"c": "invalid_data",
            b"d": "future_version",
            b"g": "handler_error",
            b"h": "refused_by_database",
        } | ({b"f": "too_large"} if bench.broker == "embedded" else {})
        await until(lambda: _count(app, "parked", len(expected)), "all of them parked")
        reasons = {row["key"]: row["reason"] for row in await _parked(app, "parked")}
    assert reasons == expected


@pytest.mark.kafka
async def test_a_broker_with_limits_refuses_an_oversized_record_to_its_sender(
    kafka_stack: Stack, unique_name: str
) -> None:
    numbers, _ = tally.topics_of(unique_name)
    await provisioning.create(kafka_stack.bootstrap, [(numbers.name, numbers.partitions, numbers.config())])
    careless = AIOKafkaProducer(bootstrap_servers=kafka_stack.bootstrap, max_request_size=4_000_000)
    usual = AIOKafkaProducer(bootstrap_servers=kafka_stack.bootstrap)
    async with careless, usual:
        for producer in (careless, usual):
            with pytest.raises(MessageSizeTooLargeError):
                await producer.send_and_wait(numbers.name, b"x" * (numbers.max_message_bytes + 1))
        await careless.send_and_wait(numbers.name, b"x" * (numbers.max_message_bytes - 1024), key=b"a")


async def test_a_parked_record_holds_back_its_key_only_and_its_replay_releases_the_rest_in_order(bench: Bench) -> None:
    await bench.give("a", 13, 1, 2)
    await bench.give("b", 5)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: _is(app, {"b": 5}), "b is not held back")
        await until(lambda: _count(app, "waiting", 2), "two records wait behind the poison")
        [parked] = await _parked(app, "parked")
        assert b"thirteen" not in parked["value"]
        assert ground.parking.restore(parked).value == b'{"number":13}'
        original = type(ground.handler).fold

        def healed(self: Any, state: Any, message: Any, now: Any) -> Any:
            fixed = tally.NumberGivenV1(number=100) if message.body.number == 13 else message.body
            return original(self, state, type(message)(message.topic, message.id, fixed, message.key), now)

        type(ground.handler).fold = healed
        try:
            assert await ground.parking.request(parked["_id"])
            await until(lambda: _is(app, {"a": 103, "b": 5}), "the replay and those behind it")
        finally:
            type(ground.handler).fold = original
        await until(lambda: ground.parking.held == {}, "nothing held back")
        await bench.give("a", 7)
        await until(lambda: _is(app, {"a": 110, "b": 5}), "records flow again")


async def test_a_record_that_even_the_parking_refuses_is_passed_by_nothing(bench: Bench) -> None:
    """The ledger of a partition only knows how far it came: who goes on behind such a record has lost it."""
    app = bench.app()
    async with running(app) as client:
        await until(lambda: _metric(client, "huying_tally_messages_total 0.0"), "it is up")
        parking = app.state.ground.parking
        park, parking.park = parking.park, _refused_by_the_database
        await bench.give("a", 13)
        await until(lambda: _metric(client, 'huying_tally_retries_total{cause="transient"} 2.0'), "two vain attempts")
        await bench.give("a", 1)
        assert (await client.get("/readyz")).status_code == 503
        assert await _sums(app) == {}
        parking.park = park
        await until(lambda: _count(app, "parked", 1), "the poison is parked")
        await until(lambda: _count(app, "waiting", 1), "what came behind it waits")


def _refused_by_the_database(*_: object) -> list[Any]:
    return [UpdateOne({"_id": "one"}, {"$no_such_operator": 1}, upsert=True)]


async def test_of_a_document_that_is_put_several_times_in_a_batch_only_the_last_is_made(bench: Bench) -> None:
    await bench.give("a", 1, 2, 3)
    made: list[int] = []
    app = bench.app()
    original = tally.Tally.fold

    def puts(self: Any, state: Any, message: Any, now: Any) -> Any:
        number = message.body.number

        def make() -> dict[str, Any]:
            made.append(number)
            return {"number": number}

        return original(self, state, message, now).put("last", message.key, make)

    tally.Tally.fold = puts
    try:
        async with running(app):
            await until(lambda: _is(app, {"a": 6}), "the sum of a")
            kept = await app.state.ground.mongo.collection("last").find().to_list(None)
    finally:
        tally.Tally.fold = original
    assert kept == [{"_id": "a", "number": 3}]
    assert made == [3]


async def test_a_fault_outside_of_every_rule_ends_the_service_and_is_passed_by_nothing(bench: Bench) -> None:
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await _fails(bench)
    again = bench.app()
    async with running(again):
        await until(lambda: _is(again, {"a": 3}), "nothing is lost")


async def _fails(bench: Bench) -> None:
    app = bench.app()
    async with running(app):
        batch = app.state.ground.batch
        process, batch.process = batch.process, _gone_wrong
        await bench.give("a", 1)
        await until(app.state.ground.link.fault.done, "the fault is noted")
        batch.process = process
        await bench.give("a", 2)
        await until(lambda: app.state.ground.failure is not None, "the service has ended")
        assert await _sums(app) == {}


async def _gone_wrong(_: object) -> None:
    raise RuntimeError("no rule for this")


async def test_a_database_that_goes_away_while_the_service_starts_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [ServerSelectionTimeoutError("no primary"), ServerSelectionTimeoutError("no primary")]

    async def reload(_: Any) -> None:
        if faults:
            raise faults.pop()

    monkeypatch.setattr(tally.Tally, "reload", reload, raising=False)
    await bench.give("a", 1)
    app = bench.app()
    async with running(app):
        await until(lambda: _is(app, {"a": 1}), "the sum of a")
    assert not faults


async def test_connections_made_while_the_database_was_starting_are_not_kept(bench: Bench) -> None:
    """pymongo never asks again whether a server has sessions; one that is still recovering says no."""
    app = bench.app()
    async with running(app):
        await bench.give("a", 1)
        await until(lambda: _is(app, {"a": 1}), "connected")
        mongo = app.state.ground.mongo
        before = mongo._client

        async def replaced() -> bool:
            for server in before.delegate._topology._servers.values():
                for connection in server.pool.conns:
                    connection.supports_sessions = False
            await bench.give("a", 0)
            return mongo._client is not before

        await until(replaced, "a transaction met one of them")
        await bench.give("a", 2)
        await until(lambda: _is(app, {"a": 3}), "it went on")
        assert await _parked(app, "parked") == []


async def _count(app: FastAPI, state: str, wanted: int) -> bool:
    return len(await _parked(app, state)) == wanted


async def test_two_replicas_and_a_zombie_leave_one_effect(bench: Bench) -> None:
    """On the embedded broker both assign all partitions to themselves: the hardest case, two owners of one partition."""
    one, two = bench.app(replica="one"), bench.app(replica="two")
    async with running(one), running(two):
        for number in range(101, 121):
            await bench.give("a", number)
        await until(lambda: _is(one, {"a": 2210}), "the sum of both")
        await until(lambda: _drained(one), "an empty outbox")
    told = await bench.told()
    assert sorted({event for event, _ in told}, key=lambda e: int(e[2:])) == [f"a/{n}" for n in range(1, 21)]
    assert len(set(told)) == 20


@pytest.mark.kafka
async def test_of_two_in_a_group_each_shows_what_it_consumes_and_no_lag_of_what_the_other_took_over(
    kafka_stack: Stack, unique_name: str, kafka_mongo_database: str
) -> None:
    assert kafka_mongo_database == unique_name
    numbers, sums = tally.topics_of(unique_name)
    await provisioning.create(kafka_stack.bootstrap, [(t.name, t.partitions, t.config()) for t in (numbers, sums)])
    async with AIOKafkaProducer(bootstrap_servers=kafka_stack.bootstrap) as producer:
        bench = Bench(kafka_stack, unique_name, producer, "kafka")
        for key in "abcdefgh":
            await bench.give(key, 1)
        lag, assigned = "huying_tally_lag_records{", "huying_tally_assigned_partitions"
        async with running(bench.app(replica="one")) as one:
            await until(lambda: _shows(one, assigned, {numbers.partitions}), "one has all")
            await until(lambda: _counts(one, lag, numbers.partitions), "and knows how far behind each is")
            async with running(bench.app(replica="two")) as two:
                await until(lambda: _shows(one, assigned, {1}), "one has half")
                await until(lambda: _shows(two, assigned, {1}), "two has the other half")
                await until(lambda: _counts(one, lag, 1), "and one says nothing of it")


async def _values(client: Any, metric: str) -> list[float]:
    lines = (await client.get("/metrics")).text.splitlines()
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric)]


async def _shows(client: Any, metric: str, wanted: set[float]) -> bool:
    return set(await _values(client, metric)) == wanted


async def _counts(client: Any, metric: str, wanted: int) -> bool:
    return len(await _values(client, metric)) == wanted


async def test_every_subscriber_is_acknowledged_by_hand(bench: Bench) -> None:
    from faststream import AckPolicy

    app = bench.app()
    async with running(app):
        subscribers = app.state.ground.link.subscribers
        assert {subscriber.ack_policy for subscriber in subscribers} == {AckPolicy.MANUAL}
