"""The projections: any interleaving and repetition gives the same documents; people's commands find their answer."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from console_stories import Story, morning
from pymongo import InsertOne, UpdateOne

from huying.chassis.measures import Measures
from huying.chassis.message import API, Message
from huying.console.domain import Own, allowed, own_of, sees_all, takes_part
from huying.console.handlers import Projection, Seen
from huying.console.words import Names
from huying.contracts.clocks import ClockEvent
from huying.contracts.commands import Accept, Actor, CommandIssuedV1
from huying.contracts.incidents import CommandDeclinedV1
from huying.contracts.topics import CLOCKS, INCIDENTS

NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)
NAMES = Names("巨鹿县", {"U01": "县交通运输局"}, {}, {}, town_units={"130529100": "T01", "130529103": "T04"})


class Nowhere:
    """A database that is never asked."""

    def collection(self, name: str) -> None:
        return None


class Store:
    """Applies the few kinds of writes that the projections use."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}

    def apply(self, writes: list[tuple[str, Any]]) -> None:
        for collection, operation in writes:
            if isinstance(operation, InsertOne):
                self.documents[collection, operation._doc["_id"]] = dict(operation._doc)
                continue
            assert isinstance(operation, UpdateOne)
            wanted, change = dict(operation._filter), operation._doc
            key = (collection, wanted["_id"])
            found = self.documents.get(key)
            if found is not None and any(found.get(name) != value for name, value in wanted.items()):
                found = None
            if found is None and not operation._upsert:
                continue
            if found is None:
                found = self.documents.setdefault(key, {"_id": wanted["_id"], **change.get("$setOnInsert", {})})
            for name, value in change.get("$set", {}).items():
                part, _, field = name.partition(".")
                if field:
                    found.setdefault(part, {})[field] = value
                else:
                    found[name] = value


def projection() -> Projection:
    nowhere: Any = Nowhere()
    return Projection(nowhere, Measures("console"), "130529", NAMES)


def message(event: Any) -> Message:
    clock = isinstance(event, ClockEvent)
    identity = f"{event.clock_id}/{event.TYPE}" if clock else "x"
    topic = CLOCKS if clock else INCIDENTS
    return Message(topic.name, identity, event, key=event.incident_id, time=event.at)


def run(events: list[Any]) -> dict[tuple[str, str], dict[str, Any]]:
    subject, state, store = projection(), Seen(), Store()
    for event in events:
        store.apply(subject.fold(state, message(event), event.at).writes)
    assert state.gaps == 0
    return store.documents


def test_every_interleaving_and_repetition_gives_the_same_documents() -> None:
    lanes = [lane for story in morning("s", NOW) for lane in (story.feed, story.clocks) if lane]
    expected = run([event for lane in lanes for event in lane])
    assert {name for name, _ in expected} == {"feed", "history", "reports"}
    for seed in range(40):
        dice = random.Random(seed)
        waiting, events = [list(lane) for lane in lanes], []
        while any(waiting):
            events.append(dice.choice([lane for lane in waiting if lane]).pop(0))
        for lane in lanes:
            events += lane[dice.randrange(len(lane)) :]
        assert run(events) == expected


def test_a_version_that_is_missing_is_counted() -> None:
    subject, state = projection(), Seen()
    steps = Story("g", "PA-1", "路灯不亮", NOW).opened().dispatched().accepted().feed
    for step in (steps[0], steps[2]):
        subject.fold(state, message(step), NOW)
    assert state.gaps == 1


def command(identity: str) -> CommandIssuedV1:
    return CommandIssuedV1(
        command_id=identity,
        jurisdiction="130529",
        incident_id="c",
        actor=Actor(id="zhang", role="dispatcher"),
        action=Accept(),
        issued_at=NOW,
    )


def test_a_command_of_ours_is_answered_once_and_a_strangers_leaves_no_trace() -> None:
    subject, state, store = projection(), Seen(), Store()
    taken = subject.fold(state, Message(API, "cm-1", command("cm-1")), NOW)
    store.apply(taken.writes)
    assert [out.event.TYPE for out in taken.events] == [CommandIssuedV1.TYPE]
    again = subject.fold(state, Message(API, "cm-1", command("cm-1")), NOW)
    assert (again.writes, again.events, again.answer) == ([], [], None)
    other = command("cm-1").model_copy(update={"expected_version": 7})
    assert subject.fold(state, Message(API, "cm-1", other), NOW).answer == "expected_version"
    steps = Story("c", "PA-1", "路灯不亮", NOW).opened().dispatched().accepted().feed
    for step, identity in zip(steps, (None, "cm-stranger", "cm-1"), strict=True):
        event = step.model_copy(update={"command_id": identity})
        store.apply(subject.fold(state, message(event), NOW).writes)
    assert store.documents["commands", "cm-1"]["status"] == "done"
    assert ("commands", "cm-stranger") not in store.documents


