"""The citizen's page on a database of dictionaries: one progress for every order in which the topics arrive."""

import random
from datetime import timedelta
from typing import Any

import pytest
from intake_bench import NOW, Make, MakeDoor, asked

from huying.chassis.message import Message
from huying.contracts.clocks import ClockBreachedV1, ClockExtendedV1, ClockStartedV1, ClockStoppedV1
from huying.contracts.course import Course
from huying.contracts.incidents import (
    Classification,
    CommandDeclinedV1,
    Dispatch,
    IncidentAcceptedV1,
    IncidentCompletedV1,
    IncidentDispatchedV1,
    IncidentEvent,
    IncidentMergedV1,
    IncidentOpenedV1,
    IncidentReportJoinedV1,
    IncidentView,
    ReportRef,
)
from huying.contracts.message import Event
from huying.contracts.orders import IncidentRestoredV1
from huying.contracts.places import Place
from huying.contracts.ratings import IncidentRatedV1
from huying.intake.domain import progress


def ref(name: str) -> ReportRef:
    return ReportRef(
        report_id=f"rp-{name}",
        tracking_number=f"T{name}",
        channel="hotline_12345",
        text="垃圾",
        source="hotline",
        accepted_at=NOW,
        received_at=NOW,
    )


def clock(kind: type[Any], name: str, minutes: int, due: int, **more: Any) -> Any:
    return kind(
        clock_id=f"in-b.{name}",
        incident_id="in-b",
        jurisdiction="130529",
        kind=name,
        clock_class="public_service",
        at=NOW + timedelta(minutes=minutes),
        due_at=NOW + timedelta(minutes=due),
        started_at=NOW,
        policy="h",
        **more,
    )


def step(kind: type[IncidentEvent], incident: str, version: int, minutes: int, **more: Any) -> IncidentEvent:
    at = NOW + timedelta(minutes=minutes)
    dispatch = Dispatch(
        dispatch_id="dp-1", unit="U02", unit_name="城管局", catalogue="1", dispatched_at=NOW + timedelta(minutes=2)
    )
    if kind in (IncidentAcceptedV1, IncidentCompletedV1):
        dispatch = dispatch.model_copy(update={"accepted_at": NOW + timedelta(minutes=9)})
    states = {IncidentOpenedV1: "asked", IncidentCompletedV1: "completed", IncidentMergedV1: "merged"}
    view = IncidentView(
        incident_id=incident,
        number=f"JL-{incident}",
        jurisdiction="130529",
        state=states.get(kind, "dispatched"),  # type: ignore[arg-type]
        classification=Classification(matter="M09", matter_name="环境卫生", clock_class="public_service", confidence=1),
        place=Place(),
        title="垃圾",
        opened_at=NOW,
        report_count=1,
        channels=("hotline_12345",),
        dispatch=dispatch if kind not in (IncidentOpenedV1, IncidentMergedV1) else None,
        completed_at=at if kind is IncidentCompletedV1 else None,
        merged_into=more.get("into"),
    )
    if issubclass(kind, IncidentDispatchedV1 | IncidentAcceptedV1 | IncidentCompletedV1):
        more["dispatch"] = dispatch
    return kind(
        incident_id=incident,
        incident_version=version,
        jurisdiction="130529",
        at=at,
        pack_hash="h",
        incident=view,
        **more,
    )


STORY: dict[str, list[Event]] = {
    "feed of a": [
        step(IncidentOpenedV1, "in-a", 1, 0, report=ref("one")),
        step(IncidentReportJoinedV1, "in-a", 2, 1, report=ref("two"), how="merged", score=0.9),
        step(IncidentMergedV1, "in-a", 3, 5, into="in-b", reports=("rp-one", "rp-two")),
    ],
    "feed of b": [
        step(IncidentOpenedV1, "in-b", 1, 1, report=ref("three")),
        step(IncidentDispatchedV1, "in-b", 2, 2),
        step(IncidentReportJoinedV1, "in-b", 3, 5, report=ref("one"), how="answered", score=1),
        step(IncidentAcceptedV1, "in-b", 4, 9),
        step(IncidentCompletedV1, "in-b", 5, 60, text="已清运，联系13803191234"),
    ],
    "clocks of b": [
        clock(ClockStartedV1, "response", 1, 100),
        clock(ClockStartedV1, "acceptance", 2, 30),
        clock(ClockStoppedV1, "acceptance", 9, 30, verdict="on_time"),
        clock(ClockBreachedV1, "response", 50, 100),
        clock(ClockExtendedV1, "response", 55, 200, reason="大雨", count=1),
        clock(ClockStoppedV1, "response", 60, 200, verdict="late"),
    ],
    "ratings": [
        IncidentRatedV1(
            incident_id="in-b",
            jurisdiction="130529",
            at=NOW + timedelta(minutes=90),
            rating_id="rt-1",
            report_id="rp-one",
            unit="U02",
            grade="satisfied",
        )
    ],
    "declined": [
        CommandDeclinedV1(
            command_id="c", incident_id="in-b", jurisdiction="130529", at=NOW, reason="illegal_move", message="no"
        )
    ],
}


