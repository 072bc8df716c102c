"""The prover: quiet about a right month, and finds every fault that is planted in it."""

import json
from typing import Any

import pytest

from huying.contracts.envelope import CloudEvent
from huying.devkit.logbook import Record
from huying.devkit.summary import pairs
from huying.devkit.verify import INVARIANTS, Books, prove

CLUSTER = "c1"
Log = dict[str, list[Record]]


def record(topic: str, offset: int, kind: str, event_id: str, **data: Any) -> Record:
    event = CloudEvent(event_id, "huying/x", f"cn.huying.{kind}.v1", json.dumps(data).encode())
    return Record(topic, 0, offset, event)


def step(offset: int, incident: str, version: int, kind: str, **data: Any) -> Record:
    name = f"incident.{kind}"
    return record(
        "huying.incidents.v1",
        offset,
        name,
        f"{incident}/{version}",
        incident_id=incident,
        incident_version=version,
        **data,
    )


def month() -> tuple[Log, dict[str, Any]]:
    """Two reports, one incident, dispatched and completed; all ledgers at the end."""
    log: Log = {
        "huying.reports.v1": [
            record("huying.reports.v1", n, "report.accepted", f"rp-{n}", report_id=f"rp-{n}") for n in (0, 1)
        ],
        "huying.incidents.v1": [
            step(0, "in-0", 1, "opened", report={"report_id": "rp-0"}),
            step(1, "in-0", 2, "dispatched", dispatch={"dispatch_id": "d2"}),
            step(2, "in-0", 3, "report-joined", report={"report_id": "rp-1"}),
            step(3, "in-0", 4, "returned", dispatch={"dispatch_id": "d2"}),
            step(4, "in-0", 5, "dispatched", dispatch={"dispatch_id": "d5"}),
        ],
        "huying.clocks.v1": [
            record("huying.clocks.v1", 0, "clock.started", "ck/started", clock_id="ck"),
            record("huying.clocks.v1", 1, "clock.breached", "ck/breached", clock_id="ck"),
        ],
    }
    books = {
        "reports": {"rp-0": "in-0", "rp-1": "in-0"},
        "incidents": {"in-0": ("dispatched", ("rp-0", "rp-1"))},
        "active": ["in-0"],
        "positions": {
            "routing": {"c1/huying.reports.v1/0": 1},
            "sla-timer": {"c1/huying.incidents.v1/0": 4},
            "console": {},
        },
        "unpublished": {"routing": 0},
        "parked": {"routing": []},
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


def _double(log: Log, books: dict[str, Any]) -> None:
    books["incidents"]["in-9"] = ("dispatched", ("rp-1",))


def _stranger(log: Log, books: dict[str, Any]) -> None:
    books["reports"]["rp-9"] = "in-0"


def _elsewhere(log: Log, books: dict[str, Any]) -> None:
    books["reports"]["rp-1"] = "in-9"


def _dispatch_twice(log: Log, books: dict[str, Any]) -> None:
    del log["huying.incidents.v1"][3]


def _active_twice(log: Log, books: dict[str, Any]) -> None:
    books["active"] = ["in-0", "in-0"]


def _gap(log: Log, books: dict[str, Any]) -> None:
    del log["huying.incidents.v1"][3]


def _contradict(log: Log, books: dict[str, Any]) -> None:
    log["huying.incidents.v1"][0] = step(0, "in-0", 2, "dispatched", dispatch={"dispatch_id": "other"})


def _fire_twice(log: Log, books: dict[str, Any]) -> None:
    log["huying.clocks.v1"].append(record("huying.clocks.v1", 2, "clock.breached", "ck/again", clock_id="ck"))


def _behind(log: Log, books: dict[str, Any]) -> None:
    books["positions"]["sla-timer"]["c1/huying.incidents.v1/0"] = 3


def _ahead(log: Log, books: dict[str, Any]) -> None:
    books["positions"]["routing"]["c1/huying.reports.v1/0"] = 7


def _unpublished(log: Log, books: dict[str, Any]) -> None:
    books["unpublished"]["routing"] = 1


@pytest.mark.parametrize(
    ("fault", "invariant"),
    [
        (_lose, "lost"),
        (_double, "in_two_incidents"),
        (_stranger, "unknown_reports"),
        (_elsewhere, "feed_differs"),
        (_dispatch_twice, "double_dispatch"),
        (_active_twice, "double_dispatch"),
        (_gap, "gaps"),
        (_contradict, "conflicting"),
        (_fire_twice, "clocks_fired_twice"),
        (_behind, "ledger_differs"),
        (_ahead, "ledger_differs"),
        (_unpublished, "unpublished"),
    ],
)
def test_a_planted_fault_is_found(fault: Any, invariant: str) -> None:
    log, books = month()
    fault(log, books)
    proof = prove(log, Books(**books), CLUSTER)
    assert proof.found[invariant] >= 1
    assert proof.examples[invariant]
    assert set(proof.found) <= set(INVARIANTS)


def test_a_parked_report_is_counted_and_not_lost() -> None:
    log, books = month()
    _lose(log, books)
    del log["huying.incidents.v1"][2]
    books["incidents"]["in-0"] = ("dispatched", ("rp-0",))
    books["parked"] = {"routing": [("huying.reports.v1", 0, 1)]}
    proof = prove(log, Books(**books), CLUSTER)
    assert proof.parked == 1
    assert proof.found["lost"] == 0


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
