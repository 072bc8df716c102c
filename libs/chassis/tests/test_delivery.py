"""The chassis on both brokers and a real database: exactly once, poison parked alone, order kept behind a parked record."""

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords
from fastapi import FastAPI
from pymongo import UpdateOne
from pymongo.errors import ServerSelectionTimeoutError

from huying.chassis import lenient, microbatch, ticks
from huying.chassis.broker import admin_of
from huying.chassis.ledger import OutboxRow
from huying.chassis.message import TIMER, Message
from huying.chassis.settings import ServiceSettings
from huying.chassis.testing import SECRET, running, until
from huying.contracts.envelope import CloudEvent
from huying.contracts.topics import INBOUND
from huying.devkit.commands.ledger import forget_topic
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning

_spec = importlib.util.spec_from_file_location("tally", Path(__file__).parent / "tally.py")
assert _spec is not None
assert _spec.loader is not None
tally = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tally)


class Gbk(str):
    """A header's name as a sender writes it who does not know that Kafka's are UTF-8."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return str(self).encode("gbk")


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

    async def batch(self, partition: int, *given: tuple[Any, ...]) -> None:
        """One batch to one partition: key, number, and the name of a header more."""
        records = self.producer.create_batch()
        records._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 65536)
        for key, number, *names in given:
            event = CloudEvent("id", "test", tally.NumberGivenV1.TYPE, tally.NumberGivenV1(number=number).encode())
            headers = [*event.headers(), *((name, b"x") for name in names)]
            records.append(timestamp=None, key=key.encode(), value=event.data, headers=headers)
        await (await self.producer.send_batch(records, f"{self.name}.numbers", partition=partition))

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


async def test_the_line_about_a_parked_record_carries_its_trace(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    mark = ("traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())
    poison = CloudEvent("1", "t", tally.NumberGivenV1.TYPE, b"").headers()
    await bench.raw("a", b'{"number": 13}', [*poison, mark])
    await bench.raw("b", b"garbage", [mark])
    app = bench.app()
    async with running(app):
        await until(lambda: _count(app, "parked", 2), "both parked")
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["trace"] for line in said if line["event"] == "parked"] == [trace, trace]


async def test_what_the_client_cannot_decode_is_parked_and_nothing_around_it_is_lost(bench: Bench) -> None:
    """In both partitions; around it, in the same batch, in the other partition."""
    for number in range(5):
        await bench.batch(0, ("a", 1), ("b", 1))
        await bench.batch(1, ("c", 1), ("d", 1))
        await bench.batch(number % 2, ("a", 1), (f"e{number}", 1000, Gbk("乡镇")), ("c", 1))
        await bench.batch(0, ("a", 1))
        await bench.batch(1, ("d", 1))
    wanted = {"a": 15, "b": 5, "c": 10, "d": 10}
    app = bench.app()
    async with running(app) as client:
        await until(lambda: _is(app, wanted), "every record beside")
        await until(lambda: _metric(client, 'huying_tally_parked_total{reason="undecodable"} 5.0'), "five are parked")
        parked = await _parked(app, "parked")
        assert {row["key"] for row in parked} == {b"e0", b"e1", b"e2", b"e3", b"e4"}
        assert {(row["reason"], row["message"]) for row in parked} == {
            ("undecodable", r"the header name '\\xcf\\xe7\\xd5\\xf2' is not UTF-8")
        }
        assert {app.state.ground.parking.restore(row).value for row in parked} == {b'{"number":1000}'}
        await bench.batch(0, ("a", 7))
        await until(lambda: _is(app, wanted | {"a": 22}), "records flow")
        [first] = [row["_id"] for row in parked if row["key"] == b"e0"]
        assert await app.state.ground.parking.request(first)
        await until(lambda: _is(app, wanted | {"a": 22, "e0": 1000}), "who knows better replays it")


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_of_kafka_is_read(bench: Bench, codec: str) -> None:
    await _send_compressed(bench, codec)
    app = bench.app()
    async with running(app):
        await until(lambda: _is(app, {codec: 20}), "the sum")


async def _send_compressed(bench: Bench, codec: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bench.stack.bootstrap, compression_type=codec, linger_ms=50) as one:
        plain, bench.producer = bench.producer, one
        await asyncio.gather(*(bench.give(codec, 1) for _ in range(20)))
        bench.producer = plain


async def test_a_batch_of_an_unknown_codec_is_parked_whole_and_passed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without the library of a codec, or with one of a later Kafka."""
    await bench.batch(0, ("a", 1))
    await bench.batch(1, ("c", 1))
    await _send_compressed(bench, "lz4")
    await bench.batch(0, ("a", 1))
    await bench.batch(1, ("c", 1))
    monkeypatch.setattr("aiokafka.codec.has_lz4", lambda: False)
    app = bench.app()
    async with running(app):
        await until(lambda: _is(app, {"a": 2, "c": 2}), "what lies around")
        parked = await _parked(app, "parked")
        assert {row["reason"] for row in parked} == {"undecodable"}
        assert all("UnsupportedCodecError: Libraries for lz4" in row["message"] for row in parked)
        await bench.batch(0, ("a", 1))
        await bench.batch(1, ("c", 1))
        await until(lambda: _is(app, {"a": 3, "c": 3}), "records flow")


