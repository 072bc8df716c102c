"""A learned model judges in the running service, the one before comes back, and a file that is none changes nothing."""

import shutil
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus
from typer.testing import CliRunner

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET, running, until
from huying.contracts.reports import ReportAcceptedV1
from huying.devkit.cli import app as huying
from huying.routing.judgement import JudgementModel, load_model, save_model
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = pytest.mark.wire
__all__ = ["bus"]
PACK = ROOT / "deploy/county/julu"
SHIPPED = load_model(PACK / "model/judgement.npz")


def never_joins(model: JudgementModel) -> JudgementModel:
    """A model that finds no two reports alike."""
    return replace(model, final=replace(model.final, limit=model.final.limit - 50))


def put(content: bytes, live: Path) -> None:
    """As `huying learn` puts a model: whole."""
    fresh = live.with_suffix(".fresh.npz")
    fresh.parent.mkdir(exist_ok=True)
    fresh.write_bytes(content)
    fresh.replace(live)


def once_more(first: ReportAcceptedV1, number: int) -> ReportAcceptedV1:
    """The same person, place and words, some minutes later."""
    name, at = f"more-{number}", first.received_at + timedelta(minutes=number)
    return first.model_copy(
        update={"report_id": name, "tracking_number": name, "origin_id": name, "received_at": at, "accepted_at": at}
    )


async def test_a_learned_model_judges_from_the_next_batch_and_garbage_leaves_the_one_before(
    bus: Bus, tmp_path: Path
) -> None:
    live, keys = tmp_path / "model/judgement.npz", tmp_path / "keys.json"
    write_entry(keys, {"id": "li", "role": "dispatcher", "sha256": sha256(b"token").hexdigest()})
    app = create_app(
        Settings(
            kafka=bus.stack.bootstrap,
            mongo=bus.stack.mongo_url,
            database_prefix="models",
            group_prefix="models",
            pack=PACK,
            model=live,
            keys=keys,
            secret=SECRET,
        )
    )
    first = month(1)[0]
    learned = tmp_path / "learned.npz"
    fresh = save_model(never_joins(SHIPPED), learned)
    assert fresh != SHIPPED.version
    async with running(app) as client:
        ground = app.state.ground
        reports = ground.mongo.collection("reports")

        async def incident_of(report: ReportAcceptedV1) -> str:
            await bus.report(report)

            async def decided() -> Any:
                return await reports.find_one({"_id": report.report_id})

            return str((await until(decided, "decided"))["incident_id"])

        async def judges(version: str, *, refused: bool = False) -> None:
            async def told() -> bool:
                metrics = (await client.get("/metrics")).text
                return (
                    f'huying_routing_model_info{{version="{version}"}} 1.0' in metrics
                    and f"huying_routing_model_refused {float(refused)}" in metrics
                    and metrics.count("huying_routing_model_info{") == 1
                )

            await until(told, f"{version} judges, refused {refused}")
            answer = await _model(client)
            assert (answer["version"], answer["refused"] is not None) == (version, refused)

        await judges(SHIPPED.version)
        home = await incident_of(first)
        assert await incident_of(once_more(first, 1)) == home

        before = ground.handler.memory
        live.parent.mkdir()
        shutil.copyfile(PACK / "model/judgement.npz", live.with_name("judgement.previous.npz"))
        put(learned.read_bytes(), live)
        await judges(fresh)
        assert ground.handler.memory is not before
        assert set(ground.handler.memory.correlator.index.slot_of) == {home}
        apart = await incident_of(once_more(first, 2))
        assert apart != home

        whole = live.read_bytes()
        for broken in (b"garbage", whole[: len(whole) // 2], _stranger(tmp_path)):
            put(broken, live)
            await judges(fresh, refused=True)
            put(whole, live)
            await judges(fresh)
        put(b"garbage", live)
        await judges(fresh, refused=True)
        assert await incident_of(once_more(first, 3)) not in {home, apart}
        put(whole, live)

        result = CliRunner().invoke(huying, ["learn", "--rollback", "--pack", str(PACK), "--model", str(live)])
        assert result.exit_code == 0, result.output
        assert "huying_routing_model_info" in result.output
        await judges(SHIPPED.version)
        assert await incident_of(once_more(first, 4)) in set(ground.handler.memory.correlator.index.slot_of)
        rows = await ground.mongo.collection("incidents").find().to_list(None)
        assert len(rows) == 3, "the last report joined one of the three"
        assert sum(len(row["reports"]) for row in rows) == 5


async def _model(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/v1/model", headers={"Authorization": "Bearer token"})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _stranger(tmp_path: Path) -> bytes:
    """A sound model of a county with other headings."""
    path = tmp_path / "stranger.npz"
    codes = ("M99", *SHIPPED.text.matter_codes[1:])
    save_model(replace(SHIPPED, text=replace(SHIPPED.text, matter_codes=codes)), path)
    return path.read_bytes()


async def test_a_learned_model_that_cannot_be_used_does_not_keep_routing_from_its_service(
    bus: Bus, tmp_path: Path
) -> None:
    live = tmp_path / "judgement.npz"
    live.write_bytes(b"of an older format, perhaps")
    app = create_app(
        Settings(
            kafka=bus.stack.bootstrap,
            mongo=bus.stack.mongo_url,
            database_prefix="models2",
            group_prefix="models2",
            pack=PACK,
            model=live,
            secret=SECRET,
        )
    )
    async with running(app) as client:
        metrics = (await client.get("/metrics")).text
        assert f'huying_routing_model_info{{version="{SHIPPED.version}"}} 1.0' in metrics
        assert "huying_routing_model_refused 1.0" in metrics
