"""The simulated people: the same seed gives the same month, whatever order they hear of it in."""

from datetime import UTC, datetime, timedelta

import pytest

from huying.contracts.course import Course
from huying.contracts.envelope import CloudEvent
from huying.contracts.incidents import Classification, Dispatch, IncidentDispatchedV1, IncidentView
from huying.contracts.places import Place
from huying.contracts.ratings import RatingInvitedV1
from huying.devkit.people import Deed, People

START = datetime(2026, 3, 2, 2, tzinfo=UTC)  # a Monday, 10:00 in Julu
NEVER = START + timedelta(days=365)


def dispatched(number: int, clock: str = "other", returns: int = 0, redone: int = 0) -> CloudEvent:
    incident, at = f"in-{number}", START + timedelta(minutes=number)
    dispatch = Dispatch(
        dispatch_id=f"dp-{number}-{returns}-{redone}", unit="U02", unit_name="城管局", catalogue="c", dispatched_at=at
    )
    view = IncidentView(
        incident_id=incident,
        number=str(number),
        jurisdiction="130529",
        state="dispatched",
        classification=Classification(matter="M02", matter_name="路灯", clock_class=clock, confidence=1),  # type: ignore[arg-type]
        place=Place(),
        title="路灯不亮",
        opened_at=at,
        report_count=1,
        channels=("iot",),
        dispatch=dispatch,
        returns=returns,
        course=Course(redone=redone) if redone else None,
    )
    event = IncidentDispatchedV1(
        incident_id=incident,
        incident_version=2 + 2 * returns + 5 * redone,
        jurisdiction="130529",
        at=at,
        pack_hash="h",
        incident=view,
        dispatch=dispatch,
    )
    return CloudEvent(f"{incident}/2", "huying/routing", event.TYPE, event.encode(), time=at)


def invited(number: int) -> CloudEvent:
    event = RatingInvitedV1(
        incident_id=f"in-{number}",
        jurisdiction="130529",
        at=START,
        rating_id=f"rt-{number}",
        report_id=f"rp-{number}",
        reporter="ps",
        unit="U02",
        path=f"/r/{number}",
    )
    return CloudEvent(f"rt-{number}", "huying/evaluation", event.TYPE, event.encode(), time=START)


def life(people: People, until: datetime = NEVER) -> list[Deed]:
    found: list[Deed] = []
    while deeds := people.due(until):
        found += deeds
    return found


def test_the_same_seed_gives_the_same_deeds_in_whatever_order_the_feed_is_read() -> None:
    events = [dispatched(n) for n in range(50)] + [invited(n) for n in range(50)]
    one, other = People(7), People(7)
    one.hear(events)
    for event in reversed(events):
        other.hear([event])
    assert sorted(life(one)) == sorted(life(other))


def test_another_seed_gives_another_month() -> None:
    one, other = People(7), People(8)
    for people in (one, other):
        people.hear(dispatched(n) for n in range(20))
    assert life(one) != life(other)


def test_nobody_does_two_things_to_one_incident_in_one_step() -> None:
    people = People(7)
    people.hear([*(dispatched(n) for n in range(50)), *(invited(n) for n in range(50))])
    while deeds := people.due(NEVER):
        incidents = [deed.incident_id for deed in deeds]
        assert len(incidents) == len(set(incidents))


def test_deeds_of_an_incident_come_in_their_order_and_after_its_dispatch() -> None:
    people = People(7)
    people.hear(dispatched(n) for n in range(100))
    by_incident: dict[str, list[Deed]] = {}
    for deed in life(people):
        by_incident.setdefault(deed.incident_id, []).append(deed)
    for incident, deeds in by_incident.items():
        assert [deed.at for deed in deeds] == sorted(deed.at for deed in deeds)
        assert deeds[0].at > START + timedelta(minutes=int(incident.removeprefix("in-")))
        kinds = [dict(deed.body)["kind"] for deed in deeds]
        assert kinds in (["accept", "contact", "complete"], ["accept", "contact"], ["return"])


def test_shares_are_those_of_the_requirements() -> None:
    people = People(7)
    count = 4000
    people.hear([*(dispatched(n) for n in range(count)), *(invited(n) for n in range(count))])
    deeds = life(people)
    kinds = [dict(deed.body).get("kind") for deed in deeds]
    handled = count - kinds.count("return")
    assert 0.95 <= kinds.count("complete") / handled <= 0.99
    assert 0.01 <= kinds.count("return") / count <= 0.05
    grades = [dict(deed.body)["grade"] for deed in deeds if deed.path]
    satisfied = 1 - grades.count("dissatisfied") / len(grades)
    assert 0.95 <= satisfied <= 0.965
    assert 0.4 < len(grades) / count < 0.7


@pytest.mark.parametrize(("clock", "hours"), [("emergency", 2.0), ("consultation", 24.0)])
def test_most_urgent_work_is_done_in_time(clock: str, hours: float) -> None:
    people = People(7)
    people.hear(dispatched(n, clock) for n in range(500))
    started = {f"in-{n}": START + timedelta(minutes=n) for n in range(500)}
    done = [deed for deed in life(people) if dict(deed.body).get("kind") == "complete"]
    late = [deed for deed in done if deed.at - started[deed.incident_id] > timedelta(hours=hours)]
    assert 0 < len(late) < len(done) * 0.15


def test_who_was_sent_back_once_is_not_sent_back_again() -> None:
    people = People(7)
    people.hear(dispatched(n, returns=1) for n in range(500))
    assert all(dict(deed.body)["kind"] != "return" for deed in life(people))


def test_what_is_done_again_is_accepted_and_completed_again_by_new_deeds() -> None:
    people = People(7)
    people.hear(dispatched(n) for n in range(200))
    first = life(people)
    people.hear(dispatched(n, redone=1) for n in range(200))
    again = life(people)
    kinds = [dict(deed.body)["kind"] for deed in again]
    assert (kinds.count("return"), kinds.count("accept")) == (0, 200)
    assert kinds.count("complete") > 180
    assert {deed.key for deed in first}.isdisjoint({deed.key for deed in again})
