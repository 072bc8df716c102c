"""Fold: one order one report, and the same standing for every interleaving of the feed."""

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from feeds import MONDAY, Incident
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import UpdateOne

from huying.chassis.errors import Broken
from huying.chassis.measures import Measures
from huying.chassis.message import API, Effects, Message
from huying.contracts.identity import report_id
from huying.contracts.incidents import IncidentEvent
from huying.contracts.reports import ReportAcceptedV1
from huying.contracts.topics import INCIDENTS
from huying.county import Pack
from huying.hotline_bridge.domain.acceptance import Accepted, Arrival, Keys, Refused, Repeated, arrival_of
from huying.hotline_bridge.domain.mapping import OriginMapping
from huying.hotline_bridge.domain.translating import translate
from huying.hotline_bridge.handlers import LINES, Bridge, RefusedAlarm, State

Make = Callable[[], Bridge]


@pytest.fixture(scope="session")
def make(pack: Pack, mappings: dict[str, OriginMapping]) -> Make:
    keys = Keys.of("a-secret-of-the-tests-that-is-long-enough")
    return lambda: Bridge(None, Measures("hotline-bridge"), pack, mappings, keys)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def arrivals(pack: Pack, mappings: dict[str, OriginMapping], orders: dict[str, Any]) -> list[Arrival]:
    found = []
    for number in ("A-1", "A-2"):
        order = copy.deepcopy(orders["hotline_12345"])
        order["工单"]["工单编号"] = number
        translated = translate(mappings["hotline_12345"], order, pack.code)
        found.append(arrival_of("hotline_12345", number, translated.body, pack, f"digest-{number}"))
    return found


def come(bridge: Bridge, state: State, body: Any, topic: str = API) -> Effects:
    return bridge.fold(state, Message(topic, "m", body), MONDAY)


def violations(bridge: Bridge) -> float:
    samples = [sample for metric in bridge._measures.violations.collect() for sample in metric.samples]
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def test_an_order_becomes_one_report_even_twice_in_one_batch(make: Make, arrivals: list[Arrival]) -> None:
    bridge, state = make(), State({}, {})
    first = come(bridge, state, arrivals[0])
    assert isinstance(first.answer, Accepted)
    [event] = first.events
    assert isinstance(event.event, ReportAcceptedV1)
    assert (event.topic.name, event.key, event.id) == ("huying.reports.v1", "130529", arrivals[0].report_id)
    assert event.time == event.event.received_at
    assert event.event.accepted_at == MONDAY
    again = come(bridge, state, arrivals[0])
    assert isinstance(again.answer, Repeated)
    assert (again.writes, again.events) == ([], [])
    assert again.answer.tracking_number == first.answer.tracking_number


def test_a_changed_order_under_the_same_number_changes_nothing(make: Make, arrivals: list[Arrival]) -> None:
    from dataclasses import replace

    bridge, state = make(), State({}, {})
    come(bridge, state, arrivals[0])
    refused = come(bridge, state, replace(arrivals[0], digest="another"))
    assert isinstance(refused.answer, Refused)
    assert (refused.writes, refused.events) == ([], [])


def test_a_batch_that_is_tried_again_is_counted_once(make: Make, arrivals: list[Arrival]) -> None:
    bridge = make()
    gap = Incident("in-1").opened("rp-x").accepted().steps[1]
    for _ in range(2):
        state = State({}, {})
        come(bridge, state, arrivals[0])
        come(bridge, state, gap, INCIDENTS.name)
        come(bridge, state, RefusedAlarm(UpdateOne({}, {})), LINES)
    bridge.committed(state)
    counted = {
        sample.name: sample.value
        for metric in bridge._measures.registry.collect()
        for sample in metric.samples
        if sample.value and sample.name.startswith("huying_hotline_bridge") and sample.name.endswith("_total")
    }
    assert counted == {"huying_hotline_bridge_orders_total": 1, "huying_hotline_bridge_refused_alarms_total": 1}
    assert violations(bridge) == 1


def test_what_is_kept_of_an_order_has_none_of_its_words(make: Make, arrivals: list[Arrival]) -> None:
    effects = come(make(), State({}, {}), arrivals[0])
    [(collection, write)] = effects.writes
    assert collection == "orders"
    kept = repr(write._doc)
    assert "垃圾" not in kept
    assert "西郭城村" not in kept


def test_an_order_follows_its_incident_in_the_origins_own_words(make: Make, arrivals: list[Arrival]) -> None:
    bridge, state = make(), State({}, {})
    come(bridge, state, arrivals[0])
    name = arrivals[0].report_id
    seen = [state.orders[name]["standing"]["origin_state"]["code"]]
    for event in Incident("in-1").opened(name).accepted().completed().steps:
        come(bridge, state, event, INCIDENTS.name)
        seen.append(state.orders[name]["standing"]["origin_state"]["code"])
    assert seen == ["10", "20", "20", "30", "50"]
    standing = state.orders[name]["standing"]
    assert (standing["result"], standing["unit_name"], standing["incident_number"]) == (
        "已清理并立牌",
        "城管局",
        "JL-in-1",
    )
    assert violations(bridge) == 0


