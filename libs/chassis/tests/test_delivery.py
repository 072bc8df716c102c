"""The chassis on both brokers and a real database: exactly once, whatever ends, fails or has two owners."""

import asyncio
from typing import Any

import pytest
import tally
from aiokafka.errors import KafkaConnectionError
from faststream.kafka import KafkaBroker
from tally_bench import (
    ON_KAFKA,
    Bench,
    drained,
    metric_shows,
    sums_are,
    sums_of,
)

from huying.chassis.errors import Transient
from huying.chassis.testing import running, until


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


@pytest.mark.parametrize("halfway", [False, True])
async def test_a_broker_that_goes_away_while_a_service_connects_is_connected_to_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, halfway: bool
) -> None:
    start, tries = KafkaBroker.start, 0

    async def interrupted(broker: KafkaBroker) -> None:
        nonlocal tries
        tries += 1
        if tries > 1 or halfway:
            await start(broker)
        if tries == 1:
            raise KafkaConnectionError("Connection closed")

    monkeypatch.setattr(KafkaBroker, "start", interrupted)
    await bench.give("a", 1, 2)
    async with running(bench.app()) as client:
        app = client._transport.app  # type: ignore[attr-defined]
        await until(lambda: sums_are(app, {"a": 3}), "the sum of a")
    assert tries == 2


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


@ON_KAFKA
async def test_of_two_in_a_group_each_shows_what_it_consumes_and_no_lag_of_what_the_other_took_over(
    bench: Bench,
) -> None:
    numbers, _ = tally.topics_of(bench.name)
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