async def test_a_fault_of_the_client_ends_the_service(bench: Bench) -> None:
    """Which would otherwise be logged every five seconds, with `/readyz` 200."""
    app = bench.app()
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await _refused_by_the_client(app)
    assert "TopicAuthorizationFailedError" in app.state.ground.failure


async def _refused_by_the_client(app: FastAPI) -> None:
    async with running(app):
        app.state.ground.link.consumer.getmany = _not_allowed
        await until(lambda: app.state.ground.failure is not None, "the service has ended")


async def _not_allowed(*_: object, **__: object) -> None:
    raise TopicAuthorizationFailedError("numbers")


async def test_an_event_that_would_be_too_large_with_its_key_is_never_written(bench: Bench) -> None:
    """The key is written twice, as key and as subject: what came within the limit goes over it on its way out."""
    await bench.give("k" * 600_000, 1)
    await bench.give("a", 2)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: _is(app, {"a": 2}), "the sum of a")
        await until(lambda: _metric(client, 'huying_tally_parked_total{reason="too_large"} 1.0'), "it is parked")
        await until(lambda: _drained(app), "an empty outbox, the record on its way to the dead letters too")
        [parked] = await _parked(app, "parked")
        assert app.state.ground.parking.restore(parked).key == b"k" * 600_000
        assert len(parked["hold"]) < 2000
    assert [event for event, _ in await bench.told()] == ["a/1"]


async def test_an_event_that_cannot_be_sent_stops_only_what_must_not_pass_it(bench: Bench) -> None:
    await _refused_alone(bench, 3_000_000)


@pytest.mark.kafka
async def test_an_event_that_the_broker_refuses_stops_only_what_must_not_pass_it(
    kafka_stack: Stack, unique_name: str, kafka_mongo_database: str
) -> None:
    """Within the client's limit, over the topic's: as where somebody lowered that."""
    assert kafka_mongo_database == unique_name
    topics = [(t.name, t.partitions, {"max.message.bytes": "100000"}) for t in tally.topics_of(unique_name)]
    await provisioning.create(kafka_stack.bootstrap, topics)
    async with AIOKafkaProducer(bootstrap_servers=kafka_stack.bootstrap) as producer:
        await _refused_alone(Bench(kafka_stack, unique_name, producer, "kafka"), 200_000)


