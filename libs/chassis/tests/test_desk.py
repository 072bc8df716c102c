"""What the desk answers: done, declined with the state and the legal moves, not yet."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from pymongo.errors import AutoReconnect

from huying.chassis import desk
from huying.chassis.desk import CommandBody, CommandDesk, answer, decision_of
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


class Away:
    """A database that answers no look, until it is back with the row."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)

    def collection(self, _: str) -> "Away":
        return self

    async def find_one(self, _: dict[str, Any]) -> dict[str, Any] | None:
        answer = self.answers.pop(0) if self.answers else AutoReconnect("no primary")
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_look_that_fails_while_a_command_is_waited_for_decides_nothing_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def sees(*_: Any) -> bool:
        return True

    monkeypatch.setattr(desk, "POLL_S", 0.001)
    monkeypatch.setattr(desk, "PATIENCE_S", 0.1)
    row = {"_id": "cm-1", "status": "done"}
    back: Any = Away(AutoReconnect("no primary"), row)
    assert await CommandDesk(back, sees).wait("cm-1") == row
    away: Any = Away()
    assert await CommandDesk(away, sees).wait("cm-1") is None, "not decided yet: 202, never a fault"