@pytest.mark.parametrize("second_first", [False, True])
def test_an_order_of_two_problems_is_done_when_both_are(
    make: Make, arrivals: list[Arrival], second_first: bool
) -> None:
    bridge, state = make(), State({}, {})
    come(bridge, state, arrivals[0])
    name = arrivals[0].report_id
    first = Incident("in-1").opened(name).accepted().completed().steps
    second = Incident("in-2").opened_by_part("rp-part", name)
    second.dispatch = first[-1].incident.dispatch
    second.result = "水管已冲洗"
    second.accepted().completed()
    *lane, last = (*second.steps[:-1], *first) if second_first else (*first, *second.steps[:-1])
    for event in (*lane, last):
        come(bridge, state, event, INCIDENTS.name)
    standing = state.orders[name]["standing"]
    assert (standing["state"], standing["incident_number"], standing["result"]) == ("accepted", "JL-in-2", None)
    come(bridge, state, second.steps[-1], INCIDENTS.name)
    standing = state.orders[name]["standing"]
    assert (standing["state"], standing["incident_number"]) == ("completed", "JL-in-1")
    assert standing["result"] == "已清理并立牌\n水管已冲洗"
    assert state.orders[name]["incidents"] == ["in-1", "in-2"]
    back = Incident("in-1")
    back.steps, back.state, back.at = list(first), "completed", second.at
    second.merged("in-1", "rp-part")
    come(bridge, state, second.steps[-1], INCIDENTS.name)
    assert state.orders[name]["standing"]["result"] == "已清理并立牌"


def test_a_gap_in_an_incidents_versions_is_counted(make: Make) -> None:
    bridge, state = make(), State({}, {})
    steps = Incident("in-1").opened("rp-x").accepted().steps
    come(bridge, state, steps[0], INCIDENTS.name)
    come(bridge, state, steps[2], INCIDENTS.name)
    bridge.committed(state)
    assert violations(bridge) == 1


def test_a_refused_line_of_a_device_is_counted_and_parked(make: Make) -> None:
    bridge, state = make(), State({}, {})
    parked = UpdateOne({"_id": "pk-1"}, {"$setOnInsert": {"state": "parked"}}, upsert=True)
    assert come(bridge, state, RefusedAlarm(parked)).writes == [("parked", parked)]


def test_a_line_out_of_the_parking_is_parked_again_when_it_still_cannot_be_taken(
    make: Make, arrivals: list[Arrival]
) -> None:
    bridge, state = make(), State({}, {})
    come(bridge, state, arrivals[0], LINES)
    assert come(bridge, state, arrivals[0], LINES).writes == []
    with pytest.raises(Broken) as refused:
        come(bridge, state, replace(arrivals[0], digest="other"), LINES)
    assert refused.value.reason == "number_reused"


@given(seed=st.integers(0, 2**32), undone=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_interleaving_and_repetition_of_the_feed_gives_the_same_orders(
    make: Make, arrivals: list[Arrival], seed: int, undone: bool
) -> None:
    """Each incident in its own order, as its key keeps it; between incidents anything goes."""
    one, two = (arrival.report_id for arrival in arrivals)
    first = Incident("in-1").opened(one)
    first.at += timedelta(minutes=7)
    second = Incident("in-2").opened(two).accepted()
    first.merged("in-2", one)
    second.joined(one, moves=1)
    if undone:
        first.restored().joined(one, moves=2)
    second.completed()
    third = Incident("in-3").opened("rp-of-another-door")

    def told(streams: list[list[IncidentEvent]]) -> dict[str, Any]:
        bridge, state = make(), State({}, {})
        for arrival in arrivals:
            come(bridge, state, arrival)
        chance, done = random.Random(seed), [0] * len(streams)
        while any(place < len(stream) for place, stream in zip(done, streams, strict=True)):
            which = chance.choice([n for n, stream in enumerate(streams) if done[n] < len(stream)])
            come(bridge, state, streams[which][done[which]], INCIDENTS.name)
            back = chance.random() < 0.2
            done[which] = max(0, done[which] - 1) if back else done[which] + 1
        assert violations(bridge) == 0
        return {name: order | {"revision": None} for name, order in state.orders.items()}  # how often it was written

    whole = told([[*first.steps, *second.steps, *third.steps]])
    standing = whole[one]["standing"]
    expected = ("in-1", "dispatched") if undone else ("in-2", "completed")
    assert (standing["incident_id"], standing["state"]) == expected
    assert told([first.steps, second.steps, third.steps]) == whole


def test_an_order_is_named_by_origin_and_number(arrivals: list[Arrival]) -> None:
    assert arrivals[0].report_id == report_id("hotline_12345", "A-1")
