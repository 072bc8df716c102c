"""What every service promises, asked of all seven on the real broker and database.

Redelivery changes nothing, garbage is parked and its neighbours are processed, foreign types are skipped, a restart goes
on where it stood, health and metrics speak, and nothing is open that must not be.
"""

import importlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from faststream import AckPolicy

from huying.chassis.testing import SECRET, running, until
from huying.contracts import topics
from huying.contracts.envelope import CloudEvent
from huying.contracts.identity import event_id
from huying.contracts.incidents import Classification, IncidentOpenedV1, IncidentView, ReportRef
from huying.contracts.message import Event
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1
from huying.devkit.stack import topics as provisioning

ROOT = Path(__file__).parents[1]
PACK = ROOT / "deploy/county/julu"
SERVICES = ["intake", "hotline_bridge", "routing", "sla_timer", "notification", "evaluation", "console"]
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
OPEN_PATHS = {"/healthz", "/readyz", "/metrics", "/openapi.json"}

pytestmark = pytest.mark.wire


def report(name: str) -> ReportAcceptedV1:
    return ReportAcceptedV1(
        report_id=f"rp-{name}",
        tracking_number=f"T{name}",
        jurisdiction="130529",
        source="suite",
        origin_id=name,
        channel="citizen_app",
        text="南街路灯不亮，晚上看不见路",
        place=Place(town_code="130529100", town="巨鹿镇"),
        received_at=NOW,
        accepted_at=NOW,
    )


def incident(name: str) -> IncidentOpenedV1:
    came = report(name)
    ref = ReportRef(**came.model_dump(include=set(ReportRef.model_fields)))
    what = Classification(matter="M02", matter_name="路灯照明", clock_class="public_service", confidence=0.9)
    view = IncidentView(
        incident_id=f"in-{name}",
        number="260302-00001",
        jurisdiction="130529",
        state="dispatched",
        classification=what,
        place=came.place,
        title="路灯不亮",
        opened_at=NOW,
        report_count=1,
        channels=("citizen_app",),
    )
    return IncidentOpenedV1(
        incident_id=f"in-{name}",
        incident_version=1,
        jurisdiction="130529",
        at=NOW,
        pack_hash="suite",
        incident=view,
        report=ref,
    )


def sample(topic: topics.Topic, name: str) -> tuple[str, CloudEvent] | None:
    """Key and event that this topic's readers can use."""
    body: Event
    if topic.name == topics.REPORTS.name:
        body = report(name)
        return "130529", CloudEvent(f"rp-{name}", "suite", body.TYPE, body.encode(), NOW)
    if topic.name == topics.INCIDENTS.name:
        body = incident(name)
        return f"in-{name}", CloudEvent(event_id(f"in-{name}", 1), "suite", body.TYPE, body.encode(), NOW)
    return None


class Rig:
    """One service on its own database, and a producer."""

    def __init__(self, service: str, stack: Any, prefix: str, producer: AIOKafkaProducer) -> None:
        self.name, self.stack, self.prefix, self.producer = service, stack, prefix, producer

    def app(self) -> Any:
        settings = importlib.import_module(f"huying.{self.name}.settings").Settings
        main = importlib.import_module(f"huying.{self.name}.main")
        return main.create_app(
            settings(
                kafka=self.stack.bootstrap,
                mongo=self.stack.mongo_url,
                database_prefix=self.prefix,
                group_prefix=self.prefix,
                pack=PACK,
                secret=SECRET,
            )
        )

    async def send(self, topic: topics.Topic, key: str, event: CloudEvent, headers: Any = None) -> None:
        found = list(event.headers()) if headers is None else headers
        await self.producer.send_and_wait(topic.name, event.data, key=key.encode(), headers=found)


@pytest.fixture(params=SERVICES)
async def rig(
    request: pytest.FixtureRequest, embedded_stack: Any, mongo_database: str, tmp_path: Path, monkeypatch: Any
) -> AsyncIterator[Rig]:
    monkeypatch.chdir(tmp_path)
    await provisioning.create(embedded_stack.bootstrap, [(t.name, t.partitions, t.config()) for t in topics.ALL])
    producer = AIOKafkaProducer(bootstrap_servers=embedded_stack.bootstrap)
    await producer.start()
    yield Rig(request.param, embedded_stack, mongo_database, producer)
    await producer.stop()


