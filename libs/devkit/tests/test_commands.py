"""The `huying` command: keys, traces, county packs, and how it refuses."""

import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import psutil  # type: ignore[import-untyped]
import pytest
from typer import Exit
from typer.main import get_command
from typer.testing import CliRunner

from huying.chassis.security import KeyRing, sign, signed_bytes
from huying.devkit import installation, session, tracing
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


def test_a_machine_key_is_shown_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    ring = tmp_path / "keys.json"
    words = [
        "keys",
        "create",
        "weather",
        "--role",
        "system",
        "--source",
        "weather/julu",
        "--signing",
        "--keys",
        str(ring),
    ]
    answer = run.invoke(app, words)
    assert answer.exit_code == 0, answer.output
    shown = json.loads(answer.stdout)
    text = ring.read_text("utf-8")
    assert shown["token"] not in text
    assert sha256(shown["token"].encode()).hexdigest() in text
    keys = KeyRing(ring)
    who = keys.by_token(shown["token"])
    assert who is not None
    assert (who.id, who.role, who.sources) == ("weather", "system", ("weather/julu",))
    header = sign("weather", shown["private_key"], "1", "weather/julu", "t", b"{}")
    signer = keys.by_signature(header, signed_bytes("1", "weather/julu", "t", b"{}"))
    assert signer is not None
    assert signer.id == "weather"


def test_a_key_goes_to_the_running_systems_ring(tmp_path: Path) -> None:
    env = {"HUYING_RUN": str(tmp_path)}
    token = json.loads(run.invoke(app, ["keys", "create", "before-the-first-start"], env=env).stdout)["token"]
    made = installation.ensure(tmp_path / "up")  # what `huying up` starts its services with
    later = json.loads(run.invoke(app, ["keys", "create", "later"], env=env).stdout)["token"]
    password = json.loads(run.invoke(app, ["keys", "account", "li"], env=env).stdout)["password"]
    ring = KeyRing(made.keys)
    assert [who and who.id for who in map(ring.by_token, (token, later))] == ["before-the-first-start", "later"]
    assert ring.by_password("li", password) is not None
    assert ring.by_token(made.token(installation.DOOR)) is not None


def test_a_removed_key_opens_nothing(tmp_path: Path) -> None:
    words = ["--keys", str(tmp_path / "keys.json")]
    token = json.loads(run.invoke(app, ["keys", "create", "weather", *words]).stdout)["token"]
    ring = KeyRing(tmp_path / "keys.json")
    assert ring.by_token(token) is not None
    assert run.invoke(app, ["keys", "remove", "weather", *words]).exit_code == 0
    assert ring.by_token(token) is None
    again = run.invoke(app, ["keys", "remove", "weather", *words])
    assert (again.exit_code, "weather" in again.stderr) == (1, True)


def test_a_machine_keys_name_is_ascii_since_it_goes_into_a_header(tmp_path: Path) -> None:
    ring = tmp_path / "keys.json"
    answer = run.invoke(app, ["keys", "create", "气象局", "--keys", str(ring)])
    assert (answer.exit_code, "header" in answer.stderr, ring.exists()) == (1, True, False)


@pytest.mark.parametrize(("first", "second"), [("create", "account"), ("account", "create")])
def test_a_name_stands_for_a_key_or_for_an_account(tmp_path: Path, first: str, second: str) -> None:
    ring = tmp_path / "keys.json"
    assert run.invoke(app, ["keys", first, "bridge", "--keys", str(ring)]).exit_code == 0
    before = ring.read_bytes()
    refused = run.invoke(app, ["keys", second, "bridge", "--keys", str(ring)])
    assert (refused.exit_code, "'bridge'" in refused.stderr, ring.read_bytes()) == (1, True, before)


