"""What the tests of delivery stand on: the tally service on one of both brokers, with a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
import tally
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from fastapi import FastAPI

from huying.chassis.settings import ServiceSettings
from huying.chassis.testing import SECRET
from huying.contracts.envelope import CloudEvent
from huying.devkit.stack import Stack

ON_KAFKA = pytest.mark.parametrize("ground", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
"""For what only a real group or a real retention shows."""


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


async def sums_of(app: FastAPI) -> dict[str, Any]:
    return {row["_id"]: row["total"] async for row in app.state.ground.mongo.collection("sums").find()}


async def parked_in(app: FastAPI, state: str) -> list[Any]:
    found: list[Any] = await app.state.ground.mongo.collection("parked").find({"state": state}).to_list(None)
    return found


async def metric_shows(client: Any, line: str) -> bool:
    return line in (await client.get("/metrics")).text


async def sums_are(app: FastAPI, wanted: dict[str, Any]) -> bool:
    return await sums_of(app) == wanted


async def drained(app: FastAPI) -> bool:
    outbox = app.state.ground.mongo.collection("outbox")
    return await outbox.count_documents({"published": None}) == 0 and await outbox.count_documents({}) > 0


async def parked_are(app: FastAPI, state: str, wanted: int) -> bool:
    return len(await parked_in(app, state)) == wanted


async def is_ready(client: Any) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def committed_offset(bench: Bench, group: str, topic: str) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=bench.stack.bootstrap, group_id=group) as consumer:
        return max([await consumer.committed(TopicPartition(topic, number)) or 0 for number in range(2)])


@contextmanager
def healed() -> Iterator[None]:
    """The fault behind the poison is mended: 13 and 666 count as 100."""
    fold = tally.Tally.fold

    def mended(self: Any, state: Any, message: Any, now: Any) -> Any:
        fixed = tally.NumberGivenV1(number=100) if message.body.number in {13, 666} else message.body
        return fold(self, state, replace(message, body=fixed), now)

    tally.Tally.fold = mended
    try:
        yield
    finally:
        tally.Tally.fold = fold
