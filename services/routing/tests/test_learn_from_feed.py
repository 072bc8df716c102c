"""`huying learn --from feed` against a running routing: a person's merge, split and confirmation become examples."""

import asyncio
import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_feed import ROOT, month
from test_orders_wire import Bus, bus

from huying.chassis.testing import SECRET, running, until
from huying.contracts import commands as c
from huying.contracts import topics
from huying.devkit import logbook
from huying.devkit.evaluate.corrections import corrections
from huying.routing.judgement import load_model
from huying.routing.main import create_app
from huying.routing.settings import Settings

pytestmark = [pytest.mark.wire, pytest.mark.timeout(300)]
__all__ = ["bus"]
HISTORY = ROOT / "tests/data/county/history"
LINES = 150
"""Of a month: enough to learn something from in seconds."""


async def learn(pack: Path, stack: Any, *arguments: str) -> tuple[int, str, str]:
    """The command in a process of its own: exit code, output, messages."""
    huying = Path(sys.executable).with_name("huying")
    process = await asyncio.create_subprocess_exec(
        huying,
        "learn",
        "--pack",
        pack,
        "--kafka",
        stack.bootstrap,
        "--json",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, messages = await process.communicate()
    return process.returncode or 0, out.decode(), messages.decode()


async def test_what_people_correct_is_learned_from_judged_and_rolled_back(bus: Bus, tmp_path: Path) -> None:
    stack, reports, at = bus.stack, month(60), datetime.now(UTC)
    pack = Path(shutil.copytree(ROOT / "deploy/county/julu", tmp_path / "julu"))
    live = pack / "model/judgement.npz"
    shipped = load_model(live).version
    settings = Settings(
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix="learn",
        group_prefix="learn",
        pack=pack,
        secret=SECRET,
    )
    app = create_app(settings)
    async with running(app):
        ground = app.state.ground
        rows, kept = ground.mongo.collection("incidents"), ground.mongo.collection("reports")
        for report in reports:
            await bus.report(report)

        async def all_in() -> bool:
            return bool(await kept.count_documents({}) == len(reports))

        await until(all_in, "all reports decided")
        code, _, messages = await learn(pack, stack, "--from", "feed")
        assert (code, "nothing to learn from" in messages, "60 reports" in messages) == (1, True, True), messages

        found = await rows.find({"state": "dispatched"}).sort("number", 1).to_list(None)
        together = next(row for row in found if len(row["reports"]) > 1)
        one, other, third = [row for row in found if row["_id"] != together["_id"]][:3]
        for name, wish in (
            (one["_id"], c.Merge(into=other["_id"], reason="同一件")),
            (together["_id"], c.Split(reports=(together["reports"][-1],), reason="两件事")),
            (third["_id"], c.Confirm(matter="M21", reason="核定")),
        ):
            done = await bus.wish(ground, name, wish, at)
            assert done["status"] == "done", done

        async def published() -> bool:
            return bool(await ground.mongo.collection("outbox").count_documents({"published": None}) == 0)

        await until(published, "everything published")
        log = await logbook.read(stack.bootstrap, (topics.REPORTS, topics.INCIDENTS))
        examples = {item.facts.report_id: item for item in corrections(log)}
        merged = {examples[name].problem for name in (*one["reports"], *other["reports"])}
        apart = {examples[name].problem for name in (together["reports"][0], together["reports"][-1])}
        assert (len(merged), len(apart)) == (1, 2)
        assert {examples[name].matter for name in third["reports"]} == {"M21"}
        assert examples[one["reports"][0]].matter is None, "nobody has said what it is"
        untouched = {name for row in found if row not in (together, one, other, third) for name in row["reports"]}
        assert untouched.isdisjoint(examples)

        code, _, messages = await learn(pack, stack, "--from", "feed")
        assert (code, "too few" in messages, "--from FILE" in messages) == (1, True, True), messages
        sources = ["--from", "feed"]
        for name in ("2025-10", "2025-11"):
            part = tmp_path / f"{name}.jsonl"
            lines = (HISTORY / part.name).read_text("utf-8").splitlines(keepends=True)[:LINES]
            part.write_text("".join(lines), "utf-8")
            sources += ["--from", str(part)]
        code, out, messages = await learn(pack, stack, *sources, "--anyway")
        assert code == 0, messages
        told = json.loads(out)
        assert (told["files"], told["corrected"], told["reports"]) == (2, len(examples), 2 * LINES + len(examples))
        assert {"merge_precision", "merge_recall"} <= told.keys()
        fresh = load_model(live)
        assert fresh.version != shipped
        assert fresh.description["judged_on"] == ["2025-10.jsonl", "2025-11.jsonl"]
        assert any(period.startswith("feed-") for period in fresh.description["periods"])
        assert (await learn(pack, stack, "--rollback"))[0] == 0
        assert load_model(live).version == shipped


async def test_a_broker_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    class Nowhere:
        bootstrap = "127.0.0.1:9"

    code, _, messages = await learn(ROOT / "deploy/county/julu", Nowhere, "--from", "feed")
    assert (code, "no broker at '127.0.0.1:9'" in messages, "huying up" in messages) == (1, True, True), messages
