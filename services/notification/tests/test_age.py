"""A notice that waited past its time is recorded as expired and not sent any more; the others go out as ever."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from notify_bench import KEY, OLD, Bench, notice
from notify_lives import HOUR, START, Life, breached, warned
from pydantic import ValidationError
from receiver import Receiver

from huying.chassis.measures import Measures
from huying.chassis.mongo import Mongo
from huying.chassis.testing import SECRET, running, until
from huying.notification.delivery.age import Age
from huying.notification.delivery.claims import Claims, Way
from huying.notification.domain import Desk
from huying.notification.handlers import Notification
from huying.notification.settings import Settings

DAY = timedelta(days=1)
AGE = {"notice_age": Settings.model_fields["notice_age"].default}
"""Other tests' lives are of last spring."""


def test_a_warning_is_of_use_until_its_deadline_and_an_hour_of_a_replay(desk: Desk) -> None:
    decided = desk.on_incident(None, Life("A").opened().steps[0])
    assert decided is not None
    facts, opening = decided
    assert {one.until for one in opening} <= {None}
    event = warned("A", 75, "leader")
    assert [one.until for one in desk.on_clock(facts, event, "ck-A/75")] == [event.due_at + HOUR]
    both = desk.on_clock(facts, warned("A", 75, "duty_officer", "leader"), "ck-A/75")
    assert {one.recipient.role: one.until for one in both} == {"duty_officer": None, "leader": event.due_at + HOUR}, (
        "the breach tells the leader, and the duty officer hears of it by the warning alone"
    )
    assert [one.until for one in desk.on_clock(facts, breached("A", "leader"), "ck-A/breached")] == [None]
    late = warned("A", 75, "leader", at=event.due_at, late=True)
    assert [one.until for one in desk.on_clock(facts, late, "ck-A/75")] == [None], "it was never of use as a warning"


def test_the_count_begins_at_zero_so_that_its_alert_sees_the_first(desk: Desk) -> None:
    measures = Measures("notification")
    Notification(cast(Any, None), desk, measures, lambda: None)
    for medium in ("file", "webhook"):
        labels = {"medium": medium, "outcome": "expired"}
        assert measures.registry.get_sample_value("huying_notification_notices_total", labels) == 0


@pytest.mark.parametrize("age", ["P999999D", "PT0S"])
def test_an_age_that_no_date_bears_stops_the_start_and_not_the_sending(age: str) -> None:
    with pytest.raises(ValidationError, match="notice_age"):
        Settings.model_validate({"secret": SECRET, "notice_age": age})


def test_the_longest_age_is_borne() -> None:
    longest = Settings.model_validate({"secret": SECRET, "notice_age": "P36500D"})
    assert Age(datetime.now(UTC), longest.notice_age).query


@pytest.mark.wire
@pytest.mark.parametrize("stands", ["well", "off"])
async def test_what_waited_past_its_time_expires_and_what_did_not_is_told(
    bench: Bench, receiver: Receiver, unique_name: str, stands: str
) -> None:
    bench.by_webhook("gateway")
    receiver.only = unique_name
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim"}}
    now = datetime.now(UTC)
    waiting = {
        "old": {"at": OLD},
        "overtaken": {"at": now - HOUR, "until": now - HOUR / 2, "template": "clock_warned"},
        "fresh": {"at": now - HOUR, "until": now + HOUR, "template": "clock_warned"},
    }
    rows: list[dict[str, Any]] = [
        notice(unique_name, f"{medium}-{name}", medium, handle, **more)
        for medium, handle in (("file", "x"), ("webhook", "gateway"))
        for name, more in waiting.items()
    ]
    bench.database["notices"].insert_many(rows)
    if stands == "off":
        bench.database["receivers"].insert_one({"_id": "gateway", "switched_off_at": now, "failures": 0})
    async with running(bench.app(webhooks=hooks, **AGE)) as client:
        await until(lambda: _done(bench, unique_name, 6 - (stands == "off")), "all but what waits for a person")
        shown = (await client.get("/v1/notices", params={"state": "expired"}, headers=KEY)).json()["notices"]
        assert [one["notice_id"] for one in shown if one["incident_id"] == unique_name] == [
            f"{unique_name}-{medium}-{name}" for name in ("old", "overtaken") for medium in ("file", "webhook")
        ]
        assert {one["reason"] for one in shown} == {"too_old"}

        async def counted() -> bool:
            told = (await client.get("/metrics")).text
            return all(f'notices_total{{medium="{one}",outcome="expired"}} 2.0' in told for one in ("file", "webhook"))

        await until(counted, "the metric, which follows the commit")
    told = ["fresh"] if stands == "well" else []
    assert [taken.headers["idempotency-key"] for taken in receiver.taken] == [
        f"{unique_name}-webhook-{n}" for n in told
    ]
    out = bench.database["outbox"].find({"key": unique_name.encode()})
    expired = [row for row in out if row["event"].endswith("/expired")]
    assert {dict(row["headers"])["ce_type"] for row in expired} == {b"cn.huying.notice.failed.v1"}
    assert len(expired) == 4
    assert all(b'"reason":"too_old"' in row["value"] for row in expired)


