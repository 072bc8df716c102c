"""What the services rely on from any broker, and where tansu and Apache Kafka differ (each difference asserted)."""

import asyncio
import os
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from pymongo import MongoClient

from huying.devkit.stack import Stack, cluster, topics

LIMIT = {"max.message.bytes": str(1024 * 1024)}
BIG = 8 * 1024 * 1024


async def produce(stack: Stack, *records, topic, **settings):
    """Send (key, value, headers) one after another; their offsets."""
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap, acks="all", max_request_size=BIG, retry_backoff_ms=20, **settings
    )
    try:
        await producer.start()
        return [
            (await producer.send_and_wait(topic, value, key=key, headers=headers, partition=0)).offset
            for key, value, headers in records
        ]
    finally:
        await producer.stop()


class Reader:
    """A consumer with its partition assigned by hand."""

    def __init__(self, stack: Stack, topic: str, group: str) -> None:
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=stack.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=10,
            retry_backoff_ms=20,
        )
        self.partition = TopicPartition(topic, 0)

    async def __aenter__(self):
        await self.consumer.start()
        self.consumer.assign([self.partition])
        return self

    async def __aexit__(self, *_):
        await self.consumer.stop()

    async def records(self, count: int):
        found = []
        async with asyncio.timeout(20):
            while len(found) < count:
                got = await self.consumer.getmany(self.partition, timeout_ms=100)
                found += got.get(self.partition, [])
        return found

    async def watermark(self):
        """The first one that a fetch of this assignment brings, whether or not records come with it."""
        async with asyncio.timeout(20):
            while (mark := self.consumer.highwater(self.partition)) is None:
                assert not await self.consumer.getmany(self.partition, timeout_ms=20)
        return mark


class BrokerConduct:
    """Inherited by each broker's tests."""

    @pytest.fixture
    def stack(self) -> Stack:
        raise NotImplementedError

    @pytest.fixture
    async def topic(self, stack, unique_name):
        await topics.create(stack.bootstrap, [(unique_name, 1, LIMIT)])
        return unique_name

    async def test_the_cluster_id_comes_through_the_admin_client(self, stack):
        assert await cluster.cluster_id(stack.bootstrap) == stack.cluster_id
        assert stack.cluster_id

    async def test_records_come_back_as_they_went(self, stack, topic):
        sent = [
            (b"k", b"v", [("ce_id", b"1"), ("empty", b"")]),
            (b"k", None, []),
            (None, b"v", []),
            (b"", b"", []),
        ]
        assert await produce(stack, *sent, topic=topic) == [0, 1, 2, 3]
        async with Reader(stack, topic, topic) as reader:
            got = await reader.records(4)
        assert [(r.key, r.value, list(r.headers)) for r in got] == sent
        assert [r.offset for r in got] == [0, 1, 2, 3]

    async def test_the_watermark_is_the_end_also_when_a_fetch_brings_no_records(self, stack, topic):
        await produce(stack, *[(None, b"%d" % n, []) for n in range(7)], topic=topic)
        async with Reader(stack, topic, topic) as reader:
            reader.consumer.seek(reader.partition, 7)
            assert reader.consumer.highwater(reader.partition) is None
            assert await reader.watermark() == 7

    async def test_the_watermark_of_an_empty_topic_is_zero(self, stack, topic):
        async with Reader(stack, topic, topic) as reader:
            assert await reader.watermark() == 0

    async def test_offsets_are_kept_for_a_group_that_nobody_joined(self, stack, topic):
        await produce(stack, *[(None, b"%d" % n, []) for n in range(5)], topic=topic)
        async with Reader(stack, topic, topic) as reader:
            assert await reader.consumer.committed(reader.partition) is None
            await reader.consumer.commit({reader.partition: 3})
            assert await reader.consumer.committed(reader.partition) == 3
        async with Reader(stack, topic, topic) as reader:
            assert await reader.consumer.committed(reader.partition) == 3
            assert (await reader.records(1))[0].offset == 3

    async def test_a_group_that_joins_gets_everything_from_the_beginning(self, stack, topic):
        await produce(stack, (b"k", b"before the group", []), topic=topic)
        consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=stack.bootstrap,
            group_id=topic,
            auto_offset_reset="earliest",
            group_instance_id="one",
            fetch_max_wait_ms=10,
            retry_backoff_ms=20,
        )
        await consumer.start()
        try:
            async with asyncio.timeout(30):
                assert (await consumer.getone()).value == b"before the group"
        finally:
            await consumer.stop()

    def test_the_database_beside_it_has_transactions(self, stack, unique_name):
        with MongoClient(stack.mongo_url) as client, client.start_session() as session:
            rows = client[unique_name].rows
            with session.start_transaction():
                rows.insert_one({"_id": 1}, session=session)
            assert rows.count_documents({}) == 1
            client.drop_database(unique_name)


