"""Dashboards and rules speak of metrics that exist: a renamed metric would only show as silence."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from huying.chassis.measures import Measures
from huying.hotline_bridge.domain.acceptance import Keys
from huying.hotline_bridge.handlers import Bridge
from huying.notification.handlers import Notification
from huying.routing.meters import Meters

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
SERVICES = ("intake", "hotline-bridge", "routing", "sla-timer", "notification", "evaluation", "console")
FULL = re.compile(r"\bhuying_[a-z_]+\b")
ANY = re.compile(r'__name__=~"huying_\.\+_([a-z_]+)"')


def known() -> set[str]:
    """Every metric name that the chassis declares for a service, and what some of them declare themselves."""
    names: set[str] = {"huying_hotline_bridge_mqtt_connected_connections", "huying_notification_receiver_down"}
    for service in SERVICES:
        measures = Measures(service)
        if service == "hotline-bridge":
            Bridge(None, measures, None, {}, Keys(b"", b"", b""))  # type: ignore[arg-type]
        if service == "notification":
            Notification(None, None, measures, lambda: None)  # type: ignore[arg-type]
        if service == "routing":
            Meters(measures)
        for metric in measures.registry.collect():
            kinds = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
            names.update(metric.name + kind for kind in kinds)
    return names


def expressions() -> list[tuple[str, str]]:
    found = []
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            found += [(f"{path.name}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules/huying.yml").read_text("utf-8"))
    found += [(rule["alert"], rule["expr"]) for group in rules["groups"] for rule in group["rules"]]
    return found


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=[where for where, _ in expressions()])
def test_every_expression_names_metrics_that_exist(where: str, expression: str) -> None:
    names = known()
    parts = ANY.findall(expression)
    for part in parts:
        owners = {name for name in names if re.fullmatch(f"huying_.+_{part}", name)}
        assert len(owners) == len(SERVICES), f"{where}: {part} belongs to {sorted(owners)}"
    whole = FULL.findall(ANY.sub("", expression))
    assert set(whole) <= names, where
    assert parts or whole or "up{" in expression


def test_the_overview_is_a_dashboard_that_grafana_takes() -> None:
    source = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text("utf-8"))
    uid = source["datasources"][0]["uid"]
    [path] = DASHBOARDS
    dashboard: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert dashboard["uid"] == "huying-overview"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids) >= 10
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, f"{panel['title']} lies on another panel"
        assert at["x"] + at["w"] <= 24
        taken |= cells
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} == {uid}
