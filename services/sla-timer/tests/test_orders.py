"""The clocks of orders that pause, are extended, regrouped, ruled upon, covered and done again."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sla_bench import DAY, HOUR, Bench, extended, local, running, suspended
from sla_lives import Life, at

from huying.contracts import orders
from huying.contracts.clocks import ClockBreachedV1, ClockExtendedV1, ClockPausedV1, ClockResumedV1, ClockWarnedV1
from huying.contracts.course import Course
from huying.contracts.dates import FARTHEST
from huying.sla_timer.clocks import Rulebook
from huying.sla_timer.repository import document, read


def test_a_pause_of_working_days_moves_the_deadline_by_them_and_nothing_is_told_meanwhile(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    suspended(life, HOUR, at("2026-03-05 11:00"))
    bench.live(life).tick(at("2026-03-05 10:00"))
    assert bench.words("resolution") == ["started", "paused/1"]
    assert bench.clock("resolution").next_at is None
    life.beside(orders.IncidentResumedV1, 3 * DAY, "accepted", course=Course())
    bench.live(life)
    clock = bench.clock("resolution")
    assert local(clock.due_at) == "03-16 18:00"
    assert read(document(clock)) == clock
    assert any("折合3个工作日" in line for line in clock.explanation)
    assert bench.words("resolution") == ["started", "paused/1", "resumed/1"]
    told = [told.event for told in bench.told if told.event.kind == "resolution"]
    assert isinstance(told[1], ClockPausedV1)
    assert isinstance(told[2], ClockResumedV1)
    assert (told[1].reason, told[2].due_at) == ("等材料", clock.due_at)
    bench.tick(at("2026-03-16 18:01"))
    assert bench.clock("resolution").breached_at is not None


def test_an_extension_moves_the_final_clock_only_and_is_counted(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    until = at("2026-03-20 18:00")
    bench.live(extended(life, DAY, until)).tick(at("2026-03-12 09:00"))
    clock = bench.clock("resolution")
    assert (clock.due_at, clock.extended, clock.breached_at) == (until, 1, None)
    assert read(document(clock)) == clock
    assert bench.clock("contact").extended == 0
    [told] = [told.event for told in bench.told if isinstance(told.event, ClockExtendedV1)]
    assert (told.count, told.reason) == (1, "等配件")
    again = at("2026-03-25 18:00")
    bench.live(extended(life, 12 * DAY, again, 2)).tick(at("2026-03-24 18:00"))
    assert (bench.clock("resolution").due_at, bench.clock("resolution").breached_at) == (again, None)
    bench.tick(at("2026-03-26 09:00"))
    assert bench.words("resolution").count("breached") == 1


@pytest.mark.parametrize("until", ["9999-12-31 07:59:59.999", "2062-01-01 00:00"])
def test_an_extension_that_an_older_version_granted_for_ever_ends(bench: Bench, until: str) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    bench.live(extended(life, DAY, at(until))).tick(at("2026-03-30 09:00"))
    clock = bench.clock("resolution")
    assert (clock.due_at, clock.breached_at) == (clock.started_at + FARTHEST, None)
    assert read(document(clock)) == clock


def test_a_share_of_the_time_that_was_told_is_not_told_again_after_an_extension(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    bench.live(life).tick(at("2026-03-07 09:00"))
    bench.live(extended(life, 5 * DAY, at("2026-03-30 18:00"))).tick(at("2026-03-30 17:00"))
    percents = [
        t.event.percent for t in bench.told if t.event.kind == "resolution" and isinstance(t.event, ClockWarnedV1)
    ]
    assert percents == sorted(set(percents))


def test_a_breach_before_the_extension_stays_a_breach(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(HOUR)
    bench.live(life).tick(at("2026-03-02 12:00"))
    extended(life, 4 * HOUR, at("2026-03-02 20:00")).completed(HOUR)
    bench.live(life)
    clock = bench.clock("resolution")
    assert (clock.verdict, clock.extended, bench.words("resolution").count("breached")) == ("late", 1, 1)


def test_more_time_after_a_breach_is_no_second_breach_when_it_has_passed_too(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    bench.live(life).tick(at("2026-03-11 18:01"))
    bench.live(extended(life, 10 * DAY, at("2026-03-20 18:00"))).tick(at("2026-03-27 18:00"))
    assert local(bench.clock("resolution").due_at) == "03-20 18:00"
    assert bench.words("resolution").count("breached") == 1


def test_reminders_start_over_from_the_end_of_more_time(bench: Bench) -> None:
    came = at("2026-03-02 09:00")
    life = Life("A", came, "emergency", origin_due_at=came - 30 * DAY).opened().dispatched()
    bench.live(life).tick(at("2026-03-02 11:30"))
    bench.live(extended(life, 3 * HOUR, at("2026-03-02 20:00"))).tick(at("2026-03-02 21:00"))
    assert bench.words("resolution") == ["started", "breached", "+1", "+2", "+3", "extended/1", "+4"]
    assert bench.told[-1].event.at == at("2026-03-02 21:00")


def test_a_merge_with_an_older_incident_brings_the_deadline_forward(bench: Bench) -> None:
    life = Life("A", at("2026-03-04 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.joined(HOUR, course=Course(citizen_since=at("2026-03-02 09:00")))
    bench.live(life)
    old, new = sorted(bench.clocks("resolution"), key=lambda clock: clock.due_at, reverse=True)
    assert (old.verdict, new.verdict) == ("void", None)
    assert (local(new.started_at), local(new.due_at)) == ("03-02 09:00", "03-11 18:00")


def test_an_older_report_that_joins_after_the_breach_starts_no_clock_and_no_second_breach(bench: Bench) -> None:
    life = Life("A", at("2026-03-04 09:00"), "other").opened().dispatched().accepted(HOUR)
    bench.live(life).tick(at("2026-03-16 09:00"))
    bench.live(life.joined(12 * DAY, course=Course(citizen_since=at("2026-03-02 09:00")))).tick(at("2026-03-17 09:00"))
    assert (local(bench.clock("resolution").due_at), bench.clock("resolution").armed) == ("03-13 18:00", True)
    assert [bench.words("resolution").count(word) for word in ("started", "breached")] == [1, 1]


def test_a_deadline_that_an_older_report_brings_forward_contains_the_pause_that_was(bench: Bench) -> None:
    life = Life("A", at("2026-03-04 09:00"), "other").opened().dispatched().accepted(HOUR)
    suspended(life, DAY, at("2026-03-06 10:00")).beside(orders.IncidentResumedV1, DAY, "accepted", course=Course())
    bench.live(life.joined(HOUR, course=Course(citizen_since=at("2026-03-02 09:00"))))
    [clock] = [clock for clock in bench.clocks("resolution") if clock.armed]
    assert (local(clock.started_at), local(clock.due_at)) == ("03-02 09:00", "03-12 18:00"), "a working day more"


def test_a_split_gives_those_who_stay_the_clock_of_their_own_report_even_after_a_breach(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(HOUR)
    bench.live(life).tick(at("2026-03-02 11:30"))
    since = at("2026-03-02 11:00")
    facts: dict[str, Any] = {"into": "B", "into_number": "N-B", "reports": (), "reason": "另一件"}
    bench.live(life.beside(orders.IncidentSplitV1, 2 * HOUR, course=Course(citizen_since=since), **facts))
    running = next(clock for clock in bench.clocks("resolution") if clock.armed)
    assert (running.started_at, running.due_at, running.breached_at) == (since, at("2026-03-02 13:00"), None)


def left(life: Life, later: timedelta, origin_due_at: datetime | None, since: datetime | None = None) -> Life:
    """A report leaves; what stays has this deadline of an origin."""
    life.view["origin_due_at"] = origin_due_at
    facts: dict[str, Any] = {"into": "B", "into_number": "N-B", "reports": (), "reason": "另一件"}
    course = Course(citizen_since=since) if since else None
    return life.beside(orders.IncidentSplitV1, later, course=course, **facts)


def test_an_origins_deadline_leaves_with_its_report_and_nothing_is_told_twice(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.joined(HOUR, origin_due_at=at("2026-03-06 18:00"))
    bench.live(left(life, 3 * DAY, None)).tick(at("2026-03-11 17:59"))
    armed = [clock for clock in bench.clocks("resolution") if clock.armed]
    assert [(local(clock.due_at), clock.origin_due_at, clock.breached_at) for clock in armed] == [
        ("03-11 18:00", None, None)
    ]
    warned = [told.event for told in bench.told if isinstance(told.event, ClockWarnedV1)]
    percents = [event.percent for event in warned if event.kind == "resolution"]
    assert percents == [50, 75, 90]
    bench.tick(at("2026-03-11 18:01"))
    assert bench.words("resolution").count("breached") == 1


def test_time_that_was_granted_before_does_not_move_the_deadline_of_an_origin_that_comes_after(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    extended(life, HOUR, at("2026-03-27 18:00")).joined(HOUR, origin_due_at=at("2026-03-06 18:00"))
    assert running(bench.live(life))["resolution"] == ("other", "03-02 09:00", "03-06 18:00")
    suspended(life, HOUR, at("2026-03-05 18:00"))
    granted = Course(extensions=1, extended_until=at("2026-03-27 18:00"))
    life.beside(orders.IncidentResumedV1, DAY, "accepted", course=granted)
    assert running(bench.live(life))["resolution"][2] == "03-06 18:00", "nor after a pause"
    assert running(bench.live(life.joined(origin_due_at=None)))["resolution"][2] == "03-27 18:00", "its report has left"
    life.joined(HOUR, origin_due_at=at("2026-03-06 18:00"))
    again = extended(life, HOUR, at("2026-03-30 18:00"), count=2)
    assert running(bench.live(again))["resolution"][2] == "03-30 18:00", "this was granted beside it"


def test_time_that_was_granted_beside_an_origin_holds_when_a_stricter_one_has_come_and_left(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.joined(HOUR, origin_due_at=at("2026-03-06 18:00"))
    extended(life, HOUR, at("2026-03-20 18:00")).joined(HOUR, origin_due_at=at("2026-03-05 18:00"))
    assert running(bench.live(life))["resolution"][2] == "03-05 18:00"
    life.joined(HOUR, origin_due_at=at("2026-03-06 18:00"))
    assert running(bench.live(life))["resolution"][2] == "03-20 18:00"


def test_a_clock_that_starts_anew_in_a_pause_has_the_whole_pause(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    suspended(life, 2 * DAY, at("2026-03-10 10:00"))
    pause = life.view["course"].suspension
    course = Course(citizen_since=at("2026-03-03 09:00"), suspension=pause)
    facts: dict[str, Any] = {"into": "B", "into_number": "N-B", "reports": (), "reason": "另一件"}
    life.beside(orders.IncidentSplitV1, DAY, "suspended", course=course, **facts)
    life.beside(orders.IncidentResumedV1, DAY, "accepted", course=Course(citizen_since=at("2026-03-03 09:00")))
    running = next(clock for clock in bench.live(life).clocks("resolution") if clock.armed)
    assert [(one.started_at, one.ended_at) for one in running.pauses] == [
        (at("2026-03-04 10:00"), at("2026-03-06 10:00"))
    ]
    assert local(running.due_at) == "03-16 18:00"
    assert bench.words("resolution") == ["started", "paused/1", "stopped", "started", "paused/1", "resumed/1"]


def test_a_breach_of_anothers_origin_is_not_that_of_those_who_stay(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.joined(HOUR, origin_due_at=at("2026-03-03 12:00"))
    bench.live(life).tick(at("2026-03-03 12:01"))
    bench.live(left(life, 2 * DAY, at("2026-03-06 12:00")))
    states = {local(clock.due_at): (clock.verdict, clock.breached_at is None) for clock in bench.clocks("resolution")}
    assert states == {"03-11 18:00": ("void", True), "03-03 12:00": ("void", False), "03-06 12:00": (None, True)}


def test_a_clock_that_only_an_origin_asked_for_ends_when_its_report_leaves(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched()
    life.joined(HOUR, origin_due_at=at("2026-03-02 14:00"))
    bench.live(left(life, HOUR, None)).tick(at("2026-03-03 09:00"))
    assert [clock.verdict for clock in bench.clocks("resolution")] == ["void"]
    assert "breached" not in bench.words("resolution")
    life.joined(HOUR, origin_due_at=at("2026-03-02 18:00"))
    assert [clock.verdict for clock in bench.live(life).clocks("resolution")] == ["void", None]


def test_an_origin_that_drives_nothing_yet_is_known_after_a_pause(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.joined(HOUR, origin_due_at=at("2026-03-12 12:00"))
    bench.live(life)
    assert (bench.words("resolution"), local(bench.clock("resolution").due_at)) == (["started"], "03-11 18:00")
    suspended(life, HOUR, at("2026-03-05 11:00")).beside(orders.IncidentResumedV1, 3 * DAY, "accepted", course=Course())
    assert local(bench.live(life).clock("resolution").due_at) == "03-12 12:00"


def test_an_undone_merge_has_its_clocks_again(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().merged(HOUR)
    life.beside(orders.IncidentRestoredV1, HOUR, "dispatched", course=None, merged_into="B", reason="不是同一件")
    life.dispatched()
    running = [clock for clock in bench.live(life).clocks("resolution") if clock.armed]
    assert [local(clock.started_at) for clock in running] == ["03-02 09:00"]


@pytest.mark.parametrize("how", ["undone merge", "another class"])
def test_a_breach_that_was_told_stays_one_when_its_clock_starts_anew_and_nobody_is_told_again(
    bench: Bench, how: str
) -> None:
    """Both classes have 24 hours for the contact."""
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched()
    if how == "undone merge":
        life.merged(2 * DAY)
        life.beside(orders.IncidentRestoredV1, HOUR, "dispatched", course=None, merged_into="B", reason="不是同一件")
    else:
        life.at += 2 * DAY
        life.clock_class = "other"
        life.joined()
    bench.live(life)
    breaches = [
        one.event for one in bench.told if isinstance(one.event, ClockBreachedV1) and one.event.kind == "contact"
    ]
    assert [bool(breach.roles) for breach in breaches] == [True, False]
    assert [clock.breached_at is not None for clock in bench.clocks("contact") if clock.armed] == [True]


@pytest.mark.parametrize("how", ["undone merge", "another class and back", "another class"])
def test_a_breach_before_more_time_stays_one_when_its_clock_starts_anew(bench: Bench, how: str) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.at = at("2026-03-12 09:00")
    extended(life, HOUR, at("2026-03-27 18:00"))
    if how == "undone merge":
        granted = Course(extensions=1, extended_until=at("2026-03-27 18:00"))
        life.merged(HOUR)
        life.beside(orders.IncidentRestoredV1, HOUR, "dispatched", course=granted, merged_into="B", reason="不是同一件")
        life.dispatched().accepted(HOUR)
    else:
        life.clock_class = "consultation"
        life.joined(HOUR)
    if how == "another class and back":
        life.clock_class = "other"
        life.joined(HOUR)
    bench.live(life)
    [clock] = [clock for clock in bench.clocks("resolution") if clock.armed]
    assert (local(clock.due_at), clock.breached_at is not None) == ("03-27 18:00", True)
    bench.live(life.completed(DAY))
    assert max(bench.clocks("resolution"), key=lambda clock: clock.created_at).verdict == "late"
    told = [one.event for one in bench.told if isinstance(one.event, ClockBreachedV1)]
    heard = [one.clock_class for one in told if one.kind == "resolution" and one.roles]
    assert heard == (["other", "consultation"] if how.startswith("another") else ["other"])


@pytest.mark.parametrize("resumed", [True, False])
def test_what_an_order_stood_still_counts_after_a_merge_that_is_undone(bench: Bench, resumed: bool) -> None:
    """Also where the merge itself ended the pause."""
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    suspended(life, HOUR, at("2026-03-20 11:00"))
    if resumed:
        life.beside(orders.IncidentResumedV1, 3 * DAY, "accepted", course=Course()).merged(HOUR)
    else:
        life.merged(3 * DAY)
    life.beside(orders.IncidentRestoredV1, HOUR, "dispatched", course=None, merged_into="B", reason="不是同一件")
    life.dispatched()
    bench.live(life)
    [running] = [clock for clock in bench.clocks("resolution") if clock.armed]
    assert (local(running.started_at), local(running.due_at)) == ("03-02 09:00", "03-16 18:00"), "03-11 and three days"


def test_a_ruling_has_a_clock_of_its_own_for_the_dispatch_centre(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().awaits_ruling(HOUR)
    bench.live(life)
    clock = bench.clock("adjudication")
    assert (clock.unit, local(clock.due_at)) == (bench.rules.centre, "03-02 16:30")
    assert bench.clock("response").armed
    life.view["course"] = None
    bench.live(life.dispatched("U09", 2 * HOUR))
    assert bench.clock("adjudication").verdict == "on_time"


@pytest.mark.parametrize(
    ("was", "now", "due"), [("other", "emergency", "03-02 11:15"), ("emergency", "other", "03-03 18:00")]
)
def test_a_ruling_is_due_by_the_class_that_the_order_has(bench: Bench, was: str, now: str, due: str) -> None:
    life = Life("A", at("2026-03-02 09:00"), was).opened().dispatched().awaits_ruling(HOUR)
    first = bench.live(life).clock("adjudication")
    before, life.clock_class = life.steps[-1].incident.classification, now
    risen = at("2026-03-02 11:00") if now == "emergency" else None
    course = Course(waiting_since=at("2026-03-02 10:00"), emergency_since=risen)
    bench.live(life.beside(orders.IncidentConfirmedV1, HOUR, course=course, before=before))
    old, new = bench.clocks("adjudication")
    assert (old.id, old.verdict) == (first.id, "void")
    assert (new.clock_class, new.armed, local(new.due_at)) == (now, True, due)


def test_a_ruling_that_is_overdue_is_breached_and_late(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().awaits_ruling(HOUR)
    bench.live(life).tick(at("2026-03-02 17:00"))
    assert "breached" in bench.words("adjudication")
    life.view["course"] = None
    bench.live(life.dispatched("U09", 8 * HOUR))
    assert bench.clock("adjudication").verdict == "late"


def test_what_is_covered_by_anothers_dispatch_has_no_acceptance_clock_and_keeps_the_citizens(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched()
    assert life.dispatch is not None
    life.dispatch = life.dispatch.model_copy(update={"dispatch_id": "dp-P"})
    facts: dict[str, Any] = {"by": "P", "by_number": "N-P", "dispatch": life.dispatch}
    course = Course(parent="P", covered_by="P")
    bench.live(life.beside(orders.IncidentCoveredV1, HOUR / 4, "covered", course=course, **facts))
    assert [clock.verdict for clock in bench.clocks("acceptance")] == ["void"]
    assert bench.clock("response").armed


def test_what_is_covered_again_by_a_redo_has_no_acceptance_clock(bench: Bench) -> None:
    """It was done by itself before the order that stands for it was accepted."""
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched()
    assert life.dispatch is not None
    life.dispatch = life.dispatch.model_copy(update={"dispatch_id": "dp-P"})
    facts: dict[str, Any] = {"by": "P", "by_number": "N-P", "dispatch": life.dispatch}
    life.beside(orders.IncidentCoveredV1, HOUR / 4, "covered", course=Course(parent="P", covered_by="P"), **facts)
    life.completed(HOUR)
    life.view["completed_at"] = None
    again = Course(parent="P", redone=1, redone_at=life.at + DAY)
    life.beside(orders.IncidentRedoneV1, DAY, "dispatched", course=again, reason="没好", count=1)
    covered = again.model_copy(update={"covered_by": "P"})
    life.beside(orders.IncidentCoveredV1, timedelta(), "covered", course=covered, **facts)
    bench.live(life).tick(life.at + DAY)
    assert [clock.verdict for clock in bench.clocks("acceptance")] == ["void"]
    assert "breached" not in bench.words("acceptance")


def test_a_redo_runs_on_a_clock_of_its_own_and_the_first_verdict_stays(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR).completed(DAY)
    life.dispatch = None
    life.view["completed_at"] = None
    course = Course(redone=1, redone_at=life.at + DAY)
    life.beside(orders.IncidentRedoneV1, DAY, "dispatched", course=course, reason="不满意", count=1).dispatched()
    first, second = sorted(bench.live(life).clocks("resolution"), key=lambda clock: clock.started_at)
    assert (first.verdict, second.armed, second.run) == ("on_time", True, "redo1")
    assert second.started_at == course.redone_at


def test_a_dispatch_that_was_given_back_is_waited_for_by_nobody(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().returned(HOUR)
    bench.live(life)
    assert "acceptance" not in running(bench)


def test_a_citizen_who_was_spoken_with_is_so_for_a_later_unit_and_another_class(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "consultation").opened().dispatched().accepted(HOUR).contacted(HOUR)
    life.view["course"] = Course(contacted_at=life.at)
    life.dispatched("U09", HOUR)
    life.clock_class = "other"
    assert running(bench.live(life.joined(HOUR))).keys() == {"acceptance", "resolution"}


def test_the_clocks_of_what_an_order_stands_for_are_the_centres_while_that_awaits_its_ruling(
    bench: Bench, rules: Rulebook
) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched()
    life.dispatch = None
    course = Course(parent="P", covered_by="P")
    life.beside(orders.IncidentCoveredV1, HOUR, "covered", course=course, by="P", by_number="N-P")
    bench.live(life)
    assert bench.case is not None
    assert bench.case.unit == rules.centre