@pytest.mark.wire
class TestTansu(BrokerConduct):
    @pytest.fixture
    def stack(self, embedded_stack):
        return embedded_stack

    async def test_limits_are_stored_and_not_enforced(self, stack, topic):
        assert await produce(stack, (None, os.urandom(2 * 1024**2), []), topic=topic) == [0]
        assert await topics.check(stack.bootstrap, [(topic, 1, LIMIT)]) == []

    async def test_end_offsets_count_batches_so_nothing_may_use_them(self, stack, topic):
        producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap, linger_ms=50)
        await producer.start()
        sent = [await producer.send(topic, b"%d" % n, partition=0) for n in range(10)]
        offsets = [(await one).offset for one in sent]
        await producer.stop()
        assert offsets == list(range(10))
        async with Reader(stack, topic, topic) as reader:
            assert len(await reader.records(10)) == 10
            assert reader.consumer.highwater(reader.partition) == 10
            assert (await reader.consumer.end_offsets([reader.partition]))[reader.partition] < 10

    async def test_there_is_no_idempotent_producer(self, stack, topic):
        with pytest.raises(KafkaError):
            await produce(stack, (None, b"x", []), topic=topic, enable_idempotence=True)

    async def test_asking_about_an_unknown_topic_makes_it(self, stack, unique_name):
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap)
        await admin.start()
        try:
            assert unique_name not in await admin.list_topics()
            await admin.describe_topics([unique_name])
            assert unique_name in await admin.list_topics()
        finally:
            await admin.close()


@pytest.mark.kafka
class TestApacheKafka(BrokerConduct):
    @pytest.fixture
    def stack(self, kafka_stack):
        return kafka_stack

    async def test_limits_are_enforced(self, stack, topic):
        with pytest.raises(MessageSizeTooLargeError):
            await produce(stack, (None, os.urandom(2 * 1024**2), []), topic=topic)

    async def test_end_offsets_count_records(self, stack, topic):
        await produce(stack, *[(None, b"%d" % n, []) for n in range(4)], topic=topic)
        async with Reader(stack, topic, topic) as reader:
            assert (await reader.consumer.end_offsets([reader.partition]))[reader.partition] == 4

    async def test_there_is_an_idempotent_producer(self, stack, topic):
        sent = [(b"k", b"%d" % n, []) for n in range(3)]
        assert await produce(stack, *sent, topic=topic, enable_idempotence=True) == [0, 1, 2]

    @pytest.mark.timeout(180)
    async def test_the_log_and_the_cluster_id_survive_a_kill(self, stack, topic):
        await produce(stack, (b"k", b"kept", []), topic=topic)
        before = stack.cluster_id
        began = time.monotonic()
        await asyncio.to_thread(stack.kill, "broker")
        await asyncio.to_thread(stack.restart, "broker")
        assert time.monotonic() - began < 90
        assert stack.cluster_id == before
        async with Reader(stack, topic, topic) as reader:
            assert (await reader.records(1))[0].value == b"kept"


@pytest.mark.kafka
def test_kafka_without_java_says_how_to_get_it(monkeypatch):
    from huying.devkit.stack import ProgramMissingError, kafka

    monkeypatch.setenv("JAVA_HOME", "/no/such/java")
    with pytest.raises(ProgramMissingError, match=r"Java 17 or later.*JAVA_HOME='/no/such/java'.*make system"):
        kafka.java_program()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", "/no/such/bin")
    with pytest.raises(ProgramMissingError, match=r"on PATH: run `make system`"):
        kafka.java_program()


def test_jars_without_maven_say_how_to_get_it(monkeypatch, tmp_path):
    from huying.devkit.stack import ProgramMissingError, kafka

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/no/such/bin")
    with pytest.raises(ProgramMissingError, match="no mvn on PATH: run `make system`"):
        kafka.jars()
