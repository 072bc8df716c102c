"""The bridge alive on the real broker and database: orders and alarms in, standing out, PUBACK only after the commit."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from feeds import Incident
from pymongo import MongoClient
from zmqtt import QoS, create_client

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts import dates
from huying.contracts.envelope import CloudEvent
from huying.contracts.ratings import IncidentRatedV1
from huying.contracts.topics import INCIDENTS, RATINGS, REPORTS
from huying.devkit.dlq import Lot
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning
from huying.hotline_bridge import api
from huying.hotline_bridge.main import create_app
from huying.hotline_bridge.settings import Settings

pytestmark = pytest.mark.wire
ROOT = Path(__file__).parents[3]
KEY = {"Authorization": "Bearer test-key"}
STRANGER = {"Authorization": "Bearer other-key"}
URL = "/v1/origins/hotline_12345/orders"


class FakeVault(httpx.AsyncBaseTransport):
    """Answers as intake does; `away` makes it refuse connections, `odd` is what something else says in its place."""

    def __init__(self) -> None:
        self.away = False
        self.odd = b""
        self.asked: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away")
        if self.odd:
            return httpx.Response(200, content=self.odd)
        assert (request.url.path, request.headers["authorization"]) == ("/v1/vault/identities", "Bearer vault-key")
        self.asked.append(json.loads(await request.aread()))
        return httpx.Response(200, json={"ref": "ps-of-the-vault", "masked": "张** 138****2345"})


@pytest.fixture
def vault() -> FakeVault:
    return FakeVault()


@pytest.fixture
async def made(embedded_stack: Stack, mongo_database: str, tmp_path: Path) -> Callable[..., Any]:
    wanted = [(t.name, t.partitions, t.config()) for t in (INCIDENTS, RATINGS, REPORTS)]
    await provisioning.create(embedded_stack.bootstrap, wanted)
    keys = tmp_path / "keys.json"
    sources = ["hotline_12345", "nowhere", "iot"]
    write_entry(keys, {"id": "city", "role": "system", "sources": sources, "sha256": sha256(b"test-key").hexdigest()})
    far = {"id": "far", "role": "system", "sources": sources, "jurisdiction": "130530"}
    write_entry(keys, far | {"sha256": sha256(b"far-key").hexdigest()})
    write_entry(keys, {"id": "other", "role": "system", "sources": [], "sha256": sha256(b"other-key").hexdigest()})

    def make(vault: FakeVault, **told: Any) -> Any:
        settings = Settings(
            port=0,
            kafka=embedded_stack.bootstrap,
            mongo=embedded_stack.mongo_url,
            database_prefix=mongo_database,
            group_prefix=mongo_database,
            keys=keys,
            pack=ROOT / "deploy/county/julu",
            vault_key="vault-key",
            secret=SECRET,
            **told,
        )
        return create_app(settings, vault=vault)

    return make


@pytest.fixture
def database(embedded_stack: Stack, mongo_database: str) -> Any:
    client: Any = MongoClient(embedded_stack.mongo_url)
    yield client[f"{mongo_database}_hotline_bridge"]
    client.close()


def numbered(orders: dict[str, Any], number: str) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(json.dumps(orders["hotline_12345"]))
    order["工单"]["工单编号"] = number
    return order


async def reports(stack: Stack, *names: str) -> list[dict[str, Any]]:
    """What is on the bus under these report ids, once all are there."""
    consumer = AIOKafkaConsumer(REPORTS.name, bootstrap_servers=stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[dict[str, Any]] = []
    try:
        async for record in consumer:
            body = json.loads(record.value)
            if body["report_id"] in names:
                found.append(body)
            if {one["report_id"] for one in found} == set(names):
                return found
    finally:
        await consumer.stop()
    raise AssertionError("the topic ended")


async def test_an_order_goes_in_once_and_its_standing_comes_back(
    made: Any, vault: FakeVault, embedded_stack: Stack, unique_name: str, orders: dict[str, Any], database: Any
) -> None:
    order = numbered(orders, unique_name)
    async with running(made(vault)) as client:
        assert (await client.post(URL, json=order)).status_code == 401
        assert (await client.post(URL, json=order, headers=STRANGER)).status_code == 403
        assert (await client.post("/v1/origins/nowhere/orders", json=order, headers=KEY)).status_code == 404

        vault.away = True
        assert (await client.post(URL, json=order, headers=KEY)).status_code == 503
        vault.away = False
        for odd in (b"<html>log in</html>", b"{}"):
            vault.odd = odd
            assert (await client.post(URL, json=order, headers=KEY)).status_code == 503
        assert database["orders"].count_documents({}) == 0
        vault.odd = b""

        taken = await client.post(URL, json=order, headers=KEY)
        again = await client.post(URL, json=order, headers=KEY)
        assert (taken.status_code, again.status_code, taken.json()) == (202, 202, again.json())
        assert [taken.headers["huying-repeated"], again.headers["huying-repeated"]] == ["false", "true"]
        assert vault.asked[0]["name"] == "张国强"

        changed = numbered(orders, unique_name)
        changed["工单"]["诉求内容"] = "别的事"
        conflict = await client.post(URL, json=changed, headers=KEY)
        assert conflict.status_code == 409
        [blamed] = conflict.json()["errors"]
        assert (blamed["field"], blamed["ours"]) == ("工单.工单编号", "origin_number")

        changed["工单"]["工单编号"] = f"{unique_name}-2"
        changed["工单"]["事发地点"]["村居代码"] = "130529999999"
        invalid = await client.post(URL, json=changed, headers=KEY)
        assert invalid.status_code == 422
        assert invalid.json()["errors"][0]["field"] == "工单.事发地点.村居代码"
        assert invalid.json()["errors"][0]["ours"] == "village_code"

        name = taken.json()["report_id"]
        [report] = await reports(embedded_stack, name)
        assert report["reporter"] == {"ref": "ps-of-the-vault", "masked": "张** 138****2345"}
        assert report["received_at"] == "2026-03-02T01:51:39Z"
        stored = str(list(database["orders"].find())) + json.dumps(report, ensure_ascii=False)
        assert "张国强" not in stored
        assert "13831912345" not in stored

        where = f"{URL}/{unique_name}"
        assert (await client.get(where, headers=STRANGER)).status_code == 403
        assert (await client.get(f"{URL}/unknown", headers=KEY)).status_code == 404
        assert (await client.get(where, headers=KEY)).json()["origin_state"]["name_zh"] == "待受理"
        await publish(embedded_stack, Incident(f"in-{unique_name}").opened(name).accepted().completed())

        async def finished() -> bool:
            return bool((await client.get(where, headers=KEY)).json()["state"] == "completed")

        await until(finished, "the result")
        told = (await client.get(where, headers=KEY)).json()
        assert (told["result"], told["origin_state"]) == ("已清理并立牌", {"code": "50", "name_zh": "已办结"})
        assert told["rating"] is None

        await rate(embedded_stack, name, "satisfied", minute=2)
        last = await rate(embedded_stack, name, "dissatisfied", minute=1)
        read = {"_id": {"$regex": f"/{RATINGS.name}/{last.partition}$"}, "at": {"$gte": last.offset}}
        await until(lambda: database["positions"].count_documents(read) == 1, "both were read")
        told = (await client.get(where, headers=KEY)).json()
        assert (told["rating"], told["state"]) == (
            {"grade": "satisfied", "at": "2026-03-09T08:02:00+00:00"},
            "completed",
        )


async def test_nobody_goes_to_the_vault_for_an_order_that_is_refused_or_had(
    made: Any, vault: FakeVault, unique_name: str, orders: dict[str, Any]
) -> None:
    late = numbered(orders, unique_name)
    late["工单"]["受理时间"] = "2999-01-01 00:00:00"
    taken, changed = numbered(orders, unique_name), numbered(orders, unique_name)
    changed["诉求人"]["姓名"] = "李四"
    nameless = numbered(orders, f"{unique_name}-2")
    nameless["诉求人"] = {"姓名": "\u202e", "联系电话": "\u200e"}
    async with running(made(vault)) as client:
        refused = await client.post(URL, json=late, headers=KEY)
        assert (refused.status_code, refused.json()["errors"][0]["ours"], vault.asked) == (422, "received_at", [])
        answers = [await client.post(URL, json=order, headers=KEY) for order in (taken, changed)]
        vault.away = True
        answers += [await client.post(URL, json=order, headers=KEY) for order in (taken, nameless)]
    assert [answer.status_code for answer in answers] == [202, 409, 202, 202]
    assert [one["name"] for one in vault.asked] == ["张国强"]


async def test_what_says_a_thing_twice_is_refused_so_that_nobody_guesses(
    made: Any, vault: FakeVault, unique_name: str, orders: dict[str, Any], database: Any
) -> None:
    order = json.dumps(numbered(orders, unique_name), ensure_ascii=False)
    order = order.replace('"诉求内容"', '"诉求内容": "别的事", "诉求内容"')
    alarm = json.dumps(line(unique_name))[:-1] + ', "state": "cleared", "state": "raised"}'
    headers = {**KEY, "Content-Type": "application/json"}
    async with running(made(vault)) as client:
        answers = [
            await client.post(url, content=body.encode(), headers=headers)
            for url, body in ((URL, order), ("/v1/alarms", alarm))
        ]
    assert [(one.status_code, one.json()["errors"][0]["field"]) for one in answers] == [
        (422, "诉求内容"),
        (422, "state"),
    ]
    assert database["orders"].count_documents({}) == 0


async def test_a_key_of_another_county_speaks_for_that_one_only(
    made: Any, vault: FakeVault, unique_name: str, orders: dict[str, Any]
) -> None:
    far = {"Authorization": "Bearer far-key"}
    async with running(made(vault)) as client:
        answers = [
            await client.post(URL, json=numbered(orders, unique_name), headers=far),
            await client.get(f"{URL}/{unique_name}", headers=far),
            await client.post("/v1/alarms", json=line("JG-1"), headers=far),
        ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def publish(stack: Stack, incident: Incident) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    try:
        for event in incident.steps:
            name = f"{event.incident_id}/{event.incident_version}"
            wrapped = CloudEvent(name, "test", event.TYPE, event.encode(), event.at)
            await producer.send_and_wait(
                INCIDENTS.name, wrapped.data, key=event.incident_id.encode(), headers=list(wrapped.headers())
            )
    finally:
        await producer.stop()


async def test_an_origin_counts_its_orders_of_a_day_against_ours(
    made: Any, vault: FakeVault, unique_name: str, orders: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day of the origin's own clock: half past midnight there is the day before by UTC."""
    times = {"-c": "2026-03-02 23:59:59", "-a": "2026-03-02 00:00:00", "-b": "2026-03-03 00:30:00"}
    monkeypatch.setattr(api, "PAGE", 1)
    async with running(made(vault)) as client:
        for suffix, at in times.items():
            order = numbered(orders, unique_name + suffix)
            order["工单"]["受理时间"] = at
            assert (await client.post(URL, json=order, headers=KEY)).status_code == 202
        told = (await client.get(URL, params={"day": "2026-03-02"}, headers=KEY)).json()
        rest = await client.get(URL, params={"day": "2026-03-02", "after": told["next"]}, headers=KEY)
        assert (told["count"], told["numbers"] + rest.json()["numbers"]) == (
            2,
            [unique_name + "-a", unique_name + "-c"],
        )
        assert (told["next"], rest.json()["next"]) == (unique_name + "-a", None)
        later = await client.get(URL, params={"day": "2026-03-03"}, headers=KEY)
        assert later.json()["numbers"] == [unique_name + "-b"]
        assert (await client.get(URL, params={"day": "2026-03-02"}, headers=STRANGER)).status_code == 403
        for day in ("soon", "9999-12-31", "0001-01-01"):
            wrong = await client.get(URL, params={"day": day}, headers=KEY)
            assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "query.day")


