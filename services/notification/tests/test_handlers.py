"""The handler on a database in memory: any order of topics, redelivery, two replicas, claims as fences."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notice_shelf import Shelf, give
from notify_lives import START, Life, breached, invited, warned

from huying.chassis.errors import Conflict
from huying.chassis.measures import Measures
from huying.chassis.message import API, Message
from huying.contracts.incidents import CommandDeclinedV1, IncidentEvent
from huying.contracts.topics import CLOCKS, INCIDENTS, RATINGS
from huying.notification.delivery.outcome import Outcome, Outcomes
from huying.notification.domain import Desk
from huying.notification.handlers import Notification
from huying.notification.repository import CLAIMS, ROWS, WAITING
from huying.notification.repository import INCIDENTS as KNOWN

LATER = START + timedelta(days=1)


def handler(shelf: Shelf, desk: Desk, woken: list[int] | None = None, measures: Measures | None = None) -> Notification:
    repository: Any = shelf
    wake = (lambda: woken.append(1)) if woken is not None else (lambda: None)
    return Notification(repository, desk, measures or Measures("notification"), wake)


def feed() -> list[Message]:
    lives = [
        Life("A").opened().dispatched(assisting=("U03",)).joined("li").completed(),
        Life("B").opened("zhao").asked().dispatched("U04").returned().dispatched("U02"),
    ]
    steps = [event for life in lives for event in life.steps]
    return [Message(INCIDENTS.name, f"{e.incident_id}/{e.incident_version}", e, time=e.at) for e in steps]


def clocks() -> list[Message]:
    events = [("50", warned("A", 50, "duty_officer")), ("100", warned("A", 100, "leader", "dispatcher"))]
    events += [("breached", breached("A", "leader", "supervisor")), ("50", warned("B", 50, "grid_worker"))]
    return [Message(CLOCKS.name, f"{e.clock_id}/{step}", e, time=e.at) for step, e in events]


def ratings() -> list[Message]:
    return [Message(RATINGS.name, e.rating_id, e, time=e.at) for e in (invited("A"), invited("B", "zhao"))]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
async def test_any_order_of_topics_with_repeats_in_any_batches_tells_the_same(desk: Desk, data: st.DataObject) -> None:
    plain = Shelf()
    await give(handler(plain, desk), plain, [*feed(), *clocks(), *ratings()])

    lanes = [feed(), [*clocks(), *clocks()[:2]], ratings()]
    lanes = [lane[: data.draw(st.integers(0, len(lane)))] + lane for lane in lanes]
    order = data.draw(st.permutations([n for n, lane in enumerate(lanes) for _ in lane]))
    shelf, told = Shelf(), handler(Shelf(), desk)
    told = handler(shelf, desk)
    batch: list[Message] = []
    for lane in order:
        batch.append(lanes[lane].pop(0))
        if data.draw(st.booleans()):
            await give(told, shelf, batch)
            batch = []
    await give(told, shelf, batch)
    assert shelf.rows[ROWS] == plain.rows[ROWS]
    assert shelf.rows[WAITING] == {}
    without_rest = {key: {k: v for k, v in row.items() if k != "held"} for key, row in shelf.rows[KNOWN].items()}
    assert without_rest == {key: {k: v for k, v in r.items() if k != "held"} for key, r in plain.rows[KNOWN].items()}


async def test_who_keeps_an_event_and_who_opens_its_incident_cannot_miss_each_other(desk: Desk) -> None:
    for first in (0, 1):
        shelf = Shelf()
        replicas = [handler(shelf, desk), handler(shelf, desk)]
        batches = [feed()[:2], clocks()[:1]]
        states = [await replica.load(batch) for replica, batch in zip(replicas, batches, strict=True)]
        folded = [
            [replica.fold(state, message, START) for message in batch]
            for replica, state, batch in zip(replicas, states, batches, strict=True)
        ]
        shelf.commit(folded[first])
        with pytest.raises(Conflict):
            shelf.commit(folded[1 - first])
        await give(replicas[1 - first], shelf, batches[1 - first])
        assert "clock_warned" in {row["template"] for row in shelf.rows[ROWS].values()}
        assert shelf.rows[WAITING] == {}


async def test_a_second_replica_that_keeps_an_event_does_not_hide_the_first_ones(desk: Desk) -> None:
    shelf = Shelf()
    one, two = handler(shelf, desk), handler(shelf, desk)
    await give(one, shelf, clocks()[:1])
    opening = feed()[:1]
    state = await one.load(opening)
    effects = [one.fold(state, message, START) for message in opening]
    await give(two, shelf, ratings()[:1])
    with pytest.raises(Conflict):
        shelf.commit(effects)
    await give(one, shelf, opening)
    assert {row["template"] for row in shelf.rows[ROWS].values()} == {"clock_warned", "rating_invited"}


async def sending(shelf: Shelf, desk: Desk, measures: Measures | None = None) -> tuple[Notification, list[str]]:
    """Notices of one dispatch, claimed by `c1`."""
    told = handler(shelf, desk, measures=measures)
    await give(told, shelf, feed()[:2])
    shelf.rows[CLAIMS]["c1"] = {"_id": "c1", "open": True}
    for row in shelf.rows[ROWS].values():
        row |= {"state": "sending", "claim": "c1"}
    return told, list(shelf.rows[ROWS])


async def test_outcomes_settle_notices_and_tell_the_bus(desk: Desk) -> None:
    shelf, measures = Shelf(), Measures("notification")
    told, ids = await sending(shelf, desk, measures)
    results = (
        Outcome(ids[0], "confirmed"),
        Outcome(ids[1], "unknown", "no_answer"),
        Outcome(ids[2], "failed", "http_400"),
        Outcome(ids[3], "intent", "http_503", LATER),
    )
    await give(told, shelf, [Message(API, "settle/c1", Outcomes("c1", LATER, results), time=START)])
    assert [shelf.rows[ROWS][key]["state"] for key in ids] == ["confirmed", "unknown", "failed", "intent"]
    assert shelf.published == [f"{ids[0]}/confirmed", f"{ids[1]}/unknown", f"{ids[2]}/failed"]
    again = shelf.rows[ROWS][ids[3]]
    assert (again["attempts"], again["next_try_at"], "claim" in again) == (1, LATER, False)
    assert shelf.rows[CLAIMS]["c1"]["open"] is False
    count = measures.registry.get_sample_value
    assert count("huying_notification_notices_total", {"medium": "file", "outcome": "confirmed"}) == 1
    assert count("huying_notification_notices_total", {"medium": "file", "outcome": "unknown"}) == 1


async def test_who_lost_the_claim_settles_nothing(desk: Desk) -> None:
    shelf = Shelf()
    told, ids = await sending(shelf, desk)
    message = Message(API, "settle/c1", Outcomes("c1", LATER, (Outcome(ids[0], "confirmed"),)), time=START)
    state = await told.load([message])
    effects = told.fold(state, message, START)
    shelf.rows[CLAIMS]["c1"]["open"] = False
    with pytest.raises(Conflict):
        shelf.commit([effects])
    await give(told, shelf, [message])
    assert shelf.published == []
    assert shelf.rows[ROWS][ids[0]]["state"] == "sending"


async def test_a_settled_notice_is_not_intended_anew_by_a_redelivery(desk: Desk) -> None:
    shelf = Shelf()
    told, ids = await sending(shelf, desk)
    message = Message(API, "settle/c1", Outcomes("c1", LATER, (Outcome(ids[0], "confirmed"),)), time=START)
    await give(told, shelf, [message])
    shelf.rows[KNOWN].clear()
    await give(told, shelf, feed()[:2])
    assert shelf.rows[ROWS][ids[0]]["state"] == "confirmed"


async def test_the_sender_is_woken_only_when_there_is_something_to_send(desk: Desk) -> None:
    shelf, woken = Shelf(), list[int]()
    told = handler(shelf, desk, woken)
    await give(told, shelf, feed()[:1])
    assert woken == []
    await give(told, shelf, feed()[1:2])
    assert woken == [1]


async def test_a_declined_command_tells_nobody(desk: Desk) -> None:
    shelf = Shelf()
    declined = CommandDeclinedV1(
        command_id="c", incident_id="A", jurisdiction="130529", at=START, reason="illegal_move", message="不行"
    )
    assert not isinstance(declined, IncidentEvent)
    await give(handler(shelf, desk), shelf, [Message(INCIDENTS.name, "c", declined, time=START)])
    assert not any(shelf.rows.values())
