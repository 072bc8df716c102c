"""The chassis on both brokers and a real database: exactly once, whatever ends, restarts or is made anew."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import tally
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from fastapi import FastAPI
from pymongo import AsyncMongoClient
from pymongo.errors import AutoReconnect, ServerSelectionTimeoutError
from tally_bench import Bench, drained, metric_shows, parked_are, parked_in, sums_are, sums_of

from huying.chassis import link
from huying.chassis.broker import admin_of, cluster_id, log_ends
from huying.chassis.errors import Transient
from huying.chassis.ledger import Ledger
from huying.chassis.progress import Progress
from huying.chassis.testing import running, until
from huying.devkit.commands.ledger import forget_topic
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning


async def test_what_is_given_is_added_once_and_told_once_across_a_restart(bench: Bench) -> None:
    await bench.give("a", 1, 2, 3)
    async with running(bench.app()) as client:
        first = client._transport.app  # type: ignore[attr-defined]
        await until(lambda: sums_are(first, {"a": 6}), "the sum of a")
        assert (await client.get("/healthz")).status_code == 200
        await until(lambda: metric_shows(client, "huying_tally_messages_total 3.0"), "three counted")
    await bench.give("a", 4)
    async with running(bench.app()) as client:
        second = client._transport.app  # type: ignore[attr-defined]
        await until(lambda: sums_are(second, {"a": 10}), "the sum after the restart")
        await until(lambda: drained(second), "an empty outbox")
    told = await bench.told()
    assert list(dict.fromkeys(event for event, _ in told)) == ["a/1", "a/2", "a/3", "a/4"]
    assert len(set(told)) == 4, "a repeat is the same event"


async def test_what_was_had_is_committed_to_the_broker_and_the_ledger_says_from_where_to_read_on(bench: Bench) -> None:
    """Also where the database was put back to an older state."""
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", 1, 2, 3)
    first, second, third = bench.app(), bench.app(), bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 6}), "the sum of a")
        await until(lambda: _noted(bench, numbers.name, 3), "three are committed")
        older = await first.state.ground.mongo.collection("positions").find().to_list(None)
    await bench.give("a", 4)
    async with running(second) as client:
        await until(lambda: sums_are(second, {"a": 10}), "the sum after the restart")
        await until(lambda: _noted(bench, numbers.name, 4), "four are committed")
        assert "redelivered" not in (await client.get("/metrics")).text, "nothing was read again"
        ground = second.state.ground
        ground.ledger.forget()  # as after a race with another replica
        await ground.link._progress.commit(ground.link.consumer)
        assert await _noted(bench, numbers.name, 4)
    async with AsyncMongoClient[dict[str, Any]](bench.stack.mongo_url) as books:
        tables = books[f"{bench.name}_tally"]
        for row in older:
            await tables["positions"].replace_one({"_id": row["_id"]}, row)
        await tables["sums"].update_one({"_id": "a"}, {"$set": {"total": 6}})
        await tables["outbox"].delete_many({"event": "a/4"})
    async with running(third):
        await until(lambda: sums_are(third, {"a": 10}), "what the restored database had not")


async def test_of_a_database_put_back_nothing_is_passed_while_it_is_slow_to_say_from_where_to_read_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client knows what was committed, which is further on, and would read from there meanwhile."""
    numbers, _ = tally.topics_of(bench.name)
    await bench.give("a", 1, 2, 3)
    first, second = bench.app(), bench.app()
    async with running(first):
        await until(lambda: sums_are(first, {"a": 6}), "the sum of a")
        await until(lambda: _noted(bench, numbers.name, 3), "three are committed")
    async with AsyncMongoClient[dict[str, Any]](bench.stack.mongo_url) as books:
        await books.drop_database(f"{bench.name}_tally")
    await bench.give("a", 4)
    stored = Ledger.stored

    async def slowly(ledger: Ledger, partitions: Any) -> Any:
        await asyncio.sleep(1)
        return await stored(ledger, partitions)

    monkeypatch.setattr(Ledger, "stored", slowly)
    async with running(second):
        await until(lambda: sums_are(second, {"a": 10}), "what the database had no more", 10)