def test_a_new_password_takes_no_key_away(tmp_path: Path) -> None:
    made = installation.ensure(tmp_path)
    words = ["keys", "account", "dispatcher", "--keys", str(made.keys)]
    password = json.loads(run.invoke(app, words).stdout)["password"]
    ring = KeyRing(made.keys)
    assert ring.by_password("dispatcher", password) == ring.by_token(made.token("dispatcher"))


def test_an_unknown_role_is_refused_with_the_list(tmp_path: Path) -> None:
    answer = run.invoke(app, ["keys", "create", "x", "--role", "king", "--keys", str(tmp_path / "keys.json")])
    assert answer.exit_code == 1
    assert "dispatcher" in answer.stderr


@pytest.mark.parametrize("made", [["create", "x"], ["account", "x"]])
def test_a_key_or_account_of_a_unit_names_one_that_the_county_has(tmp_path: Path, made: list[str]) -> None:
    ring = tmp_path / "keys.json"
    words = ["keys", *made, "--role", "unit", "--keys", str(ring), "--pack", str(installation.default_pack())]
    for wrong, said in (([], "--unit"), (["--unit", ""], "--unit"), (["--unit", "U999"], "U999")):
        answer = run.invoke(app, [*words, *wrong])
        assert (answer.exit_code, said in answer.stderr, ring.exists()) == (1, True, False)
    nowhere = run.invoke(app, [*words, "--unit", "U02", "--pack", str(tmp_path)])
    assert (nowhere.exit_code, ring.exists()) == (1, False)
    assert run.invoke(app, [*words, "--unit", "U02"]).exit_code == 0
    assert json.loads(ring.read_text("utf-8"))[0]["unit"] == "U02"


@pytest.mark.parametrize("made", [["create", "x"], ["account", "x"]])
def test_a_grid_worker_names_the_unit_of_their_town(tmp_path: Path, made: list[str]) -> None:
    ring = tmp_path / "keys.json"
    words = ["keys", *made, "--role", "grid_worker", "--keys", str(ring), "--pack", str(installation.default_pack())]
    for wrong, said in (([], "--unit"), (["--unit", "U02"], "U02"), (["--unit", "T999"], "T999")):
        answer = run.invoke(app, [*words, *wrong])
        assert (answer.exit_code, said in answer.stderr, ring.exists()) == (1, True, False)
    assert run.invoke(app, [*words, "--unit", "T01"]).exit_code == 0
    assert json.loads(ring.read_text("utf-8"))[0]["unit"] == "T01"


@pytest.mark.parametrize("role", ["citizen", "system", "king"])
def test_an_account_is_a_persons_who_works_for_the_county(tmp_path: Path, role: str) -> None:
    ring = tmp_path / "keys.json"
    answer = run.invoke(app, ["keys", "account", "li", "--role", role, "--keys", str(ring)])
    assert (answer.exit_code, "grid_worker" in answer.stderr, ring.exists()) == (1, True, False)


@pytest.mark.parametrize(("password", "code"), [("1", 1), ("九个字符的密码不够", 1), ("ten-letter", 0)])
def test_a_password_is_long_enough_to_be_worth_its_hash(tmp_path: Path, password: str, code: int) -> None:
    ring = tmp_path / "keys.json"
    answer = run.invoke(app, ["keys", "account", "li", "--keys", str(ring)], env={"HUYING_PASSWORD": password})
    assert (answer.exit_code, ring.exists()) == (code, code == 0)
    assert KeyRing(ring).by_password("li", password) is not None if code == 0 else "10" in answer.stderr


def test_an_account_opens_with_its_password_only(tmp_path: Path) -> None:
    ring = tmp_path / "keys.json"
    answer = run.invoke(app, ["keys", "account", "li", "--role", "leader", "--keys", str(ring)])
    password = json.loads(answer.stdout)["password"]
    keys = KeyRing(ring)
    assert keys.by_password("li", password) is not None
    assert keys.by_password("li", password + "x") is None


