"""The guide for publishers and readers runs as it stands: every block, in order, in one shell, on the real services."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from huying.contracts.incidents import IncidentEvent
from huying.contracts.reports import ReportAcceptedV1, ReportSubmittedV1
from huying.contracts.topics import INCIDENTS, REPORTS, SOURCES
from huying.devkit import logbook
from huying.devkit.running import System
from huying.devkit.stack import Stack
from huying.intake.domain.acceptance import RefusalReason

GUIDE = Path(__file__).parents[1] / "docs/publishing.md"
EDITIONS = (GUIDE, GUIDE.with_name("publishing.zh-CN.md"))
SERVICES = ("intake", "hotline-bridge", "routing")
BLOCK = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIES = {"tracking_number", "status_url", "ref", "token", "private_key"}
"""What no two installations have in common."""
PERSONS = ("张三丰", "13803191234", "张国强", "13831912345", "138 3191 2345")
PATIENCE_S = 30.0
ENDED = "@@@ ended"


class Shell:
    """A shell that lives as long as the reader's would."""

    def __init__(self, folder: Path, keys: Path) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._process = subprocess.Popen(
            ["bash", "-euo", "pipefail"],
            cwd=folder,
            env={**os.environ, "PATH": path, "HUYING_KEYS": str(keys), "no_proxy": "127.0.0.1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, commands: str) -> str:
        """What the commands print; all of them must succeed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{commands}\necho\necho {ENDED!r}\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.strip() == ENDED:
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"a command failed:\n{commands}\n{''.join(lines)}")

    def close(self) -> None:
        """End it, whatever it was doing."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture(
    params=[pytest.param("embedded", marks=pytest.mark.wire), pytest.param("kafka", marks=pytest.mark.kafka)]
)
def system(fresh_stack: Callable[..., Stack], request: pytest.FixtureRequest) -> Iterator[System]:
    stack = fresh_stack(broker=request.param, mqtt="amqtt")
    mqtt = {"HUYING_MQTT_URL": stack.mqtt_url}
    with System(stack, "guide", clock="live", services=SERVICES, broker=request.param, env=mqtt) as running:
        yield running


@pytest.fixture
def shell(system: System, tmp_path: Path) -> Iterator[Shell]:
    opened = Shell(tmp_path, system.installation.keys)
    yield opened
    opened.close()


@pytest.mark.system
@pytest.mark.timeout(300)
def test_every_example_of_the_guide_does_what_the_guide_says(system: System, shell: Shell, tmp_path: Path) -> None:
    here = {
        "http://127.0.0.1:8001": system.url("intake"),
        "http://127.0.0.1:8002": system.url("hotline-bridge"),
        "127.0.0.1:9092": system.stack.bootstrap,
        "mqtt://user:password@127.0.0.1:1883": system.stack.mqtt_url,
    }
    blocks = BLOCK.findall(GUIDE.read_text("utf-8"))
    for (kind, text), (next_kind, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "python":
            (tmp_path / text.removeprefix("# ").partition(":")[0]).write_text(text, "utf-8")
        if kind != "bash":
            continue
        commands = text
        for written, real in here.items():
            commands = commands.replace(written, real)
        told = agreeing(shell, commands, shown if next_kind in {"json", "text"} else "")
        if "keys create" in text:
            made = json.loads(told)
            here |= {"hy_park_...": made["token"], "PRIVATE=...": f"PRIVATE={made['private_key']}"}
        if "feed.py" in text:
            assert max(Counter(told.split("\n")[:-2]).values()) == 1, "no step has its effect twice"
    asyncio.run(_log_bears_it_out(system, tmp_path / "feed.db"))


def agreeing(shell: Shell, commands: str, shown: str) -> str:
    """What the commands print, once it agrees with what the guide shows: an incident comes a moment after its report."""
    until = time.monotonic() + PATIENCE_S
    while True:
        told = shell.run(commands)
        if agrees(shown, told):
            return told
        assert "curl" in commands, f"{commands}\nshould print\n{shown}\nand prints\n{told}"
        assert time.monotonic() < until, f"{commands}\nshould print\n{shown}\nand prints\n{told}"
        time.sleep(0.2)


def agrees(shown: str, told: str) -> bool:
    """Whether everything that is shown was told; numbers that vary are not compared."""
    if shown.startswith("{"):
        return _within(json.loads(shown), json.loads(told))
    return {_plain(line) for line in shown.splitlines()} <= {_plain(line) for line in told.splitlines()}


def _plain(line: str) -> str:
    return re.sub(r"\b\d{6}-\d{5}\b", "NUMBER", line)


def _within(shown: Any, told: Any) -> bool:
    if isinstance(shown, Mapping):
        return all(name in told and (name in VARIES or _within(value, told[name])) for name, value in shown.items())
    if isinstance(shown, list):
        return all(any(_within(one, other) for other in told) for one in shown)
    return bool(shown == told)


async def _log_bears_it_out(system: System, books: Path) -> None:
    """Every report that the guide sends is on the bus once, no person is, and the reader knows every incident's end.

    Whom a record on Kafka names by reference is whom a report by HTTP named in words.
    """
    log = await logbook.read(system.stack.bootstrap, SOURCES)
    reports = [event for _, event in logbook.readable(log[REPORTS.name], [ReportAcceptedV1])]
    assert Counter((report.source, report.origin_id.partition("/")[0]) for report in reports) == Counter(
        [("park/julu", f"p-{number}") for number in (1, 2, 3, 4, 6)]
        + [("hotline_12345", "XT-4711"), ("iot", "manhole-0007"), ("iot", "lamp-0031")]
    )
    people = {report.origin_id: report.reporter for report in reports if report.source == "park/julu"}
    assert people["p-6"] is not None
    assert people["p-6"] == people["p-3"]
    for record in (record for records in log.values() for record in records):
        text = record.event.data.decode() if record.event else ""
        assert not [word for word in PERSONS if word in text], record.topic
    steps = [event for _, event in logbook.readable(log[INCIDENTS.name], INCIDENTS.events)]
    highest: dict[str, int] = {}
    for step in steps:
        assert isinstance(step, IncidentEvent)
        highest[step.incident_id] = max(step.incident_version, highest.get(step.incident_id, 0))
    with sqlite3.connect(books) as database:
        assert dict(database.execute("SELECT id, version FROM incidents")) == highest


def table(page: Path, heading: str) -> list[str]:
    """The names in the first column of the table under that column's heading."""
    rows = page.read_text("utf-8").partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return [name for row in rows.splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]


@pytest.mark.parametrize(("page", "field", "word"), [(EDITIONS[0], "field", "word"), (EDITIONS[1], "字段", "原因")])
def test_the_guide_names_every_field_and_every_refusal(page: Path, field: str, word: str) -> None:
    assert sorted(table(page, field)) == sorted(ReportSubmittedV1.model_fields)
    assert table(page, word) == list(get_args(RefusalReason))
