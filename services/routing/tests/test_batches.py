"""What is decided does not hang on how messages were put into batches, nor on a restart between them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from orders_bench import PACK, START, report
from routing_shelf import Shelf, give, routing_on

from huying.chassis.measures import Measures
from huying.chassis.message import Message
from huying.contracts import commands as c
from huying.contracts import topics
from huying.contracts.identity import incident_id
from huying.contracts.incidents import IncidentEvent
from huying.contracts.reports import ReportAcceptedV1
from huying.routing.handlers import Routing
from huying.routing.judgement import Candidate, Correlator, Judge, Verdict
from huying.routing.meters import Meters
from huying.routing.models import Models


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Models(PACK, None).first()


def incident(number: int) -> str:
    return incident_id(f"r{number}")


def told(number: int, text: str = "路灯不亮", minute: int | None = None, **more: Any) -> Message:
    """A report, `number` minutes after the start or at the minute that is given."""
    at = START + timedelta(minutes=number if minute is None else minute)
    body = report(number, at, text, **more)
    return Message(topics.REPORTS.name, body.report_id, body, key=PACK.code, time=at)


def wished(number: int, minute: int, action: c.Action) -> Message:
    """A command by the dispatch centre on the incident that this report opened."""
    at = START + timedelta(minutes=minute)
    body = c.CommandIssuedV1(
        command_id=f"c{minute}",
        jurisdiction=PACK.code,
        incident_id=incident(number),
        actor=c.Actor(id="li", role="dispatcher"),
        action=action,
        issued_at=at,
    )
    return Message(topics.COMMANDS.name, body.command_id, body, key=PACK.code, time=at)


async def lived(judge: Judge, batches: Sequence[Sequence[Message]]) -> tuple[Routing, Shelf]:
    shelf = Shelf()
    routing = routing_on(shelf, PACK, judge, START)
    await routing.reload()
    for batch in batches:
        await give(routing, shelf, batch)
    return routing, shelf


async def one_by_one_and_together(judge: Judge, before: int, messages: Sequence[Message]) -> list[IncidentEvent]:
    """The feed, which is the same whether all after the first `before` come one by one or in a single batch."""
    single = [[message] for message in messages]
    _, alone = await lived(judge, single)
    _, together = await lived(judge, [*single[:before], messages[before:]])
    assert [event.model_dump() for event in together.events] == [event.model_dump() for event in alone.events]
    return alone.events


def nothing_alike(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> None:
    """Judgement says these verdicts, and of all other reports that they are new."""
    planned = {verdict.report_id: verdict for verdict in verdicts}

    def judged(self: Correlator, facts: Any, screening: Any) -> Verdict:
        return planned.get(facts.report_id, Verdict(facts.report_id, "new", None, 0.0, ()))

    monkeypatch.setattr(Correlator, "judge", judged)
    monkeypatch.setattr(Correlator, "revise", lambda self, screening, verdict: screening)


@pytest.mark.parametrize("before", [0, 1])
async def test_a_follow_up_finds_its_report_in_the_batch_in_which_both_came(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    nothing_alike(monkeypatch)
    messages = [told(0), told(1, "到现在没人来", relates_to="t0")]
    events = await one_by_one_and_together(judge, before, messages)
    assert {event.incident_id for event in events} == {incident(0)}


async def test_a_follow_up_goes_where_a_split_of_its_batch_has_brought_its_report(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_alike(monkeypatch, Verdict("r1", "merge", incident(0), 0.9, ()))
    messages = [told(0), told(1, "井盖丢了"), wished(0, 2, c.Split(reports=("r1",), reason="两件"))]
    events = await one_by_one_and_together(judge, 2, [*messages, told(3, "到现在没人来", relates_to="t1")])
    assert events[-1].incident_id not in {incident(0), incident(3)}


@pytest.mark.parametrize("before", [0, 3])
async def test_a_question_is_answered_in_the_batch_that_opened_it(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    rivals = (Candidate(incident(0), 0.6, True), Candidate(incident(1), 0.5, True))
    nothing_alike(monkeypatch, Verdict("r2", "ask", incident(0), 0.6, (), None, rivals))
    answer = c.AnswerAsk(same=True, candidates=(incident(0), incident(1)))
    messages = [told(0), told(1), told(5, "水管爆了"), told(2), wished(2, 6, answer)]
    events = await one_by_one_and_together(judge, before, messages)
    assert events[-1].incident.state != "merged" or events[-1].incident.merged_into == incident(0)
    last = {event.incident_id: event.incident for event in events}
    assert last[incident(0)].report_count == 3


async def test_of_two_floods_the_same_takes_a_report_in_whatever_batch_they_were_opened(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_alike(monkeypatch)
    until = START + timedelta(days=1)
    numbers = sorted(range(2), key=incident, reverse=True)  # the one that sorts later is opened first
    floods = [
        wished(number, 10 + place, c.OpenFlood(until=until, matters=("M02",))) for place, number in enumerate(numbers)
    ]
    events = await one_by_one_and_together(judge, 2, [told(0), told(1), *floods, told(20)])
    assert any(event.incident.course and event.incident.course.parent for event in events)


async def test_a_restarted_routing_has_reports_in_the_order_in_which_they_came_to_an_incident(judge: Judge) -> None:
    """A merge brings an older report to a younger incident, and which came first tells where that is."""

    def where(number: int, town: int) -> Message:
        message = told(number, f"{PACK.towns[town].name_zh}路灯不亮")
        body = message.body
        assert isinstance(body, ReportAcceptedV1)
        place = body.place.model_copy(update={"town_code": PACK.towns[town].code})
        moved = body.model_copy(update={"place": place})
        return Message(message.topic, moved.report_id, moved, key=PACK.code, time=message.time)

    messages = [where(0, 0), where(1, 1), wished(0, 2, c.Merge(into=incident(1), reason="是一件"))]
    running, shelf = await lived(judge, [[message] for message in messages])
    restarted = routing_on(shelf, PACK, judge, START)
    await restarted.reload()
    rows = []
    for routing in (running, restarted):
        assert routing.memory.incidents[incident(1)].reports == ("r1", "r0")
        index = routing.memory.correlator.index
        rows.append(index.rows[index.slot_of[incident(1)]])
    np.testing.assert_array_equal(*rows)


async def test_a_batch_that_is_tried_again_counts_its_reports_once(judge: Judge) -> None:
    routing, shelf = await lived(judge, [])
    measures = Measures("routing")
    routing._meters = Meters(measures)
    batch = [told(1), told(2, "金银花叶子发黄打卷")]
    state = await routing.load(batch)
    for message in batch:
        assert message.time is not None
        routing.fold(state, message, message.time)
    await routing.reload()  # another replica was faster, and wrote nothing of these
    await give(routing, shelf, batch)
    samples = (one for metric in measures.registry.collect() for one in metric.samples)
    bands = {one.labels["band"]: one.value for one in samples if one.name == "huying_routing_reports_total"}
    assert bands == {"new": 2.0}