@pytest.mark.parametrize("name", ["", " ", " li", "li ", "l\ni", "李" * 201])
def test_an_account_has_a_name_that_can_be_typed_at_the_console(name: str, tmp_path: Path) -> None:
    ring = tmp_path / "keys.json"
    answer = run.invoke(app, ["keys", "account", "--keys", str(ring), "--", name])
    assert (answer.exit_code, ring.exists(), answer.stdout) == (1, False, "")
    assert repr(name[:20])[:-1] in answer.stderr


def test_secrets_are_long_and_never_the_same() -> None:
    one, other = (run.invoke(app, ["keys", "secret"]).stdout.strip() for _ in range(2))
    assert one != other
    assert len(one) >= 32


def test_an_installation_is_written_once_and_for_its_owner_only(tmp_path: Path) -> None:
    made = installation.ensure(tmp_path / "run")
    before = {name: (made.folder / name).read_text("utf-8") for name in ("secret", "tokens.json", "keys.json")}
    again = installation.ensure(tmp_path / "run")
    assert {name: (again.folder / name).read_text("utf-8") for name in before} == before
    for path in (made.folder / "secret", made.folder / "tokens.json", made.password_file, made.keys):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    ring = KeyRing(made.keys)
    door = ring.by_token(made.token(installation.DOOR))
    assert door is not None
    assert door.role == "system"
    unit = ring.by_token(made.unit_token("U02"))
    assert unit is not None
    assert unit.unit == "U02"
    name, password = made.password_file.read_text("utf-8").split()
    assert ring.by_password(name, password) is not None


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


def _span(trace: str, span: str, parent: str | None, service: str, message: str, at: int) -> dict[str, object]:
    facts = {"messaging.message.id": message}
    return {
        "trace": trace, "span": span, "parent": parent, "service": service, "name": "huying.reports.v1 ReportAcceptedV1",
        "start_ns": at * 1_000_000, "end_ns": at * 1_000_000 + 500_000, "links": [], "attributes": facts,
    }  # fmt: skip


def test_a_trace_is_a_tree_over_all_services(tmp_path: Path) -> None:
    spans = [
        _span("t1", "b", "a", "routing", "rp-1", 12),
        _span("t1", "a", None, "intake", "D1", 0),
        _span("t1", "c", "b", "notification", "in/1", 20),
        _span("t2", "z", None, "intake", "D2", 5),
    ]
    text = [json.dumps(span) for span in spans]
    (tmp_path / "intake.jsonl").write_text("\n".join(text) + '\n{"cut', "utf-8")
    traces = tracing.of_report(tracing.read(tmp_path), "rp-1")
    assert len(traces) == 1
    lines = tracing.tree(traces[0])
    assert [line.split("ms")[2].strip().split(":")[0] for line in lines] == ["intake", "routing", "notification"]
    indents = [
        len(line) - len(line.rstrip()) + line.index(name)
        for line, name in zip(lines, ("intake", "routing", "notification"), strict=True)
    ]
    assert indents == sorted(indents)
    assert len(set(indents)) == 3
    answer = run.invoke(app, ["trace", "rp-1", "--traces", str(tmp_path)])
    assert answer.exit_code == 0
    assert "routing" in answer.stdout
    assert run.invoke(app, ["trace", "rp-9", "--traces", str(tmp_path)]).exit_code == 1


def test_a_line_of_a_trace_file_that_is_no_span_is_left_out(tmp_path: Path) -> None:
    good = _span("t1", "a", None, "intake", "rp-1", 0)
    odd = [
        "[]",
        "7",
        '"x"',
        "{}",
        *(json.dumps(good | one) for one in ({"attributes": []}, {"trace": []}, {"end_ns": ""})),
    ]
    (tmp_path / "intake.jsonl").write_bytes("\n".join([*odd, json.dumps(good)]).encode() + b"\n\xff")
    answer = run.invoke(app, ["trace", "rp-1", "--traces", str(tmp_path)])
    assert (answer.exit_code, answer.stdout.count("intake")) == (0, 1), answer.output


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
