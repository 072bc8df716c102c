"""The handler on a database in memory: replicas, redelivery, any order of ticks and events, batches of any size."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shelf import Shelf, give, strike
from sla_lives import Life, at

from huying.chassis.errors import Conflict
from huying.chassis.measures import Measures
from huying.chassis.message import Message
from huying.contracts.identity import event_id
from huying.contracts.topics import INCIDENTS
from huying.county import WorkingCalendar
from huying.county.calendar.days import Notice
from huying.sla_timer.clocks import Rulebook
from huying.sla_timer.handlers import CountAgain, FellDue, SlaTimer
from huying.sla_timer.repository import CASES, TIMERS

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


async def caught_up() -> bool:
    return True


def timer(shelf: Shelf, rules: Rulebook, reads: Any = caught_up) -> SlaTimer:
    repository: Any = shelf
    return SlaTimer(repository, rules, Measures("sla-timer"), timedelta(minutes=65), reads)


def messages(*lives: Life) -> list[Message]:
    found = [
        Message(INCIDENTS.name, event_id(e.incident_id, e.incident_version), e, key=e.incident_id, time=e.at)
        for life in lives
        for e in life.steps
    ]
    return sorted(found, key=lambda message: message.body.at)


def story() -> list[Message]:
    """A month's worth of kinds: answered, transferred, breached, merged, urgent."""
    start = at("2026-03-02 09:00:00.123456")
    return messages(
        Life("A", start).opened().dispatched().accepted(HOUR).contacted(HOUR).completed(5 * HOUR),
        Life("B", start, "emergency").opened().dispatched().returned(20 * MINUTE).dispatched("U04").accepted(HOUR),
        Life("C", start, "other").opened("asked").merged(25 * MINUTE),
        Life("D", start, "consultation").opened().dispatched().completed(40 * HOUR),
        Life("E", start + MINUTE, "other").opened().dispatched().accepted(3 * HOUR).completed(20 * HOUR),
    )


async def test_a_redelivered_feed_changes_nothing(rules: Rulebook) -> None:
    shelf = Shelf()
    handler = timer(shelf, rules)
    for message in story():
        await give(handler, shelf, [message])
    rows, published = {k: dict(v) for k, v in shelf.rows.items()}, list(shelf.published)
    await give(handler, shelf, [*story(), *story()])
    assert shelf.rows == rows
    assert shelf.published == published


@settings(max_examples=30, deadline=None)
@given(
    ticks=st.lists(st.integers(0, 60 * 60), max_size=12, unique=True),
    cuts=st.lists(st.integers(0, 30), max_size=6),
)
async def test_ticks_and_batches_of_any_size_come_to_the_same_clocks_and_events(
    rules: Rulebook, ticks: list[int], cuts: list[int]
) -> None:
    told = story()
    end = told[-1].body.at + 30 * HOUR
    plain = Shelf()
    await give(timer(plain, rules), plain, told)
    await strike(timer(plain, rules), plain, end)

    shelf = Shelf()
    handler = timer(shelf, rules)
    moments = sorted(told[0].body.at + tick * MINUTE for tick in ticks)
    batch: list[Message] = []
    for number, message in enumerate(told):
        due = [moment for moment in moments if moment <= message.body.at]
        if due or number in cuts:
            await give(handler, shelf, batch)
            batch = []
        for moment in due:
            moments.remove(moment)
            await strike(handler, shelf, moment)
        batch.append(message)
    await give(handler, shelf, batch)
    for moment in [*(moment for moment in moments if moment < end), end]:
        await strike(handler, shelf, moment)

    assert shelf.rows == plain.rows
    assert sorted(shelf.published) == sorted(set(shelf.published)) == sorted(plain.published)
    without_late = {"late"}
    assert {key: event.model_dump(exclude=without_late) for key, event in shelf.events.items()} == {
        key: event.model_dump(exclude=without_late) for key, event in plain.events.items()
    }


async def test_of_two_replicas_that_fire_one_step_only_one_commits(rules: Rulebook) -> None:
    shelf = Shelf()
    one, two = timer(shelf, rules), timer(shelf, rules)
    await give(one, shelf, messages(Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched()))
    now = at("2026-03-02 10:00")
    batches = [(handler, await handler.due(now)) for handler in (one, two)]
    folded = []
    for handler, due in batches:
        state = await handler.load(due)
        folded.append([handler.fold(state, message, now) for message in due])
    shelf.commit(folded[0])
    with pytest.raises(Conflict):
        shelf.commit(folded[1])
    retried = await two.load(batches[1][1])
    again = [two.fold(retried, message, now) for message in batches[1][1]]
    assert not any(effects.events or effects.guards for effects in again)
    assert len(shelf.published) == len(set(shelf.published))


