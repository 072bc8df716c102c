"""Contracts only grow: the golden schemas notice whatever takes a promise back, and `make contracts` will not write it."""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from huying.contracts import generate
from huying.contracts.growth import broken

GOLDEN = json.loads((generate.SCHEMAS / "cn.huying.report.accepted.v1.json").read_text("utf-8"))


def changed(*path: str, to: Any = None) -> dict[str, Any]:
    """The golden schema with one place set, or taken away."""
    schema = copy.deepcopy(GOLDEN)
    inside = schema
    for name in path[:-1]:
        inside = inside[name]
    if to is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = to
    return schema


BREAKS = {
    "removed": (changed("properties", "tracking_number"), "/tracking_number: was removed"),
    "removed inside": (changed("$defs", "Point", "properties", "lon"), "/Point/lon: was removed"),
    "retyped": (changed("properties", "text", "type", to="integer"), "/text: type was 'string', is 'integer'"),
    "shorter": (changed("properties", "text", "maxLength", to=10), "/text: maxLength was 5000, is 10"),
    "now required": (
        changed("required", to=[*GOLDEN["required"], "device"]),
        "/device: is required now; old records lack it",
    ),
    "no longer required": (changed("required", to=GOLDEN["required"][1:]), "/report_id: is no longer required"),
    "no longer null": (changed("properties", "device", "anyOf", to=[{"$ref": "#/$defs/Device"}]), "no longer possible"),
    "a word less": (changed("$defs", "Point", "properties", "crs", "enum", to=["wgs84"]), "/crs: said one of"),
    "another part": (changed("properties", "place", "$ref", to="#/$defs/Point"), "/place: $ref was"),
}
GROWTH = {
    "the same": GOLDEN,
    "a new field": changed("properties", "weather", to={"type": "string", "default": ""}),
    "a new word": changed("$defs", "Point", "properties", "crs", "enum", to=["wgs84", "gcj02", "bd09", "cgcs2000"]),
    "a new alternative": changed(
        "properties", "device", "anyOf", to=[{"$ref": "#/$defs/Device"}, {"type": "null"}, {"type": "string"}]
    ),
    "other words for people": changed("description", to="Told better."),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_promise_taken_back_is_named(name: str) -> None:
    schema, said = BREAKS[name]
    [found] = broken(GOLDEN, schema)
    assert said in found


@pytest.mark.parametrize("name", GROWTH)
def test_growth_is_no_break(name: str) -> None:
    assert broken(GOLDEN, GROWTH[name]) == []


def test_a_constant_may_become_one_of_several_and_not_the_other_way() -> None:
    assert broken({"const": "file"}, {"enum": ["file", "sms"]}) == []
    assert broken({"enum": ["file", "sms"]}, {"const": "file"}) == [": said one of ['file', 'sms'], now of ['file']"]
    assert broken({"type": "string"}, {"type": "string", "enum": ["a"]}) == [": said one of [], now of ['a']"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The generator on a folder of the test's own, freshly written."""
    monkeypatch.setattr(generate, "SCHEMAS", tmp_path / "schemas")
    monkeypatch.setattr(generate, "ASYNCAPI", tmp_path / "asyncapi.json")
    monkeypatch.setattr(sys, "argv", ["generate"])
    assert generate.main() == 0
    return tmp_path / "schemas"


def test_golden_files_with_a_field_more_than_the_models_stop_the_check_and_are_not_overwritten(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = elsewhere / "cn.huying.report.accepted.v1.json"
    promised = json.dumps(changed("properties", "weather", to={"type": "string", "default": ""}))
    path.write_text(promised, "utf-8")
    assert generate.main() == 1, "the models lost a field that the golden schema has"
    assert "cn.huying.report.accepted.v1.json/weather: was removed" in capsys.readouterr().err
    assert path.read_text("utf-8") == promised
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 1


def test_a_new_field_of_the_models_is_written_and_drift_is_noticed_before(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = elsewhere / "cn.huying.report.accepted.v1.json"
    whole = path.read_text("utf-8")
    path.write_text(json.dumps(changed("properties", "device")), "utf-8")
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    assert generate.main() == 1
    monkeypatch.setattr(sys, "argv", ["generate"])
    assert generate.main() == 0
    assert path.read_text("utf-8") == whole
