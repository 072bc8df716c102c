"""A clock as a value: its deadline, its steps, how far it has run. It is never told what time it is.

Everything is pinned when the clock starts: policy, deadline and steps; a new pack never moves an old clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from huying.contracts.clocks import (
    ClockBreachedV1,
    ClockEvent,
    ClockExtendedV1,
    ClockPausedV1,
    ClockResumedV1,
    ClockStartedV1,
    ClockStoppedV1,
    ClockWarnedV1,
)
from huying.contracts.dates import FARTHEST
from huying.contracts.identity import deterministic_id
from huying.contracts.incidents import ClockClass
from huying.county import (
    ClockKind,
    ClockPolicy,
    Due,
    Pause,
    WorkingCalendar,
    due_at,
    reminder_at,
    reminders_by,
    warning_times,
)

Verdict = Literal["on_time", "late", "void"]

RESOLUTION = timedelta(milliseconds=1)
"""What the database keeps of an instant; also the first moment that is after a deadline."""
REMINDERS = 24
"""After a day of hourly reminders, or a month of daily ones, the case belongs to the supervisors, not to a timer."""
BREACHED = "breached"


def to_ms(moment: datetime) -> datetime:
    """The instant as the database gives it back, so that a step is the same before and after it was stored."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Step:
    """Something a clock tells: a warning at a share of its time, the breach, or a reminder after it."""

    name: str
    at: datetime
    percent: int
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """One deadline of one incident. `run` is the dispatch of an acceptance clock, empty for the citizen's clocks."""

    id: str
    incident_id: str
    jurisdiction: str
    kind: ClockKind
    clock_class: ClockClass
    run: str
    unit: str | None
    started_at: datetime
    due_at: datetime
    created_at: datetime
    pack_hash: str
    policy: ClockPolicy
    provisional: bool
    explanation: tuple[str, ...]
    steps: tuple[Step, ...]
    origin_due_at: datetime | None = None
    counted_with: str = ""
    """Hash of the pack that the deadline was last counted with; matters to provisional ones only."""
    next_step: int = 0
    breached_at: datetime | None = None
    stopped_at: datetime | None = None
    verdict: Verdict | None = None
    pauses: tuple[Pause, ...] = ()
    paused_at: datetime | None = None
    pause_reason: str = ""
    extended: int = 0
    """How many extensions it has had."""
    extended_to: datetime | None = None

    @property
    def order(self) -> "Order":
        """What it was started for."""
        return Order(self.policy, self.kind, self.run, self.unit, self.started_at, self.origin_due_at)

    @property
    def armed(self) -> bool:
        """Whether it still runs."""
        return self.verdict is None

    @property
    def stood(self) -> tuple[Pause, ...]:
        """When it stood still: its pauses, with the one in which it was ended."""
        if self.paused_at is None or self.stopped_at is None:
            return self.pauses
        return (*self.pauses, Pause(self.paused_at, max(self.stopped_at, self.paused_at), self.pause_reason))

    @property
    def next_at(self) -> datetime | None:
        """When it has something to tell; None when it has nothing more to say."""
        if not self.armed or self.paused_at is not None or self.next_step >= len(self.steps):
            return None
        step = self.steps[self.next_step]
        at_the_deadline = step.name == BREACHED and step.at == self.due_at
        return step.at + RESOLUTION if at_the_deadline else step.at  # done at the very deadline is done on time

    def _facts(self, at: datetime, unit: str | None) -> dict[str, object]:
        return {
            "clock_id": self.id,
            "incident_id": self.incident_id,
            "jurisdiction": self.jurisdiction,
            "kind": self.kind,
            "clock_class": self.clock_class,
            "unit": self.unit or unit,
            "at": at,
            "due_at": self.due_at,
            "started_at": self.started_at,
            "policy": self.pack_hash,
        }

    def started(self, unit: str | None) -> "Told":
        """The event of its start."""
        more = {"provisional": self.provisional, "explanation": self.explanation}
        return Told(
            f"{self.id}/started", ClockStartedV1.model_validate(self._facts(self.created_at, unit) | more), "started"
        )

    def fire(
        self, now: datetime, tolerance: timedelta, unit: str | None, calendar: WorkingCalendar
    ) -> tuple["Clock", "Told"]:
        """Take the next step: the clock after it, and what it tells. `late` when `now` is past it by more than that."""
        step = self.steps[self.next_step]
        facts = self._facts(step.at, unit) | {"roles": step.roles, "late": now > step.at + tolerance}
        after = replace(self, next_step=self.next_step + 1)
        if step.name == BREACHED:
            after = replace(after, breached_at=step.at)
            told = Told(f"{self.id}/{step.name}", ClockBreachedV1.model_validate(facts), "breached")
        else:
            warned = ClockWarnedV1.model_validate(facts | {"percent": step.percent})
            told = Told(f"{self.id}/{step.name}", warned, "warned")
        return after._with_reminder(calendar), told

    def _with_reminder(self, calendar: WorkingCalendar) -> "Clock":
        """After the breach, and after each reminder: the next one by the policy, never one that was missed before.

        So an order that came overdue is not told of all at once, and one that has more time starts over from its end.
        """
        told = [step for step in self.steps if step.name.startswith("+")]
        if self.breached_at is None or self.next_step < len(self.steps) or len(told) >= REMINDERS:
            return self
        last = told[-1].at if told else self.breached_at
        missed = reminders_by(self.policy, self.due_at, last, calendar)
        at = reminder_at(self.policy, self.due_at, missed + 1, calendar)
        if at is None:
            return self
        whole = self.due_at - self.started_at
        percent = int((at - self.started_at) * 100 / whole) if whole > timedelta() else 100
        roles = self.policy.breach_roles
        return replace(self, steps=(*self.steps, Step(f"+{len(told) + 1}", to_ms(at), percent, roles)))

    def pause(self, at: datetime, reason: str, unit: str | None) -> tuple["Clock", "Told"]:
        """It stands still, and tells nothing until it goes on."""
        at = max(to_ms(at), self.created_at)
        paused = ClockPausedV1.model_validate(self._facts(at, unit) | {"reason": reason})
        after = replace(self, paused_at=at, pause_reason=reason)
        return after, Told(f"{self.id}/paused/{len(self.pauses) + 1}", paused, "paused")

    def resume(self, at: datetime, rules: "Rulebook", unit: str | None) -> tuple["Clock", "Told"]:
        """It runs again; the deadline has moved by what the pause was worth, and an agreed one stays at the least."""
        assert self.paused_at is not None
        at = max(to_ms(at), self.paused_at)
        pauses = (*self.pauses, Pause(self.paused_at, at, self.pause_reason))
        due = rules.due(self.order, pauses)
        after = replace(self, pauses=pauses, paused_at=None, pause_reason="", explanation=due.steps)
        after = after._retimed(max(to_ms(due.at), self.extended_to or self.started_at), at, rules.calendar)
        resumed = ClockResumedV1.model_validate(after._facts(at, unit))
        return after, Told(f"{self.id}/resumed/{len(pauses)}", resumed, "resumed")

    def extend(
        self, until: datetime, count: int, reason: str, at: datetime, rules: "Rulebook", unit: str | None
    ) -> tuple["Clock", "Told"]:
        """More time was granted. A breach stays a breach; a date before the deadline moves nothing.

        Older versions granted any date: one that is too far to be counted with is cut to the farthest that is not.
        """
        at, until = max(to_ms(at), self.created_at), min(to_ms(until), self.started_at + FARTHEST)
        said = (*self.explanation, f"第{count}次延期至 {rules.calendar.local(until):%Y-%m-%d %H:%M}：{reason}")
        after = replace(self, extended=count, extended_to=until, explanation=said)
        after = after._retimed(max(until, self.due_at), at, rules.calendar)
        event = ClockExtendedV1.model_validate(after._facts(at, unit) | {"reason": reason, "count": count})
        return after, Told(f"{self.id}/extended/{count}", event, "extended")

    def _retimed(self, due: datetime, at: datetime, calendar: WorkingCalendar) -> "Clock":
        """With another deadline: what was told stays told, shares of the time that have passed are not told again."""
        told = self.steps[: self.next_step]
        names = {step.name for step in told}
        steps = [
            Step(str(warning.percent), to_ms(warning.at), warning.percent, warning.roles)
            for warning in warning_times(self.policy, self.started_at, due, calendar, self.pauses)
            if str(warning.percent) not in names and warning.at > at and self.breached_at is None
        ]
        if self.breached_at is None:
            steps.append(Step(BREACHED, max(due, at), 100, self.policy.breach_roles))
        return replace(self, due_at=due, steps=(*told, *steps))._with_reminder(calendar)

    def breach_known(self) -> "Clock":
        """A clock whose breach another told before it: it is breached, and nobody is told again."""
        steps = (replace(step, roles=()) if step.name == BREACHED else step for step in self.steps)
        return replace(self, steps=tuple(steps))

    def stop(self, at: datetime, verdict: Verdict, unit: str | None) -> tuple["Clock", "Told"]:
        """End it. A clock that was breached before is late, whatever happened then, unless it is void."""
        at = max(to_ms(at), self.created_at)
        after = replace(self, stopped_at=at, verdict=verdict)
        stopped = ClockStoppedV1.model_validate(self._facts(at, unit) | {"verdict": verdict})
        return after, Told(f"{self.id}/stopped", stopped, "stopped")


