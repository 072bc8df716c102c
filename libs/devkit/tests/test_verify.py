"""The prover: quiet about a right month, and finds every fault that is planted in it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from huying.contracts.envelope import CloudEvent
from huying.devkit.books import Books
from huying.devkit.logbook import Record
from huying.devkit.summary import pairs
from huying.devkit.verify import INVARIANTS, prove

CLUSTER = "c1"
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
Log = dict[str, list[Record]]


AT = NOW.isoformat()
REPORT = {
    "tracking_number": "20260331-1",
    "jurisdiction": "130529",
    "source": "huying/x",
    "origin_id": "1",
    "channel": "citizen_app",
    "text": "路灯不亮",
    "place": {},
    "received_at": AT,
    "accepted_at": AT,
}
DISPATCH = {"unit": "U02", "unit_name": "城管局", "catalogue": "1", "dispatched_at": AT}
VIEW = {
    "incident_id": "in-0",
    "number": "20260331-0001",
    "jurisdiction": "130529",
    "state": "dispatched",
    "classification": {"matter": "M02", "matter_name": "路灯", "clock_class": "public_service", "confidence": 0.9},
    "place": {},
    "title": "路灯不亮",
    "opened_at": AT,
    "report_count": 1,
    "channels": ["citizen_app"],
}
STEP = {"jurisdiction": "130529", "at": AT, "pack_hash": "p", "incident": VIEW, "how": "merged", "score": 0.9}
STEP |= {"reason": "错", "text": "修好了"}
CLOCK = {"incident_id": "in-0", "jurisdiction": "130529", "kind": "resolution", "clock_class": "public_service"}
CLOCK |= {"at": AT, "started_at": AT, "policy": "p", "verdict": "on_time", "reason": "等件", "count": 1}
"""What the contracts ask for beside what a case is about; a model ignores what is another's."""


def record(topic: str, offset: int, kind: str, event_id: str, /, **data: Any) -> Record:
    event = CloudEvent(event_id, "huying/x", f"cn.huying.{kind}.v1", json.dumps(data).encode())
    return Record(topic, 0, offset, event)


def report(offset: int, name: str) -> Record:
    return record("huying.reports.v1", offset, "report.accepted", name, **REPORT, report_id=name)


def tick(at: datetime) -> Record:
    return record("huying.ticks.v1", 0, "tick.struck", "tick/1", number=1, instant=at.isoformat(), until=at.isoformat())


def step(offset: int, incident: str, version: int, kind: str, **data: Any) -> Record:
    name = f"incident.{kind}"
    shared = STEP | {"incident_id": incident, "incident_version": version}
    parts = {"report": REPORT, "dispatch": DISPATCH}
    whole: dict[str, Any] = {key: parts[key] | value for key, value in data.items()}
    if kind == "dispatched":
        whole["incident"] = VIEW | {"dispatch": whole["dispatch"]}
    return record("huying.incidents.v1", offset, name, f"{incident}/{version}", **shared | whole)


def clock(offset: int, kind: str, due: datetime, event_id: str = "", name: str = "ck") -> Record:
    data = CLOCK | {"clock_id": name, "due_at": due.isoformat()}
    return record("huying.clocks.v1", offset, f"clock.{kind}", event_id or f"{name}/{kind}", **data)


def month() -> tuple[Log, dict[str, Any]]:
    """Two reports, one incident, dispatched and completed; all ledgers at the end."""
    log: Log = {
        "huying.reports.v1": [report(n, f"rp-{n}") for n in (0, 1)],
        "huying.incidents.v1": [
            step(0, "in-0", 1, "opened", report={"report_id": "rp-0"}),
            step(1, "in-0", 2, "dispatched", dispatch={"dispatch_id": "d2"}),
            step(2, "in-0", 3, "report-joined", report={"report_id": "rp-1"}),
            step(3, "in-0", 4, "returned", dispatch={"dispatch_id": "d2"}),
            step(4, "in-0", 5, "dispatched", dispatch={"dispatch_id": "d5"}),
        ],
        "huying.clocks.v1": [
            clock(0, "started", NOW - HOUR),
            clock(1, "breached", NOW - HOUR),
        ],
    }
    books = {
        "reports": {"rp-0": "in-0", "rp-1": "in-0"},
        "incidents": {"in-0": ("dispatched", 5, ("rp-0", "rp-1"))},
        "parts": {},
        "active": [("in-0", "d5", "U02")],
        "positions": {
            "routing": {"c1/huying.reports.v1/0": 1},
            "sla-timer": {"c1/huying.incidents.v1/0": 4},
        },
        "unpublished": {"routing": 0},
        "published": {
            "intake": [("huying.reports.v1", "rp-0")],
            "routing": [("huying.incidents.v1", f"in-0/{version}") for version in range(1, 6)],
        },
        "parked": {"routing": []},
        "closed": {},
        "doors": {"intake": {"rp-0"}, "hotline-bridge": {"rp-1"}},
        "copies": {"sla-timer": {"in-0": 5}},
        "read_at": NOW,
    }
    return log, books