async def _refused_alone(bench: Bench, too_many: int) -> None:
    app = bench.app()
    outbox = app.state.ground.mongo.collection("outbox")
    rows = [("x", True, b"x" * too_many), ("x", True, b"1"), ("y", True, b"2"), ("y", False, b"y" * too_many)]
    rows += [("y", False, b"3"), ("z", True, b"4")]
    for sequence, (key, ordered, value) in enumerate(rows, -len(rows)):
        row = OutboxRow(
            f"{bench.name}.sums", key.encode(), value, (("ce_id", b"%d" % sequence),), str(sequence), ordered
        )
        await outbox.insert_one(row.document(sequence, datetime.now(UTC)))
    async with running(app) as client:
        await until(lambda: _metric(client, "huying_tally_outbox_refused_rows 3.0"), "three are set aside")
        await until(lambda: _drained(app), "the rest is sent")
        await bench.give("x", 5)
        await until(lambda: _metric(client, "huying_tally_outbox_refused_rows 4.0"), "what comes later waits as well")
        assert sorted(value for _, value in await bench.told()) == [b"2", b"3", b"4"]
        refused = await outbox.find({"published": "refused"}).sort("_id", 1).to_list(None)
        assert [row["_id"] for row in refused] == [-6, -5, -3, 1]
        assert all("MessageSizeTooLarge" in row["refusal"] for row in refused)
    mended = bench.app()
    outbox = mended.state.ground.mongo.collection("outbox")
    await outbox.update_many({"published": "refused", "_id": {"$in": [-6, -3]}}, {"$set": {"value": b"small"}})
    async with running(mended) as client:
        await until(lambda: _drained(mended), "all is sent")
        await until(lambda: _metric(client, "huying_tally_outbox_refused_rows 0.0"), "nothing is set aside")
    told = [(event, value) for event, value in await bench.told() if event in {"-6", "-5", "-3", "x/1"}]
    assert sorted(told) == [("-3", b"small"), ("-5", b"1"), ("-6", b"small"), ("x/1", b'{"total":5}')]
    of_x = [event for event, _ in told if event != "-3"]
    assert of_x == ["-6", "-5", "x/1"], "in order"


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


@pytest.mark.kafka
async def test_what_publishers_compress_is_opened_and_measured_by_the_broker(
    kafka_stack: Stack, unique_name: str
) -> None:
    await provisioning.create(kafka_stack.bootstrap, [(unique_name, 1, INBOUND.config())])
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        sender = AIOKafkaProducer(
            bootstrap_servers=kafka_stack.bootstrap, compression_type=codec, max_request_size=40_000_000
        )
        async with sender:
            await sender.send_and_wait(unique_name, b"small" * 1000)
            with pytest.raises(MessageSizeTooLargeError):
                await sender.send_and_wait(unique_name, bytes(20_000_000))
    reader = AIOKafkaConsumer(unique_name, bootstrap_servers=kafka_stack.bootstrap, auto_offset_reset="earliest")
    async with reader:
        tp = TopicPartition(unique_name, 0)
        found = await lenient.read(reader, tp, 0, 1_000_000)
        assert [one.value for one in found] == [b"small" * 1000] * 4
        answer = await reader._client.send(
            reader._client.cluster.leader_for_partition(tp),
            FetchRequest(100, 1, 1_000_000, 0, [(unique_name, [(0, 0, 1_000_000)])]),
        )
    [(_, [(*_, data)])] = answer.topics
    batches, codecs = MemoryRecords(data), []
    while batches.has_next():
        codecs.append(batches.next_batch().compression_type)
    assert codecs == [0, 0, 0, 0]


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


