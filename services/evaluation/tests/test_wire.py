"""Evaluation alive on the real broker and database: from the feed to the citizen's page and the rates."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from evaluation_lives import Life, clock

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts.clocks import ClockEvent
from huying.contracts.envelope import CloudEvent
from huying.contracts.topics import CLOCKS, INCIDENTS, RATINGS
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning
from huying.evaluation.main import create_app
from huying.evaluation.rates import ZONE
from huying.evaluation.settings import Settings

pytestmark = pytest.mark.wire
KEY = {"Authorization": "Bearer test-key"}


async def publish(stack: Stack, events: list[Any]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap)
    await producer.start()
    try:
        for n, event in enumerate(events):
            topic = CLOCKS if isinstance(event, ClockEvent) else INCIDENTS
            wrapped = CloudEvent(f"e{n}", "test", event.TYPE, event.encode(), event.at)
            await producer.send_and_wait(
                topic.name, wrapped.data, key=event.incident_id.encode(), headers=list(wrapped.headers())
            )
    finally:
        await producer.stop()


@pytest.fixture
async def app(embedded_stack: Stack, mongo_database: str, tmp_path: Path) -> Any:
    wanted = [(t.name, t.partitions, t.config()) for t in (INCIDENTS, CLOCKS, RATINGS)]
    await provisioning.create(embedded_stack.bootstrap, wanted)
    keys = tmp_path / "keys.json"
    for key_id, role, unit in (("test-key", "dispatcher", None), ("u2", "unit", "U02"), ("u", "unit", None)):
        write_entry(keys, {"id": key_id, "role": role, "unit": unit, "sha256": sha256(key_id.encode()).hexdigest()})
    return create_app(
        Settings(
            port=0,
            kafka=embedded_stack.bootstrap,
            mongo=embedded_stack.mongo_url,
            database_prefix=mongo_database,
            group_prefix=mongo_database,
            keys=keys,
            secret=SECRET,
        )
    )


async def bodies(stack: Stack, incident: str, field: str, count: int = 1) -> list[dict[str, Any]]:
    """What is told first of an incident's ratings with this field: `path` is in an invitation, `grade` in a verdict."""
    consumer = AIOKafkaConsumer(RATINGS.name, bootstrap_servers=stack.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    found: list[dict[str, Any]] = []
    try:
        while len(found) < count:
            body = json.loads((await consumer.getone()).value)
            if body["incident_id"] == incident and field in body:
                found.append(body)
        return found
    finally:
        await consumer.stop()


async def rates(client: httpx.AsyncClient, period: str, town: str) -> dict[str, Any]:
    answer = await client.get("/v1/rates", params={"period": period, "town": town}, headers=KEY)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_citizen_rates_once_by_link_and_the_rates_show_it(
    app: Any, embedded_stack: Stack, unique_name: str
) -> None:
    name = f"{unique_name}-A"
    start = datetime.now(UTC) - timedelta(hours=8)
    life = Life(name, town=unique_name, start=start).opened().accepted().completed()
    events = [*life.steps, *clock("c1", "response", "on_time", at=start, incident=name)]
    async with running(app) as client:
        await publish(embedded_stack, events)
        [invited] = await bodies(embedded_stack, name, "path")
        path = invited["path"]
        page = await client.get(path)
        assert page.status_code == 200
        assert all(word in page.text for word in ("满意", "基本满意", "不满意", "&lt;b&gt;已修好&lt;/b&gt;"))
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]

        staff = await client.post(path, json={"grade": "satisfied"}, headers=KEY)
        assert (staff.status_code, staff.json()["reason"]) == (403, "staff")
        wrong = await client.post(path, json={"grade": "superb"})
        assert wrong.status_code == 422
        brackets = await client.post(path, content="[" * 100_000, headers={"Content-Type": "application/json"})
        assert (brackets.status_code, brackets.json()["reason"]) == (422, "invalid")
        given = await client.post(path, data={"grade": "satisfied", "comment": "修得快\r\n" * 1200})
        assert (given.status_code, "评价已收到" in given.text) == (200, True)
        again = await client.post(path, json={"grade": "dissatisfied"})
        assert (again.status_code, again.json()["reason"]) == (409, "used")
        assert (await client.get(path)).status_code == 409
        assert (await client.get("/r/x.y.z")).status_code == 404
        for cut in ("/r/", "/r", "/"):
            answer = await client.get(cut, headers={"Accept": "text/html,*/*"})
            assert (answer.status_code, "链接不完整" in answer.text) == (404, True)
            assert answer.headers["content-type"].startswith("text/html")

        assert (await client.get("/v1/rates", params={"period": "2026"})).status_code == 401
        assert (await client.get("/v1/rates", params={"period": "soon"}, headers=KEY)).status_code == 422
        period = life.dispatch.dispatched_at.astimezone().strftime("%Y") if life.dispatch else ""

        async def counted() -> bool:
            return bool((await rates(client, period, unique_name))["overall"]["on_time"]["count"])

        await until(counted, "the clock's verdict in the rates")
        overall = (await rates(client, period, unique_name))["overall"]
        assert (overall["dispatched"]["count"], overall["completed"]["rate"]) == (1, 1.0)
        assert (overall["satisfied"]["count"], overall["satisfied"]["n"], overall["satisfied"]["unrated"]) == (1, 1, 0)
        listed = await client.get(overall["satisfied"]["list"], headers=KEY)
        assert [row["incident_id"] for row in listed.json()["incidents"]] == [name]
        empty = await client.get(overall["overdue"]["list"], headers=KEY)
        assert empty.json()["incidents"] == []