@pytest.mark.wire
@pytest.mark.parametrize("claimed", ["past", "due"])
async def test_an_expiry_that_was_cut_off_is_finished_and_sends_nothing(
    bench: Bench, receiver: Receiver, unique_name: str, claimed: str
) -> None:
    bench.by_webhook("gateway")
    receiver.only = unique_name
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim", "takes_ids": True}}
    bench.database["notices"].insert_many(
        [notice(unique_name, "old-file"), notice(unique_name, "old-hook", "webhook", "gateway")]
    )
    now = datetime.now(UTC)
    mongo, age = Mongo(bench.stack.mongo_url, bench.database.name), Age(now, 7 * DAY)
    for way in (Way("file"), Way("webhook", "gateway")):
        claims, name = Claims(mongo, way, "notification-0", DAY), f"{unique_name}-{way.medium}"
        if claimed == "past":
            [parcel] = await claims.take_past(age, name, now, 10)
        else:
            [parcel] = await claims.take(name, now, 10, age)
        assert parcel.expiring
    mongo.close()
    async with running(bench.app(webhooks=hooks, **AGE)):
        await until(lambda: bench.settled(unique_name, 2), "both")
    assert bench.states(unique_name) == {"expired": ["dispatched"] * 2}
    assert not receiver.taken
    assert not list((bench.folder / "out").glob("*"))
    assert not bench.database["notices"].find_one({"expiring": {"$exists": True}})


@pytest.mark.wire
@pytest.mark.parametrize(("answer", "unknown"), [("drop", b"true"), (503, b"false")])
async def test_what_a_receiver_may_have_taken_expires_as_unknown(
    bench: Bench, receiver: Receiver, unique_name: str, answer: int | str, unknown: bytes
) -> None:
    bench.by_webhook("gateway")
    receiver.only, receiver.answers = unique_name, [answer]
    hooks = {"gateway": {"url": receiver.url, "secret": "geheim", "takes_ids": True}}
    kept, lease, pause = bench.database["notices"], timedelta(seconds=1), timedelta(minutes=1)
    kept.insert_one(notice(unique_name, "one", "webhook", "gateway", at=datetime.now(UTC)))
    async with running(bench.app(webhooks=hooks, claim_lease=lease, webhook_first_pause=pause, **AGE)):
        await until(lambda: bool(kept.find_one({"state": "intent", "attempts": 1})), "the first attempt")
        kept.update_one({"_id": f"{unique_name}-one"}, {"$set": {"at": OLD}})
        await until(lambda: bench.settled(unique_name, 1), "its end")
    [failed] = [row for row in bench.database["outbox"].find() if row["event"] == f"{unique_name}-one/expired"]
    assert b'"reason":"too_old"' in failed["value"]
    assert b'"unknown":' + unknown in failed["value"]


@pytest.mark.wire
async def test_a_service_that_comes_back_after_weeks_tells_nobody_what_the_log_kept(
    bench: Bench, unique_name: str
) -> None:
    async with running(bench.app(**AGE)):
        await bench.publish(Life(unique_name).opened(None).dispatched().steps)
        await until(lambda: bench.settled(unique_name, 2), "two notices")
    assert bench.states(unique_name) == {"expired": ["dispatched", "grid_dispatched"]}
    assert datetime.now(UTC) - 7 * DAY > START, "the default"


def _done(bench: Bench, incident: str, count: int) -> bool:
    states = bench.states(incident)
    return sum(len(some) for state, some in states.items() if state not in {"intent", "sending"}) >= count
