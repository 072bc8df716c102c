"""Webhooks on the real bus and database, with a real receiver that answers, fails, is down or is switched off."""

import hmac
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from notify_bench import KEY, Bench
from notify_lives import Life
from receiver import Receiver

from huying.chassis.testing import running, until
from huying.notification.delivery import webhook
from huying.notification.delivery.outcome import Parcel
from huying.notification.delivery.receivers import Receivers, Standing

pytestmark = pytest.mark.wire


async def test_a_signed_webhook_is_tried_again_until_it_is_taken(
    bench: Bench, receiver: Receiver, unique_name: str
) -> None:
    bench.by_webhook("gateway")
    receiver.only = unique_name
    receiver.answers = [503, 503]
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    async with running(bench.app(webhooks=hooks, webhook_first_pause=timedelta(milliseconds=10))):
        await bench.publish(Life(unique_name).opened(None).dispatched().steps)
        await until(lambda: bench.settled(unique_name, 2), "two notices")
    assert bench.states(unique_name) == {"confirmed": ["dispatched", "grid_dispatched"]}
    assert len({taken.headers["idempotency-key"] for taken in receiver.taken}) == 1
    assert len(receiver.taken) == 3
    for taken in receiver.taken:
        signed = taken.headers["huying-timestamp"].encode() + b"." + taken.body
        assert taken.headers["huying-signature"] == "v1=" + hmac.new(b"geheim", signed, sha256).hexdigest()