def shuffled(seed: int) -> list[Message]:
    """The story in another order across topics, each told up to three times from its beginning."""
    chance = random.Random(seed)
    lanes = [[Message("bus", "x", event) for event in lane] * chance.randint(1, 3) for lane in STORY.values()]
    mixed = []
    while any(lanes):
        mixed.append(chance.choice([lane for lane in lanes if lane]).pop(0))
    return mixed


def shown(door: Any) -> dict[str, Any]:
    found = {}
    for row in door.documents.rows("reports").values():
        found[row["tracking_number"]] = progress.page(row, door.documents.rows("progress"), {}).model_dump()
    return found


def moved(name: str, moves: int) -> ReportRef:
    return ref(name).model_copy(update={"moves": moves})


REGROUPED: list[list[Event]] = [
    [
        step(IncidentOpenedV1, "in-x", 1, 0, report=ref("one")),
        step(IncidentMergedV1, "in-x", 2, 5, into="in-y", reports=("rp-one",)),
        step(IncidentRestoredV1, "in-x", 3, 5, merged_into="in-y", reason="不是同一件"),
        step(IncidentReportJoinedV1, "in-x", 4, 5, report=moved("one", 2), how="restored", score=1),
    ],
    [
        step(IncidentOpenedV1, "in-y", 1, 1, report=ref("two")),
        step(IncidentReportJoinedV1, "in-y", 2, 2, report=ref("three"), how="merged", score=0.9),
        step(IncidentReportJoinedV1, "in-y", 3, 5, report=moved("one", 1), how="person", score=1),
    ],
    [step(IncidentOpenedV1, "in-z", 1, 5, report=moved("three", 1), split_from="in-y")],
]
"""Merged and undone, and split, all in one minute: only the moves tell the order."""


@pytest.mark.parametrize("seed", range(20))
async def test_the_page_follows_a_report_through_merge_undoing_and_split_in_any_order(
    make_door: MakeDoor, seed: int
) -> None:
    door, chance = make_door(), random.Random(seed)
    lanes = [[Message("bus", "x", event) for event in lane] for lane in REGROUPED]
    while any(lanes):
        await door.batch(chance.choice([lane for lane in lanes if lane]).pop(0))
    rows, incidents = door.documents.rows("reports"), door.documents.rows("progress")
    where = {name: progress.incident_of(row["incidents"], incidents)["_id"] for name, row in rows.items()}
    assert where == {"rp-one": "in-x", "rp-two": "in-y", "rp-three": "in-z"}


async def test_every_order_and_repetition_of_the_feed_gives_the_same_pages(make_door: MakeDoor) -> None:
    pages = []
    for seed in range(40):
        door, chance = make_door(), random.Random(seed)
        messages = shuffled(seed)
        while messages:
            size = chance.randint(1, len(messages))
            await door.batch(*messages[:size])
            messages = messages[size:]
        pages.append(shown(door))
        assert door.measures.violations.labels("version_gap")._value.get() == 0
    assert all(page == pages[0] for page in pages)
    one, two = pages[0]["Tone"], pages[0]["Ttwo"]
    assert one["incident_number"] == two["incident_number"] == "JL-in-b"
    assert [each["state"] for each in one["steps"]] == ["done"] * 6
    assert [each["state"] for each in two["steps"]] == ["done"] * 5 + ["current"]
    assert (one["result"]["text"], one["rating"], two["rating"]) == ("已清运，联系138****1234", "satisfied", None)
    assert (one["until"], one["overdue"], one["extensions"]) == (NOW + timedelta(minutes=200), True, 1)


@pytest.mark.parametrize("together", [True, False])
async def test_an_older_version_that_comes_again_does_not_set_the_page_back(door: Any, together: bool) -> None:
    opened, dispatched = (Message("bus", "x", event) for event in STORY["feed of b"][:2])
    told = [opened, dispatched, opened]
    for batch in [told] if together else [[message] for message in told]:
        await door.batch(*batch)
    row = door.documents.rows("progress")["in-b"]
    assert (row["version"], row["state"]) == (2, "dispatched")
    assert shown(door)["Tthree"]["unit"] == {"code": "U02", "name": "城管局"}