def test_a_right_month_has_no_violation() -> None:
    log, books = month()
    assert prove(log, Books(**books), CLUSTER).as_json()["invariant_violations"] == 0


def test_a_repeat_of_the_same_event_is_no_violation() -> None:
    log, books = month()
    log["huying.incidents.v1"].append(step(5, "in-0", 2, "dispatched", dispatch={"dispatch_id": "d2"}))
    books["positions"]["sla-timer"]["c1/huying.incidents.v1/0"] = 5
    assert prove(log, Books(**books), CLUSTER).violations == 0


def _lose(log: Log, books: dict[str, Any]) -> None:
    del books["reports"]["rp-1"]


def _never_on_the_log(log: Log, books: dict[str, Any]) -> None:
    books["doors"]["intake"] = {"rp-0", "rp-2"}


def _double(log: Log, books: dict[str, Any]) -> None:
    books["incidents"]["in-9"] = ("dispatched", 1, ("rp-1",))


def _stranger(log: Log, books: dict[str, Any]) -> None:
    books["reports"]["rp-9"] = "in-0"


def _elsewhere(log: Log, books: dict[str, Any]) -> None:
    books["reports"]["rp-1"] = "in-9"


def _dispatch_twice(log: Log, books: dict[str, Any]) -> None:
    del log["huying.incidents.v1"][3]


def _active_twice(log: Log, books: dict[str, Any]) -> None:
    books["active"] *= 2


def _gap(log: Log, books: dict[str, Any]) -> None:
    del log["huying.incidents.v1"][3]


def _contradict(log: Log, books: dict[str, Any]) -> None:
    log["huying.incidents.v1"][0] = step(0, "in-0", 2, "dispatched", dispatch={"dispatch_id": "other"})


def _fire_twice(log: Log, books: dict[str, Any]) -> None:
    log["huying.clocks.v1"].append(clock(2, "breached", NOW - HOUR, "ck/again"))


def _never_fire(log: Log, books: dict[str, Any]) -> None:
    del log["huying.clocks.v1"][1]


def _never_fire_in_a_replay(log: Log, books: dict[str, Any]) -> None:
    log["huying.ticks.v1"] = [tick(NOW - HOUR + timedelta(seconds=1))]
    del log["huying.clocks.v1"][1]


def _never_fire_again(log: Log, books: dict[str, Any]) -> None:
    """It was paused and goes on with a later deadline, which passes."""
    log["huying.clocks.v1"][1:] = [clock(1, "paused", NOW - 3 * HOUR), clock(2, "resumed", NOW - HOUR)]


def _behind(log: Log, books: dict[str, Any]) -> None:
    books["positions"]["sla-timer"]["c1/huying.incidents.v1/0"] = 3


def _ahead(log: Log, books: dict[str, Any]) -> None:
    books["positions"]["routing"]["c1/huying.reports.v1/0"] = 7


def _unpublished(log: Log, books: dict[str, Any]) -> None:
    books["unpublished"]["routing"] = 1


def _marked_and_never_sent(log: Log, books: dict[str, Any]) -> None:
    books["published"]["routing"].append(("huying.clocks.v1", "ck/warned"))


def _never_told_last(log: Log, books: dict[str, Any]) -> None:
    books["incidents"]["in-0"] = ("completed", 6, ("rp-0", "rp-1"))
    books["active"] = []


def _without_a_dispatch(log: Log, books: dict[str, Any]) -> None:
    books["active"] = []


def _dispatched_after_the_end(log: Log, books: dict[str, Any]) -> None:
    books["incidents"]["in-0"] = ("completed", 5, ("rp-0", "rp-1"))


def _dispatch_of_nothing(log: Log, books: dict[str, Any]) -> None:
    books["active"].append(("in-7", "d7", "U02"))


def _another_dispatch(log: Log, books: dict[str, Any]) -> None:
    books["active"] = [("in-0", "d2", "U02")]


def _dispatched_to_another(log: Log, books: dict[str, Any]) -> None:
    books["active"] = [("in-0", "d5", "U09")]


def _seen_not_to_the_end(log: Log, books: dict[str, Any]) -> None:
    books["copies"]["sla-timer"]["in-0"] = 4


def _never_seen(log: Log, books: dict[str, Any]) -> None:
    books["copies"]["sla-timer"] = {}


def _database_lost(log: Log, books: dict[str, Any]) -> None:
    books["positions"]["sla-timer"] = books["copies"]["sla-timer"] = {}


def _held_on_another_cluster(log: Log, books: dict[str, Any]) -> None:
    _lose(log, books)
    books["parked"] = {"routing": [("c0", "huying.reports.v1", 0, 1)]}


