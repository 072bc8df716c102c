"""What the pages ask of the projections, on a real database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from console_stories import Story, morning
from pymongo import MongoClient

from huying.chassis.measures import Measures
from huying.chassis.message import Message
from huying.chassis.mongo import Mongo
from huying.chassis.security import Principal
from huying.console.domain import Own
from huying.console.handlers import Projection, Seen
from huying.console.main import INDEXES
from huying.console.repository import FEED, PAGE, STATE_FILTERS, Board, Wish
from huying.console.words import Names
from huying.contracts.clocks import ClockEvent
from huying.contracts.commands import Accept, CommandIssuedV1
from huying.contracts.topics import CLOCKS, INCIDENTS
from huying.devkit.stack import Stack

pytestmark = pytest.mark.wire
NOW = datetime(2026, 3, 9, 6, 20, tzinfo=UTC)


@pytest.fixture
async def projection(embedded_stack: Stack, mongo_database: str) -> AsyncIterator[Projection]:
    """The projections of a morning, and one incident more whose second report has numbers as people know them."""
    mongo = Mongo(embedded_stack.mongo_url, f"{mongo_database}_console")
    subject, state = Projection(mongo, Measures("console"), "130529", Names("巨鹿县", {}, {}, {})), Seen()
    told = Story(
        "well", "PA-0340", "井盖丢了", NOW, matter=("M01", "道路设施"), where=("130529103", "官亭镇", "官亭镇东街")
    )
    told.opened().dispatched().joined("井盖没了", "hotline_12345")
    joined = told.feed[-1]
    numbers = {"tracking_number": "N9DGHMJPHEMT", "origin_number": "DH20260309-7"}
    told.feed[-1] = joined.model_copy(update={"report": joined.report.model_copy(update=numbers)})  # type: ignore[attr-defined]
    for event in [event for story in (*morning("s", NOW), told) for event in story.events]:
        clock = isinstance(event, ClockEvent)
        identity = f"{event.clock_id}/{event.TYPE}" if clock else "x"
        topic = (CLOCKS if clock else INCIDENTS).name
        message = Message(topic, identity, event, key=event.incident_id, time=event.at)
        for collection, write in subject.fold(state, message, NOW).writes:
            await mongo.collection(collection).bulk_write([write])
    yield subject
    mongo.close()


@pytest.fixture
def board(projection: Projection) -> Board:
    return projection.board


async def test_an_emergency_is_told_of_whatever_is_filtered_and_to_whom_it_concerns(board: Board) -> None:
    for wish in (Wish(), Wish(state="completed"), Wish(town="130529103")):
        assert (await board.shown(wish, NOW)).urgent == {"s-gas": "PA-0319"}
    assert (await board.shown(Wish(), NOW, Own("U03"))).urgent == {"s-gas": "PA-0319"}
    assert (await board.shown(Wish(), NOW, Own("U04"))).urgent == {}


async def test_an_emergency_is_told_of_however_many_there_are_already(projection: Projection) -> None:
    feed = projection._mongo.collection(FEED)
    gas = await feed.find_one({"_id": "s-gas"})
    assert gas is not None
    await feed.insert_many([{**gas, "_id": f"more-{n}"} for n in range(PAGE)])
    assert len((await projection.board.shown(Wish(), NOW)).urgent) == PAGE + 1


async def test_orders_whose_unit_asks_for_more_time_are_listed_for_whoever_decides(projection: Projection) -> None:
    asked = {"$set": {"view.course.request": {"reason": "等配件"}}}
    for name in ("s-lamp", "s-garbage"):  # the second is done
        await projection._mongo.collection(FEED).update_one({"_id": name}, asked)
    shown = await projection.board.shown(Wish("requested"), NOW)
    assert ([row["_id"] for row in shown.rows], shown.counts["requested"]) == (["s-lamp"], 1)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("PA-0301", ["s-garbage"]),
        ("ＰＡ－０３０１", ["s-garbage"]),
        ("供水", ["s-road", "s-water"]),
        ("道路设施", ["s-road", "well"]),
        ("官亭镇", ["s-road", "well"]),
        ("官亭镇东", ["well"]),
        ("巨鹿镇西平社区南门", ["s-lamp", "s-twin"]),
        ("N9DGHMJPHEMT", ["well"]),
        (" n9dg-hmjp hemt ", ["well"]),
        ("DH20260309-7", ["well"]),
        ("\u202dPA-0301\u202c", ["s-garbage"]),
        ("PA-0301\x00", ["s-garbage"]),
        ("\u202dn9dg-hmjp-hemt\u202c", ["well"]),
        ("N9DGHMJPHEMX", []),
    ],
)
async def test_a_search_finds_number_matter_place_unit_and_the_citizens_number(
    board: Board, said: str, found: list[str]
) -> None:
    shown = await board.shown(Wish(q=said), NOW)
    assert sorted(row["_id"] for row in shown.rows) == found
    assert shown.counts["all"] == len(found)


async def test_a_unit_finds_what_it_has_and_what_it_assists_in_and_no_more(board: Board) -> None:
    shown = await board.shown(Wish(q="道路设施"), NOW, Own("U04"))
    assert [row["_id"] for row in shown.rows] == ["s-road"]
    assert not (await board.shown(Wish(q="N9DGHMJPHEMT"), NOW, Own("U04"))).rows
    assert [row["_id"] for row in (await board.shown(Wish(q="N9DGHMJPHEMT"), NOW, Own("U01"))).rows] == ["well"], (
        "it assists"
    )


async def test_a_unit_has_what_is_due_first_on_top_and_what_is_done_below(board: Board) -> None:
    late = NOW + timedelta(days=2)
    shown = [row["_id"] for row in (await board.shown(Wish(), late, Own("U02"))).rows]
    assert (shown[0], shown[-1]) == ("s-lamp", "s-garbage"), "the other has no clock, and one is done"
    assert [row["_id"] for row in (await board.shown(Wish(state="open"), NOW, Own("U04"))).rows] == [
        "s-water",
        "s-road",
    ]


async def test_a_grid_worker_finds_the_towns(board: Board) -> None:
    shown = await board.shown(Wish(), NOW, Own("T04", "130529103"))
    assert sorted(row["_id"] for row in shown.rows) == ["s-road", "well"]


@pytest.mark.parametrize("view", [Wish(), Wish(town="130529103"), Wish(unit="U01"), Wish(q="路")])
@pytest.mark.parametrize("own", [None, Own("U04"), Own("T04", "130529103")])
async def test_each_chip_counts_what_it_would_show(board: Board, view: Wish, own: Own | None) -> None:
    counts = (await board.shown(view, NOW, own)).counts
    assert counts.keys() == {"all", *STATE_FILTERS}
    for name in counts:
        wish = replace(view, state="" if name == "all" else name)
        assert counts[name] == len((await board.shown(wish, NOW, own)).rows), name


async def test_what_is_shown_and_counted_does_not_read_and_sort_all(embedded_stack: Stack, mongo_database: str) -> None:
    mongo = Mongo(embedded_stack.mongo_url, mongo_database)
    await mongo.ensure_indexes(FEED, INDEXES[FEED])
    client: MongoClient[dict[str, Any]] = MongoClient(embedded_stack.mongo_url)
    database = client[mongo_database]
    one = {"version": 1, "state": "dispatched", "pinned": False}
    database[FEED].insert_many(
        [{"_id": f"in-{n}", "opened_at": NOW - timedelta(minutes=n), **one} for n in range(PAGE)]
    )
    database[FEED].insert_many(
        [
            {"_id": f"old-{n}", "opened_at": NOW - timedelta(days=n), **one, "state": "completed"}
            for n in range(1, 5 * PAGE)
        ]
    )
    database.command("profile", 2)
    shown = await Board(mongo).shown(Wish(), NOW)
    database.command("profile", 0)
    assert [row["_id"] for row in shown.rows] == [f"in-{n}" for n in range(PAGE)]
    assert (shown.counts["open"], shown.counts["completed"]) == (PAGE, 5 * PAGE - 1)
    asked = list(database["system.profile"].find({"ns": f"{mongo_database}.{FEED}", "docsExamined": {"$exists": True}}))
    assert len(asked) >= 3, "the rows, the open ones' counts, the completed ones' count"
    assert not any(one.get("hasSortStage") for one in asked)
    assert sum(one["docsExamined"] for one in asked) < 3 * PAGE
    client.close()
    mongo.close()


async def test_the_questions_are_all_counted_and_all_reachable_however_many_there_are(
    embedded_stack: Stack, mongo_database: str
) -> None:
    mongo = Mongo(embedded_stack.mongo_url, mongo_database)
    open_questions = [
        {
            "_id": f"in-{n:03}",
            "version": 2,
            "state": "asked" if n % 2 else "dispatched",
            "ask": {"until": NOW + timedelta(minutes=n)},
        }
        for n in range(PAGE + 50)
    ]
    await mongo.collection(FEED).insert_many([*open_questions, {"_id": "answered", "version": 3, "ask": None}])
    board = Board(mongo)
    first, rest = await board.asks(), await board.asks(more=1)
    assert (len(first.rows), first.total, first.holding) == (PAGE, PAGE + 50, PAGE // 2 + 25)
    assert (len(rest.rows), rest.rows[-1]["_id"]) == (PAGE + 50, f"in-{PAGE + 49:03}")
    chosen = await board.asks(f"in-{PAGE + 49:03}")
    assert [one["_id"] for one in chosen.rows[-2:]] == [f"in-{PAGE - 1:03}", f"in-{PAGE + 49:03}"], (
        "the one sought, too"
    )
    assert len((await board.asks("answered")).rows) == PAGE
    mongo.close()


async def test_a_command_is_shown_to_who_gave_it_and_to_who_sees_its_incident(projection: Projection) -> None:
    road = await projection.board.incident("s-road")
    assert road is not None
    unit = road["unit"]
    giver = Principal("zhang", "unit", "U-none")
    wish = CommandIssuedV1(
        command_id="c1", jurisdiction="130529", incident_id="s-road", actor=giver.actor, action=Accept(), issued_at=NOW
    )
    for collection, write in projection.desk.fold({}, wish).writes:
        await projection._mongo.collection(collection).bulk_write([write])
    shown = [giver, Principal("li", "unit", unit), Principal("ops", "dispatcher"), Principal("m", "system")]
    hidden = [Principal("wang", "unit", "U-none"), Principal("zhao", "grid_worker", "U-none")]
    assert all([await projection.desk.shown("c1", who) is not None for who in shown])
    assert not any([await projection.desk.shown("c1", who) for who in hidden])