async def rate(stack: Stack, report_id: str, grade: Any, minute: int) -> Any:
    given = IncidentRatedV1(
        rating_id="ra-1",
        incident_id=f"in-{report_id}",
        report_id=report_id,
        jurisdiction="130529",
        unit="U02",
        grade=grade,
        at=datetime(2026, 3, 9, 8, minute, tzinfo=UTC),
    )
    wrapped = CloudEvent(f"{report_id}/{minute}", "test", given.TYPE, given.encode(), given.at)
    async with AIOKafkaProducer(bootstrap_servers=stack.bootstrap) as producer:
        key = given.incident_id.encode()
        return await producer.send_and_wait(RATINGS.name, wrapped.data, key=key, headers=list(wrapped.headers()))


def line(device: str, **change: Any) -> dict[str, Any]:
    return {"device": device, "alarm": "tilt", "kind": "manhole", "at": "2026-03-04T02:17:59+08:00", **change}


async def test_an_alarm_by_http_is_one_report_however_often_it_comes(
    made: Any, vault: FakeVault, unique_name: str, database: Any
) -> None:
    async with running(made(vault)) as client:
        assert (await client.post("/v1/alarms", json=line(unique_name), headers=STRANGER)).status_code == 403
        taken = [await client.post("/v1/alarms", json=line(unique_name), headers=KEY) for _ in range(2)]
        assert [answer.status_code for answer in taken] == [202, 202]
        assert taken[0].json() == taken[1].json()
        assert (await client.post("/v1/alarms", json=line(unique_name, text="改"), headers=KEY)).status_code == 409
        assert (await client.post("/v1/alarms", json=line("x", at="soon"), headers=KEY)).status_code == 422
        unknown = await client.post("/v1/alarms", json=line("x", village_code="130529999999"), headers=KEY)
        assert unknown.json()["errors"][0]["field"] == "village_code"
        assert database["orders"].count_documents({}) == 1


