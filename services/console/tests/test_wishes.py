"""What people fill in becomes the command that routing understands; what is missing is said."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from huying.console.wishes import FIRST, FORMS, action_of, asks, begun, numbers
from huying.contracts import commands as c
from huying.contracts.moves import MOVES

FILLED: dict[str, Any] = {
    "text": "好",
    "line": "村口",
    "pictures": "https://example.org/1.jpg",
    "unit": "U05",
    "units": ["U05"],
    "matter": "M02",
    "matters": ["M20"],
    "towns": ["130529100"],
    "village": "130529100001",
    "when": "2026-03-05T18:00",
    "flag": True,
    "report": "r1",
    "reports": ["r1"],
    "incident": "in-1",
    "incidents": ["in-1"],
}


def filled(kind: str) -> dict[str, Any]:
    return {
        field.name: next(iter(field.options)) if field.options else FILLED[field.kind] for field in FORMS.get(kind, ())
    }


@pytest.mark.parametrize("kind", [kind for kind in MOVES if kind != "answer_ask"])
def test_every_command_can_be_given_from_its_form(kind: str) -> None:
    action = action_of(kind, filled(kind))
    assert isinstance(action, dict), action
    made: c.Action = TypeAdapter(c.Action).validate_python(action)
    assert made.kind == kind
    asked = {name for name in type(made).model_fields if name != "kind"}
    assert set(action) - {"kind"} == {field.name for field in FORMS.get(kind, ())}
    assert asked >= set(action) - {"kind"}


def test_who_has_no_unit_says_which_one_came_and_a_units_people_check_in_at_once() -> None:
    assert asks("check_in", None)
    assert not asks("check_in", "U05")
    assert asks("whistle", "U05")
    assert not asks("accept", None)
    view = {"course": {"whistle": {"units": ["U05", "U09"], "arrived": ["U05"]}}}
    assert begun("check_in", view, ()) == {"unit": "U09"}
    view["course"]["whistle"]["arrived"] = ["U09", "U05"]
    assert begun("check_in", view, ()) is None
    assert begun("check_in", {}, ()) is None
    assert begun("whistle", view, [{"report": "r1"}]) is None
    assert begun("part_report", view, [{"report": "r1"}, {"report": "r2"}]) == {"report": "r1"}


@pytest.mark.parametrize("kind", [*FORMS])
def test_a_person_says_why_wherever_the_command_has_room_for_it(kind: str) -> None:
    model = next(one for one in c.Action.__args__[0].__args__ if one.model_fields["kind"].default == kind)  # type: ignore[attr-defined]
    fields = {field.name: field.needed for field in FORMS[kind]}
    assert all(fields.get(name) for name in ("reason", "basis") if name in model.model_fields)


@pytest.mark.parametrize("kind", list(FORMS))
def test_what_is_needed_and_missing_is_named_and_the_rest_may_stay_empty(kind: str) -> None:
    needed = [field for field in FORMS[kind] if field.needed]
    everything = filled(kind)
    for field in needed:
        said = action_of(kind, everything | {field.name: " " if isinstance(everything[field.name], str) else None})
        assert said == f"请填写：{field.label}"
    alone = action_of(kind, {field.name: everything[field.name] for field in needed})
    assert isinstance(alone, dict)


def test_a_time_is_the_countys_and_pictures_are_lines() -> None:
    action = action_of("suspend", {"reason": "等", "until": "2026-03-05T18:00"})
    assert isinstance(action, dict)
    assert datetime.fromisoformat(action["until"]).astimezone(UTC) == datetime(2026, 3, 5, 10, tzinfo=UTC)
    done = action_of("complete", {"text": "好", "attachments": "https://a.example/1.jpg\n\nhttps://a.example/2.jpg"})
    assert isinstance(done, dict)
    assert [one["url"][-5:] for one in done["attachments"]] == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("kind", "wrong", "blamed"),
    [
        (
            "complete",
            {"text": "好", "attachments": "https://a.example/1.jpg\nfile:///etc/passwd"},
            "图片网址（每行一个）",
        ),
        ("suspend", {"reason": "等", "until": "明天"}, "最晚到"),
        ("return", {"reason": "长" * 5001, "basis": "职责清单"}, "退回理由（必填）"),
    ],
)
def test_what_routing_could_not_read_is_not_sent_and_the_field_is_named(
    kind: str, wrong: dict[str, Any], blamed: str
) -> None:
    assert str(action_of(kind, wrong)).endswith(f"请检查：{blamed}")


def test_numbers_are_taken_as_people_type_them_and_buttons_name_known_commands() -> None:
    assert numbers("260302-00001，260302-00002、 260302-00003") == ["260302-00001", "260302-00002", "260302-00003"]
    assert numbers("２６０３０２－００００１，260302-00002") == ["260302-00001", "260302-00002"]
    assert set(FIRST) | set(FORMS) <= set(MOVES)


@pytest.mark.parametrize("kind", ["complete", "suspend", "request_extension", "redo"])
def test_whoever_writes_what_citizens_are_told_reads_that_they_are(kind: str) -> None:
    label = FORMS[kind][0].label
    assert "群众" in label
