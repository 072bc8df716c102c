"""The handler over whole lives: any interleaving, any repetition, the same documents and the same events."""

import random
from datetime import timedelta
from typing import Any

import pytest
from evaluation_lives import Life, clock

from huying.chassis.measures import Measures
from huying.chassis.message import API, Message
from huying.contracts.clocks import ClockEvent
from huying.contracts.orders import IncidentRedoneV1
from huying.contracts.ratings import IncidentRatedV1
from huying.contracts.topics import CLOCKS, INCIDENTS
from huying.evaluation.domain import Rules
from huying.evaluation.handlers import Cases, Evaluation, Verdict
from huying.evaluation.repository import read
from huying.evaluation.tickets import Ticket, Tickets

SEEN = {IncidentRatedV1.TYPE}
RULES = Rules(timedelta(days=15), timedelta(days=3))
TICKETS = Tickets(b"k" * 32)


def handler() -> Evaluation:
    nowhere: Any = None
    return Evaluation(nowhere, Measures("evaluation"), RULES, TICKETS)


def message(event: Any) -> Message:
    topic = CLOCKS if isinstance(event, ClockEvent) else INCIDENTS
    return Message(topic.name, "x", event, key=event.incident_id, time=event.at)


LANES = [
    Life("A").opened().joined("r2").joined("B-r1").joined("r3").parted("r3", "D").accepted().completed().steps,
    Life("B").opened(asked=True).merged("A").steps,
    Life("C").opened().returned().dispatched("U05").accepted().completed().steps,
    [*clock("c1", "acceptance", "on_time"), *clock("c2", "response", "extended", "breached", "late")],
    clock("c3", "resolution", "on_time", incident="C"),
    Life("E").opened().joined("e2").accepted().completed().redone().accepted().completed().steps,
]


def shuffled(seed: int) -> list[Any]:
    """The lanes interleaved at random, each in its order, with stretches of a lane delivered again."""
    dice = random.Random(seed)
    lanes = [list(lane) for lane in LANES]
    done: list[Any] = []
    while any(lanes):
        lane = dice.choice([lane for lane in lanes if lane])
        done.append(lane.pop(0))
    for lane in LANES:
        again = dice.randrange(len(lane))
        done += lane[again:]
    return done


def run(events: list[Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    state, subject = Cases(), handler()
    told: dict[str, bytes] = {}
    for event in events:
        effects = subject.fold(state, message(event), event.at)
        for out in effects.events:
            assert told.setdefault(out.id, out.event.encode()) == out.event.encode()
    cases = {name: case.model_dump(exclude={"revision"}) for name, case in state.cases.items()}
    for case in cases.values():
        case["invitations"] = sorted(case["invitations"], key=lambda one: one["rating_id"])
        case["callback_due_at"] = None
    return cases, told


def test_every_interleaving_and_repetition_gives_the_same_cases_and_invitations() -> None:
    expected, told = run([event for lane in LANES for event in lane])
    assert len(told) == 4 + 2 * 2
    for seed in range(60):
        cases, again = run(shuffled(seed))
        assert cases == expected
        assert again.keys() == told.keys()


def test_a_verdict_in_the_same_batch_as_its_result_is_taken_and_the_second_refused() -> None:
    state, subject = Cases(), handler()
    [rating] = [
        out.event.rating_id  # type: ignore[attr-defined]
        for event in LANES[2]
        for out in subject.fold(state, message(event), event.at).events
    ]
    at = LANES[2][-1].at
    body = Verdict(rating_id=rating, grade="satisfied")
    first = subject.fold(state, Message(API, "v", body), at)
    second = subject.fold(state, Message(API, "v", body), at)
    assert (first.answer, second.answer) == ("rated", "used")
    assert [type(out.event).__name__ for out in first.events] == ["IncidentRatedV1"]
    assert second.writes == []


def test_dissatisfied_twice_is_one_command_and_one_review_under_fixed_names() -> None:
    def told() -> list[tuple[str, str, str]]:
        state, subject = Cases(), handler()
        rating, out = "", []
        for event in [*LANES[5], None]:
            if event is None or isinstance(event, IncidentRedoneV1):
                at = LANES[5][-1].at
                effects = subject.fold(state, Message(API, "v", Verdict(rating_id=rating, grade="dissatisfied")), at)
                out += [(o.topic.name, o.key, o.id) for o in effects.events if o.event.TYPE not in SEEN]
            if event is not None:
                for sent in subject.fold(state, message(event), event.at).events:
                    rating = sent.event.rating_id  # type: ignore[attr-defined]
        subject.committed(state)
        assert (state.redos, state.reviews) == (1, 1)
        return out

    first, second = told()
    assert (first[0], first[1]) == ("huying.commands.v1", "130529")
    assert (second[0], second[1]) == ("huying.ratings.v1", "E")
    assert told() == [first, second]


def test_each_write_succeeds_only_from_the_revision_before() -> None:
    state, subject = Cases(), handler()
    operations = [
        operation._doc | {"was": operation._filter["revision"]}  # type: ignore[union-attr,operator]
        for event in LANES[0]
        for _, operation in subject.fold(state, message(event), event.at).writes
    ]
    assert [one["was"] for one in operations] == list(range(len(LANES[0])))
    assert all(one["revision"] == one["was"] + 1 for one in operations)
    assert read(operations[-1]) == state.cases["A"]


@pytest.mark.parametrize("token", ["", "x", "a.b.c", Tickets(b"o" * 32).path(Ticket("rt-1", LANES[0][0].at))[3:]])
def test_a_ticket_of_another_hand_is_none(token: str) -> None:
    assert TICKETS.read(token) is None


def test_a_ticket_reads_back_and_is_the_same_each_time() -> None:
    ticket = Ticket("rt-1", LANES[0][0].at)
    assert TICKETS.read(TICKETS.path(ticket).removeprefix("/r/")) == ticket
    assert TICKETS.path(ticket) == TICKETS.path(ticket)