async def test_a_fault_before_the_first_record_of_a_partition_ends_the_service(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group's client would log it and read on from what was committed."""

    async def place(*_: object) -> None:
        raise RuntimeError("no rule for this")

    monkeypatch.setattr(Progress, "place", place)
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await _ends_before_its_first_record(bench)


async def test_a_database_that_is_put_back_under_a_running_service_ends_it_and_what_it_lost_is_read_again(
    bench: Bench,
) -> None:
    with pytest.raises(BaseExceptionGroup, match="unhandled"):
        await _put_back(bench)
    again = bench.app()
    async with running(again):
        await until(lambda: sums_are(again, {"a": 15}), "the fourth again, and the fifth")
        assert await parked_in(again, "parked") == []


async def _put_back(bench: Bench) -> None:
    app = bench.app()
    async with running(app):
        tables = app.state.ground.mongo
        await bench.give("a", 1, 2, 3)
        await until(lambda: sums_are(app, {"a": 6}), "the sum of a")
        older = await tables.collection("positions").find().to_list(None)
        await bench.give("a", 4)
        await until(lambda: sums_are(app, {"a": 10}), "the fourth")
        await until(lambda: drained(app), "it is told")
        for row in older:
            await tables.collection("positions").replace_one({"_id": row["_id"]}, row)
        await tables.collection("sums").update_one({"_id": "a"}, {"$set": {"total": 6, "count": 3}})
        await tables.collection("outbox").delete_many({"event": "a/4"})
        await bench.give("a", 5)
        await until(lambda: app.state.ground.failure, "the service has ended", 10)
        assert "stood at 3 and stands at 2 now" in app.state.ground.failure


async def _ends_before_its_first_record(bench: Bench) -> None:
    app = bench.app()
    async with app.router.lifespan_context(app):
        await until(lambda: app.state.ground.failure, "the service has ended", 10)


@pytest.mark.parametrize("cut_off", [False, True])
async def test_who_asked_beside_one_whose_batch_ends_badly_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, cut_off: bool
) -> None:
    """Nobody else has their requests in hand: they would wait for ever."""

    async def badly(items: list[Any]) -> None:
        assert len(items) == 2
        if cut_off:
            await asyncio.Event().wait()
        raise RuntimeError("no rule for this")

    app = bench.app()
    async with running(app):
        ground = app.state.ground
        number = tally.NumberGivenV1(number=1)
        async with ground.batch._turn:
            first, second = (asyncio.create_task(ground.submit(number, name)) for name in "ab")
            await asyncio.sleep(0.01)
            monkeypatch.setattr(ground.batch, "_run", badly)
        await asyncio.sleep(0.01)
        if cut_off:
            first.cancel()
        await asyncio.wait({first, second}, timeout=5)
        assert second.done()
        assert isinstance(second.exception(), Transient if cut_off else RuntimeError)
        assert first.cancelled() if cut_off else isinstance(first.exception(), RuntimeError)


async def test_a_service_stops_also_while_the_database_does_not_say_from_where_to_read_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group's client waits at its end for who was told of its partitions."""
    asked: list[object] = []

    async def gone(*said: object) -> None:
        asked.append(said)
        raise AutoReconnect("no primary")

    monkeypatch.setattr(Ledger, "stored", gone)
    app = bench.app()
    async with asyncio.timeout(20), app.router.lifespan_context(app):
        await until(lambda: asked, "it was asked")


async def _noted(bench: Bench, topic: str, wanted: int) -> bool:
    return await _committed(bench, f"{bench.name}.tally", topic) == wanted


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
            await until(lambda: sums_are(app, {"a": 6}), "the sum of a")
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
        await until(lambda: sums_are(again, {"a": 3}), "nothing is lost")


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
        assert await sums_of(app) == {}


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
        await until(lambda: sums_are(app, {"a": 1}), "the sum of a")
    assert not faults


async def test_a_database_that_goes_away_while_the_ledger_is_read_at_the_start_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, read = [AutoReconnect("no primary"), AutoReconnect("no primary")], Ledger.read

    async def reads(ledger: Ledger, partitions: Any, **more: Any) -> None:
        if faults:
            raise faults.pop()
        await read(ledger, partitions, **more)

    monkeypatch.setattr(Ledger, "read", reads)
    app = bench.app()
    async with running(app):
        await bench.give("a", 1)
        await until(lambda: sums_are(app, {"a": 1}), "the sum of a")
    assert not faults


async def test_a_database_that_two_have_waited_for_is_there_again_whoever_notes_it_last(bench: Bench) -> None:
    """A service without work would stay unready, and so get none."""
    gone = {"first", "second"}

    async def ask(name: str) -> None:
        if name in gone:
            raise AutoReconnect("no primary")

    app = bench.app()
    async with running(app) as client:
        batch = app.state.ground.batch
        first = asyncio.create_task(batch.patiently(lambda: ask("first")))
        await until(lambda: not batch.healthy, "the first waits")
        second = asyncio.create_task(batch.patiently(lambda: ask("second")))
        await asyncio.sleep(0.01)
        gone.remove("first")
        await first
        assert not batch.healthy, "the second still waits"
        gone.remove("second")
        await second
        assert batch.healthy
        assert await _ready(client)


