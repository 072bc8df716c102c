"""The clocks of orders that become an emergency, and of those that are one no more."""

from datetime import timedelta
from typing import Any

from sla_bench import DAY, HOUR, Bench, extended, local, running, suspended
from sla_lives import Life, at

from huying.contracts import incidents, orders
from huying.contracts.course import Course


def test_what_an_order_stood_still_counts_when_a_person_takes_its_emergency_back(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    suspended(life, HOUR, at("2026-03-20 11:00"))
    life.beside(orders.IncidentResumedV1, 3 * DAY, "accepted", course=Course())
    risen = Course(emergency_since=life.at + HOUR)
    life.clock_class = "emergency"
    life.joined(HOUR, course=risen)
    life.clock_class = "other"
    life.joined(HOUR, course=risen)
    bench.live(life)
    assert [clock.clock_class for clock in bench.clocks("resolution") if clock.armed] == ["other"]
    assert local(bench.clocks("resolution")[-1].due_at) == "03-16 18:00"


def alarmed(life: Life, later: timedelta, **course: Any) -> Life:
    """Something that joined makes an emergency of it."""
    life._step(incidents.IncidentReportJoinedV1, later, {}, report=life._report(), how="merged", score=0.9)
    before, life.clock_class = life.steps[-1].incident.classification, "emergency"
    risen = Course(emergency_since=life.at, **course)
    return life.beside(orders.IncidentAlarmedV1, timedelta(), course=risen, before=before, reason="冒烟")


def test_an_order_that_becomes_an_emergency_has_an_emergencys_clocks_from_then(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched()
    bench.live(alarmed(life, timedelta(minutes=30)))
    assert running(bench) == {
        "acceptance": ("emergency", "03-02 09:30", "03-02 09:45"),
        "contact": ("emergency", "03-02 09:30", "03-02 10:00"),
        "resolution": ("emergency", "03-02 09:30", "03-02 11:30"),
    }
    life.accepted(timedelta(minutes=5)).contacted(timedelta(minutes=5)).completed(HOUR)
    bench.live(life)
    verdicts = {(clock.kind, clock.clock_class): clock.verdict for clock in bench.case.clocks.values()}  # type: ignore[union-attr]
    assert verdicts == {
        (kind, of): "on_time" if of == "emergency" else "void"
        for kind in ("acceptance", "contact", "resolution")
        for of in ("emergency", "other")
    }


def test_what_is_done_stays_done_and_time_that_was_granted_before_does_not_move_an_emergency(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR).contacted(HOUR)
    extended(life, HOUR, at("2026-03-20 18:00"))
    bench.live(alarmed(life, DAY, extensions=1))
    assert running(bench) == {"resolution": ("emergency", "03-03 12:00", "03-03 14:00")}
    bench.tick(at("2026-03-03 14:01"))
    assert [told.event.at for told in bench.told if told.what == "breached"] == [at("2026-03-03 14:00")]


def test_an_emergency_whose_older_report_leaves_runs_from_its_own_start(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched()
    bench.live(life).tick(at("2026-03-02 11:30"))
    facts: dict[str, Any] = {"into": "B", "into_number": "N-B", "reports": (), "reason": "不是同一件", "undone": True}
    risen = Course(emergency_since=at("2026-03-02 11:20"))
    bench.live(life.beside(orders.IncidentSplitV1, 3 * HOUR, course=risen, **facts))
    assert running(bench)["resolution"] == ("emergency", "03-02 11:20", "03-02 13:20")


def test_an_emergency_that_a_person_lowers_has_its_matters_clocks_from_the_opening_again(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR).contacted(HOUR)
    bench.live(life)
    first = running(bench)
    alarmed(life, HOUR)
    before, life.clock_class = life.steps[-1].incident.classification, "other"
    course = Course(emergency_since=life.at)
    bench.live(life.beside(orders.IncidentConfirmedV1, HOUR, course=course, before=before))
    assert running(bench) == first