async def say(url: str, device: str, *payloads: bytes) -> None:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    client = create_client(
        parts.hostname or "",
        parts.port or 1883,
        client_id=f"d-{device}",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        version="3.1.1",
    )
    async with client:
        for payload in payloads:
            await client.publish(f"huying/130529/alarms/{device}", payload, qos=QoS.AT_LEAST_ONCE)


def encoded(*lines: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(one, ensure_ascii=False).encode() for one in lines)


@pytest.mark.parametrize(
    "kind", ["mqtt_broker", pytest.param("mosquitto_broker", marks=pytest.mark.mosquitto)], ids=["amqtt", "mosquitto"]
)
async def test_alarms_by_mqtt_are_stored_before_they_are_acknowledged(
    made: Any, vault: FakeVault, unique_name: str, database: Any, kind: str, request: pytest.FixtureRequest
) -> None:
    """Good lines, garbage between them, a repeat; then a line that comes while the bridge is away."""
    broker = request.getfixturevalue(kind)

    async def stored(count: int) -> None:
        await until(lambda: database["orders"].count_documents({}) == count, f"{count} alarms in the database")

    async with running(made(vault, mqtt_url=broker.url)) as client:

        async def connected() -> bool:
            return "mqtt_connected_connections 1.0" in (await client.get("/metrics")).text

        await until(connected, "MQTT connected")
        two = encoded(line(unique_name), line(unique_name, state="cleared", at="2026-03-04T02:30:00+08:00"))
        await say(broker.url, unique_name, two, b"garbage {", two, encoded(line(unique_name, alarm="open")))
        await say(broker.url, unique_name, encoded(line(unique_name, id="L" * 101)))
        await stored(4)
        await until(lambda: database["parked"].count_documents({}) == 1, "the garbage kept for a person")
        assert b"garbage" not in bytes(database["parked"].find_one()["value"])

    await say(broker.url, unique_name, encoded(line(unique_name, alarm="battery")))
    async with running(made(vault, mqtt_url=broker.url)):
        await stored(5)