async def test_time_that_is_granted_after_a_breach_takes_nothing_back(door: Any) -> None:
    opened = [Message("bus", "x", event) for event in STORY["feed of b"][:2]]
    clocks = [Message("bus", "x", event) for event in STORY["clocks of b"][:-1]]
    await door.batch(*opened, *clocks)
    page = shown(door)["Tthree"]
    assert (page["until"], page["extensions"]) == (NOW + timedelta(minutes=200), 1)
    assert (page["overdue"], page["was_overdue"]) == (False, True)


async def test_a_breach_and_a_stop_in_one_batch_are_what_they_are_in_two(make_door: MakeDoor) -> None:
    breached = clock(ClockBreachedV1, "response", 50, 100)
    told = [
        Message("bus", "x", each) for each in (breached, clock(ClockStoppedV1, "response", 60, 100, verdict="void"))
    ]
    one, two = make_door(), make_door()
    await one.batch(*told)
    for message in told:
        await two.batch(message)
    assert one.documents.rows("progress") == two.documents.rows("progress")
    [kept] = one.documents.rows("progress")["in-b"]["clocks"].values()
    assert (kept["state"], kept["breached"]) == ("stopped", True)


async def test_a_missing_version_is_counted(door: Any) -> None:
    await door.batch(Message("bus", "x", STORY["feed of b"][0]), Message("bus", "x", STORY["feed of b"][2]))
    assert door.measures.violations.labels("version_gap")._value.get() == 1


async def test_the_page_says_who_has_it_and_until_when(door: Any) -> None:
    told = [*STORY["feed of b"][:2], *STORY["clocks of b"][:2]]
    await door.batch(*(Message("bus", "x", event) for event in told))
    page = shown(door)["Tthree"]
    assert page["unit"] == {"code": "U02", "name": "城管局"}
    assert (page["until"], page["overdue"]) == (NOW + timedelta(minutes=100), False)
    assert [each["state"] for each in page["steps"]] == ["done", "done", "done", "current", "todo", "todo"]
    assert page["steps"][3]["note"] == "等待责任单位签收"
    await door.batch(Message("bus", "x", STORY["clocks of b"][3]))
    assert shown(door)["Tthree"]["overdue"] is True
    await door.batch(Message("bus", "x", STORY["clocks of b"][4]))
    page = shown(door)["Tthree"]
    assert (page["until"], page["overdue"], page["extensions"]) == (NOW + timedelta(minutes=200), False, 1)


@pytest.mark.parametrize("seed", range(6))
async def test_the_tracking_number_of_a_parted_report_shows_both_problems_until_they_are_one_again(
    make_door: Any, seed: int
) -> None:
    part = ref("one").model_copy(update={"report_id": "rp-part", "part_of": "rp-one"})
    lanes = [
        [step(IncidentOpenedV1, "in-x", 1, 0, report=ref("one"))],
        [step(IncidentOpenedV1, "in-y", 1, 5, report=part)],
    ]
    door, chance = make_door(), random.Random(seed)
    while any(lanes):
        await door.batch(Message("bus", "x", chance.choice([lane for lane in lanes if lane]).pop(0)))
    page = shown(door)["Tone"]
    assert (page["incident_number"], [one["incident_number"] for one in page["others"]]) == ("JL-in-x", ["JL-in-y"])
    back = part.model_copy(update={"moves": 1})
    lanes = [
        [step(IncidentReportJoinedV1, "in-x", 2, 9, report=back, how="person", score=1)],
        [step(IncidentMergedV1, "in-y", 2, 9, into="in-x", reports=("rp-part",))],
    ]
    while any(lanes):
        await door.batch(Message("bus", "x", chance.choice([lane for lane in lanes if lane]).pop(0)))
    assert shown(door)["Tone"]["others"] == ()


async def test_a_report_that_no_incident_has_yet_shows_its_first_step(door: Any, report: Make) -> None:
    (answer,) = await door.batch(asked(report()))
    row = door.documents.rows("reports")[answer.event.report_id]
    page = progress.page(row, {}, {})
    assert [each.state for each in page.steps] == ["done", "current", "todo", "todo", "todo", "todo"]
    assert page.unit is None


def test_progress_knows_how_often_an_incident_was_begun_anew() -> None:
    plain = step(IncidentAcceptedV1, "in-b", 4, 9)
    again = plain.incident.model_copy(update={"course": Course(redone=1)})
    assert progress.after_step(plain)["redone"] == 0
    assert progress.after_step(plain.model_copy(update={"incident": again}))["redone"] == 1
