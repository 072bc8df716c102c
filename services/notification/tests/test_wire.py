"""Notification alive on the real broker and database, with a real receiver: sent once, resumed, or honestly unknown."""

import json
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from notify_bench import KEY, OLD, Bench, notice
from notify_lives import Life, invited, warned
from receiver import Receiver

from huying.chassis.mongo import Mongo
from huying.chassis.security import write_entry
from huying.chassis.testing import running, until
from huying.devkit.dlq import Lot
from huying.notification.delivery.claims import Claims, Way
from huying.notification.delivery.file import Outbox, file_of
from huying.notification.delivery.outcome import Parcel
from huying.notification.domain import Desk

pytestmark = pytest.mark.wire


@pytest.fixture
async def mongo(bench: Bench) -> AsyncIterator[Mongo]:
    with closing(Mongo(bench.stack.mongo_url, bench.database.name)) as opened:
        yield opened


async def test_notices_reach_the_files_and_the_bus_whatever_came_first(bench: Bench, unique_name: str) -> None:
    life = Life(unique_name).opened().dispatched().completed()
    async with running(bench.app()) as client:
        due = datetime.now(UTC) + timedelta(days=1)
        await bench.publish([warned(unique_name, 75, "leader", due_at=due), *life.steps, *life.steps])
        await until(lambda: bench.settled(unique_name, 6), "six notices")
        answer = await client.get("/v1/notices", params={"incident": unique_name}, headers=KEY)
        assert (await client.get("/v1/notices", params={"incident": unique_name})).status_code == 401
        assert (await client.get("/v1/notices", headers=KEY)).status_code == 422
        events = [row["event"] for row in bench.database["outbox"].find({"key": unique_name.encode()})]

        async def counted() -> bool:
            return 'notices_total{medium="file",outcome="confirmed"}' in (await client.get("/metrics")).text

        await until(counted, "the metric, which follows the commit")
    told = [(notice["recipient"], notice["template"], notice["state"]) for notice in answer.json()["notices"]]
    assert sorted(told) == sorted(
        [
            ("unit:U02:duty_officer", "dispatched", "confirmed"),
            ("village:130529100001:grid_worker", "grid_dispatched", "confirmed"),
            ("reporter:wang", "reporter_progress", "confirmed"),
            ("unit:U02:leader", "clock_warned", "confirmed"),
            ("village:130529100001:grid_worker", "grid_completed", "confirmed"),
            ("reporter:wang", "reporter_completed", "confirmed"),
        ]
    )
    lines = (bench.folder / "out" / "reporter:wang.jsonl").read_text("utf-8").splitlines()
    ours = [told for line in lines if (told := json.loads(line))["incident_id"] == unique_name]
    assert [told["template"] for told in ours] == ["reporter_progress", "reporter_completed"]
    assert len(events) == len(set(events)) == 6
    assert all(event.endswith("/confirmed") for event in events)


async def test_a_unit_reads_what_its_people_were_told_and_nobody_reads_a_citizens_link(
    bench: Bench, unique_name: str
) -> None:
    ring = bench.folder / "keys.json"
    for key_id, role, unit in (
        ("u2", "unit", "U02"),
        ("u", "unit", None),
        ("head", "leader", "U03"),
        ("g", "grid_worker", "T01"),
        ("elsewhere", "grid_worker", "T02"),
        ("nowhere", "grid_worker", None),
    ):
        write_entry(ring, {"id": key_id, "role": role, "unit": unit, "sha256": sha256(key_id.encode()).hexdigest()})
    async with running(bench.app()) as client:
        await bench.publish([*Life(unique_name).opened().dispatched().steps, invited(unique_name)])
        await until(lambda: bench.settled(unique_name, 4), "four notices")

        async def asks(key: str) -> httpx.Response:
            mine = {"Authorization": f"Bearer {key}"}
            return await client.get("/v1/notices", params={"incident": unique_name}, headers=mine)

        seen = {key: (await asks(key)).json() for key in ("test-key", "u2", "head", "g", "elsewhere")}
        assert [(await asks(key)).status_code for key in ("u", "nowhere")] == [403, 403]
    stored = bench.database["notices"].find_one({"incident_id": unique_name, "template": "rating_invited"})
    assert stored is not None
    assert "/r/abc" in stored["text"], "the reporter does get it"
    assert "/r/abc" not in json.dumps(seen)
    told = {key: [notice["template"] for notice in answer["notices"]] for key, answer in seen.items()}
    assert told.pop("test-key")[-1] == "rating_invited"
    assert told == {"u2": ["dispatched"], "head": [], "g": ["grid_dispatched"], "elsewhere": []}


