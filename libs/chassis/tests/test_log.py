"""A log that is gone, shorter than the ledger, made anew or let go of its records: refused, filled again or told of."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import tally
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from fastapi import FastAPI
from tally_bench import ON_KAFKA, Bench, committed_offset, drained, is_ready, parked_are, sums_are, sums_of

from huying.chassis import link
from huying.chassis.broker import admin_of, cluster_id, log_ends
from huying.chassis.testing import running, until
from huying.devkit.commands.ledger import forget_topic
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning


@ON_KAFKA
async def test_records_that_left_the_log_while_the_service_was_down_are_counted_as_a_gap(
    bench: Bench,
) -> None:
    numbers, _ = tally.topics_of(bench.name)
    gap = 'invariant_violations_total{invariant="log_gap"} 1.0'
    await bench.give("a", 1, 2)
    async with running(first := bench.app()) as client:
        await until(lambda: sums_are(first, {"a": 3}), "the sum of a")
        assert gap not in (await client.get("/metrics")).text
    await bench.give("a", 4, 8)
    ends = await log_ends(bench.stack.bootstrap, [TopicPartition(numbers.name, n) for n in range(2)])
    async with admin_of(bench.stack.bootstrap) as admin:
        await admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items() if end})
    await bench.give("a", 16)
    async with running(second := bench.app()) as client:
        await until(lambda: sums_are(second, {"a": 19}), "what is left")
        assert gap in (await client.get("/metrics")).text


async def test_a_service_without_topics_says_what_to_do_and_ends(
    ground: tuple[Stack, Any], unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, broker = ground
    monkeypatch.setattr(link, "PATIENCE_S", 0.5)
    why = f"no topic {unique_name}.numbers; run `huying topics create`"

    async def lives(app: FastAPI) -> None:
        async with app.router.lifespan_context(app), _client(app) as client:
            await until(lambda: _says(client, why), "it says why")

    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap) as producer:
        with pytest.raises(ExceptionGroup):
            await lives(Bench(stack, unique_name, producer, broker).app())


async def test_a_ledger_ahead_of_the_log_is_refused_until_it_is_told_to_forget(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    async def looked(kafka: str) -> str:
        looks.append(kafka)
        return await cluster_id(kafka)

    monkeypatch.setattr(link, "cluster_id", looked)
    monkeypatch.setattr(link, "ASK_CLUSTER_S", 0.05)
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", *range(100, 120))
    first = bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 2190}), "the sum of a")
    async with admin_of(bench.stack.bootstrap) as admin:
        await admin.delete_topics([numbers.name])
    await until(lambda: _gone(bench, numbers.name), "the topic is gone")
    before = await committed_offset(bench, f"{bench.name}.tally", numbers.name)
    await provisioning.create(bench.stack.bootstrap, [(numbers.name, numbers.partitions, numbers.config())])
    async with AIOKafkaProducer(bootstrap_servers=bench.stack.bootstrap) as producer:
        bench.producer = producer
        await bench.give("a", 1, 2)
        app = bench.app()
        async with app.router.lifespan_context(app), _client(app) as client:
            await until(lambda: _says(client, "was made anew"), "it is refused")
            assert await _says(client, f"`huying ledger forget --service tally --topic {numbers.name}`")
            await bench.give("a", *[1] * 40)
            looks.clear()
            await until(
                lambda: _true(len(looks) >= 3), "three more looks at the log, which is longer than the ledger now"
            )
            assert await _says(client, "was made anew")
            assert await sums_of(app) == {"a": 2190}
            text = (await client.get("/metrics")).text
            assert 'huying_invariant_violations_total{invariant="ledger_ahead_of_log"} 1.0' in text
            assert "redelivered" not in text, "nothing was skipped"
        group = f"{bench.name}.tally"
        left = await committed_offset(bench, group, numbers.name)
        assert left in {0, before}, "nothing was acknowledged; those of a topic that is gone are dropped some time"
        restarted = bench.app()
        async with restarted.router.lifespan_context(restarted), _client(restarted) as client:
            await until(lambda: _says(client, "was made anew"), "it is refused still")
            assert await sums_of(restarted) == {"a": 2190}
        forgotten = await forget_topic(
            bench.stack.mongo_url, bench.stack.bootstrap, f"{bench.name}_tally", group, numbers.name
        )
        assert forgotten >= 1
        again = bench.app()
        async with running(again):
            await until(lambda: sums_are(again, {"a": 2190 + 43}), "what the new topic has")


async def test_a_log_that_was_made_anew_and_grew_while_the_service_was_down_is_refused(bench: Bench) -> None:
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", 1, 2, 3)
    first = bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 6}), "the sum of a")
    same = bench.app()
    async with running(same):
        await bench.give("a", 4)
        await until(lambda: sums_are(same, {"a": 10}), "the same log is known again")
    async with admin_of(bench.stack.bootstrap) as admin:
        await admin.delete_topics([numbers.name])
    await until(lambda: _gone(bench, numbers.name), "the topic is gone")
    await provisioning.create(bench.stack.bootstrap, [(numbers.name, numbers.partitions, numbers.config())])
    async with AIOKafkaProducer(bootstrap_servers=bench.stack.bootstrap) as producer:
        bench.producer = producer
        await bench.give("a", *[10] * 9)
    app = bench.app()
    async with app.router.lifespan_context(app), _client(app) as client:
        await until(lambda: _says(client, "lies another record by now"), "it is refused")
        assert await sums_of(app) == {"a": 10}
    await forget_topic(
        bench.stack.mongo_url, bench.stack.bootstrap, f"{bench.name}_tally", f"{bench.name}.tally", numbers.name
    )
    again = bench.app()
    async with running(again):
        await until(lambda: sums_are(again, {"a": 100}), "what the new topic has")


async def test_what_is_parked_stands_in_nobodys_way_when_a_topic_is_read_again(bench: Bench) -> None:
    numbers, _ = tally.topics_of(bench.name)
    await bench.raw("b", b"garbage")
    await bench.give("a", 1)
    first = bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 1}), "the sum of a")
        await until(lambda: parked_are(first, "parked", 1), "garbage is parked")
    await forget_topic(
        bench.stack.mongo_url, bench.stack.bootstrap, f"{bench.name}_tally", f"{bench.name}.tally", numbers.name
    )
    again = bench.app()
    async with running(again):
        await until(lambda: sums_are(again, {"a": 2}), "all is read again")
        assert await parked_are(again, "parked", 1)


@pytest.mark.wire
async def test_a_broker_that_is_gone_is_named_until_it_answers(
    fresh_stack: Callable[..., Stack], unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "ASK_CLUSTER_S", 0.05)
    stack = fresh_stack()
    wanted = [(topic.name, topic.partitions, topic.config()) for topic in tally.topics_of(unique_name)]
    await provisioning.create(stack.bootstrap, wanted)
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap) as producer:
        app = Bench(stack, unique_name, producer).app()
    async with running(app) as client:
        stack.kill("broker")
        await until(lambda: _says(client, f"kafka: nobody answers at {stack.bootstrap}"), "it is named")
        assert (await client.get("/healthz")).status_code == 200
        stack.restart("broker")
        await provisioning.create(stack.bootstrap, wanted)
        await until(lambda: is_ready(client), "it is ready again")


async def test_a_topic_that_was_made_anew_is_filled_again_by_who_publishes_there(bench: Bench) -> None:
    _, sums = tally.topics_of(bench.name)
    await bench.give("a", 1, 2, 3)
    first = bench.app()
    async with running(first):
        await until(lambda: drained(first), "it is told")
    before = await bench.told()
    async with admin_of(bench.stack.bootstrap) as admin:
        await admin.delete_topics([sums.name])
    await until(lambda: _gone(bench, sums.name), "the topic is gone")
    await provisioning.create(bench.stack.bootstrap, [(sums.name, sums.partitions, sums.config())])
    assert await bench.told() == []
    again = bench.app()
    async with running(again):
        await until(lambda: _told(bench, before), "it is told again")
    once_more = bench.app()
    async with running(once_more):
        await bench.give("a", 4)
        await until(lambda: sums_are(once_more, {"a": 10}), "the fourth")
        await until(lambda: drained(once_more), "it is told as well")
    assert [event for event, _ in await bench.told()] == ["a/1", "a/2", "a/3", "a/4"], "a whole log is not filled again"


async def _told(bench: Bench, events: list[tuple[str, bytes]]) -> bool:
    return await bench.told() == events


async def _true(fact: bool) -> bool:
    return fact


async def _gone(bench: Bench, topic: str) -> bool:
    async with admin_of(bench.stack.bootstrap) as admin:
        return topic not in await admin.list_topics()


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def _says(client: httpx.AsyncClient, words: str) -> bool:
    answer = await client.get("/readyz")
    return answer.status_code == 503 and any(words in one for one in answer.json()["missing"])