@pytest.mark.parametrize(
    ("fault", "invariant"),
    [
        (_lose, "lost"),
        (_never_on_the_log, "lost"),
        (_double, "in_two_incidents"),
        (_stranger, "unknown_reports"),
        (_elsewhere, "feed_differs"),
        (_dispatch_twice, "double_dispatch"),
        (_active_twice, "double_dispatch"),
        (_gap, "gaps"),
        (_contradict, "conflicting"),
        (_fire_twice, "clocks_fired_twice"),
        (_never_fire, "not_fired"),
        (_never_fire_in_a_replay, "not_fired"),
        (_never_fire_again, "not_fired"),
        (_behind, "ledger_differs"),
        (_ahead, "ledger_differs"),
        (_database_lost, "ledger_differs"),
        (_unpublished, "unpublished"),
        (_marked_and_never_sent, "unpublished"),
        (_never_told_last, "feed_differs"),
        (_without_a_dispatch, "dispatch_differs"),
        (_dispatched_after_the_end, "dispatch_differs"),
        (_dispatch_of_nothing, "dispatch_differs"),
        (_another_dispatch, "dispatch_differs"),
        (_dispatched_to_another, "dispatch_differs"),
        (_held_on_another_cluster, "lost"),
        (_seen_not_to_the_end, "copy_differs"),
        (_never_seen, "copy_differs"),
    ],
)
def test_a_planted_fault_is_found(fault: Any, invariant: str) -> None:
    log, books = month()
    fault(log, books)
    proof = prove(log, Books(**books), CLUSTER)
    assert proof.found[invariant] >= 1
    assert proof.examples[invariant]
    assert set(proof.found) <= set(INVARIANTS)


def test_an_incident_without_a_dispatch_is_named_once() -> None:
    log, books = month()
    _without_a_dispatch(log, books)
    assert prove(log, Books(**books), CLUSTER).found == {"dispatch_differs": 1}


def test_a_service_without_a_ledger_is_named_once_unless_it_is_said_not_to_run_here() -> None:
    log, books = month()
    _database_lost(log, books)
    [said] = prove(log, Books(**books), CLUSTER).examples["ledger_differs"]
    assert said.startswith("sla-timer: ")
    assert "5 records" in said
    assert prove(log, Books(**books), CLUSTER, without=("sla-timer",)).violations == 0
    log["huying.incidents.v1"] = []
    assert prove(log, Books(**books), CLUSTER).found["ledger_differs"] == 0, "it has missed nothing"


def test_only_who_has_no_ledger_can_be_left_out() -> None:
    log, books = month()
    _behind(log, books)
    assert prove(log, Books(**books), CLUSTER, without=("sla-timer",)).found["ledger_differs"] == 1


@pytest.mark.parametrize(
    "after",
    [
        [clock(1, "stopped", NOW - HOUR)],
        [clock(1, "paused", NOW - HOUR)],
        [clock(1, "extended", NOW + HOUR)],
        [clock(1, "paused", NOW - HOUR), clock(2, "resumed", NOW + HOUR)],
        [clock(1, "breached", NOW - HOUR), clock(2, "paused", NOW - HOUR), clock(3, "resumed", NOW - HOUR)],
        [clock(1, "stopped", NOW - HOUR), clock(2, "started", NOW - HOUR)],  # a repeat of the relay's
    ],
)
def test_a_clock_with_nothing_to_tell_is_no_violation(after: list[Record]) -> None:
    log, books = month()
    log["huying.clocks.v1"][1:] = after
    assert prove(log, Books(**books), CLUSTER).violations == 0


@pytest.mark.parametrize(("struck", "broken"), [(None, 0), (NOW - HOUR, 0), (NOW, 1)])
def test_a_clock_has_until_the_next_tick_or_five_minutes(struck: datetime | None, broken: int) -> None:
    log, books = month()
    log["huying.clocks.v1"] = [clock(0, "started", NOW - timedelta(minutes=4))]
    if struck is not None:
        log["huying.ticks.v1"] = [tick(struck)]
    assert prove(log, Books(**books), CLUSTER).found["not_fired"] == broken


def test_a_report_that_left_the_log_after_its_time_is_neither_lost_nor_unknown() -> None:
    log, books = month()
    books["reports"]["rp-old"], books["doors"]["intake"] = "in-0", {"rp-0", "rp-old"}
    assert prove(log, Books(**books), CLUSTER).violations == 0


def _aged(log: Log, books: dict[str, Any]) -> None:
    """What was told more than thirty days ago is gone: how the incident began and was parted, and its first report."""
    books["reports"] |= {"rp-0-part": "in-0", "rp-1-part": "in-0"}
    books["parts"] = {"rp-0-part": "rp-0", "rp-1-part": "rp-1"}
    books["incidents"]["in-0"] = ("dispatched", 5, ("rp-0", "rp-1", "rp-0-part", "rp-1-part"))
    books["published"] = {}
    del log["huying.incidents.v1"][:3], log["huying.reports.v1"][0]