async def test_two_reporters_of_one_result_have_a_link_each_and_each_grade_is_its_reporters(
    app: Any, embedded_stack: Stack, unique_name: str
) -> None:
    first, second = f"{unique_name}-r1", f"{unique_name}-r2"
    start = datetime.now(UTC) - timedelta(hours=8)
    life = Life(unique_name, town=unique_name, start=start).opened().joined(second).accepted().completed()
    grades = {first: "satisfied", second: "basically_satisfied"}
    async with running(app) as client:
        await publish(embedded_stack, life.steps)
        for invited in await bodies(embedded_stack, unique_name, "path", 2):
            given = await client.post(invited["path"], json={"grade": grades[invited["report_id"]]})
            assert (given.status_code, given.json()["rating_id"]) == (200, invited["rating_id"])
        rated = await bodies(embedded_stack, unique_name, "grade", 2)
    assert {body["report_id"]: body["grade"] for body in rated} == grades


async def test_a_units_key_sees_its_own_rates_and_one_without_a_unit_none(app: Any) -> None:
    async with running(app) as client:

        async def asks(key: str, address: str, **more: str) -> int:
            mine = {"Authorization": f"Bearer {key}"}
            return (await client.get(address, params={"period": "2026", **more}, headers=mine)).status_code

        for address, more in (("/v1/rates", {}), ("/v1/rates/incidents", {"figure": "overdue"})):
            assert await asks("u2", address, **more) == 200
            assert await asks("u2", address, unit="U03", **more) == 403
            assert await asks("u", address, **more) == 403
            assert await asks("u", address, unit="U03", **more) == 403


async def test_a_verdict_counts_for_the_unit_whose_result_it_is_about(
    app: Any, embedded_stack: Stack, unique_name: str
) -> None:
    life = Life(unique_name, town=unique_name, start=datetime.now(UTC) - timedelta(hours=20)).opened().completed()
    async with running(app) as client:
        await publish(embedded_stack, life.steps)
        [first] = await bodies(embedded_stack, unique_name, "path")
        assert (await client.post(first["path"], json={"grade": "dissatisfied"})).status_code == 200
        given = len(life.steps)
        life.redone().returned().dispatched("U05").completed()
        await publish(embedded_stack, life.steps[given:])
        _, again = await bodies(embedded_stack, unique_name, "path", 2)
        assert (await client.post(again["path"], json={"grade": "satisfied"})).status_code == 200
        year = f"{life.opened_at.astimezone(ZONE):%Y}"
        table = await rates(client, year, unique_name)
        mine = {row["unit"]: row["figures"] for row in table["units"]}
        told = {unit: (one["satisfied"]["count"], one["satisfied"]["n"]) for unit, one in mine.items()}
        assert told == {"U02": (0, 1), "U05": (1, 1)}
        assert (table["overall"]["satisfied"]["count"], table["overall"]["satisfied"]["n"]) == (1, 2)
        assert table["overall"]["satisfied"]["unrated"] == 0
        assert {row["unit"]: row["name"] for row in table["units"]} == {"U02": "单位U02", "U05": "单位U05"}

        async def listed(unit: str, figure: str, **more: str) -> int:
            asked = {"period": year, "town": unique_name, "unit": unit, "figure": figure, **more}
            return len((await client.get("/v1/rates/incidents", params=asked, headers=KEY)).json()["incidents"])

        assert [await listed("U02", "satisfied"), await listed("U02", "satisfied", counted="false")] == [0, 1]
        assert [await listed("U05", "satisfied"), await listed("U05", "satisfied", counted="false")] == [1, 0]
        assert await listed("U05", "returned", counted="false") == 1, "another unit returned it, not this one"


async def test_an_acceptance_counts_for_the_unit_whose_dispatch_it_was(
    app: Any, embedded_stack: Stack, unique_name: str
) -> None:
    start = datetime.now(UTC) - timedelta(hours=20)
    life = Life(unique_name, town=unique_name, start=start).opened().returned().dispatched("U05").accepted()
    late = clock(f"{unique_name}-a", "acceptance", "breached", "late", at=start, incident=unique_name)
    timely = clock(f"{unique_name}-b", "acceptance", "on_time", at=start, incident=unique_name)
    async with running(app) as client:
        await publish(embedded_stack, [*life.steps, *late, *(one.model_copy(update={"unit": "U05"}) for one in timely)])
        year = f"{life.opened_at.astimezone(ZONE):%Y}"

        async def told() -> dict[str, tuple[int, int]]:
            lines = {row["unit"]: row["figures"] for row in (await rates(client, year, unique_name))["units"]}
            found = {unit: line["timely_acceptance"] for unit, line in lines.items()}
            return {unit: (one["count"], one["n"]) for unit, one in found.items()}

        async def listed(unit: str) -> list[int]:
            asked = {"period": year, "town": unique_name, "unit": unit, "figure": "timely_acceptance"}
            both = [asked | {"counted": word} for word in ("true", "false")]
            answers = [await client.get("/v1/rates/incidents", params=one, headers=KEY) for one in both]
            return [len(answer.json()["incidents"]) for answer in answers]

        async def all_told() -> bool:
            return await told() == {"U02": (0, 1), "U05": (1, 1)}

        await until(all_told, "both acceptances in the rates")
        assert [await listed(unit) for unit in ("U02", "U05")] == [[0, 1], [1, 0]]
        before = {"$unset": {"taken": 1}, "$addToSet": {"marks": "timely_acceptance_n"}}
        await app.state.ground.mongo.collection("cases").update_one({"_id": unique_name}, before)
        assert (await told(), await listed("U05")) == ({"U02": (0, 0), "U05": (0, 1)}, [0, 1]), (
            "as it was counted before"
        )