async def state_of(app: Any, key: str) -> list[str]:
    """Everything the service keeps about `key`, as text; times of writing left out."""
    mongo, kept = app.state.ground.mongo, []
    for collection in sorted(await mongo.collection("x").database.list_collection_names()):
        if collection in {"positions", "relayed", "meta", "fence", "outbox", "parked"}:
            continue
        for row in await mongo.collection(collection).find().to_list(None):
            text = json.dumps(row, default=str, ensure_ascii=False, sort_keys=True)
            if key in text:
                kept.append(f"{collection}: {text}")
    return sorted(kept)


async def settled(app: Any) -> bool:
    """Every record of the log is in the ledger, and the outbox is empty."""
    ground = app.state.ground
    consumer = ground.link.consumer
    if consumer is not None:
        for tp in consumer.assignment():
            end = consumer.highwater(tp)
            if end is None:
                return False
            row = await ground.mongo.collection("positions").find_one(
                {"_id": f"{ground.link.cluster}/{tp.topic}/{tp.partition}"}
            )
            if end > 0 and (row is None or row["at"] < end - 1):
                return False
    return bool(await ground.mongo.collection("outbox").count_documents({"published": None}) == 0)


async def test_a_repeat_changes_nothing_and_a_restart_goes_on_where_it_stood(rig: Rig) -> None:
    name = f"{rig.prefix}a"
    app = rig.app()
    async with running(app):
        consumed = list(app.state.ground.link._topics)
        samples = [(topic, found) for topic in consumed if (found := sample(topic, name))]
        for topic, (key, event) in samples:
            await rig.send(topic, key, event)
        await until(lambda: settled(app), "the sample is processed")
        once = await state_of(app, name)
        for topic, (key, event) in samples:
            await rig.send(topic, key, event)
        await until(lambda: settled(app), "the repeat is processed")
        assert await state_of(app, name) == once
        if samples:
            assert once
    again = rig.app()
    async with running(again):
        await until(lambda: settled(again), "the restarted service stands where it stood")
        assert await state_of(again, name) == once


async def test_garbage_is_parked_foreign_types_are_skipped_and_neighbours_processed(rig: Rig) -> None:
    app = rig.app()
    name = f"{rig.prefix}b"
    async with running(app) as client:
        ground = app.state.ground
        consumed = list(ground.link._topics)
        empty = CloudEvent("1", "suite", "cn.huying.report.accepted.v1", b"\x00 garbage")
        for topic in consumed:
            future = sorted(event.TYPE for event in topic.events)[0].removesuffix("v1") + "v9"
            await rig.send(topic, f"{rig.prefix}-1", empty, headers=[("ce_specversion", b"\xff")])
            await rig.send(topic, f"{rig.prefix}-2", CloudEvent("2", "suite", future, b"{}"))
            await rig.send(topic, f"{rig.prefix}-3", CloudEvent("3", "suite", "org.example.other", b"{}"))
            if neighbour := sample(topic, name):
                await rig.send(topic, *neighbour)

        async def parked() -> bool:
            rows = await ground.mongo.collection("parked").find({"state": "parked"}).to_list(None)
            mine = [row for row in rows if (row["key"] or b"").decode().startswith(rig.prefix)]
            return sorted(row["reason"] for row in mine) == sorted(["future_version", "no_cloudevent"] * len(consumed))

        await until(parked, "garbage and future are parked")
        await until(lambda: settled(app), "everything else is processed")
        assert bool(await state_of(app, name)) == any(sample(topic, name) for topic in consumed)
        metrics = (await client.get("/metrics")).text
        for topic in consumed:
            assert f'huying_{rig.name}_skipped_total{{cause="unknown_type",topic="{topic.name}"}}' in metrics
        for reason in {"future_version", "no_cloudevent"} if consumed else ():
            assert f'huying_{rig.name}_parked_total{{reason="{reason}"}}' in metrics
        assert (await client.get("/readyz")).status_code == 200


async def test_it_speaks_of_its_health_and_nothing_else_is_open(rig: Rig) -> None:
    app = rig.app()
    async with running(app) as client:
        assert (await client.get("/healthz")).json()["status"] == "alive"
        metrics = (await client.get("/metrics")).text
        assert f"huying_{rig.name}_transaction_seconds_count" in metrics
        assert {s.ack_policy for s in app.state.ground.link.subscribers} <= {AckPolicy.MANUAL}
        schema = await client.get("/openapi.json")
        if schema.status_code != 200:
            assert schema.status_code in {401, 303}, "people sign in before they see anything"
            return
        for path, operations in schema.json()["paths"].items():
            if path in OPEN_PATHS or path.startswith("/r/") or path == "/v1/reports/{tracking_number}":
                continue
            for method in operations:
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code in {401, 303, 302, 307}, (method, path, answer.status_code)
