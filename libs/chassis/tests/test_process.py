"""A service as a process of its own: what it says when asked, and how it ends."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from huying.chassis.mongo import Mongo
from huying.chassis.testing import SECRET
from huying.devkit.stack import ServiceProcess, Stack
from huying.devkit.stack.ports import free_ports


def process(folder: Path, **settings: str) -> ServiceProcess:
    """The tally service as a process."""
    chosen = {"service": "tally", "port": "8999", "secret": SECRET, **settings}
    program = (
        "import tally; from huying.chassis.service import serve; from huying.chassis.settings import ServiceSettings; "
        f"serve(lambda: tally.create_app(ServiceSettings(**{chosen!r}), 'nothing'))"
    )
    return ServiceProcess("tally", [sys.executable, "-c", program], log_path=folder / "log", cwd=Path(__file__).parent)


def test_a_process_says_on_demand_where_it_stands_and_goes_on(tmp_path: Path) -> None:
    """Also while it waits for a database that is not there, as here."""
    [port] = free_ports(1)
    health = f"http://127.0.0.1:{port}/healthz"
    tally = process(tmp_path, port=str(port), mongo="mongodb://127.0.0.1:1/")
    tally.start()
    try:
        tally.wait_until_ready(health)
        os.kill(tally.pid, signal.SIGUSR1)
        tally.wait_until(lambda: "_wait_for_database" in tally.log_tail(200), 30, "the task's stack")
        assert "most recent call first" in tally.log_tail(200)
        tally.wait_until_ready(health)
        assert tally.stop() == -signal.SIGTERM, "it ends as it was told to"
    finally:
        tally.kill()


async def test_a_process_that_a_fault_stops_says_why_and_ends_with_an_error(
    embedded_stack: Stack, mongo_database: str, tmp_path: Path
) -> None:
    mongo = Mongo(embedded_stack.mongo_url, f"{mongo_database}_tally")
    await mongo.collection("meta").insert_one({"_id": "clock", "mode": "replay", "number": 0})
    mongo.close()
    [port] = free_ports(1)
    where = {"port": str(port), "mongo": embedded_stack.mongo_url, "kafka": embedded_stack.bootstrap}
    tally = process(tmp_path, database_prefix=mongo_database, **where)
    tally.start()
    try:
        assert await asyncio.to_thread(tally.wait, 30) == 1
        assert "belongs to a replay system" in tally.log_tail()
    finally:
        tally.kill()