async def test_an_event_and_another_replicas_tick_cannot_both_move_a_clock(rules: Rulebook) -> None:
    shelf = Shelf()
    one, two = timer(shelf, rules), timer(shelf, rules)
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(5 * MINUTE)
    told = messages(life)
    await give(one, shelf, told[:2])
    state = await one.load(told[2:])
    stops = one.fold(state, told[2], told[2].body.at)
    await strike(two, shelf, at("2026-03-02 09:08"))
    with pytest.raises(Conflict):
        shelf.commit([stops])
    await give(one, shelf, told[2:])
    [acceptance] = [row for row in shelf.rows[TIMERS].values() if row["kind"] == "acceptance"]
    assert acceptance["verdict"] == "on_time"
    assert shelf.rows[CASES]["A"]["version"] == 3


async def test_nothing_younger_than_the_feed_was_read_is_told(rules: Rulebook) -> None:
    shelf, behind = Shelf(), [True]

    async def reads() -> bool:
        return not behind[0]

    handler = timer(shelf, rules, reads)
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(MINUTE)
    told = messages(life.completed(90 * MINUTE))
    assert await strike(handler, shelf, at("2026-03-02 12:00")) == 0
    await give(handler, shelf, told[:3])
    assert await strike(handler, shelf, at("2026-03-02 12:00")) == 0, "the completion may be among the unread"
    await give(handler, shelf, told[3:])
    behind[0] = False
    await strike(handler, shelf, at("2026-03-02 12:00"))
    [resolution] = [row for row in shelf.rows[TIMERS].values() if row["kind"] == "resolution"]
    assert (resolution["verdict"], resolution["breached_at"]) == ("on_time", None)


async def test_a_clock_that_starts_and_fires_in_one_batch_needs_no_guard(rules: Rulebook) -> None:
    shelf = Shelf()
    handler = timer(shelf, rules)
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(20 * MINUTE)
    state = await handler.load(messages(life))
    effects = [handler.fold(state, message, message.body.at) for message in messages(life)]
    assert not any(one.guards for one in effects)
    shelf.commit(effects)
    [acceptance] = [row for row in shelf.rows[TIMERS].values() if row["kind"] == "acceptance"]
    assert (acceptance["verdict"], acceptance["state"]) == ("late", "stopped")


async def test_gaps_are_counted_when_the_batch_is_committed(rules: Rulebook) -> None:
    shelf = Shelf()
    measures = Measures("sla-timer")
    repository: Any = shelf
    handler = SlaTimer(repository, rules, measures, MINUTE, caught_up)
    told = messages(Life("A", at("2026-03-02 09:00")).opened().dispatched().accepted(HOUR))
    await give(handler, shelf, [told[0], told[2]])
    value = measures.registry.get_sample_value("huying_invariant_violations_total", {"invariant": "version_gap"})
    assert value == 1
    labels = {"kind": "response", "clock_class": "public_service"}
    assert measures.registry.get_sample_value("huying_sla_timer_clocks_started_total", labels) == 1


async def test_a_new_calendar_reaches_the_provisional_clocks_after_a_restart(rules: Rulebook) -> None:
    shelf = Shelf()
    await give(timer(shelf, rules), shelf, messages(Life("A", at("2028-09-29 10:00")).opened().dispatched()))
    assert [row["provisional"] for row in shelf.rows[TIMERS].values() if row["kind"] == "response"] == [True]
    handler = timer(shelf, replace(rules, pack_hash="new"))
    assert await strike(handler, shelf, at("2028-09-29 10:01")) > 0
    assert {row["counted_with"] for row in shelf.rows[TIMERS].values() if row["provisional"]} == {"new"}
    assert await strike(handler, shelf, at("2028-09-29 10:02")) == 0


async def test_an_origin_that_drives_nothing_yet_is_known_after_a_restart(rules: Rulebook) -> None:
    """Its deadline is later than ours, until the published holidays move ours behind it."""
    shelf, origin = Shelf(), at("2028-10-12 12:00")
    life = Life("A", at("2028-09-29 10:00"), "other").opened().dispatched().joined(HOUR, origin_due_at=origin)
    for message in messages(life):
        await give(timer(shelf, rules), shelf, [message])
    off = [date(2028, 10, day) for day in range(1, 8)]
    notice = Notice(year=2028, source="test", off=tuple(off), work=(date(2028, 10, 8),))
    choices = rules.calendar.choices.model_copy(update={"notices": (notice,)})
    informed = replace(rules, pack_hash="informed", calendar=WorkingCalendar(choices))
    await strike(timer(shelf, informed), shelf, at("2028-09-30 10:00"))
    [due] = [
        row["due_at"] for row in shelf.rows[TIMERS].values() if (row["kind"], row["state"]) == ("resolution", "armed")
    ]
    assert due == origin


async def test_a_clock_that_waits_to_be_counted_again_keeps_no_other_incident_waiting(rules: Rulebook) -> None:
    shelf = Shelf()
    for name, opened in (("A", "2028-09-29 10:00"), ("B", "2026-03-02 10:00")):
        await give(timer(shelf, rules), shelf, messages(Life(name, at(opened)).opened().dispatched()))
    due = await timer(shelf, replace(rules, pack_hash="new")).due(at("2028-10-30 10:00"))
    assert {(message.key, type(message.body)) for message in due} == {("A", CountAgain), ("B", FellDue)}