What = Literal["started", "warned", "breached", "paused", "resumed", "extended", "stopped"]


@dataclass(frozen=True, slots=True)
class Told:
    """An event with its deterministic id, and the word that counts it."""

    id: str
    event: ClockEvent
    what: "What"


@dataclass(frozen=True, slots=True)
class Order:
    """A clock that an incident should have."""

    policy: ClockPolicy
    kind: ClockKind
    run: str
    unit: str | None
    started_at: datetime
    origin_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The county's policies and calendar, as the pack with this hash has them."""

    pack_hash: str
    policies: Mapping[tuple[str, str], ClockPolicy]
    calendar: WorkingCalendar
    centre: str | None = None
    """The unit that rules where units differ."""
    town_units: Mapping[str, str] = field(default_factory=dict)
    """Town to the unit that serves it."""

    def classes(self, clock_class: str) -> dict[str, ClockPolicy]:
        """Kind to policy of one class."""
        return {kind: policy for (kind, of), policy in self.policies.items() if of == clock_class}

    def due(self, order: Order, pauses: tuple[Pause, ...] = ()) -> Due:
        """The deadline: the county's, or the origin's where that is stricter or the county has none.

        Pauses move the county's deadline; the origin never agreed to them.
        """
        ours = due_at(order.policy, order.started_at, self.calendar, pauses)
        theirs = order.origin_due_at
        if theirs is None or (order.policy.kind == order.kind and theirs >= ours.at):
            return ours
        text = f"{self.calendar.local(theirs):%Y-%m-%d %H:%M}"
        if order.policy.kind != order.kind:
            return Due(theirs, False, (f"本县对此类事项没有办结时限，按来源系统要求办结：{text}", f"到期：{text}"))
        return Due(
            theirs, False, (*ours.steps, f"来源系统要求 {text} 前办结，较本县时限更严，从其规定", f"到期：{text}")
        )

    def clock(
        self,
        order: Order,
        incident_id: str,
        jurisdiction: str,
        created_at: datetime,
        occasion: str | int,
        pauses: tuple[Pause, ...] = (),
    ) -> Clock:
        """A clock, ready to run. `occasion` is what started it: the incident's version, or a new calendar's hash.

        Shares of its time that had passed before it was known are not told: the next one, or the breach, says more.
        """
        created_at, started_at = to_ms(created_at), to_ms(order.started_at)
        due = self.due(order, pauses)
        ends = to_ms(due.at)
        warned = warning_times(order.policy, started_at, ends, self.calendar, pauses)
        steps = [
            Step(str(warning.percent), to_ms(warning.at), warning.percent, warning.roles)
            for warning in warned
            if to_ms(warning.at) >= created_at
        ]
        steps.append(Step(BREACHED, max(ends, created_at), 100, order.policy.breach_roles))
        return Clock(
            id=deterministic_id("ck", incident_id, order.kind, order.run, occasion),
            incident_id=incident_id,
            jurisdiction=jurisdiction,
            kind=order.kind,
            clock_class=order.policy.clock_class,
            run=order.run,
            unit=order.unit,
            started_at=started_at,
            due_at=ends,
            created_at=created_at,
            pack_hash=self.pack_hash,
            policy=order.policy,
            provisional=due.provisional,
            explanation=due.steps,
            steps=tuple(steps),
            origin_due_at=order.origin_due_at,
            counted_with=self.pack_hash,
            pauses=pauses,
        )
