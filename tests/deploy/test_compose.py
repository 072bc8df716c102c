"""The compose file: nothing secret in git, nothing inside published, every pin the lock's."""

import importlib
import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo import MongoClient
from typer.testing import CliRunner

from huying.chassis.errors import ConfigurationError
from huying.chassis.security import KeyRing, find_entry
from huying.devkit.cli import app
from huying.devkit.stack import Stack
from huying.devkit.system import SERVICES, Service

ROOT = Path(__file__).parents[2]
ENV = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*)|:\?[^}]*)\}")
"""A setting's name, and what stands for it when it is missing or empty."""
OFF = {"HUYING_TRACES"}
"""Empty in the example since nothing is what it stands for by default."""

INSIDE = {
    *("service", "host", "broker", "database_prefix", "group_prefix", "replica"),  # as the containers are made
    "retention",  # an index of the outbox has it once and for all
    *("batch_records", "batch_bytes", "lease", "claim_lease", "delivery_batch"),  # measured for these limits of memory
    *("webhook_concurrency", "webhook_first_pause", "vault_patience"),  # they follow from other times
    *("crash_at", "freeze_at"),  # of the tests of delivery
}
"""Settings that no operator of containers needs. A new one is passed by docker-compose.yml, or stands here."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return found


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def secrets() -> set[str]:
    return {name for name, value in example().items() if not value} - OFF


def test_the_example_names_every_setting_and_holds_no_secret() -> None:
    used = {name for name, _ in ENV.findall((ROOT / "docker-compose.yml").read_text("utf-8"))}
    assert set(example()) == used
    assert secrets() == {name for name in used if re.search("SECRET|KEY|PASSWORD|CLUSTER", name)}


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.name)
def test_every_setting_of_a_service_reaches_its_container_and_the_example_changes_no_default(
    services: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = importlib.import_module(f"{service.module}.settings").Settings
    passed = {
        name: value for name, value in services[service.name]["environment"].items() if name.startswith("HUYING_")
    }
    known = {f"HUYING_{name.upper()}": name for name in settings.model_fields}
    assert {known[name] for name in known.keys() - passed.keys()} <= INSIDE
    assert passed.keys() <= known.keys(), "nobody reads it"
    made = dict.fromkeys(secrets(), "x" * 32)
    for env in (made, example() | made):  # with the choices left out, and with those of the example
        for name, value in passed.items():
            filled = ENV.sub(lambda found, env=env: env.get(found[1]) or found[2] or "", value)
            monkeypatch.setenv(name, filled)
        read = settings(_env_file=None)
        for name in passed.keys() & example().keys() - made.keys():
            default = settings.model_fields[known[name]].get_default(call_default_factory=True)
            assert getattr(read, known[name]) == default, name


def test_make_env_fills_every_secret_differently_and_never_overwrites(tmp_path: Path) -> None:
    target = tmp_path / "env"
    command = ["bash", str(ROOT / "deploy/compose/make-env"), str(target)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    made = dict(
        line.split("=", 1) for line in target.read_text("utf-8").splitlines() if line and not line.startswith("#")
    )
    filled = [made[name] for name in secrets()]
    assert all(len(value) >= 22 for value in filled)
    assert len(set(filled)) == len(filled)
    assert made == example() | {name: made[name] for name in secrets()}
    assert len(made["HUYING_SECRET"]) >= 32
    assert target.stat().st_mode & 0o077 == 0
    before = target.read_bytes()
    assert subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 1
    assert target.read_bytes() == before


def test_bus_and_database_are_inside_only(services: dict[str, Any]) -> None:
    for name in ("kafka", "mongo", "init"):
        assert services[name]["networks"] == ["inside"], name
        assert "ports" not in services[name]
    networks = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["networks"]
    assert networks["inside"]["internal"] is True


def test_every_container_has_a_memory_limit_and_everything_that_stays_a_health_check(services: dict[str, Any]) -> None:
    built = (ROOT / "deploy/docker/Dockerfile").read_text("utf-8")
    assert "HEALTHCHECK" in built
    for name, service in services.items():
        assert "mem_limit" in service, name
        if service.get("image") != "huying:local" and name != "grafana":
            assert "healthcheck" in service, name


def test_machine_code_is_made_by_init_where_routing_looks_for_it(services: dict[str, Any]) -> None:
    built = (ROOT / "deploy/docker/Dockerfile").read_text("utf-8")
    place = re.search(r"NUMBA_CACHE_DIR=(\S+)", built)
    assert place
    assert "huying.routing.judgement" in (ROOT / "deploy/docker/prepare.py").read_text("utf-8")
    for name in ("init", "routing", "tools"):
        assert f"compiled:{place[1]}" in services[name]["volumes"], name
    assert services["routing"]["depends_on"]["init"]["condition"] == "service_completed_successfully"


def test_an_update_that_a_countys_pack_has_no_words_for_stops_before_anything_is_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = tmp_path / "pack"
    shutil.copytree(ROOT / "deploy/county/julu", pack)
    monkeypatch.setenv("HUYING_PACK", str(pack))
    prepare = runpy.run_path(str(ROOT / "deploy/docker/prepare.py"))
    prepare["check_pack"]()
    for name in ("resumed", "flood_closed"):
        (pack / f"templates/{name}.txt").unlink()
    with pytest.raises(SystemExit, match=r"resumed\.txt, templates/flood_closed\.txt.*notification would not start"):
        prepare["check_pack"]()


def test_learn_in_a_container_writes_where_routing_reads_on_a_root_that_nobody_may_write(
    services: dict[str, Any],
) -> None:
    volume = "model:/var/lib/huying/model"
    mounts = {
        name: [one for one in services[name]["volumes"] if "/model" in one]
        for name in services
        if "image" in services[name] and "volumes" in services[name]
    }
    assert {name: found for name, found in mounts.items() if found} == {
        "init": [volume],
        "routing": [f"{volume}:ro"],
        "tools": [volume],
    }
    for name in ("routing", "tools"):
        assert services[name]["environment"]["HUYING_MODEL"].startswith("/var/lib/huying/model/"), name
        assert services[name]["read_only"] is True
    made = re.search(r"install -d -o huying .*", (ROOT / "deploy/docker/Dockerfile").read_text("utf-8"))
    assert made
    assert "/var/lib/huying/model" in made[0], "a volume takes its owner from the image's folder"


def test_the_image_runs_as_nobody_special_and_starts_without_a_shell() -> None:
    built = (ROOT / "deploy/docker/Dockerfile").read_text("utf-8")
    assert not built.startswith("# syntax")
    assert re.search(r"^USER huying$", built, re.MULTILINE)
    assert re.search(r'^CMD \["python"', built, re.MULTILINE)
    assert built.count("--require-hashes") == 2


def test_tools_may_write_the_ring_that_the_services_read(services: dict[str, Any]) -> None:
    for name, service in services.items():
        mounted = {volume.split(":")[0]: volume.split(":")[1:] for volume in service.get("volumes", ())}
        if "HUYING_KEYS" not in service.get("environment", {}):
            continue
        folder, *only = mounted["keys"]
        assert service["environment"]["HUYING_KEYS"] == f"{folder}/keys.json", name
        assert only == ([] if name in {"init", "tools"} else ["ro"]), name


def test_what_was_registered_outlives_every_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUYING_VAULT_KEY", "the-bridges-key")
    monkeypatch.setenv("HUYING_CONSOLE_PASSWORD", "first")
    monkeypatch.setenv("HUYING_PACK", str(ROOT / "deploy/county/julu"))
    make_keys = runpy.run_path(str(ROOT / "deploy/docker/prepare.py"))["make_keys"]
    ring = tmp_path / "keys/keys.json"
    make_keys.__globals__.update(TOKENS=tmp_path / "tokens", RING=ring)
    make_keys()
    run = CliRunner()
    made = run.invoke(app, ["keys", "create", "weather", "--signing", "--keys", str(ring)])
    account = run.invoke(app, ["keys", "account", "li", "--keys", str(ring)])
    monkeypatch.setenv("HUYING_CONSOLE_PASSWORD", "second")
    make_keys()
    keys = KeyRing(ring)
    assert keys.by_token(json.loads(made.stdout)["token"]) is not None
    assert keys.by_password("li", json.loads(account.stdout)["password"]) is not None
    assert keys.by_token("the-bridges-key") is not None
    assert [keys.by_password("dispatcher", word) is not None for word in ("first", "second")] == [False, True]
    assert ring.stat().st_mode & 0o077 == 0
    tokens = json.loads((tmp_path / "tokens/tokens.json").read_text("utf-8"))
    dead = {name for name, token in tokens.items() if keys.by_token(token) is None}
    assert dead == {"bridge"}, "its key comes from .env, every other one is as the file says"


def test_another_countys_containers_have_keys_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack, ring = tmp_path / "pack", tmp_path / "keys/keys.json"
    shutil.copytree(ROOT / "deploy/county/julu", pack)
    for table in [*pack.glob("*.yaml"), *pack.glob("*.csv"), *pack.glob("mappings/*.yaml")]:
        table.write_text(table.read_text("utf-8").replace("130529", "130530"), "utf-8")
    for name, value in {"PACK": str(pack), "VAULT_KEY": "the-bridges-key", "CONSOLE_PASSWORD": "first"}.items():
        monkeypatch.setenv(f"HUYING_{name}", value)
    make_keys = runpy.run_path(str(ROOT / "deploy/docker/prepare.py"))["make_keys"]
    make_keys.__globals__.update(TOKENS=tmp_path / "tokens", RING=ring)
    make_keys()
    door = find_entry(ring, "door")
    assert door is not None
    assert door["jurisdiction"] == "130530"
    monkeypatch.setenv("HUYING_PACK", str(ROOT / "deploy/county/julu"))
    with pytest.raises(ConfigurationError, match=r"130530.*130529.*tokens"):
        make_keys()


def pins(path: Path) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements.txt", "build-requirements.txt"])
def test_the_images_packages_are_those_of_the_lock(name: str) -> None:
    strangers = pins(ROOT / "deploy/docker" / name) - pins(ROOT / "requirements.lock")
    assert strangers == set(), "run deploy/docker/lock"


def test_the_image_has_what_every_member_asks_for() -> None:
    import tomllib

    have = {name for name, _ in pins(ROOT / "deploy/docker/requirements.txt")}
    for project in [*(ROOT / "libs").glob("*/pyproject.toml"), *(ROOT / "services").glob("*/pyproject.toml")]:
        wanted = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
        names = {re.split(r"[\[<>=!~; ]", one)[0].lower() for one in wanted if not one.startswith("huying-")}
        assert names <= have, f"{project.parent.name}: run deploy/docker/lock"


@pytest.mark.wire
def test_init_leaves_a_replica_set_as_it_is(embedded_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUYING_MONGO", embedded_stack.mongo_url)
    prepare = runpy.run_path(str(ROOT / "deploy/docker/prepare.py"))
    with MongoClient[dict[str, Any]](embedded_stack.mongo_url) as client:
        before = client.admin.command("replSetGetConfig")["config"]
        prepare["make_replica_set"]()
        assert client.admin.command("replSetGetConfig")["config"] == before
