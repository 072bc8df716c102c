"""Intake as a service on the real broker and database: HTTP and Kafka doors, the vault, the citizen's page."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from huying.chassis.broker import partitions_of
from huying.chassis.security import sign, write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts import topics
from huying.contracts.envelope import SIGNATURE_HEADER, CloudEvent
from huying.contracts.incidents import Classification, IncidentOpenedV1, IncidentView, ReportRef
from huying.contracts.places import Place
from huying.contracts.reports import ReportSubmittedV1
from huying.devkit.running import create_topics
from huying.devkit.stack import Stack
from huying.intake.main import create_app
from huying.intake.settings import Settings

pytestmark = pytest.mark.wire
ROOT = Path(__file__).resolve().parents[3]
SOURCE = "gov/park-{}"


@dataclass
class Bench:
    """A running intake, its broker and its keys."""

    client: httpx.AsyncClient
    producer: AIOKafkaProducer
    stack: Stack
    source: str
    private: str
    database: Any

    def headers(self, who: str, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer token-of-{who}", **more}

    async def post(self, body: Any, key: str, who: str = "park") -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = self.headers(who, **{"Idempotency-Key": key, "Content-Type": "application/json"})
        return await self.client.post("/v1/reports", content=content, headers=headers)

    async def inbound(self, name: str, data: bytes, signed: bool = True, kind: str = ReportSubmittedV1.TYPE) -> None:
        event = CloudEvent(name, self.source, kind, data)
        headers = list(event.headers())
        if signed:
            signature = sign("park", self.private, name, self.source, event.type, data)
            headers.append((SIGNATURE_HEADER, signature.encode()))
        await self.producer.send_and_wait(topics.INBOUND.name, data, key=b"park", headers=headers)

    async def read(self, topic: topics.Topic, at_least: int) -> list[dict[str, Any]]:
        """Data of this test's events on `topic`, once there are `at_least`."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        found: list[dict[str, Any]] = []
        try:
            parts = await partitions_of(self.stack.bootstrap, [topic.name])
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)

            async def enough() -> bool:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found.extend(data for data in map(json.loads, (r.value for r in records)) if self.ours(data))
                return len(found) >= at_least

            await until(enough, f"{at_least} events on {topic.name}")
            await enough()
            return found
        finally:
            await consumer.stop()

    def ours(self, data: dict[str, Any]) -> bool:
        return data.get("source") == self.source


