"""Whatever a golden schema allows, its model reads, and what the model writes is the same again."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from huying.contracts.generate import SCHEMAS
from huying.contracts.topics import EVENTS

TEXT = st.characters(codec="utf-8")
INSTANTS = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
PATTERNS = {
    r"^[A-Za-z0-9_.:/-]+$": st.text("Az09_.:/-", min_size=1, max_size=64),
    r"^https?://": st.just("https://example.org/a.jpg"),
    r"^[0-9a-f]{64}$": st.text("0123456789abcdef", min_size=64, max_size=64),
}


class Instances:
    """JSON values that a schema allows: as many keywords of JSON Schema as the golden files use."""

    def __init__(self, kind: str) -> None:
        self.schema = json.loads((SCHEMAS / f"{kind}.json").read_text("utf-8"))
        self._parts = {name: self._of(part) for name, part in self.schema.get("$defs", {}).items()}
        self.values = self._of(self.schema)

    def _of(self, schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            return st.deferred(lambda: self._parts[name])
        if "const" in schema or "enum" in schema:
            return st.sampled_from(schema.get("enum") or [schema["const"]])
        if tag := schema.get("discriminator", {}).get("propertyName"):  # OpenAPI: which the value then must have
            return st.one_of(*(self._of(choice).filter(lambda value: tag in value) for choice in schema["oneOf"]))
        if choices := schema.get("anyOf"):
            return st.one_of(*(self._of(choice) for choice in choices))
        match schema["type"]:
            case "object":
                parts = {name: self._of(part) for name, part in schema.get("properties", {}).items()}
                required = {name: parts.pop(name) for name in schema.get("required", ())}
                return st.fixed_dictionaries(required, optional=parts)
            case "array":
                least = schema.get("minItems", 0)
                most = min(schema.get("maxItems", least + 2), least + 2)
                return st.lists(self._of(schema["items"]), min_size=least, max_size=most)
            case "string":
                return strings(schema)
            case "integer":
                return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31))
            case "number":
                low = schema.get("minimum", schema.get("exclusiveMinimum"))
                shut = "exclusiveMinimum" in schema
                return st.floats(low, schema.get("maximum"), exclude_min=shut, allow_nan=False, allow_infinity=False)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
        raise AssertionError(f"{schema!r} uses what this test does not know yet")


def strings(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return INSTANTS
    least = schema.get("minLength", 0)
    most = min(schema.get("maxLength", 20), max(20, least))
    if "pattern" in schema:
        return PATTERNS[schema["pattern"]]
    return st.text(TEXT, min_size=least, max_size=most)


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_what_the_schema_allows_the_model_reads_and_writes_unchanged(kind: str) -> None:
    allowed, model = Instances(kind), EVENTS[kind]

    @settings(max_examples=15, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(value=allowed.values)
    def check(value: dict[str, Any]) -> None:
        action = value.get("action", {})
        if action.get("kind") == "answer_ask" and not action["same"]:
            action.pop("candidates", None)  # a rule between two fields, which no schema says
        event = model.model_validate_json(json.dumps(value))
        written = event.encode()
        assert model.model_validate_json(written) == event
        assert set(allowed.schema["required"]) <= set(json.loads(written)), "what is promised is said"
        later = json.dumps(value | {"of_a_later_release": 1})
        assert model.model_validate_json(later) == event, "a later release's field is ignored"

    check()
