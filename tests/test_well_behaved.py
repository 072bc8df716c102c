"""What every service promises, asked of all seven on the real broker and database.

Redelivery changes nothing, garbage is parked and its neighbours are processed, foreign types are skipped, a restart goes
on where it stood, health and metrics speak, and nothing is open that must not be.
"""

import asyncio
import base64
import importlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faststream import AckPolicy

from huying.chassis import ticks
from huying.chassis.security import sign, write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts import topics
from huying.contracts.clocks import ClockBreachedV1, ClockStartedV1
from huying.contracts.commands import Accept, Actor, CommandIssuedV1
from huying.contracts.envelope import SIGNATURE_HEADER, CloudEvent
from huying.contracts.identity import event_id
from huying.contracts.incidents import (
    Classification,
    Dispatch,
    IncidentCompletedV1,
    IncidentOpenedV1,
    IncidentView,
    ReportRef,
)
from huying.contracts.message import Event
from huying.contracts.places import Place
from huying.contracts.ratings import IncidentRatedV1, RatingInvitedV1
from huying.contracts.reports import ReportAcceptedV1, ReporterRef, ReportSubmittedV1
from huying.devkit.stack import topics as provisioning

ROOT = Path(__file__).parents[1]
PACK = ROOT / "deploy/county/julu"
SERVICES = ["intake", "hotline_bridge", "routing", "sla_timer", "notification", "evaluation", "console"]
NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)
OPEN_PATHS = {"/healthz", "/readyz", "/metrics"}
TELLS = {"intake", "routing", "sla_timer", "notification", "evaluation"}
"""Who publishes by what it consumes: the console does by what a person commands, the bridge by what an origin sends."""
STRIKES = 4
"""As often a service asks what fell due before it counts as at rest."""
READER = "a-key-of-the-suite"
RING = Path("keys.json")
_KEY = Ed25519PrivateKey.generate()
PRIVATE = base64.b64encode(_KEY.private_bytes_raw()).decode()
PUBLIC = base64.b64encode(_KEY.public_key().public_bytes_raw()).decode()

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
        reporter=ReporterRef(ref="ps-1"),
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


def completed(opened: IncidentOpenedV1) -> IncidentCompletedV1:
    """The result of `opened`."""
    who = Dispatch(dispatch_id="dp-1", unit="U02", unit_name="县住建局", catalogue="suite", dispatched_at=NOW)
    view = opened.incident.model_copy(update={"state": "completed", "dispatch": who, "completed_at": NOW})
    common = opened.model_dump(include={"incident_id", "jurisdiction", "at", "pack_hash"})
    return IncidentCompletedV1(incident_version=2, incident=view, dispatch=who, text="已修好", **common)


def samples(topic: topics.Topic, name: str) -> list[tuple[str, CloudEvent, list[tuple[str, bytes]]]]:
    """Key, event and headers of what this topic's readers can use."""
    about = {"incident_id": f"in-{name}", "jurisdiction": "130529", "at": NOW}
    events: list[tuple[str, str, Event]] = []
    headers: list[tuple[str, bytes]] = []
    if topic.name == topics.REPORTS.name:
        events = [("130529", f"rp-{name}", report(name))]
    elif topic.name == topics.INCIDENTS.name:
        opened = incident(name)
        events = [
            (f"in-{name}", event_id(f"in-{name}", 1), opened),
            (f"in-{name}", event_id(f"in-{name}", 2), completed(opened)),
        ]
    elif topic.name == topics.COMMANDS.name:
        who = {"actor": Actor(id="zhang", role="dispatcher"), "issued_at": NOW, "jurisdiction": "130529"}
        wish = CommandIssuedV1(command_id=f"cm-{name}", incident_id=f"in-{name}", action=Accept(), **who)
        events = [("130529", f"cm-{name}", wish)]
    elif topic.name == topics.CLOCKS.name:
        times = {"due_at": NOW + timedelta(hours=2), "started_at": NOW}
        kind = {"clock_id": f"in-{name}/response", "kind": "response", "clock_class": "public_service", "unit": "U02"}
        started = ClockStartedV1(policy="suite", **about, **times, **kind)
        breached = ClockBreachedV1(policy="suite", roles=("leader",), **about, **times, **kind)
        events = [
            (f"in-{name}", f"in-{name}/response/started", started),
            (f"in-{name}", f"in-{name}/response/breached", breached),
        ]
    elif topic.name == topics.RATINGS.name:
        rating = {"rating_id": f"ra-{name}", "report_id": f"rp-{name}", "unit": "U02"}
        invited = RatingInvitedV1(reporter="ps-1", path="/r/x", **about, **rating)
        events = [
            (f"in-{name}", f"ra-{name}/invited", invited),
            (f"in-{name}", f"ra-{name}/given", IncidentRatedV1(grade="satisfied", **about, **rating)),
        ]
    elif topic.name == topics.INBOUND.name:
        sent = ReportSubmittedV1(jurisdiction="130529", channel="citizen_app", text="南街路灯不亮", origin_number=name)
        events = [("suite", f"ib-{name}", sent)]
        signature = sign("suite", PRIVATE, f"ib-{name}", "suite", sent.TYPE, sent.encode())
        headers = [(SIGNATURE_HEADER, signature.encode())]
    return [(key, CloudEvent(one, "suite", body.TYPE, body.encode(), NOW), headers) for key, one, body in events]