async def test_a_replay_that_fails_again_keeps_what_waits_behind_it_waiting(bench: Bench) -> None:
    """Of one key nothing passes the record that is still broken, whether the fold or the database says so."""
    await bench.give("a", 666, 1, 2)
    await bench.give("b", 13, 3)
    app = bench.app()
    async with running(app):
        ground = app.state.ground
        await until(lambda: _count(app, "waiting", 3), "three records wait behind two poisons")
        for parked in await _parked(app, "parked"):
            assert await ground.parking.request(parked["_id"])

        async def failed_again() -> bool:
            return [row["attempts"] for row in await _parked(app, "parked")] == [2, 2]

        await until(failed_again, "both were tried again, in vain")
        assert await _sums(app) == {}
        assert len(await _parked(app, "waiting")) == 3
        original = type(ground.handler).fold

        def healed(self: Any, state: Any, message: Any, now: Any) -> Any:
            fixed = tally.NumberGivenV1(number=100) if message.body.number in {13, 666} else message.body
            return original(self, state, type(message)(message.topic, message.id, fixed, message.key), now)

        type(ground.handler).fold = healed
        try:
            for parked in await _parked(app, "parked"):
                assert await ground.parking.request(parked["_id"])
            await until(lambda: _is(app, {"a": 103, "b": 103}), "the replay and those behind it")
        finally:
            type(ground.handler).fold = original
        await until(lambda: _drained(app), "an empty outbox")
        await until(lambda: ground.parking.held == {}, "nothing held back")
    totals = [json.loads(value)["total"] for event, value in await bench.told() if event.startswith("a/")]
    assert totals == [100, 101, 103], "in order"


async def test_what_waits_behind_a_record_that_is_gone_is_released_after_a_crash_in_between(bench: Bench) -> None:
    """A replay is several transactions when its batch had to be split."""
    await bench.give("a", 13, 1, 2)
    app = bench.app()
    async with running(app):
        await until(lambda: _count(app, "waiting", 2), "two records wait behind the poison")
        change = {"$set": {"state": "released"}}
        await app.state.ground.mongo.collection("parked").update_one({"state": "parked"}, change)
        await until(lambda: _is(app, {"a": 3}), "those behind it go on")
        await bench.give("a", 4)
        await until(lambda: _is(app, {"a": 7}), "records flow again")