async def test_what_another_replica_writes_between_two_attempts_is_not_lost(bench: Bench) -> None:
    """Who lost a race reads anew: first how far the others are, and then what it decides on."""
    one, two = bench.app(replica="one"), bench.app(replica="two")

    async def add(app: FastAPI, name: str) -> None:
        await app.state.ground.submit(tally.NumberGivenV1(number=1), name)

    async with running(one), running(two):
        await add(one, "a")
        await add(two, "b")
        handler, loads = one.state.ground.handler, list[int]()
        load = handler.load

        async def slowly(messages: Any) -> Any:
            state = await load(messages)
            loads.append(len(messages))
            if len(loads) == 2:
                await add(two, "c")
            return state

        handler.load = slowly
        await add(one, "d")
        assert len(loads) == 3
        assert await sums_of(one) == {"": 4}


async def test_who_stood_by_reads_what_the_other_left_before_its_first_record(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def reload(_: Any) -> None:
        done.append("reload")

    app = bench.app()
    async with running(app):
        monkeypatch.setattr(tally.Tally, "reload", reload)
        app.state.ground.ledger.forget()  # a group's replica knows no position before its first record
        await bench.give("a", 1)
        await until(lambda: sums_are(app, {"a": 1}), "the sum of a")
        assert done


async def test_connections_made_while_the_database_was_starting_are_not_kept(bench: Bench) -> None:
    """pymongo never asks again whether a server has sessions; one that is still recovering says no."""
    app = bench.app()
    async with running(app):
        await bench.give("a", 1)
        await until(lambda: sums_are(app, {"a": 1}), "connected")
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
        await until(lambda: sums_are(app, {"a": 3}), "it went on")
        assert await parked_in(app, "parked") == []


async def test_two_owners_of_one_partition_leave_one_effect(bench: Bench) -> None:
    """Both assign all partitions to themselves. What a zombie with work in hand leaves: `tests/test_kill.py`."""
    one, two = bench.app(replica="one"), bench.app(replica="two")
    async with running(one), running(two):
        for number in range(101, 121):
            await bench.give("a", number)
        await until(lambda: sums_are(one, {"a": 2210}), "the sum of both")
        await until(lambda: drained(one), "an empty outbox")
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


@pytest.mark.kafka
async def test_records_that_left_the_log_while_the_service_was_down_are_counted_as_a_gap(
    kafka_stack: Stack, unique_name: str, kafka_mongo_database: str
) -> None:
    assert kafka_mongo_database == unique_name
    numbers, sums = tally.topics_of(unique_name)
    await provisioning.create(kafka_stack.bootstrap, [(t.name, t.partitions, t.config()) for t in (numbers, sums)])
    gap = 'invariant_violations_total{invariant="log_gap"} 1.0'
    async with AIOKafkaProducer(bootstrap_servers=kafka_stack.bootstrap) as producer:
        bench = Bench(kafka_stack, unique_name, producer, "kafka")
        await bench.give("a", 1, 2)
        async with running(first := bench.app()) as client:
            await until(lambda: sums_are(first, {"a": 3}), "the sum of a")
            assert gap not in (await client.get("/metrics")).text
        await bench.give("a", 4, 8)
        ends = await log_ends(kafka_stack.bootstrap, [TopicPartition(numbers.name, n) for n in range(2)])
        async with admin_of(kafka_stack.bootstrap) as admin:
            await admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items() if end})
        await bench.give("a", 16)
        async with running(second := bench.app()) as client:
            await until(lambda: sums_are(second, {"a": 19}), "what is left")
            assert gap in (await client.get("/metrics")).text


async def _values(client: Any, metric: str) -> list[float]:
    lines = (await client.get("/metrics")).text.splitlines()
    return [float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric)]


async def _shows(client: Any, metric: str, wanted: set[float]) -> bool:
    return set(await _values(client, metric)) == wanted


async def _counts(client: Any, metric: str, wanted: int) -> bool:
    return len(await _values(client, metric)) == wanted


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
    before = await _committed(bench, f"{bench.name}.tally", numbers.name)
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
        left = await _committed(bench, group, numbers.name)
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
        await until(lambda: _ready(client), "it is ready again")


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


async def _ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


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


async def _committed(bench: Bench, group: str, topic: str) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=bench.stack.bootstrap, group_id=group) as consumer:
        return max([await consumer.committed(TopicPartition(topic, number)) or 0 for number in range(2)])


async def test_every_subscriber_is_acknowledged_by_hand(bench: Bench) -> None:
    from faststream import AckPolicy

    app = bench.app()
    async with running(app):
        subscribers = app.state.ground.link.subscribers
        assert {subscriber.ack_policy for subscriber in subscribers} == {AckPolicy.MANUAL}
