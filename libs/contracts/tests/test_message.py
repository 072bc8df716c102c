"""A message built from checked values is the message that the checks would have made."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from huying.contracts.incidents import ReportRef
from huying.contracts.message import Value
from huying.contracts.reports import ReportSubmittedV1
from huying.contracts.topics import EVENTS

CHECKED = {
    "report_id": "rp-1",
    "tracking_number": "HY1",
    "channel": "citizen_app",
    "text": "路灯不亮",
    "source": "huying/intake",
    "accepted_at": datetime(2026, 3, 1, tzinfo=UTC),
    "received_at": datetime(2026, 3, 1, tzinfo=UTC),
}


def kinds(of: type[Value] = Value) -> Iterator[type[Value]]:
    """Every model of the contracts."""
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_it_equals_what_validation_makes_with_all_defaults() -> None:
    built, validated = ReportRef.model_construct(**CHECKED), ReportRef.model_validate(CHECKED)
    assert built == validated
    assert built.model_dump_json() == validated.model_dump_json()
    assert built.model_copy(update={"text": "又灭了"}).text == "又灭了"


@pytest.mark.parametrize("odd", [{k: v for k, v in CHECKED.items() if k != "channel"}, CHECKED | {"colour": "red"}])
def test_a_field_forgotten_or_unknown_is_named(odd: dict[str, object]) -> None:
    with pytest.raises(TypeError, match=r"channel|colour"):
        ReportRef.model_construct(**odd)


def test_no_model_has_what_building_leaves_out() -> None:
    found = {*kinds(), *EVENTS.values()}
    assert len(found) > len(EVENTS)
    for kind in found:
        for name, field in kind.model_fields.items():
            assert field.default_factory is None, f"{kind.__name__}.{name}: model_construct gives defaults only"
            assert field.alias is None, f"{kind.__name__}.{name}: model_construct knows no aliases"
        assert not kind.__private_attributes__, kind.__name__


def test_what_was_said_is_not_quoted_by_the_error_that_a_log_or_a_parked_record_keeps() -> None:
    told = {"jurisdiction": "130529", "channel": "partner", "text": "a", "reporter": {"phone": "13803191234" * 4}}
    with pytest.raises(ValidationError) as wrong:
        ReportSubmittedV1.model_validate(told)
    assert "reporter.phone" in str(wrong.value)
    assert "1380319" not in str(wrong.value)