def test_a_declined_command_says_why_and_is_no_step_of_the_incident() -> None:
    subject, state, store = projection(), Seen(), Store()
    store.apply(subject.fold(state, Message(API, "cm-2", command("cm-2")), NOW).writes)
    declined = CommandDeclinedV1(
        command_id="cm-2",
        incident_id="c",
        jurisdiction="130529",
        at=NOW,
        reason="stale_version",
        message="事件已到第 4 版",
        legal=("contact",),
    )
    store.apply(subject.fold(state, message(declined), NOW).writes)
    row = store.documents["commands", "cm-2"]
    assert (row["status"], row["reason"], row["message"]) == ("declined", "stale_version", "事件已到第 4 版")
    assert {name for name, _ in store.documents} == {"commands"}


def offered(
    state: str,
    unit: str | None,
    role: Any,
    own: str | None,
    ask: dict[str, Any] | None = None,
    clock_class: str = "other",
    here: str | None = None,
    **course: Any,
) -> tuple[str, ...]:
    view = {
        "dispatch": {"unit": unit, "assisting": ["U05"]} if unit else None,
        "classification": {"clock_class": clock_class},
        "course": course,
        "report_count": 1,
    }
    return allowed({"state": state, "view": view, "ask": ask}, Actor(id="somebody", role=role, unit=own), here)


def test_buttons_are_those_of_the_common_table_for_the_role_the_unit_and_what_there_is() -> None:
    ask = {"until": NOW}
    assert offered("asked", None, "dispatcher", None, ask) == ("answer_ask", "confirm", "merge", "part_report")
    assert offered("asked", None, "unit", "U01", ask) == ()
    assert "answer_ask" in offered("accepted", "U01", "dispatcher", None, ask)
    assert "answer_ask" not in offered("accepted", "U01", "dispatcher", None)
    assert "answer_ask" not in offered("accepted", "U01", "unit", "U01", ask)
    assert offered("dispatched", "U01", "unit", "U01") == ("accept", "return", "escalate", "whistle")
    assert offered("dispatched", "U01", "unit", "U02") == ()
    assert offered("dispatched", "U01", "supervisor", None) == ("supervise",)
    assert offered("completed", "U01", "supervisor", None, supervision={}) == ("lift_supervision", "redo")
    assert offered("accepted", "U01", "unit", "U05", whistle={"units": ["U05"]}) == ("check_in",)
    assert "approve_extension" in offered("accepted", "U01", "leader", None, request={})
    assert "approve_extension" not in offered("accepted", "U01", "unit", "U01", request={})
    assert offered("accepted", "U01", "leader", "U01", request={}) == offered(
        "accepted", "U01", "unit", "U01", request={}
    )
    assert "suspend" in offered("accepted", "U01", "unit", "U01")
    assert "suspend" not in offered("accepted", "U01", "unit", "U01", clock_class="emergency")
    assert offered("dispatched", "U01", "grid_worker", "T01", here="T01") == ("escalate", "whistle")
    assert offered("dispatched", "U01", "grid_worker", "T01", here="T02") == (), "it is another town's"
    assert offered("dispatched", "T01", "grid_worker", "T01", here="T02") == ("escalate", "whistle")
    assert offered("dispatched", "U01", "grid_worker", None) == ()


def test_the_questions_are_for_the_dispatch_centre_and_who_supervises_it() -> None:
    roles: tuple[Any, ...] = ("dispatcher", "leader", "supervisor", "unit", "grid_worker", "citizen", "system")
    seen = [role for role in roles if sees_all(Actor(id="a", role=role))]
    assert seen == ["dispatcher", "leader", "supervisor"]
    assert not sees_all(Actor(id="a", role="leader", unit="U01")), "the head of a unit is the unit's"


@pytest.mark.parametrize(
    ("role", "unit", "own"),
    [
        ("dispatcher", None, None),
        ("supervisor", "U09", None),
        ("leader", "U01", Own("U01")),
        ("unit", "T01", Own("T01")),
        ("unit", None, Own("")),
        ("grid_worker", "T04", Own("T04", "130529103")),
        ("grid_worker", "U01", Own("U01")),
        ("grid_worker", None, Own("")),
        ("citizen", None, Own("")),
    ],
)
def test_who_does_not_see_all_sees_the_units_and_a_grid_worker_the_towns(
    role: Any, unit: str | None, own: Own | None
) -> None:
    assert own_of(Actor(id="a", role=role, unit=unit), NAMES) == own


def test_an_incident_opens_to_the_unit_that_has_it_or_takes_part_and_in_the_grid_workers_town() -> None:
    view = {"dispatch": {"unit": "U01", "assisting": ["U05"]}, "course": {"whistle": {"units": ["U09"]}}}
    document = {"unit": "U01", "town_code": "130529103", "view": view}
    opens = [Own("U01"), Own("U05"), Own("U09"), Own("T04", "130529103")]
    closed = [Own("U02"), Own(""), Own("T04"), Own("T01", "130529100")]
    assert all(takes_part(document, own) for own in opens)
    assert not any(takes_part(document, own) for own in closed)
    assert not takes_part(document | {"town_code": None}, Own("")), "no town is nobody's town"