def test_what_left_the_log_after_its_time_is_no_violation() -> None:
    log, books = month()
    _aged(log, books)
    assert prove(log, Books(**books), CLUSTER).as_json()["examples"] == {}


@pytest.mark.parametrize(
    ("fault", "invariant"),
    [
        (_stranger, "unknown_reports"),
        (_elsewhere, "feed_differs"),
        (lambda log, books: books["parts"].update({"rp-1-part": "rp-9"}), "unknown_reports"),
        (
            lambda log, books: log["huying.incidents.v1"].insert(
                0, step(1, "in-0", 2, "dispatched", dispatch={"dispatch_id": "d2"})
            ),
            "gaps",
        ),
    ],
)
def test_a_planted_fault_is_found_on_a_log_that_is_old(fault: Any, invariant: str) -> None:
    log, books = month()
    _aged(log, books)
    fault(log, books)
    assert prove(log, Books(**books), CLUSTER).found[invariant] >= 1


@pytest.mark.parametrize("fate", ["parked", "closed"])
def test_a_copy_whose_record_waits_for_a_person_is_not_said_to_differ(fate: str) -> None:
    log, books = month()
    _seen_not_to_the_end(log, books)
    books[fate] = {"sla-timer": [("c1", "huying.incidents.v1", 0, 4)]}
    assert prove(log, Books(**books), CLUSTER).violations == 0


@pytest.mark.parametrize("fate", ["parked", "closed"])
def test_a_parked_report_is_counted_and_not_lost(fate: str) -> None:
    log, books = month()
    _lose(log, books)
    books["incidents"]["in-0"] = ("dispatched", 4, ("rp-0",))
    log["huying.incidents.v1"][2:] = [
        step(2, "in-0", 3, "returned", dispatch={"dispatch_id": "d2"}),
        step(3, "in-0", 4, "dispatched", dispatch={"dispatch_id": "d5"}),
    ]
    books["published"], books["positions"]["sla-timer"] = {}, {"c1/huying.incidents.v1/0": 3}
    books["copies"]["sla-timer"] = {"in-0": 4}
    books[fate] = {"routing": [("c1", "huying.reports.v1", 0, 1)]}
    proof = prove(log, Books(**books), CLUSTER)
    assert {"parked": proof.parked, "closed": proof.closed} == {"parked": 0, "closed": 0} | {fate: 1}
    assert proof.found["lost"] == 0


@pytest.mark.parametrize(
    ("topic", "kind", "data"),
    [
        ("huying.clocks.v1", "clock.started", CLOCK | {"clock_id": "ck"}),
        ("huying.clocks.v1", "clock.breached", CLOCK | {"clock_id": [], "due_at": AT}),
        ("huying.clocks.v1", "clock.started", CLOCK | {"clock_id": "ck", "due_at": "2026-03-31T12:00:00"}),
        ("huying.reports.v1", "report.accepted", REPORT | {"report_id": []}),
        ("huying.incidents.v1", "incident.opened", STEP | {"incident_id": "i", "incident_version": 1, "report": {}}),
        ("huying.incidents.v1", "incident.dispatched", STEP | {"incident_id": "i", "incident_version": 1}),
        ("huying.incidents.v1", "incident.parted", STEP | {"incident_id": "i", "incident_version": 1, "part": None}),
        ("huying.ticks.v1", "tick.struck", {"number": 1, "instant": "noon"}),
        ("huying.reports.v1", "incident.opened", {}),
    ],
)
def test_a_record_that_the_services_cannot_read_is_counted_and_proves_nothing(
    topic: str, kind: str, data: dict[str, Any]
) -> None:
    log, books = month()
    assert "unreadable" not in prove(log, Books(**books), CLUSTER).looked_at
    told = log.setdefault(topic, [])
    told.append(record(topic, len(told), kind, "stranger", **data))
    books["positions"] = {}
    proof = prove(log, Books(**books), CLUSTER)
    assert proof.violations == 0
    assert (proof.looked_at["unreadable"], proof.looked_at[topic]) == (1, len(told))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ({"a": "x", "b": "x", "c": "y"}, (1.0, 1.0)),
        ({"a": "x", "b": "y", "c": "z"}, (None, 0.0)),
        ({"a": "x", "b": "x", "c": "x"}, (0.3333, 1.0)),
        ({"a": "x", "c": "x"}, (0.0, 0.0)),
    ],
)
def test_precision_and_recall_count_pairs(place: dict[str, str], expected: tuple[float | None, float | None]) -> None:
    assert pairs(place, {"a": "P1", "b": "P1", "c": "P2"}) == expected