async def test_what_fell_due_and_fails_is_set_aside_and_holds_back_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the fold refuses it or the database; it is tried again, with pauses, until it can be done."""
    monkeypatch.setattr(microbatch, "FIRST_ASIDE", timedelta(milliseconds=100))
    monkeypatch.setattr(microbatch, "LONGEST_ASIDE", timedelta(milliseconds=200))
    wanted = {"a": 13, "b": 1, "c": 666, "d": 2}

    async def due(self: Any, now: Any) -> list[Message]:
        done = {row["_id"] async for row in self.mongo.collection("sums").find()}
        left = {key: number for key, number in wanted.items() if key not in done}
        return [Message(TIMER, f"{key}/{now}", tally.NumberGivenV1(number=n), key=key) for key, n in left.items()]

    monkeypatch.setattr(tally.Tally, "due", due)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: _is(app, {"b": 1, "d": 2}), "the others are done")
        await until(lambda: _metric(client, "huying_tally_due_failing_messages 2.0"), "it shows")
        await bench.give("e", 5)
        await until(lambda: _is(app, {"b": 1, "d": 2, "e": 5}), "records go on")
        wanted |= {"a": 3, "c": 6}
        await until(lambda: _is(app, {"a": 3, "b": 1, "c": 6, "d": 2, "e": 5}), "what failed is done")
        await until(lambda: _metric(client, "huying_tally_due_failing_messages 0.0"), "it shows no more")


@pytest.mark.parametrize("poison", [13, 666])
async def test_what_happens_before_a_record_and_the_record_do_each_other_no_harm(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, poison: int
) -> None:
    """Of two that have to come first one fails; of the two records behind them one is broken itself."""
    wanted = {"x": poison, "y": 1}

    def overdue(_: Any, state: dict[str, Any], now: Any) -> Iterator[Message]:
        for key, number in wanted.items():
            if key not in state:
                yield Message(TIMER, f"{key}/{now}", tally.NumberGivenV1(number=number), key=key)

    async def due(self: Any, now: Any) -> list[Message]:
        return list(overdue(self, {row["_id"]: row async for row in self.mongo.collection("sums").find()}, now))

    original = tally.Tally.load

    async def load(self: Any, messages: Any) -> Any:
        extra = [Message(TIMER, key, None, key=key) for key in wanted]
        return await original(self, [*messages, *extra])

    monkeypatch.setattr(tally.Tally, "overdue", overdue)
    monkeypatch.setattr(tally.Tally, "load", load)
    monkeypatch.setattr(tally.Tally, "due", due)
    monkeypatch.setattr(ticks, "LIVE_S", 3600.0)
    await bench.give("a", 5)
    await bench.give("b", 13)
    app = bench.app()
    async with running(app) as client:
        await until(lambda: _is(app, {"a": 5, "y": 1}), "the record, and what could happen before it")
        [parked] = await until(lambda: _parked(app, "parked"), "one is parked")
        assert parked["key"] == b"b"
        assert await _metric(client, "huying_tally_due_failing_messages 1.0")
        await until(lambda: _drained(app), "told")


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


async def test_two_owners_of_one_partition_leave_one_effect(bench: Bench) -> None:
    """Both assign all partitions to themselves. What a zombie with work in hand leaves: `tests/test_kill.py`."""
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


async def test_a_ledger_ahead_of_the_log_is_refused_until_it_is_told_to_forget(bench: Bench) -> None:
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", *range(100, 120))
    first = bench.app()
    async with running(first):
        await until(lambda: _is(first, {"a": 2190}), "the sum of a")
    async with admin_of(bench.stack.bootstrap) as admin:
        await admin.delete_topics([numbers.name])
    await until(lambda: _gone(bench, numbers.name), "the topic is gone")
    before = await _committed(bench, f"{bench.name}.tally", numbers.name)
    await provisioning.create(bench.stack.bootstrap, [(numbers.name, numbers.partitions, numbers.config())])
    async with AIOKafkaProducer(bootstrap_servers=bench.stack.bootstrap) as producer:
        bench.producer = producer
        await bench.give("a", 1, 2)
        app = bench.app()
        async with app.router.lifespan_context(app), _client(app) as client:
            await until(lambda: _says(client, "the topic was made anew"), "it is refused")
            assert await _says(client, f"`huying ledger forget --service tally --topic {numbers.name}`")
            await bench.give("a", *[1] * 40)
            await asyncio.sleep(3)  # past the next look at the log, which is longer than the ledger now
            assert await _says(client, "the topic was made anew")
            assert await _sums(app) == {"a": 2190}
            text = (await client.get("/metrics")).text
            assert 'huying_invariant_violations_total{invariant="ledger_ahead_of_log"} 1.0' in text
            assert "redelivered" not in text, "nothing was skipped"
        group = f"{bench.name}.tally"
        assert await _committed(bench, group, numbers.name) == before, "nothing was acknowledged"
        forgotten = await forget_topic(
            bench.stack.mongo_url, bench.stack.bootstrap, f"{bench.name}_tally", group, numbers.name
        )
        assert forgotten >= 1
        again = bench.app()
        async with running(again):
            await until(lambda: _is(again, {"a": 2190 + 43}), "what the new topic has")


async def _gone(bench: Bench, topic: str) -> bool:
    async with admin_of(bench.stack.bootstrap) as admin:
        return topic not in await admin.list_topics()


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def _says(client: httpx.AsyncClient, words: str) -> bool:
    answer = await client.get("/readyz")
    return answer.status_code == 503 and any(words in one for one in answer.json()["missing"])


async def _committed(bench: Bench, group: str, topic: str) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=bench.stack.bootstrap, group_id=group) as consumer:
        return max([await consumer.committed(TopicPartition(topic, number)) or 0 for number in range(2)])


async def test_every_subscriber_is_acknowledged_by_hand(bench: Bench) -> None:
    from faststream import AckPolicy

    app = bench.app()
    async with running(app):
        subscribers = app.state.ground.link.subscribers
        assert {subscriber.ack_policy for subscriber in subscribers} == {AckPolicy.MANUAL}