@pytest.mark.parametrize("owner", ["notification-0", "notification-dead"])
async def test_who_dies_between_sending_and_confirmed_is_resumed_by_what_each_medium_can_prove(
    bench: Bench, receiver: Receiver, unique_name: str, owner: str
) -> None:
    def row(name: str, medium: str, handle: str, claim: str) -> dict[str, Any]:
        return notice(unique_name, name, medium, handle, state="sending", claim=claim)

    claimed = OLD if owner == "notification-dead" else datetime.now(UTC)
    bench.database["claims"].insert_many(
        [
            {"_id": f"old-{medium}", "open": True, "owner": owner, "medium": medium, "at": claimed}
            for medium in ("file", "webhook")
        ]
    )
    rows = [
        row("written", "file", "x", "old-file"),
        row("unwritten", "file", "x", "old-file"),
        row("orphan", "file", "x", "closed-long-ago"),
        row("blind", "webhook", "blind", "old-webhook"),
        row("knows", "webhook", "knows", "old-webhook"),
    ]
    bench.database["notices"].insert_many(rows)
    names = ("notice_id", "incident_id", "at", "recipient", "role", "handle", "template", "title", "text")
    before = Parcel(**{name: rows[0][name if name != "notice_id" else "_id"] for name in names})
    Outbox(bench.folder / "out").append([before])

    hooks = {
        "blind": {"url": receiver.url, "secret": "s"},
        "knows": {"url": receiver.url, "secret": "s", "takes_ids": True},
    }
    async with running(bench.app(webhooks=hooks)):
        await until(lambda: bench.settled(unique_name, 5), "the resumed notices")
    states = {row["recipient"]: row["state"] for row in bench.database["notices"].find({"incident_id": unique_name})}
    assert states == {
        "unit:U02:written": "confirmed",
        "unit:U02:unwritten": "confirmed",
        "unit:U02:orphan": "confirmed",
        "unit:U02:blind": "unknown",
        "unit:U02:knows": "confirmed",
    }
    assert [taken.headers["idempotency-key"] for taken in receiver.taken] == [f"{unique_name}-knows"]
    for name in ("written", "unwritten", "orphan"):
        assert len(file_of(bench.folder / "out", f"unit:U02:{name}").read_text("utf-8").splitlines()) == 1
    failed = [row["event"] for row in bench.database["outbox"].find() if row["event"].endswith("/unknown")]
    assert failed == [f"{unique_name}-blind/unknown"]


async def test_a_claim_is_stale_after_its_lease_and_at_once_for_the_same_replica_that_starts_anew(
    bench: Bench, mongo: Mongo
) -> None:
    bench.database["notices"].insert_one(notice("i", "one"))
    lease, now = timedelta(seconds=30), datetime.now(UTC)
    ours, other = (Claims(mongo, Way("file"), owner, lease) for owner in ("notification-0", "notification-1"))
    assert [parcel.notice_id for parcel in await ours.take("c1", now, 10)] == ["i-one"]
    assert await ours.stale(now, first=False) == await other.stale(now, first=True) == []
    assert await ours.stale(now, first=True) == ["c1"]
    assert await other.stale(now + lease + timedelta(seconds=1), first=False) == ["c1"]