async def test_a_receiver_that_answers_garbage_and_a_fault_of_ours_stop_nobody_elses_notices(
    bench: Bench, receiver: Receiver, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.by_webhook("gateway")
    receiver.only = unique_name
    receiver.answers = ["garble"]
    usual = webhook.post

    async def faulty(client: Any, target: Any, parcel: Parcel, now: datetime) -> webhook.Answer:
        if parcel.incident_id == f"{unique_name}-2":
            raise RuntimeError("a fault of this release")
        return await usual(client, target, parcel, now)

    monkeypatch.setattr(webhook, "post", faulty)
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    async with running(bench.app(webhooks=hooks)) as client:
        for n in range(1, 4):
            await bench.publish(Life(f"{unique_name}-{n}").opened(None).dispatched().steps)
            await until(lambda n=n: bench.settled(f"{unique_name}-{n}", 2), "two notices")
        assert (await client.get("/healthz")).status_code == 200
    rows = bench.database["notices"].find({"incident_id": {"$regex": f"^{unique_name}"}, "medium": "webhook"})
    assert [(row["state"], row["reason"]) for row in rows.sort("incident_id", 1)] == [
        ("unknown", "no_answer: DecodingError"),
        ("unknown", "fault: RuntimeError"),
        ("confirmed", ""),
    ]


async def test_notices_of_a_receiver_that_is_down_wait_and_go_out_by_themselves_when_it_is_back(
    bench: Bench, receiver: Receiver, unique_name: str
) -> None:
    bench.by_webhook("gateway", "T10")  # a unit that no other test's incidents go to
    receiver.only = unique_name
    receiver.answers = [503] * 6
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    patience = {"webhook_attempts": 2, "webhook_disable_after": 3, "webhook_first_pause": timedelta(milliseconds=1)}
    told = [f"{unique_name}-{n}" for n in range(2)]
    async with running(bench.app(webhooks=hooks, **patience)) as client:

        async def down(value: str) -> bool:
            return f'receiver_down{{handle="gateway"}} {value}' in (await client.get("/metrics")).text

        await bench.publish([step for name in told for step in Life(name).opened(None).dispatched("T10").steps])
        await until(lambda: down("1.0"), "the receiver seen as down")
        [off] = (await client.get("/v1/receivers", headers=KEY)).json()["receivers"]
        await until(lambda: all(bench.settled(name, 2) for name in told), "all told")
        await until(lambda: down("0.0"), "the receiver seen as well")
    assert off["handle"] == "gateway"
    assert off["disabled_at"] is not None
    assert [bench.states(name) for name in told] == [{"confirmed": ["dispatched", "grid_dispatched"]}] * 2
    assert len(receiver.taken) == 6 + 2, "nothing is sent twice, and nothing was sent past the outage"


async def test_a_notice_that_its_receiver_cannot_bear_ends_and_holds_up_no_other(
    bench: Bench, receiver: Receiver, unique_name: str
) -> None:
    bench.by_webhook("gateway", "T09")
    receiver.only = receiver.fails = f"{unique_name}-sick"
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    patience = {"webhook_attempts": 2, "webhook_disable_after": 2, "webhook_first_pause": timedelta(milliseconds=1)}
    async with running(bench.app(webhooks=hooks, **patience)):
        await bench.publish(Life(receiver.only).opened(None).dispatched("T09").steps)
        await until(lambda: len(receiver.taken) >= 3, "the receiver found to be down")
        assert "failed" not in bench.states(receiver.only), "it may be the receiver"
        for n in range(3):
            well = f"{unique_name}-well-{n}"
            await bench.publish(Life(well).opened(None).dispatched("T09").steps)
            await until(lambda well=well: bench.settled(well, 2), "the next notice")
            assert bench.states(well) == {"confirmed": ["dispatched", "grid_dispatched"]}
        await until(lambda: bench.settled(receiver.only, 2), "the end of the sick one")
    assert bench.states(receiver.only) == {"confirmed": ["grid_dispatched"], "failed": ["dispatched"]}


async def test_a_receiver_in_trouble_delays_no_other(bench: Bench, receiver: Receiver, unique_name: str) -> None:
    bench.by_webhook("slow", "T08")
    bench.by_webhook("quick", "U02")
    hooks = {"slow": {"url": receiver.url, "secret": "s", "takes_ids": True}}
    receiver.answers = ["hang"] * 100
    receiver.only = f"{unique_name}-slow"
    async with Receiver(only=unique_name) as quick:
        hooks["quick"] = {"url": quick.url, "secret": "s"}
        async with running(bench.app(webhooks=hooks)):
            await bench.publish(Life(receiver.only).opened(None).dispatched("T08").steps)
            await until(lambda: len(receiver.taken) == 1, "the slow one asked")
            await bench.publish(Life(f"{unique_name}-quick").opened(None).dispatched().steps)
            await until(lambda: bench.settled(f"{unique_name}-quick", 2), "the quick one told", 5)
            assert "sending" in bench.states(receiver.only), "nobody has answered yet"


async def test_a_person_switches_a_receiver_off_and_on_and_its_notices_wait_meanwhile(
    bench: Bench, receiver: Receiver, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    standing = Receivers.standing

    async def looked(self: Receivers, handle: str, now: datetime) -> Standing:
        looks.append(handle)
        return await standing(self, handle, now)

    monkeypatch.setattr(Receivers, "standing", looked)
    bench.by_webhook("gateway", "T07")
    receiver.only = unique_name
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    async with running(bench.app(webhooks=hooks)) as client:
        off = await client.post("/v1/receivers/gateway/disable", headers=KEY)
        assert (await client.post("/v1/receivers/nobody/disable", headers=KEY)).status_code == 404
        assert (await client.post("/v1/receivers/nobody/enable", headers=KEY)).status_code == 404
        await bench.publish(Life(unique_name).opened(None).dispatched("T07").steps)
        await until(lambda: "confirmed" in bench.states(unique_name), "the grid worker told")
        looks.clear()
        await until(lambda: len(looks) >= 2, "two more looks at what waits")
        waiting = bench.states(unique_name)
        on = await client.post("/v1/receivers/gateway/enable", headers=KEY)
        await until(lambda: bench.settled(unique_name, 2), "the waiting notice")
    assert (off.status_code, on.status_code) == (200, 200)
    assert waiting == {"confirmed": ["grid_dispatched"], "intent": ["dispatched"]}
    assert len(receiver.taken) == 1
