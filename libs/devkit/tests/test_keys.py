"""`huying keys`: machine keys, accounts, and the secrets of an installation."""

import json
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from huying.chassis.security import KeyRing, sign, signed_bytes
from huying.devkit import installation
from huying.devkit.cli import app

run = CliRunner()


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