@pytest.fixture
async def bench(embedded_stack: Stack, mongo_database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    await asyncio.to_thread(create_topics, embedded_stack.bootstrap)
    source, ring = SOURCE.format(mongo_database), tmp_path / "keys.json"
    key = Ed25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    people = (
        ("park", "system"),
        ("ops", "dispatcher"),
        ("u02", "unit"),
        ("head", "leader"),
        ("old", "citizen"),
        ("far", "system"),
        ("far-ops", "dispatcher"),
    )
    for name, role in people:
        entry: dict[str, Any] = {"id": name, "role": role, "sha256": sha256(f"token-of-{name}".encode()).hexdigest()}
        entry |= {"unit": "U02"} if name == "head" else {"jurisdiction": "130530"} if name.startswith("far") else {}
        write_entry(ring, entry | ({"sources": [source], "public_key": public} if name == "park" else {}))
    settings = Settings(
        kafka=embedded_stack.bootstrap,
        mongo=embedded_stack.mongo_url,
        database_prefix=mongo_database,
        group_prefix=mongo_database,
        secret=SECRET,
        keys=ring,
        pack=ROOT / "deploy" / "county" / "julu",
    )
    app = create_app(settings)
    producer = AIOKafkaProducer(bootstrap_servers=embedded_stack.bootstrap, acks="all", enable_idempotence=False)
    await producer.start()
    try:
        async with running(app) as client:
            private = base64.b64encode(key.private_bytes_raw()).decode()
            yield Bench(client, producer, embedded_stack, source, private, app.state.ground.mongo)
    finally:
        await producer.stop()


REPORT = {
    "jurisdiction": "130529",
    "channel": "citizen_app",
    "text": "北街北头垃圾点满溢，电话13803191234",
    "village_code": "130529100003",
    "reporter": {"name": "张三丰", "phone": "13803191234"},
}


async def test_http_is_idempotent_refuses_clearly_and_publishes_once(bench: Bench) -> None:
    first, second = await asyncio.gather(bench.post(REPORT, "k1"), bench.post(REPORT, "k1"))
    again = await bench.post(dict(reversed(REPORT.items())), "k1")
    assert (first.status_code, second.status_code, again.status_code) == (202, 202, 202)
    assert first.json() == second.json() == again.json()
    other = await bench.post({**REPORT, "text": "别的"}, "k1")
    assert (other.status_code, other.headers["content-type"]) == (409, "application/problem+json")
    for body, field in (
        ({**REPORT, "village_code": "130529999999"}, "village_code"),
        ({**REPORT, "channel": "no"}, "channel"),
        ({**REPORT, "jurisdiction": "110101"}, "jurisdiction"),
        ({**REPORT, "received_at": "2199-01-01T00:00:00Z"}, "received_at"),
        ({**REPORT, "received_at": "2026-03-02T08:00:00"}, "received_at"),
        (b'{"text":"a","text":"b"}', "jurisdiction"),
        (b'{"jurisdiction":"130529","channel":"partner","text":"a","point":{"lon":NaN,"lat":1}}', "point.lon"),
    ):
        refused = await bench.post(body, "k2")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    events = await bench.read(topics.REPORTS, 1)
    assert {event["report_id"] for event in events} == {first.json()["report_id"]}, "a repeat is the same report"
    assert "13803191234" not in json.dumps(events, ensure_ascii=False)
    assert "张三丰" not in json.dumps(events, ensure_ascii=False)
    # The bus is shared with other tests, whose reports the tracking page knows too.
    assert await bench.database.collection("reports").count_documents({"body_hash": {"$exists": True}}) == 1
    metrics = (await bench.client.get("/metrics")).text
    assert 'huying_intake_accepted_total{channel="citizen_app",door="http"} 1.0' in metrics


async def test_who_may_what(bench: Bench) -> None:
    no_key = await bench.client.post("/v1/reports", json=REPORT, headers={"Idempotency-Key": "k"})
    wrong = await bench.post(REPORT, "k", who="old")
    unnamed = await bench.client.post("/v1/reports", json=REPORT, headers=bench.headers("park"))
    assert (no_key.status_code, wrong.status_code, unnamed.status_code) == (401, 403, 422)
    assert "Idempotency-Key" in unnamed.json()["detail"]
    far = await bench.post(REPORT, "k", who="far")
    assert (far.status_code, far.json()["reason"]) == (403, "wrong_jurisdiction")
    kept = await bench.client.post("/v1/vault/identities", json={"name": "张三"}, headers=bench.headers("far"))
    assert (kept.status_code, await bench.database.collection("vault").count_documents({})) == (403, 0)
    for who, expected in (("park", 403), ("u02", 403), ("head", 403), ("far-ops", 403), ("ops", 422)):
        assert (await bench.client.get("/v1/vault/ps-1", headers=bench.headers(who))).status_code == expected
    assert (await bench.client.post("/v1/vault/identities", json={}, headers=bench.headers("ops"))).status_code == 403


async def test_fifty_megabytes_and_garbage_are_refused_and_the_service_lives(bench: Bench) -> None:
    assert (await bench.post(b"x" * 50_000_000, "big")).status_code == 413
    vault, to_vault = "/v1/vault/identities", bench.headers("park")
    for body in (b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"text":"\\ud800"}', b"null", "张三".encode("gbk")):
        for refused in (await bench.post(body, "bad"), await bench.client.post(vault, content=body, headers=to_vault)):
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body")
            assert "UTF-8" in refused.json()["detail"]
    double = await bench.client.post(vault, content=b'{"name": "a", "name": "b"}', headers=to_vault)
    assert (double.status_code, double.json()["errors"][0]["field"]) == (422, "name")
    hostile = {**REPORT, "text": "a\u0000b\u202ec\u0007", "address": "\u0000", "town": "\u2066"}
    assert (await bench.post(hostile, "hostile")).status_code == 202
    assert (await bench.client.get("/readyz")).status_code == 200


async def test_kafka_door_accepts_signed_records_and_tells_publishers_of_refusals(bench: Bench) -> None:
    plain = {**REPORT, "channel": "partner", "reporter": {"reference": "park-4711"}}
    good = json.dumps(plain).encode()
    await bench.inbound("e1", good)
    await bench.inbound("e2", good, signed=False)
    await bench.inbound("e3", b'{"jurisdiction":"130529"}')
    await bench.inbound("e1", json.dumps({**plain, "text": "别的"}).encode())
    await bench.inbound("e1", good)
    await bench.inbound("e5", json.dumps(REPORT).encode())
    await bench.inbound("e6", good, kind="cn.huying.report.submited.v1")
    await bench.inbound("e4", good)
    refused = await bench.read(topics.INBOUND_REJECTED, 5)
    accepted = await bench.read(topics.REPORTS, 2)
    assert [event["origin_id"] for event in accepted] == ["e1", "e4"]
    assert [(event["origin_id"], event["reason"].partition(":")[0]) for event in refused] == [
        ("e2", "unsigned"),
        ("e3", "invalid_data"),
        ("e1", "identity_reused"),
        ("e5", "personal_data"),
        ("e6", "invalid_data"),
    ]
    assert refused[-1]["field"] == "type"
    assert all(event["offset"] >= 0 and event["topic"] == topics.INBOUND.name for event in refused)
    parked = {"topic": topics.INBOUND.name, "key": b"park"}
    assert await bench.database.collection("parked").count_documents(parked) == 0


async def test_each_look_into_the_vault_needs_a_purpose_and_is_recorded(bench: Bench) -> None:
    told = {"name": "李四", "phone": "13900001111"}
    kept = await bench.client.post("/v1/vault/identities", json=told, headers=bench.headers("park"))
    again = await bench.client.post(
        "/v1/vault/identities", json={"phone": "139-0000-1111"}, headers=bench.headers("park")
    )
    ref = kept.json()["ref"]
    assert (kept.json()["masked"], again.json()["ref"]) == ("李** 139****1111", ref)
    purpose = {b"authorization": b"Bearer token-of-ops", b"purpose": "回访核实".encode()}
    look = await bench.client.get(f"/v1/vault/{ref}", headers=list(purpose.items()))
    assert told in look.json()["told"]
    rows = await bench.database.collection("unmaskings").find({}).to_list(None)
    assert [(row["ref"], row["who"], row["role"], row["purpose"]) for row in rows] == [
        (ref, "ops", "dispatcher", "回访核实")
    ]


async def test_a_citizen_follows_by_number_and_a_stranger_learns_nothing(bench: Bench) -> None:
    number = (await bench.post(REPORT, "k9")).json()["tracking_number"]
    assert (await bench.client.get(f"/v1/reports/{number}")).json()["steps"][0]["state"] == "done"
    view = IncidentView.model_validate(
        {
            "incident_id": f"in-{bench.source}",
            "number": "JL-0001",
            "jurisdiction": "130529",
            "state": "dispatched",
            "classification": Classification(
                matter="M09", matter_name="环境卫生", clock_class="other", confidence=1
            ).model_dump(),
            "place": Place().model_dump(),
            "title": "x",
            "opened_at": "2026-03-02T00:00:00Z",
            "report_count": 1,
            "channels": ("hotline_12345",),
            "dispatch": {
                "dispatch_id": "dp",
                "unit": "U02",
                "unit_name": "城管局",
                "catalogue": "1",
                "dispatched_at": "2026-03-02T00:00:00Z",
            },
        }
    )
    foreign = "ZZZZ" + number[4:]
    opened = IncidentOpenedV1(
        incident_id=view.incident_id,
        incident_version=1,
        jurisdiction="130529",
        at=view.opened_at,
        pack_hash="h",
        incident=view,
        report=ReportRef(
            report_id=f"rp-{bench.source}",
            tracking_number=foreign,
            channel="hotline_12345",
            text="垃圾",
            source="hotline",
            accepted_at=view.opened_at,
            received_at=view.opened_at,
        ),
    )
    event = CloudEvent(view.incident_id, "huying/routing", opened.TYPE, opened.encode())
    await bench.producer.send_and_wait(
        topics.INCIDENTS.name, event.data, key=view.incident_id.encode(), headers=list(event.headers())
    )

    async def followed() -> bool:
        return (await bench.client.get(f"/v1/reports/{foreign}")).status_code == 200

    await until(followed, "a report of another door")
    html = await bench.client.get(f"/v1/reports/{foreign.lower()}", headers={"Accept": "text/html"})
    assert "城管局" in html.text
    assert html.headers["content-security-policy"].startswith("default-src 'none'")
    typed = await bench.client.get("/", params={"number": f"{foreign[:4]}-{foreign[4:].lower()}"})
    assert (typed.status_code, typed.headers["location"]) == (303, f"/v1/reports/{foreign}")
    browser = {"Accept": "text/html"}
    asks = [
        (200, await bench.client.get("/", headers=browser)),
        (404, await bench.client.get("/", params={"number": "<b>"}, headers=browser)),
        (404, await bench.client.get("/v1/reports/000000000000", headers=browser)),
    ]
    for status, asked in asks:
        assert asked.status_code == status
        assert 'for="number"' in asked.text, "a labelled field"
        assert "form-action 'self'" in asked.headers["content-security-policy"]
        assert "<b>" not in asked.text
        assert ("没有找到这个编号" in asked.text) == (status == 404)
    answers = [await bench.client.get(f"/v1/reports/{wrong}") for wrong in ("000000000000", "x", "%00", "%ED%A0%80")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


async def test_a_cloudevent_over_http_has_its_own_identity_in_both_modes(bench: Bench) -> None:
    data = json.dumps(REPORT).encode()
    binary = {"ce-specversion": "1.0", "ce-id": "c1", "ce-source": bench.source, "ce-type": ReportSubmittedV1.TYPE}
    event = CloudEvent("c1", bench.source, ReportSubmittedV1.TYPE, data)
    headers, whole = event.structured()
    structured = {name: value.decode() for name, value in headers}

    async def send(content: bytes, more: dict[str, str]) -> httpx.Response:
        more = {"content-type": "application/json", **more}
        return await bench.client.post("/v1/reports", content=content, headers=bench.headers("park", **more))

    first, second = await send(data, binary), await send(whole, structured)
    plain = await bench.post(REPORT, "c1")
    assert (first.status_code, second.status_code, plain.status_code) == (202, 202, 202)
    assert first.json() == second.json() == plain.json()
    reused = await send(json.dumps({**REPORT, "text": "别的"}).encode(), binary)
    assert (reused.status_code, reused.json()["detail"].partition(":")[0]) == (409, "id")
    for change, field in (
        ({"ce-id": "c" * 201}, "id"),
        ({"ce-source": "gov/other"}, "source"),
        ({"ce-type": "cn.other"}, "type"),
        ({"ce-specversion": "9"}, "specversion"),
        ({"ce-id": ""}, "id"),
        ({"Idempotency-Key": "c2"}, "Idempotency-Key"),
    ):
        refused = await send(data, binary | change)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
