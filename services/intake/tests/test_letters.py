"""A CloudEvent over HTTP is the same letter in both modes, whatever its identity is spelled with."""

import json

import pytest

from huying.chassis.security import Principal
from huying.contracts.reports import ReportSubmittedV1
from huying.intake.domain.acceptance import Refused
from huying.intake.letters import Letter, opened

PARK = Principal("park", "system", sources=("园区 网关", "gov/park"))
DATA = {"jurisdiction": "130529", "channel": "partner", "text": "路灯不亮"}


@pytest.mark.parametrize(
    ("told", "source", "origin_id"),
    [
        ({"ce-source": "gov/park", "ce-id": "A-1"}, "gov/park", "A-1"),
        ({"ce-source": "%E5%9B%AD%E5%8C%BA%20%E7%BD%91%E5%85%B3", "ce-id": "100%25"}, "园区 网关", "100%"),
        ({"ce-source": "gov/park", "ce-id": "报-1".encode().decode("latin-1")}, "gov/park", "报-1"),
        ({"ce-source": "gov/park", "ce-id": "100%"}, "gov/park", "100%"),
    ],
)
def test_an_identity_is_the_same_in_both_modes(told: dict[str, str], source: str, origin_id: str) -> None:
    common = {"specversion": "1.0", "type": ReportSubmittedV1.TYPE}
    headers = {f"ce-{name}": value for name, value in common.items()} | {"content-type": "application/json"} | told
    binary = opened(headers, json.dumps(DATA).encode(), PARK)
    whole = common | {"id": origin_id, "source": source, "data": DATA}
    structured = opened({"content-type": "application/cloudevents+json"}, json.dumps(whole).encode(), PARK)
    for letter in (binary, structured):
        assert isinstance(letter, Letter), letter
        assert (letter.source, letter.origin_id) == (source, origin_id)


def test_an_idempotency_key_is_the_id_however_it_is_spelled() -> None:
    """Curl and most clients send it as UTF-8, which HTTP hands over as Latin-1."""
    key = "巨〔2026〕411号".encode().decode("latin-1")
    plain = opened({"idempotency-key": key}, json.dumps(DATA).encode(), PARK)
    event = {"specversion": "1.0", "type": ReportSubmittedV1.TYPE, "id": "巨〔2026〕411号", "source": "园区 网关"}
    headers = {"content-type": "application/cloudevents+json", "idempotency-key": key}
    structured = opened(headers, json.dumps(event | {"data": DATA}).encode(), PARK)
    for letter in (plain, structured):
        assert isinstance(letter, Letter), letter
        assert (letter.source, letter.origin_id) == ("园区 网关", "巨〔2026〕411号")


def test_an_identity_that_is_none_is_called_as_its_sender_called_it() -> None:
    long = "k" * 201
    event = {"ce-specversion": "1.0", "ce-type": ReportSubmittedV1.TYPE, "ce-source": "gov/park", "ce-id": long}
    for headers, field in (({"idempotency-key": long}, "Idempotency-Key"), (event, "id")):
        refused = opened(headers, json.dumps(DATA).encode(), PARK)
        assert isinstance(refused, Refused)
        assert (refused.reason, refused.field) == ("invalid_identity", field)


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ('{"id": "A-1", "id": "A-2", "data": {"text": "路灯不亮"}}', "id"),
        ('{"id": "A-1", "data": {"text": "路灯不亮", "text": "路灯亮了"}}', "text"),
    ],
)
def test_a_structured_event_that_says_a_thing_twice_is_refused(event: str, field: str) -> None:
    whole = event.replace("{", f'{{"specversion": "1.0", "type": "{ReportSubmittedV1.TYPE}", "source": "gov/park", ', 1)
    refused = opened({"content-type": "application/cloudevents+json"}, whole.encode(), PARK)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.field) == ("invalid_data", field)