class Rig:
    """One service on its own database, and a producer."""

    def __init__(self, service: str, stack: Any, prefix: str, producer: AIOKafkaProducer) -> None:
        self.name, self.stack, self.prefix, self.producer = service, stack, prefix, producer
        self.sent: dict[tuple[str, int], int] = {}
        """How far the log reaches with what this test sent, by topic and partition."""

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
                keys=RING,
            )
        )

    async def send(
        self, topic: topics.Topic, key: str, event: CloudEvent, headers: Any = (), *, bare: bool = False
    ) -> None:
        found = [*([] if bare else event.headers()), *headers]
        where = await self.producer.send_and_wait(topic.name, event.data, key=key.encode(), headers=found)
        self.sent[where.topic, where.partition] = where.offset

    async def send_samples(self, app: Any, name: str) -> None:
        """Everything that the service can use; each of its topics has something."""
        for topic in app.state.ground.link._topics:
            found = samples(topic, name)
            assert found, f"no sample for {topic.name}"
            for each in found:
                await self.send(topic, *each)

    async def settled(self, app: Any) -> bool:
        """All that was sent is in the ledger, and the outbox is empty."""
        ground = app.state.ground
        for (topic, partition), offset in self.sent.items():
            where = {"_id": f"{ground.link.cluster}/{topic}/{partition}", "at": {"$gte": offset}}
            if await ground.mongo.collection("positions").find_one(where) is None:
                return False
        return bool(await ground.mongo.collection("outbox").count_documents({"published": None}) == 0)

    async def at_rest(self, app: Any, name: str) -> tuple[list[str], Counter[str]]:
        """What it keeps about `name` and how often it published what, once it does nothing more by itself."""
        last: Any = None

        async def same_again() -> bool:
            nonlocal last
            before, last = last, None
            if await self.settled(app):
                last = (await state_of(app, name), await published(app, name))
            await asyncio.sleep(STRIKES * ticks.LIVE_S)
            return last is not None and before == last

        await until(same_again, "it is at rest")
        return cast("tuple[list[str], Counter[str]]", last)


@pytest.fixture(params=SERVICES)
async def rig(
    request: pytest.FixtureRequest, embedded_stack: Any, mongo_database: str, tmp_path: Path, monkeypatch: Any
) -> AsyncIterator[Rig]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ticks, "LIVE_S", 0.1)
    write_entry(RING, {"id": "suite", "role": "system", "sources": ["suite"], "public_key": PUBLIC})
    write_entry(RING, {"id": "reader", "role": "system", "sha256": sha256(READER.encode()).hexdigest()})
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


async def published(app: Any, key: str) -> Counter[str]:
    """How often each event about `key` went into the outbox; the log is shared, so others' reports come by as well."""
    rows = await app.state.ground.mongo.collection("outbox").find({}, {"event": 1, "value": 1}).to_list(None)
    return Counter(row["event"] for row in rows if key.encode() in row["value"])


async def test_a_repeat_changes_nothing_and_a_restart_goes_on_where_it_stood(rig: Rig) -> None:
    name = f"{rig.prefix}a"
    app = rig.app()
    async with running(app):
        await rig.send_samples(app, name)
        once = await rig.at_rest(app, name)
        kept, events = once
        assert kept
        assert set(events.values()) <= {1}, "nothing is told twice"
        assert bool(events) == (rig.name in TELLS), "who reacts, says so"
        await rig.send_samples(app, name)
        assert await rig.at_rest(app, name) == once, "the repeat"
    again = rig.app()
    async with running(again):
        assert await rig.at_rest(again, name) == once, "the restart"


async def test_garbage_is_parked_foreign_types_are_skipped_and_neighbours_processed(rig: Rig) -> None:
    app = rig.app()
    name = f"{rig.prefix}b"
    async with running(app) as client:
        ground = app.state.ground
        consumed = list(ground.link._topics)
        empty = CloudEvent("1", "suite", "cn.huying.report.accepted.v1", b"\x00 garbage")
        for topic in consumed:
            future = sorted(event.TYPE for event in topic.events)[-1].removesuffix("v1") + "v9"
            await rig.send(topic, f"{rig.prefix}-1", empty, [("ce_specversion", b"\xff")], bare=True)
            await rig.send(topic, f"{rig.prefix}-2", CloudEvent("2", "suite", future, b"{}"))
            await rig.send(topic, f"{rig.prefix}-3", CloudEvent("3", "suite", "org.example.other", b"{}"))
        await rig.send_samples(app, name)

        async def parked() -> bool:
            rows = await ground.mongo.collection("parked").find({"state": "parked"}).to_list(None)
            mine = [row for row in rows if (row["key"] or b"").decode().startswith(rig.prefix)]
            return sorted(row["reason"] for row in mine) == sorted(["future_version", "no_cloudevent"] * len(consumed))

        await until(parked, "garbage and future are parked")
        await until(lambda: rig.settled(app), "everything else is processed")
        assert await state_of(app, name)
        metrics = (await client.get("/metrics")).text
        for topic in consumed:
            passed = f'huying_{rig.name}_skipped_total{{cause="unknown_type",topic="{topic.name}"}}' in metrics
            assert passed != (topic.name == topics.INBOUND.name), "of publishers nothing is passed over"
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
        schema = await client.get("/openapi.json", headers={"Authorization": f"Bearer {READER}"})
        assert schema.status_code == 200
        free = OPEN_PATHS | ({"/login"} if rig.name == "console" else set())
        paths = schema.json()["paths"] | {path: {"get": {}} for path in pages(app)}
        assert paths.keys() - free, "there is something to ask for"
        for path, operations in paths.items():
            if path in free or path.startswith("/r/") or path == "/v1/reports/{tracking_number}":
                continue
            for method in operations:
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                assert answer.status_code in {401, 303, 302, 307}, (method, path, answer.status_code)


def pages(app: Any) -> list[str]:
    """What is served beside the schema: pages, assets and whatever a library mounts."""
    paths = (getattr(route, "path", "") for route in app.routes)
    return [path for path in paths if path and path not in OPEN_PATHS]