async def test_a_refused_line_is_listed_shown_and_replayed_when_its_cause_is_mended(
    made: Any,
    vault: FakeVault,
    unique_name: str,
    database: Any,
    mqtt_broker: Any,
    embedded_stack: Stack,
    mongo_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A village that the pack does not have yet; a clock that is wrong; garbage. Each twice."""
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    early = line(unique_name, alarm="early", at=at, text="联系13812345678")
    lines = (b"garbage {", encoded(early), encoded(line(unique_name, village_code="130529999999")))
    lot = Lot(embedded_stack.mongo_url, mongo_database, SECRET)
    async with running(made(vault, mqtt_url=mqtt_broker.url)) as client:

        async def shown(metric: str) -> bool:
            return metric in (await client.get("/metrics")).text

        await until(lambda: shown("mqtt_connected_connections 1.0"), "MQTT connected")
        await say(mqtt_broker.url, unique_name, *lines, *lines)
        await until(lambda: shown("refused_alarms_total 6.0"), "every refusal counted")
        await until(lambda: shown("parked_records 3.0"), "each line parked once, and the alert's gauge says so")
        parked = await lot.list()
        assert {(row["service"], row["reason"]) for row in parked} == {
            ("hotline-bridge", "invalid_data"),
            ("hotline-bridge", "future_date"),
        }
        assert all(row["topic"] == f"huying/130529/alarms/{unique_name}" for row in parked)
        [one] = [row["id"] for row in parked if row["reason"] == "future_date"]
        told = await lot.show(one)
        assert told is not None
        assert "联系138****5678" in told["value"]
        assert database["orders"].count_documents({}) == 0

        for row in parked:
            assert await lot.replay(row["id"]) == "hotline-bridge"
        again = {"attempts": 2, "state": "parked"}
        await until(lambda: database["parked"].count_documents(again) == 3, "tried again, in vain")

        monkeypatch.setattr(dates, "CLOCK_LEEWAY", timedelta(hours=2))
        await lot.replay(one)
        await until(lambda: database["orders"].count_documents({}) == 1, "the alarm")
        order = database["orders"].find_one({})
        [report] = await reports(embedded_stack, order["_id"])
        assert report["text"] == "联系138****5678"
        assert {row["id"] for row in await lot.list()} == {row["id"] for row in parked} - {one}
    lot.close()


async def test_an_alarm_whose_handling_fails_is_parked_and_the_next_one_is_taken(
    made: Any,
    vault: FakeVault,
    unique_name: str,
    database: Any,
    mqtt_broker: Any,
    embedded_stack: Stack,
    mongo_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault nobody foresaw must neither lose its line nor bring it again for ever before all others."""
    from huying.hotline_bridge import mqtt

    real = mqtt.take_alarm

    async def failing(ground: Any, alarm: Any) -> Any:
        if alarm.alarm == "odd":
            raise ZeroDivisionError("a fault of ours")
        return await real(ground, alarm)

    monkeypatch.setattr(mqtt, "take_alarm", failing)
    lot = Lot(embedded_stack.mongo_url, mongo_database, SECRET)
    async with running(made(vault, mqtt_url=mqtt_broker.url)) as client:

        async def connected() -> bool:
            return "mqtt_connected_connections 1.0" in (await client.get("/metrics")).text

        await until(connected, "MQTT connected")
        await say(mqtt_broker.url, unique_name, encoded(line(unique_name, alarm="odd")), encoded(line(unique_name)))
        await until(lambda: database["orders"].count_documents({}) == 1, "the alarm behind it")
        [parked] = await lot.list()
        assert parked["reason"] == "handler_error"
        await lot.replay(parked["id"])
        await until(lambda: database["orders"].count_documents({}) == 2, "the alarm itself")
    lot.close()


async def test_without_its_mqtt_broker_the_service_is_ready_and_takes_orders(
    made: Any, vault: FakeVault, unique_name: str, orders: dict[str, Any]
) -> None:
    async with running(made(vault, mqtt_url="mqtt://127.0.0.1:9")) as client:
        taken = await client.post(URL, json=numbered(orders, unique_name), headers=KEY)
        assert taken.status_code == 202
        assert "mqtt_connected_connections 0.0" in (await client.get("/metrics")).text
