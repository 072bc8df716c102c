"""Records and events that cannot be read, used, sent or kept: set aside alone, and nothing around them is lost."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import tally
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import LeaderNotAvailableError, MessageSizeTooLargeError, TopicAuthorizationFailedError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords
from fastapi import FastAPI
from tally_bench import Bench, Gbk, drained, metric_shows, parked_are, parked_in, sums_are

from huying.chassis import lenient
from huying.chassis.arrival import arrived
from huying.chassis.ledger import OutboxRow
from huying.chassis.testing import running, until
from huying.contracts.envelope import CloudEvent
from huying.contracts.topics import INBOUND
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning


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
        await until(lambda: sums_are(app, {"a": 1, "i": 2}), "the sums of a and i")
        expected = {
            b"b": "no_cloudevent",
            b"c": "invalid_data",
            b"d": "future_version",
            b"g": "handler_error",
            b"h": "refused_by_database",
        } | ({b"f": "too_large"} if bench.broker == "embedded" else {})
        await until(lambda: parked_are(app, "parked", len(expected)), "all of them parked")
        reasons = {row["key"]: row["reason"] for row in await parked_in(app, "parked")}
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
        await until(lambda: parked_are(app, "parked", 2), "both parked")
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
        await until(lambda: sums_are(app, wanted), "every record beside")
        await until(
            lambda: metric_shows(client, 'huying_tally_parked_total{reason="undecodable"} 5.0'), "five are parked"
        )
        parked = await parked_in(app, "parked")
        assert {row["key"] for row in parked} == {b"e0", b"e1", b"e2", b"e3", b"e4"}
        assert {(row["reason"], row["message"]) for row in parked} == {
            ("undecodable", r"the header name '\\xcf\\xe7\\xd5\\xf2' is not UTF-8")
        }
        assert {app.state.ground.parking.restore(row).value for row in parked} == {b'{"number":1000}'}
        await bench.batch(0, ("a", 7))
        await until(lambda: sums_are(app, wanted | {"a": 22}), "records flow")
        [first] = [row["_id"] for row in parked if row["key"] == b"e0"]
        assert await app.state.ground.parking.request(first)
        await until(lambda: sums_are(app, wanted | {"a": 22, "e0": 1000}), "who knows better replays it")


class Undecodable:
    """A client with two partitions that can decode neither."""

    def __init__(self) -> None:
        self.at = {TopicPartition("numbers", number): 0 for number in range(2)}

    async def getmany(self, *_: Any, **__: Any) -> Any:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")

    def assignment(self) -> list[TopicPartition]:
        return sorted(self.at)

    async def position(self, tp: TopicPartition) -> int:
        return self.at[tp]

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.at[tp] = offset


async def test_a_fault_of_the_broker_behind_a_record_in_hand_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client, away = Undecodable(), {0}

    async def read(_: Any, tp: TopicPartition, offset: int, __: int) -> list[lenient.Found]:
        if tp.partition in away:
            raise LeaderNotAvailableError(str(tp))
        return [lenient.Found(tp.topic, tp.partition, offset)]

    monkeypatch.setattr(lenient, "read", read)
    with pytest.raises(LeaderNotAvailableError):
        await arrived(client, 500)  # type: ignore[arg-type]
    away.clear()
    away.add(1)
    found = await arrived(client, 500)  # type: ignore[arg-type]
    assert [(one.partition, one.offset) for one in found] == [(0, 0)]
    assert list(client.at.values()) == [1, 0], "behind what is in hand, and no further"


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_of_kafka_is_read(bench: Bench, codec: str) -> None:
    await _send_compressed(bench, codec)
    app = bench.app()
    async with running(app):
        await until(lambda: sums_are(app, {codec: 20}), "the sum")


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
        await until(lambda: sums_are(app, {"a": 2, "c": 2}), "what lies around")
        parked = await parked_in(app, "parked")
        assert {row["reason"] for row in parked} == {"undecodable"}
        assert all("UnsupportedCodecError: Libraries for lz4" in row["message"] for row in parked)
        await bench.batch(0, ("a", 1))
        await bench.batch(1, ("c", 1))
        await until(lambda: sums_are(app, {"a": 3, "c": 3}), "records flow")


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
        await until(lambda: sums_are(app, {"a": 2}), "the sum of a")
        await until(lambda: metric_shows(client, 'huying_tally_parked_total{reason="too_large"} 1.0'), "it is parked")
        await until(lambda: drained(app), "an empty outbox, the record on its way to the dead letters too")
        [parked] = await parked_in(app, "parked")
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
        await until(lambda: metric_shows(client, "huying_tally_outbox_refused_rows 3.0"), "three are set aside")
        await until(lambda: drained(app), "the rest is sent")
        await bench.give("x", 5)
        await until(
            lambda: metric_shows(client, "huying_tally_outbox_refused_rows 4.0"), "what comes later waits as well"
        )
        assert sorted(value for _, value in await bench.told()) == [b"2", b"3", b"4"]
        refused = await outbox.find({"published": "refused"}).sort("_id", 1).to_list(None)
        assert [row["_id"] for row in refused] == [-6, -5, -3, 1]
        assert all("MessageSizeTooLarge" in row["refusal"] for row in refused)
    mended = bench.app()
    outbox = mended.state.ground.mongo.collection("outbox")
    await outbox.update_many({"published": "refused", "_id": {"$in": [-6, -3]}}, {"$set": {"value": b"small"}})
    async with running(mended) as client:
        await until(lambda: drained(mended), "all is sent")
        await until(lambda: metric_shows(client, "huying_tally_outbox_refused_rows 0.0"), "nothing is set aside")
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
