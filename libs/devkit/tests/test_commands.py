"""The `huying` command: keys, traces, county packs, and how it refuses."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import psutil  # type: ignore[import-untyped]
import pytest
from typer import Exit
from typer.main import get_command
from typer.testing import CliRunner

from huying.devkit import installation, session
from huying.devkit.cli import app
from huying.devkit.commands import up
from huying.devkit.evaluate import cli as evaluation
from huying.devkit.replay.quiet import CONSUMES
from huying.devkit.stack import PortInUseError, Ports, StackError, leftovers
from huying.devkit.system import BY_NAME, SERVICES

run = CliRunner()
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    heavy = "import sys, huying.devkit.cli; print([m for m in ('aiokafka', 'pymongo', 'motor', 'sklearn', 'httpx', 'huying.county') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_command_and_option_says_in_chinese_what_it_is() -> None:
    silent: list[str] = []

    def read(command: Any, path: tuple[str, ...]) -> None:
        for name, one in getattr(command, "commands", {}).items():
            read(one, (*path, name))
        said = {" ".join(path): command.help or ""}
        said |= {f"{path[-1]} {one.opts[0]}": getattr(one, "help", None) or "" for one in command.params}
        silent.extend(what for what, text in said.items() if not CHINESE.search(text) and not what.endswith("--help"))

    for root, own in (("huying", app), ("eval", evaluation.eval_app), ("", evaluation.app)):
        read(get_command(own), (root,))
    assert [what for what in silent if what] == []


def test_a_county_pack_is_checked() -> None:
    answer = run.invoke(app, ["county", "check", str(installation.default_pack()), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["errors"] == 0


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("mappings/hotline_12345.yaml", "a: 1\n", "mappings/hotline_12345.yaml: "),
        ("templates/asked.txt", None, "templates/asked.txt"),
        ("templates/asked.txt", "\n", "templates/asked.txt"),
        ("templates/asked.txt", "{{ nothing_like_that }}", "nothing_like_that"),
        ("model/judgement.npz", None, "huying learn"),
        ("model/judgement.npz", "no model", "judgement.npz"),
    ],
)
def test_a_pack_that_a_service_would_refuse_at_its_start_is_found_before(
    path: str, text: str | None, said: str, tmp_path: Path
) -> None:
    pack = tmp_path / "julu"
    shutil.copytree(installation.default_pack(), pack)
    (pack / path).unlink() if text is None else (pack / path).write_text(text, "utf-8")
    answer = run.invoke(app, ["county", "check", str(pack), "--json"])
    told = json.loads(answer.stdout)
    assert (answer.exit_code, told["errors"], len(told["findings"])) == (1, 1, 1)
    assert said in told["findings"][0]


@pytest.mark.parametrize("name", ["HUYING_PACK", "HUYING_MODEL"])
@pytest.mark.parametrize("words", [("eval", "screen"), ("eval", "correlate"), ("bench", "correlate")])
def test_what_is_judged_is_the_installations_own_pack_and_model(
    words: tuple[str, ...], name: str, tmp_path: Path
) -> None:
    months = [] if words[0] == "bench" else [str(installation.root() / "tests/data/county/reports.jsonl")]
    own = tmp_path / "of-the-county"
    own.write_text("neither of them", "utf-8")
    answer = run.invoke(app, [*words, *months, "--json"], env={name: str(own)})
    assert (answer.exit_code, "of-the-county" in answer.stderr, answer.stdout) == (1, True, "")


def test_where_nothing_has_been_learned_yet_the_packs_own_model_judges(tmp_path: Path) -> None:
    month = tmp_path / "month.jsonl"
    lines = (installation.root() / "tests/data/county/reports.jsonl").read_text("utf-8").splitlines()
    month.write_text("\n".join(lines[:20]), "utf-8")
    nothing = str(tmp_path / "nothing.npz")
    words = ["eval", "screen", str(month), "--json"]
    shipped, yet = (run.invoke(app, words, env=env) for env in ({}, {"HUYING_MODEL": nothing}))
    assert (yet.exit_code, yet.stdout) == (0, shipped.stdout)
    named = run.invoke(app, [*words, "--model", nothing])
    assert (named.exit_code, nothing in named.stderr) == (1, True)


@pytest.mark.parametrize("by_env", [True, False])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_system_is_started_with_the_pack_that_was_given(
    command: str, by_env: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def started(*_: object, pack: Path | None = None, **__: object) -> NoReturn:
        given.append(pack)
        raise StackError("enough")

    monkeypatch.setattr(session, "running_system", started)
    monkeypatch.setattr(session, "end_by_signal", lambda: None)
    words, env = ([command], {"HUYING_PACK": str(tmp_path)}) if by_env else ([command, "--pack", str(tmp_path)], {})
    answer = run.invoke(app, words, env={"HUYING_RUN": str(tmp_path), **env})
    assert (answer.exit_code, given) == (1, [tmp_path]), answer.output


def test_a_folder_for_traces_is_the_one_below_where_the_command_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def started(*_: object, env: dict[str, str], **__: object) -> NoReturn:
        given.append(env)
        raise StackError("enough")

    monkeypatch.setattr(session, "running_system", started)
    monkeypatch.setattr(session, "end_by_signal", lambda: None)
    monkeypatch.chdir(tmp_path)
    for words in (["--traces", "file:spans"], ["--traces", "otlp"], []):
        assert run.invoke(app, ["up", *words]).exit_code == 1
    assert given == [{"HUYING_TRACES": f"file:{tmp_path}/spans"}, {"HUYING_TRACES": "otlp"}, {}]
    for slip in ("spans", "OTLP", "file:", ""):
        answer = run.invoke(app, ["up", "--traces", slip])
        assert (answer.exit_code, "file:DIR" in answer.stderr) == (2, True), answer.output


def test_a_port_of_a_service_that_is_taken_is_said_before_the_services_start(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = session.free_service_ports() | {"routing": other.getsockname()[1]}
        began = session.running_system(
            tmp_path, prefix="x", clock="live", ports=Ports.free(), service_ports=taken, names=("routing",)
        )
        with pytest.raises(PortInUseError, match=f"for the routing is in use .*kill {os.getpid()}") as caught, began:
            pass
    assert "HUYING_PORT" not in str(caught.value), "services have their ports by the README"
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("words", [["up"], ["up", "--detach"], ["demo", "--once"], ["keys", "create", "x"]])
def test_a_folder_that_cannot_be_written_is_named(words: list[str]) -> None:
    answer = run.invoke(app, words, env={"HUYING_RUN": "/proc/no-folder"})
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, "/proc/no-folder" in answer.stderr) == (1, True), answer.stderr


def test_paths_are_shown_whole_in_a_narrow_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    made = installation.Installation(tmp_path / ("folder-" * 20), tmp_path)
    services = SimpleNamespace(names=["intake"], url=lambda _: "http://127.0.0.1:8001", folder=made.folder)
    ports, lines = SimpleNamespace(mqtt=1883), made.folder / "mqtt" / "accounts"
    stack = SimpleNamespace(
        bootstrap="127.0.0.1:9092", mongo_url="mongodb://127.0.0.1:27117", ports=ports, mqtt_accounts=lines
    )
    up.show_urls(SimpleNamespace(ready_s=1.0, services=services, stack=stack, installation=made))
    shown = capsys.readouterr().err
    for path in (made.folder / "logs", made.password_file, made.folder / "tokens.json", lines):
        assert str(path) in shown
    assert "127.0.0.1:1883" in shown


@pytest.mark.parametrize("patience_s", [60.0, 0.0])
def test_what_was_to_run_in_the_background_does_not_stay_there_half_started(
    patience_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    children: list[subprocess.Popen[bytes]] = []

    class Child(subprocess.Popen[bytes]):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            children.append(self)

    def interrupted(_: float) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(up, "DETACH_PATIENCE_S", patience_s)
    monkeypatch.setattr(up.subprocess, "Popen", Child)
    monkeypatch.setattr(up.time, "sleep", interrupted)  # Ctrl-C
    with pytest.raises((KeyboardInterrupt, Exit)):
        up.in_background(tmp_path / "up", [sys.executable, "-c", "import threading; threading.Event().wait(60)"])
    [child] = children
    assert not psutil.pid_exists(child.pid)


def test_a_system_that_runs_keeps_the_log_that_it_writes(tmp_path: Path) -> None:
    directory = tmp_path / "up"
    directory.mkdir()
    log = tmp_path / "up.log"
    log.write_text("ready\n", "utf-8")
    leftovers.write(directory / "routing.pid", "routing", os.getpid())
    answer = run.invoke(app, ["up", "--detach"], env={"HUYING_RUN": str(tmp_path)})
    assert (answer.exit_code, "huying down" in answer.stderr) == (1, True), answer.stderr
    assert log.read_text("utf-8") == "ready\n"


LINE = {
    "id": "R1", "channel": "citizen_app", "received_at": "2026-03-02T08:00:00+08:00", "text": "路灯不亮", "address": None,
    "village_code": None, "town": None, "point": None, "device": None,
}  # fmt: skip
ODD_LINES = [
    b"{",
    b"[]",
    json.dumps({key: value for key, value in LINE.items() if key != "channel"}).encode(),
    json.dumps(LINE | {"received_at": "yesterday"}).encode(),
    json.dumps(LINE | {"received_at": "2026-03-02T08:00:00"}).encode(),
    json.dumps(LINE | {"device": "d1"}).encode(),
    b"\xff",
]


@pytest.mark.parametrize("odd", ODD_LINES)
@pytest.mark.parametrize("command", [("replay",), ("demo", "--once", "--reports")])
def test_a_line_that_is_no_report_is_named_before_anything_starts(
    command: tuple[str, ...], odd: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "reports.jsonl"
    file.write_bytes(json.dumps(LINE | {"text": "路灯\u2028不亮"}, ensure_ascii=False).encode() + b"\n\n" + odd + b"\n")
    answer = run.invoke(app, [*command, str(file)])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, f"{file}:3" in answer.stderr) == (1, True), answer.stderr


@pytest.mark.parametrize(
    "words", [("replay", "--tail-days", "-1"), ("demo", "--tail-days", "-1"), ("replay", "--speed", "0")]
)
def test_a_replay_neither_ends_before_its_last_report_nor_stands_still(words: tuple[str, ...], tmp_path: Path) -> None:
    command, *option = words
    answer = run.invoke(app, [command, *option, *(["--reports"] if command == "demo" else []), str(tmp_path / "none")])
    assert (answer.exit_code, option[0] in answer.stderr) == (2, True), answer.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "correlate", "--incidents", "0"),
        ("bench", "correlate", "--decisions", "0"),
        ("topics", "create", "--kafka", "127.0.0.1:1", "--replication", "0"),
        ("chaos", "--seconds", "-1"),
    ],
)
def test_a_number_of_which_nothing_comes_is_a_usage_error(words: tuple[str, ...], tmp_path: Path) -> None:
    answer = run.invoke(app, list(words), env={"HUYING_RUN": str(tmp_path)})
    assert (answer.exit_code, words[-2] in answer.stderr) == (2, True), answer.output


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"a": 1}', b"\xff", b"{}"])
def test_a_file_of_tokens_that_cannot_be_used_is_named(text: bytes, tmp_path: Path) -> None:
    reports, tokens = tmp_path / "reports.jsonl", tmp_path / "tokens.json"
    reports.write_text(json.dumps(LINE), "utf-8")
    tokens.write_bytes(text)
    words = ["replay", str(reports), "--tokens", str(tokens), "--kafka", "127.0.0.1:1"]
    answer = run.invoke(app, words)
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, str(tokens) in answer.stderr) == (1, True), answer.stderr


@pytest.mark.parametrize("text", [b"{", b"{}", b"[7]", b'[{"id": "weather"}]', b"\xff"])
@pytest.mark.parametrize("words", [("create", "weather"), ("account", "li"), ("remove", "weather")])
def test_a_broken_file_of_keys_is_named_and_left_as_it_is(words: tuple[str, ...], text: bytes, tmp_path: Path) -> None:
    ring = tmp_path / "keys.json"
    ring.write_bytes(text)
    answer = run.invoke(app, ["keys", *words, "--keys", str(ring)])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, str(ring) in answer.stderr, "huying keys" in answer.stderr) == (1, True, True)
    assert (answer.stdout, ring.read_bytes()) == ("", text)


AWAY = ["--kafka", "127.0.0.1:1"]
OF_THE_BUS = [
    ["verify"],
    ["topics", "check"],
    ["topics", "create"],
    ["ledger", "forget", "--yes"],
    ["whatif", "--pack", str(installation.default_pack()), "--since", "2026-03-01"],
    ["learn", "--from", "feed"],
]


@pytest.mark.parametrize("words", OF_THE_BUS)
def test_a_broker_that_is_away_is_said_to_be_away(words: list[str]) -> None:
    answer = run.invoke(app, [*words, *AWAY])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, "huying up" in answer.stderr, "stop" in answer.stderr) == (1, True, False), answer.stderr


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:abc", ":9092", "", "a:1,b"])
@pytest.mark.parametrize("words", OF_THE_BUS)
def test_an_address_that_is_none_is_refused_before_anything_asks_there(words: list[str], address: str) -> None:
    answer = run.invoke(app, [*words, "--kafka", address])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, "host:port" in answer.stderr) == (2, True), answer.output


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_the_table_of_consumers_is_what_each_service_subscribes_to(service: str, tmp_path: Path) -> None:
    code = (
        f"from {BY_NAME[service].module}.main import create_app\n"
        "print(*(topic.name for topic in create_app().state.ground.link._topics))"
    )
    made = installation.ensure(tmp_path)
    env = {"HUYING_SECRET": made.secret, "HUYING_KEYS": str(made.keys), "HUYING_PACK": str(made.pack)}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
        cwd=tmp_path,
    )
    assert answer.returncode == 0, answer.stderr
    assert set(answer.stdout.split()) == set(CONSUMES[service])


def test_the_runbooks_way_to_forget_a_topic_is_a_command() -> None:
    runbook = (installation.root() / "docs/runbooks/operations.md").read_text("utf-8")
    one, everything = re.findall(r"`huying (ledger forget [^`]+)`", runbook)
    for line in (one, everything):
        words = line.replace("SERVICE", "routing").replace("TOPIC", "huying.reports.v1").split()
        answer = run.invoke(app, [*words, "--yes", *AWAY])
        assert (answer.exit_code, "no broker at '127.0.0.1:1'" in answer.stderr) == (1, True), answer.output


def test_what_a_service_does_not_read_it_cannot_forget() -> None:
    answer = run.invoke(app, ["ledger", "forget", "--service", "routing", "--topic", "huying.clocks.v1", "--yes"])
    assert (answer.exit_code, "does not consume it; it reads huying.commands.v1" in answer.output) == (1, True)
