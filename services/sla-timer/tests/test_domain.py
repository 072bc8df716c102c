"""The clocks of an incident by Julu's pack: deadlines, steps, verdicts."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sla_bench import TOLERANCE, Bench
from sla_lives import Life, at

from huying.contracts.clocks import ClockBreachedV1, ClockStoppedV1, ClockWarnedV1
from huying.county import WorkingCalendar
from huying.county.calendar.days import Notice
from huying.sla_timer.clocks import REMINDERS, Rulebook
from huying.sla_timer.domain import on_calendar, on_incident

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("clock_class", "kind", "opened", "due"),
    [
        ("emergency", "resolution", "2026-03-07 23:50", "2026-03-08 01:50:00"),
        ("emergency", "acceptance", "2026-02-17 03:00", "2026-02-17 03:15:00"),
        ("public_service", "response", "2026-02-13 10:00", "2026-02-24 18:00:00"),
        ("public_service", "response", "2026-05-08 10:00", "2026-05-11 18:00:00"),
        ("public_service", "contact", "2026-02-13 10:00", "2026-02-14 10:00:00"),
        ("public_service", "acceptance", "2026-03-02 11:00", "2026-03-02 15:30:00"),
        ("other", "resolution", "2026-02-13 10:00", "2026-03-02 18:00:00"),
        ("other", "resolution", "2026-09-30 10:00", "2026-10-15 18:00:00"),
        ("consultation", "resolution", "2026-03-02 09:00", "2026-03-02 23:59:59"),
        ("consultation", "resolution", "2026-03-02 23:40", "2026-03-03 23:59:59"),
        ("consultation", "resolution", "2026-02-14 09:00", "2026-02-14 23:59:59"),
        ("consultation", "resolution", "2026-02-17 09:00", "2026-02-24 23:59:59"),
    ],
)
def test_a_deadline_falls_where_the_county_promised(
    bench: Bench, clock_class: str, kind: str, opened: str, due: str
) -> None:
    bench.live(Life("A", at(opened), clock_class).opened().dispatched())
    clock = bench.clock(kind)
    assert clock.due_at == at(due)
    assert clock.explanation[-1] == f"到期：{due[:16]}"
    assert not clock.provisional
    assert bench.words(kind) == ["started"]


def test_the_county_runs_no_clock_that_its_pack_does_not_name(bench: Bench) -> None:
    bench.live(Life("A", at("2026-03-02 09:00")).opened().dispatched())
    assert bench.case is not None
    assert sorted(clock.kind for clock in bench.case.clocks.values()) == ["acceptance", "contact", "response"]


def test_an_emergency_is_warned_and_breached_by_the_wall_each_step_once_and_reminded_every_hour(bench: Bench) -> None:
    bench.live(Life("A", at("2026-03-07 23:50"), "emergency").opened().dispatched())
    for minutes in range(0, 301, 7):
        bench.tick(at("2026-03-07 23:50") + minutes * MINUTE)
    assert bench.words("resolution") == ["started", "50", "75", "90", "100", "breached", "+1", "+2"]
    told = {t.id.partition("/")[2]: t.event for t in bench.told if t.event.kind == "resolution"}
    assert told["50"].at == at("2026-03-08 00:50")
    assert told["breached"].at == told["100"].at == at("2026-03-08 01:50")
    assert told["+2"].at == at("2026-03-08 03:50")
    assert isinstance(told["90"], ClockWarnedV1)
    assert told["90"].roles == ("leader", "dispatcher")
    assert isinstance(told["+2"], ClockWarnedV1)
    assert (told["+2"].percent, told["+2"].roles) == (200, ("leader", "supervisor"))


def test_reminders_end(bench: Bench) -> None:
    bench.live(Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched())
    bench.tick(at("2026-04-02 09:00"))
    bench.tick(at("2026-05-02 09:00"))
    assert len([word for word in bench.words("resolution") if word.startswith("+")]) == REMINDERS
    assert bench.clock("resolution").next_at is None
    assert bench.clock("resolution").armed


def test_acceptance_stops_the_acceptance_clock_and_contact_the_citizens(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().accepted(HOUR)
    bench.live(life)
    assert (bench.clock("acceptance").verdict, bench.clock("response").verdict) == ("on_time", None)
    bench.live(life.contacted(HOUR))
    assert [bench.clock(kind).verdict for kind in ("contact", "response")] == ["on_time", "on_time"]
    assert bench.clock("response").stopped_at == at("2026-03-02 11:00")


def test_completion_counts_as_an_answer_and_what_comes_after_the_deadline_is_late(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().accepted(HOUR).completed(60 * HOUR)
    bench.live(life)
    assert bench.clock("response").due_at == at("2026-03-04 18:00")
    assert bench.clock("response").verdict == "late"
    assert bench.words("response") == ["started", "50", "75", "90", "100", "breached", "stopped"]


def test_done_at_the_very_deadline_is_on_time(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(MINUTE)
    bench.live(life).tick(at("2026-03-02 11:00"))
    bench.live(life.completed(timedelta(hours=2) - MINUTE))
    assert life.at == at("2026-03-02 11:00")
    assert bench.clock("resolution").verdict == "on_time"
    assert "breached" not in bench.words("resolution")


def test_a_transfer_restarts_the_acceptance_clock_and_no_other(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched("U02")
    life.returned(HOUR).dispatched("U04")
    bench.live(life)
    old, new = sorted(bench.clocks("acceptance"), key=lambda clock: clock.created_at)
    assert (old.unit, old.verdict, new.unit, new.verdict) == ("U02", "void", "U04", None)
    assert new.started_at == at("2026-03-02 10:00")
    assert bench.clock("response").started_at == bench.clock("contact").started_at == at("2026-03-02 09:00")
    bench.tick(at("2026-03-05 09:00"))
    breach = next(told.event for told in bench.told if told.what == "breached" and told.event.kind == "response")
    assert breach.unit == "U04"


def test_a_late_acceptance_clock_is_not_whitewashed_by_a_return(bench: Bench) -> None:
    bench.live(Life("A", at("2026-03-02 09:00")).opened().dispatched().returned(5 * HOUR))
    assert bench.clock("acceptance").verdict == "late"


def test_a_clock_that_was_answered_stays_answered_after_a_transfer(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().accepted(MINUTE).contacted(MINUTE)
    bench.live(life.returned(HOUR).dispatched("U04").accepted(HOUR))
    assert [clock.verdict for clock in bench.clocks("contact")] == ["on_time"]
    assert [clock.verdict for clock in bench.clocks("acceptance")] == ["on_time", "on_time"]


def test_a_merged_incident_has_no_verdict(bench: Bench) -> None:
    bench.live(Life("A", at("2026-03-02 09:00")).opened("asked").merged(HOUR))
    assert bench.case is not None
    assert {clock.verdict for clock in bench.case.clocks.values()} == {"void"}
    assert {told.what for told in bench.told} == {"started", "stopped"}


def test_the_surviving_incident_keeps_the_earliest_opening(bench: Bench) -> None:
    life = Life("A", at("2026-03-04 09:00")).opened().dispatched()
    bench.live(life.joined(HOUR, opened_at=at("2026-03-03 09:00")))
    old, new = sorted(bench.clocks("response"), key=lambda clock: clock.created_at)
    assert (old.verdict, new.verdict, new.due_at) == ("void", None, at("2026-03-05 18:00"))


def test_the_stricter_of_our_deadline_and_the_origins_drives(bench: Bench, rules: Rulebook) -> None:
    strict, lax = at("2026-03-05 12:00"), at("2026-04-01 12:00")
    bench.live(Life("A", at("2026-03-02 09:00"), "other", origin_due_at=strict).opened().dispatched())
    clock = bench.clock("resolution")
    assert clock.due_at == strict
    assert any("来源系统" in step for step in clock.explanation)
    other = Bench(rules).live(Life("B", at("2026-03-02 09:00"), "other", origin_due_at=lax).opened().dispatched())
    assert other.clock("resolution").due_at == at("2026-03-11 18:00")


def test_an_origins_deadline_counts_where_the_county_has_none(bench: Bench) -> None:
    origin = at("2026-03-05 12:00")
    bench.live(Life("A", at("2026-03-02 09:00"), origin_due_at=origin).opened().dispatched())
    assert bench.clock("resolution").due_at == origin
    assert bench.clock("resolution").explanation[-1] == "到期：2026-03-05 12:00"


@pytest.mark.parametrize("origin", ["9999-12-31 07:00", "2500-01-01 00:00", "2040-01-01 00:00", "0002-01-01 00:00"])
def test_a_deadline_that_no_order_has_counts_as_none(rules: Rulebook, origin: str) -> None:
    for clock_class in ("other", "public_service", "emergency"):
        life = Life("A", at("2026-03-02 09:00"), clock_class, origin_due_at=at(origin)).opened().dispatched()
        plain = Life("A", at("2026-03-02 09:00"), clock_class).opened().dispatched()
        assert Bench(rules).live(life).case == Bench(rules).live(plain).case


@pytest.mark.parametrize("overdue", [timedelta(days=1), timedelta(days=30), timedelta(days=1_000)])
@pytest.mark.parametrize("clock_class", ["other", "emergency"])
def test_an_order_that_comes_overdue_is_breached_once_and_reminded_from_then_on(
    bench: Bench, clock_class: str, overdue: timedelta
) -> None:
    start = at("2026-03-02 09:00")
    bench.live(Life("A", start, clock_class, origin_due_at=start - overdue).opened().dispatched())
    bench.tick(start + MINUTE)
    assert bench.words("resolution") == ["started", "breached"]
    bench.tick(start + HOUR if clock_class == "emergency" else at("2026-03-03 09:00"))
    assert bench.words("resolution") == ["started", "breached", "+1"], "one reminder in the time of one"
    bench.tick(at("2026-04-20 09:00"))
    reminders = [told.event.at for told in bench.told if "/+" in told.id and told.event.kind == "resolution"]
    assert len(set(reminders)) == len(reminders) == REMINDERS


def test_a_share_of_the_time_that_had_passed_before_the_clock_was_known_is_not_told(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched().accepted(HOUR)
    life.joined(26 * HOUR, origin_due_at=at("2026-03-04 12:00"))
    bench.live(life).tick(at("2026-03-04 11:59"))
    assert bench.words("resolution") == ["started", "stopped", "started", "75", "90"]


def test_an_origins_deadline_that_comes_with_a_further_report_replaces_a_laxer_one(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched()
    bench.live(life.joined(HOUR, origin_due_at=at("2026-03-04 12:00")).joined(HOUR))
    old, new = sorted(bench.clocks("resolution"), key=lambda clock: clock.created_at)
    assert (old.verdict, new.due_at, new.verdict) == ("void", at("2026-03-04 12:00"), None)


def test_another_class_starts_other_clocks_from_the_same_opening(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "other").opened().dispatched()
    life.clock_class = "emergency"
    bench.live(life.joined(3 * HOUR))
    old, new = sorted(bench.clocks("resolution"), key=lambda clock: clock.created_at)
    assert (old.verdict, new.clock_class, new.started_at) == ("void", "emergency", at("2026-03-02 09:00"))
    assert new.breached_at == at("2026-03-02 12:00"), "nobody can be told before it is known"


def test_a_step_missed_while_everything_was_down_is_told_once_in_order_and_late(bench: Bench) -> None:
    bench.live(Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched())
    bench.tick(at("2026-03-02 10:50"), seen=at("2026-03-02 10:50"))
    late = [told.event for told in bench.told if getattr(told.event, "late", False)]
    assert [event.at for event in late] == sorted(event.at for event in late)
    assert all(at("2026-03-02 10:50") - event.at > TOLERANCE for event in late)
    known = len(bench.told)
    bench.tick(at("2026-03-02 10:50"))
    assert len(bench.told) == known


def test_an_event_that_is_read_late_is_judged_by_when_it_happened(bench: Bench) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched().accepted(MINUTE).completed(HOUR)
    bench.live(life, delay=timedelta(days=1))
    assert bench.clock("resolution").verdict == "on_time"
    assert "breached" not in bench.words("resolution")


def test_versions_seen_before_change_nothing_and_missing_ones_are_noticed(rules: Rulebook) -> None:
    life = Life("A", at("2026-03-02 09:00")).opened().dispatched().accepted(HOUR)
    first = on_incident(None, life.steps[0], rules, life.at, TOLERANCE)
    assert first is not None
    assert on_incident(first.case, life.steps[0], rules, life.at, TOLERANCE) is None
    jumped = on_incident(first.case, life.steps[2], rules, life.at, TOLERANCE)
    assert jumped is not None
    assert (first.gap, jumped.gap) == (False, True)


def test_a_new_policy_moves_no_running_clock(bench: Bench, rules: Rulebook) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched()
    bench.live(life)
    before = bench.clock("resolution")
    hard = {key: policy.model_copy(update={"amount": 1}) for key, policy in rules.policies.items()}
    bench.rules = replace(rules, pack_hash="new", policies=hard)
    bench.live(life.joined(MINUTE))
    assert bench.clock("resolution") == before


def test_a_provisional_deadline_is_counted_again_when_the_notice_arrives_and_a_closed_one_never(
    bench: Bench, rules: Rulebook
) -> None:
    bench.live(Life("A", at("2028-09-29 10:00")).opened().dispatched())
    clock = bench.clock("response")
    assert (clock.provisional, clock.due_at) == (True, at("2028-10-03 18:00"))
    notice = {
        "year": 2028,
        "source": "test",
        "off": [f"2028-10-0{day}" for day in range(1, 8)],
        "work": ["2028-10-08"],
    }
    choices = rules.calendar.choices.model_copy(update={"notices": (Notice.model_validate(notice),)})
    informed = replace(rules, pack_hash="informed", calendar=WorkingCalendar(choices))
    assert bench.case is not None
    now = at("2028-09-30 10:00")
    decision = on_calendar(bench.case, clock.id, informed, now)
    assert [told.what for told in decision.told] == ["stopped", "started"]
    stopped, started = (told.event for told in decision.told)
    assert isinstance(stopped, ClockStoppedV1)
    assert (stopped.verdict, started.due_at) == ("void", at("2028-10-09 18:00"))
    assert on_calendar(decision.case, clock.id, informed, now).told == []
    assert on_calendar(decision.case, started.clock_id, informed, now).told == []


def test_a_clock_that_ignores_the_calendar_is_never_provisional(bench: Bench) -> None:
    bench.live(Life("A", at("2028-10-01 10:00"), "emergency").opened().dispatched())
    assert bench.clock("resolution").due_at == at("2028-10-01 12:00")
    assert not bench.clock("resolution").provisional


def test_ids_are_those_of_the_clock_and_the_step(bench: Bench, rules: Rulebook) -> None:
    life = Life("A", at("2026-03-02 09:00"), "emergency").opened().dispatched()
    bench.live(life).tick(at("2026-03-02 12:30"))
    again = Bench(rules).live(life).tick(at("2026-03-02 12:30"))
    assert [told.id for told in bench.told] == [told.id for told in again.told]
    assert len({told.id for told in bench.told}) == len(bench.told)
    assert all(told.id.startswith(f"{told.event.clock_id}/") for told in bench.told)
    breaches = [told for told in bench.told if isinstance(told.event, ClockBreachedV1)]
    assert len({told.event.clock_id for told in breaches}) == len(breaches) == 3