async def test_two_replicas_that_found_the_same_notices_have_each_in_one_claim(bench: Bench, mongo: Mongo) -> None:
    lease, now = timedelta(seconds=30), datetime.now(UTC)
    bench.database["notices"].insert_many([notice("i", f"{n}") for n in range(3)])
    fast = Claims(mongo, Way("file"), "notification-1", lease)

    class Slow(Claims):
        async def _open(self, claim: str, now: datetime) -> None:
            """Between what it found and what it claims another one takes two of them."""
            self.lost = await fast.take("c1", now, 2)
            await super()._open(claim, now)

    slow = Slow(mongo, Way("file"), "notification-0", lease)
    kept = await slow.take("c2", now, 3)
    assert [[one.notice_id for one in parcels] for parcels in (slow.lost, kept)] == [["i-0", "i-1"], ["i-2"]]
    claims = {row["_id"]: row["claim"] for row in bench.database["notices"].find()}
    assert claims == {"i-0": "c1", "i-1": "c1", "i-2": "c2"}


async def test_two_replicas_send_each_notice_once(bench: Bench, receiver: Receiver, unique_name: str) -> None:
    bench.by_webhook("gateway")
    receiver.only = unique_name
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    lives = [Life(f"{unique_name}-{n}").opened(None).dispatched() for n in range(40)]
    async with running(bench.app(webhooks=hooks, replica="a")), running(bench.app(webhooks=hooks, replica="b")):
        await bench.publish([event for life in lives for event in life.steps])
        await until(lambda: all(bench.settled(life.name, 2) for life in lives), "all notices")
    sent = [taken.headers["idempotency-key"] for taken in receiver.taken]
    assert len(sent) == len(set(sent)) == 40
    grid = (bench.folder / "out" / "village:130529100001:grid_worker.jsonl").read_text("utf-8").splitlines()
    ours = [told["notice_id"] for line in grid if (told := json.loads(line))["incident_id"].startswith(unique_name)]
    assert len(ours) == len(set(ours)) == 40


async def test_a_parked_step_holds_back_its_incident_only_and_its_replay_tells_the_rest_in_order(
    bench: Bench, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick, well = f"{unique_name}-sick", f"{unique_name}-well"
    usual = Desk.on_incident

    def faulty(self: Desk, facts: Any, event: Any) -> Any:
        if (event.incident_id, event.incident_version) == (sick, 2):
            raise RuntimeError("a fault of this release")
        return usual(self, facts, event)

    monkeypatch.setattr(Desk, "on_incident", faulty)
    parked = bench.database["parked"]

    def held() -> list[str]:
        return [row["state"] for row in parked.find({"key": sick.encode()}).sort("offset", 1)]

    lot = Lot(bench.stack.mongo_url, bench.prefix)
    async with running(bench.app()) as client:
        lives = [Life(name).opened(None).dispatched().completed() for name in (sick, well)]
        steps = [step for pair in zip(*(life.steps for life in lives), strict=True) for step in pair]
        await bench.publish(steps)
        await until(lambda: held() == ["parked", "waiting"], "step 2 parked, step 3 behind it")
        await until(lambda: bench.settled(well, 3), "the other incident's notices")
        assert bench.states(sick) == {}
        monkeypatch.setattr(Desk, "on_incident", usual)
        await bench.publish([Life(sick).opened(None).dispatched().completed().joined(None, "follow_up").steps[3]])
        await until(lambda: held() == ["parked", "waiting", "waiting"], "what comes later waits too")
        [listed] = [row for row in await lot.list(["parked"]) if row["hold"].endswith(sick)]
        assert (listed["service"], listed["reason"]) == ("notification", "handler_error")
        assert await lot.replay(listed["id"]) == "notification"
        await until(lambda: held() == ["released"] * 3, "all of it released")
        await until(lambda: bench.settled(sick, 4), "the sick incident's notices")
        metrics = (await client.get("/metrics")).text
    lot.close()
    assert sorted(bench.states(sick)["confirmed"]) == sorted([*bench.states(well)["confirmed"], "follow_up"])
    assert 'huying_invariant_violations_total{invariant="version_gap"}' not in metrics, "in order"
    row = bench.database["incidents"].find_one({"_id": sick})
    assert row is not None
    assert row["version"] == 4
