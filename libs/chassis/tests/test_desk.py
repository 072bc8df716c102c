"""What the desk answers: done, declined with the state and the legal moves, not yet."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from huying.chassis.desk import CommandBody, answer, decision_of
from huying.contracts.incidents import CommandDeclinedV1

DECLINED = CommandDeclinedV1(
    command_id="cm-1",
    incident_id="in-1",
    jurisdiction="130529",
    at=datetime(2026, 3, 2, tzinfo=UTC),
    reason="illegal_move",
    message="事件已办结，不能签收；现在可以：重办",
    state="completed",
    legal=("redo",),
    current_version=7,
)


def test_a_declined_command_is_a_problem_that_names_the_state_and_the_legal_moves() -> None:
    response = answer("cm-1", decision_of(DECLINED))
    said = json.loads(bytes(response.body))
    assert (response.status_code, response.media_type) == (409, "application/problem+json")
    assert (said["status"], said["detail"]) == (409, DECLINED.message)
    assert (said["reason"], said["state"], said["legal"], said["current_version"]) == (
        "illegal_move",
        "completed",
        ["redo"],
        7,
    )


def test_a_command_that_is_not_decided_yet_has_an_address_to_ask_at() -> None:
    response = answer("cm-1", None)
    assert (response.status_code, response.headers["location"]) == (202, "/v1/commands/cm-1")


def test_what_was_done_says_which_version_it_led_to() -> None:
    done = {"status": "done", "incident_id": "in-1", "incident_version": 3, "state": "accepted"}
    response = answer("cm-1", done)
    assert (response.status_code, json.loads(bytes(response.body))) == (200, {"command_id": "cm-1", **done})


@pytest.mark.parametrize("version", [0, 2**53, 10**30])
def test_a_version_that_no_database_can_hold_is_refused_by_name(version: int) -> None:
    with pytest.raises(ValidationError, match="expected_version"):
        CommandBody.model_validate({"action": {"kind": "accept"}, "expected_version": version})
