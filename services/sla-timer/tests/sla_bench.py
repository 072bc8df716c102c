"""What the tests of the clocks share."""

from datetime import datetime, timedelta
from typing import Any

from sla_lives import SHANGHAI, Life

from huying.contracts import orders
from huying.contracts.course import Course, ExtensionRequest, Suspension
from huying.sla_timer.clocks import Clock, Rulebook, Told
from huying.sla_timer.domain import Case, on_due, on_incident

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TOLERANCE = timedelta(minutes=5)


class Bench:
    """A case that events and ticks come to."""

    def __init__(self, rules: Rulebook) -> None:
        self.rules = rules
        self.case: Case | None = None
        self.told: list[Told] = []

    def live(self, life: Life, delay: timedelta = timedelta()) -> "Bench":
        for event in life.steps:
            decision = on_incident(self.case, event, self.rules, event.at + delay, TOLERANCE)
            if decision is not None:
                self.case = decision.case
                self.told += decision.told
        return self

    def tick(self, now: datetime, seen: datetime | None = None) -> "Bench":
        assert self.case is not None
        decision = on_due(self.case, now, self.rules, seen or now, TOLERANCE)
        self.case = decision.case
        self.told += decision.told
        return self

    def clocks(self, kind: str) -> list[Clock]:
        assert self.case is not None
        return [clock for clock in self.case.clocks.values() if clock.kind == kind]

    def clock(self, kind: str) -> Clock:
        [clock] = self.clocks(kind)
        return clock

    def words(self, kind: str) -> list[str]:
        return [told.id.partition("/")[2] for told in self.told if told.event.kind == kind]


def local(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%m-%d %H:%M}"


def suspended(life: Life, later: timedelta, until: datetime) -> Life:
    pause = Suspension(state="accepted", since=life.at + later, reason="等材料", until=until)
    facts: dict[str, Any] = {"reason": "等材料", "until": until}
    return life.beside(orders.IncidentSuspendedV1, later, "suspended", course=Course(suspension=pause), **facts)


def extended(life: Life, later: timedelta, until: datetime, count: int = 1) -> Life:
    request = ExtensionRequest(until=until, reason="等配件", requested_at=life.at)
    course = Course(extensions=count, extended_until=until)
    facts: dict[str, Any] = {"request": request, "granted": True, "count": count}
    return life.beside(orders.IncidentExtensionDecidedV1, later, course=course, **facts)


def running(bench: Bench) -> dict[str, tuple[str, str, str]]:
    """Kind to class, start and deadline of the clocks that run."""
    assert bench.case is not None
    armed = [clock for clock in bench.case.clocks.values() if clock.armed]
    assert len({clock.kind for clock in armed}) == len(armed)
    return {clock.kind: (clock.clock_class, local(clock.started_at), local(clock.due_at)) for clock in armed}
