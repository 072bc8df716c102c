"""Alert rules do what their annotations promise: promtool runs them on invented series."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is missing: install Debian's prometheus (make system)")
    done = subprocess.run(
        [program, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.promtool
def test_every_alert_rule_fires_when_it_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yml")


@pytest.mark.promtool
def test_the_scrape_configuration_is_valid(tmp_path: Path) -> None:
    text = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    local = tmp_path / "prometheus.yml"
    local.write_text(text.replace("/etc/prometheus/rules", str(PROMETHEUS / "rules")), "utf-8")
    assert "SUCCESS" in promtool("check", "config", str(local))


def rules() -> list[dict[str, str]]:
    document = yaml.safe_load((PROMETHEUS / "rules/huying.yml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_every_alert_has_a_test_and_words_for_who_is_called() -> None:
    tested = (PROMETHEUS / "rules_test.yml").read_text("utf-8")
    runbook = (ROOT / "docs/runbooks/operations.md").read_text("utf-8")
    titles = re.findall(r"^## (.+)$", runbook, re.MULTILINE)
    sections = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for rule in rules():
        firing = tested.count(rule["alert"])
        assert firing >= 2, f"{rule['alert']}: test that it fires and that it is silent"
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}  # type: ignore[arg-type]
        page, _, section = rule["annotations"]["runbook"].partition("#")  # type: ignore[index]
        assert (page, section in sections) == ("docs/runbooks/operations.md", True), rule["alert"]
        assert rule["labels"]["severity"] in {"critical", "warning"}  # type: ignore[index]


def test_every_service_of_the_compose_file_is_scraped_at_its_port() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    ports = {
        name: service["environment"]["HUYING_PORT"]
        for name, service in compose.items()
        if "HUYING_PORT" in service.get("environment", {})
    }
    assert len(ports) == 7
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"][0]
    targets = {one["labels"]["service"]: one["targets"] for one in scraped["static_configs"]}
    assert targets == {name: [f"{name}:{port}"] for name, port in ports.items()}
