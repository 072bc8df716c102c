"""Makes the console's stories importable for the tests of this folder; a console in a real browser."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from argon2 import PasswordHasher

sys.path.insert(0, str(Path(__file__).parent))

from console_browser import CHROMIUM, PACK, Console, publish
from console_stories import morning

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET, until
from huying.console.main import create_app
from huying.console.settings import Settings
from huying.contracts.topics import CLOCKS, COMMANDS, INCIDENTS
from huying.devkit.stack import Stack
from huying.devkit.stack import topics as provisioning
from huying.devkit.stack.ports import free_ports


@pytest.fixture
async def console(fresh_stack: Callable[..., Stack], unique_name: str, tmp_path: Path) -> AsyncIterator[Console]:
    """A console with a log of its own: what other tests tell would stand in its feed, too."""
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: make system")
    from playwright.async_api import async_playwright

    stack = fresh_stack()
    wanted = [(t.name, t.partitions, t.config()) for t in (INCIDENTS, CLOCKS, COMMANDS)]
    await provisioning.create(stack.bootstrap, wanted)
    hasher = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    for name, role, unit in (("zhang", "dispatcher", None), ("li", "unit", "U04")):
        entry = {"id": name, "role": role, "unit": unit, "argon2": hasher.hash("一个长口令")}
        write_entry(tmp_path / "keys.json", entry)
    [port] = free_ports(1)
    settings = Settings(
        port=port,
        kafka=stack.bootstrap,
        mongo=stack.mongo_url,
        database_prefix=unique_name,
        group_prefix=unique_name,
        keys=tmp_path / "keys.json",
        pack=PACK,
        secret=SECRET,
    )
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=2)
    )
    serving = asyncio.create_task(server.serve())
    stories = morning(unique_name, datetime.now(UTC))
    try:
        await until(lambda: app.state.ground.ready, "the console consumes")
        await publish(stack, [event for story in stories for event in story.events])
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=str(CHROMIUM),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = await browser.new_page(viewport={"width": 1366, "height": 768}, locale="zh-CN")
            found = Console(f"http://127.0.0.1:{port}", app, stack, page, unique_name, stories)
            page.on("request", lambda request: found.asked.append(request.url))
            page.on("pageerror", lambda error: found.errors.append(str(error)))
            yield found
            await browser.close()
    finally:
        server.should_exit = True
        await serving
