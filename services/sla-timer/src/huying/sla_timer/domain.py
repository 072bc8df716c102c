"""Which clocks an incident has, what they tell and how they end. No I/O, no wall clock: instants come with messages.

Event time decides: before an event is looked at, everything of that incident that fell due by the event's own
instant happens first, so a tick and an event give the same in either order. A decision reads `now` only to say
whether something is told late.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from huying.contracts.course import Course
from huying.contracts.dates import is_far
from huying.contracts.incidents import Dispatch, IncidentEvent, IncidentReturnedV1, IncidentView
from huying.contracts.orders import IncidentExtensionDecidedV1, IncidentRedoneV1
from huying.county import ClockKind

from .clocks import Clock, Order, Rulebook, Told, Verdict, to_ms

CITIZEN: tuple[ClockKind, ...] = ("contact", "response", "resolution")
"""The citizen's clocks: they start when the earliest of its reports was accepted; no transfer resets them."""
PLAIN = Course()


@dataclass(frozen=True, slots=True)
class Case:
    """What this service keeps of an incident: how far it has read, who has it, whose town it is in, its clocks by id."""

    incident_id: str
    jurisdiction: str
    version: int
    unit: str | None
    clocks: Mapping[str, Clock] = field(default_factory=dict)
    town_unit: str | None = None


@dataclass(slots=True)
class Decision:
    """The case afterwards, the clocks that changed, what they tell in order; `gap` when versions were missing."""

    case: Case
    changed: dict[str, Clock] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    gap: bool = False

    def take(self, clock: Clock, told: Told | None) -> Clock:
        """Note one step of one clock."""
        self.changed[clock.id] = clock
        self.case = replace(self.case, clocks={**self.case.clocks, clock.id: clock})
        if told is not None:
            self.told.append(told)
        return clock


def on_incident(
    case: Case | None, event: IncidentEvent, rules: Rulebook, now: datetime, tolerance: timedelta
) -> Decision | None:
    """An event of the feed; None when it was seen before."""
    if case is not None and event.incident_version <= case.version:
        return None
    seen = case.version if case is not None else 0
    known = case or Case(event.incident_id, event.jurisdiction, 0, None)
    decision = Decision(known, gap=event.incident_version > seen + 1)
    view, at = event.incident, to_ms(event.at)
    done = done_at(view)
    _fire(decision, {clock.id: min(at, done.get(clock.kind) or at) for clock in _armed(known)}, rules, now, tolerance)
    ruled = view.state in {"adjudicating", "covered"}  # what is covered has no unit while its order awaits a ruling
    unit = view.dispatch.unit if view.dispatch else rules.centre if ruled else known.unit
    _stop(decision, event, done, rules)
    town_unit = rules.town_units.get(view.place.town_code or "")
    decision.case = replace(decision.case, version=event.incident_version, unit=unit, town_unit=town_unit)
    if view.state not in {"merged", "completed"}:
        _fire(decision, dict.fromkeys(_start(decision, event, done, rules), at), rules, now, tolerance)
        _beside(decision, event, rules)
        _fire(decision, {clock.id: at for clock in _armed(decision.case)}, rules, now, tolerance)
    return decision


def on_due(case: Case, until: datetime, rules: Rulebook, now: datetime, tolerance: timedelta) -> Decision:
    """Everything of this incident that fell due by `until`, in order."""
    decision = Decision(case)
    _fire(decision, {clock.id: until for clock in _armed(case)}, rules, now, tolerance)
    return decision


def on_calendar(case: Case, clock_id: str, rules: Rulebook, now: datetime) -> Decision:
    """A new pack knows more of the calendar: count a provisional deadline again. Closed clocks never move."""
    decision, clock = Decision(case), case.clocks[clock_id]
    if not clock.armed or not clock.provisional or clock.counted_with == rules.pack_hash:
        return decision
    if clock.paused_at is not None or clock.extended_to is not None:
        decision.take(replace(clock, counted_with=rules.pack_hash), None)
        return decision  # it is counted again when it goes on; a date that was agreed stays
    fresh = rules.clock(clock.order, case.incident_id, case.jurisdiction, now, rules.pack_hash, clock.pauses)
    if fresh.due_at == clock.due_at or clock.breached_at is not None:
        explained = fresh.explanation if fresh.due_at == clock.due_at else clock.explanation
        firm = clock.provisional and fresh.provisional
        counted = replace(clock, counted_with=rules.pack_hash, provisional=firm, explanation=explained)
        decision.take(counted, None)
        return decision
    decision.take(*clock.stop(now, "void", case.unit))
    ahead = {step.name for step in fresh.steps}  # what was told before and has passed is kept, and so not told again
    told = tuple(step for step in clock.steps[: clock.next_step] if step.name not in ahead)
    decision.take(replace(fresh, steps=(*told, *fresh.steps), next_step=len(told)), fresh.started(case.unit))
    return decision


def done_at(view: IncidentView) -> dict[ClockKind, datetime]:
    """When what each kind of clock waits for happened; kinds that still wait are absent.

    An acceptance is the dispatch's own; whoever spoke with the citizen spoke for all.
    """
    dispatch, completed = view.dispatch, view.completed_at
    contacted = _first(dispatch.contacted_at if dispatch else None, completed)
    accepted = _first(dispatch.accepted_at if dispatch else None, contacted)
    contacted = _first((view.course or PLAIN).contacted_at, contacted)
    found: dict[ClockKind, datetime | None] = {
        "acceptance": accepted,
        "contact": contacted,
        "response": contacted,
        "resolution": completed,
    }
    return {kind: to_ms(at) for kind, at in found.items() if at is not None}


def _first(*instants: datetime | None) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _armed(case: Case) -> Iterable[Clock]:
    return [clock for clock in case.clocks.values() if clock.armed]


def _fire(
    decision: Decision, until: Mapping[str, datetime], rules: Rulebook, now: datetime, tolerance: timedelta
) -> None:
    """Steps that fell due, the earliest first; `until` is the last instant that counts for each clock."""
    while True:
        case = decision.case
        ready = [
            (clock.next_at, clock.kind, clock.id)
            for clock in case.clocks.values()
            if clock.next_at is not None and clock.id in until and clock.next_at <= until[clock.id]
        ]
        if not ready:
            return
        clock = case.clocks[min(ready)[2]]
        decision.take(*clock.fire(now, tolerance, case.unit, rules.calendar))


def _stop(decision: Decision, event: IncidentEvent, done: Mapping[ClockKind, datetime], rules: Rulebook) -> None:
    view, case = event.incident, decision.case
    for clock in _ordered_armed(case):
        at, verdict = to_ms(event.at), None
        if view.state == "merged":
            verdict = "void"
        elif clock.kind == "adjudication":
            if view.state != "adjudicating":
                verdict = "late" if clock.breached_at or at > clock.due_at else "on_time"
            elif clock.clock_class != view.classification.clock_class:
                verdict = "void"
        elif clock.kind == "acceptance" and _moved_on(clock.run, event):
            verdict = "late" if clock.breached_at else "void"
        elif clock.kind in done:
            at = done[clock.kind]
            verdict = "late" if clock.breached_at or at > clock.due_at else "on_time"
        elif clock.clock_class != view.classification.clock_class:
            verdict = "void"
        elif clock.origin_due_at is not None and clock.kind not in {order.kind for order in orders(view, rules)}:
            verdict = "void"  # the county has no such clock: the report left whose origin asked for it
        if verdict is not None:
            word: Verdict = verdict  # type: ignore[assignment]  # each branch gives one of the three
            decision.take(*clock.stop(at, word, case.unit))


def _moved_on(run: str, event: IncidentEvent) -> bool:
    """Whether the dispatch whose acceptance a clock waits for is history."""
    dispatch: Dispatch | None = event.incident.dispatch
    if isinstance(event, IncidentReturnedV1) and event.dispatch.dispatch_id == run:
        return True
    if isinstance(event, IncidentRedoneV1) or event.incident.state == "covered":
        return True  # it has the dispatch before the next one, or another order's, which nobody accepts for it
    return dispatch is None or dispatch.dispatch_id != run


def _start(decision: Decision, event: IncidentEvent, done: Mapping[ClockKind, datetime], rules: Rulebook) -> list[str]:
    """Start what is missing; the ids of those that were breached before, which no time that was granted takes back."""
    view, breached = event.incident, []
    for order in orders(view, rules):
        if order.kind in done:
            continue
        same = [c for c in decision.case.clocks.values() if c.kind == order.kind and c.run == order.run]
        if any(not c.armed and c.verdict != "void" for c in same):
            continue  # done once is done
        if order.kind == "acceptance" and _moved_on(order.run, event):
            continue
        running = next((c for c in same if c.armed), None)
        known = running or max(same, key=lambda clock: clock.created_at, default=None)
        stood = known.stood if known is not None else ()  # a merge that is undone takes no pause from its order
        clock = rules.clock(order, event.incident_id, event.jurisdiction, event.at, event.incident_version, stood)
        if running is not None:
            left = clock.started_at > running.started_at or _looser(clock, running)  # with a report that left
            if not left and (running.breached_at is not None or not _stricter(clock, running)):
                if running.origin_due_at != clock.origin_due_at:  # it drives nothing now, and may after a pause
                    decision.take(replace(running, origin_due_at=clock.origin_due_at), None)
                continue
            decision.take(*running.stop(event.at, "void", decision.case.unit))
            clock = _told_before(clock, running)
        elif broke := [one for one in same if _broke(one, clock)]:
            breached.append(clock.id)
            if any(one.due_at == clock.due_at or one.clock_class == clock.clock_class for one in broke):
                clock = clock.breach_known()
        if known is not None and _unheard(clock, known, same):
            clock = replace(clock, extended=known.extended)
        clock = decision.take(clock, clock.started(decision.case.unit))
        if running is not None and running.paused_at is not None:  # it stands still since the other did
            paused, told = clock.pause(event.at, running.pause_reason, decision.case.unit)
            decision.take(replace(paused, paused_at=running.paused_at), told)
    return breached


def _beside(decision: Decision, event: IncidentEvent, rules: Rulebook) -> None:
    """Pauses and extensions, as the incident's course has them."""
    course = event.incident.course
    suspension = course.suspension if course else None
    for clock in _ordered_armed(decision.case):
        if clock.kind not in CITIZEN:
            continue
        if suspension is not None and clock.paused_at is None:
            decision.take(*clock.pause(event.at, suspension.reason, decision.case.unit))
        elif suspension is None and clock.paused_at is not None:
            decision.take(*clock.resume(event.at, rules, decision.case.unit))
    if course is None or course.extended_until is None:
        return
    armed = _ordered_armed(decision.case)
    final = [c for c in armed if c.kind == "resolution"] or [c for c in armed if c.kind == "response"]
    for clock in final:
        if clock.extended < course.extensions and clock.extended_to != to_ms(course.extended_until):
            reason = event.request.reason if isinstance(event, IncidentExtensionDecidedV1) else "延期已批准"
            until = course.extended_until
            told = clock.extend(until, course.extensions, reason, event.at, rules, decision.case.unit)
            decision.take(*told)


def _ordered_armed(case: Case) -> list[Clock]:
    return sorted(_armed(case), key=lambda clock: (clock.created_at, clock.kind, clock.id))


def _stricter(fresh: Clock, running: Clock) -> bool:
    """Whether the incident's facts, not the policy, ask for an earlier deadline than the one agreed."""
    if fresh.started_at < running.started_at:
        return fresh.due_at < running.due_at
    origin = fresh.origin_due_at
    return origin is not None and origin != running.origin_due_at and to_ms(origin) < running.due_at


def _looser(fresh: Clock, running: Clock) -> bool:
    """Whether the report left whose origin asked for the deadline that runs."""
    ours, theirs = running.origin_due_at, fresh.origin_due_at
    return ours is not None and (theirs is None or theirs > ours) and fresh.due_at > running.due_at


def _broke(before: Clock, fresh: Clock) -> bool:
    """Whether the breach of one that ended was after the deadline of its successor, too; more time may have moved its own."""
    if before.breached_at is None:
        return False
    start = before.started_at == fresh.started_at
    return before.due_at == fresh.due_at or (start and before.breached_at >= fresh.due_at)


def _unheard(fresh: Clock, known: Clock, same: Iterable[Clock]) -> bool:
    """Whether time was granted before the origin's deadline that drives was known: it does not move that one."""
    origin = fresh.origin_due_at
    if origin is None or to_ms(origin) != fresh.due_at or not known.extended:
        return False
    granted = [one for one in same if one.extended == known.extended and one.extended_to is not None]
    return all(one.origin_due_at != origin for one in granted)


def _told_before(fresh: Clock, running: Clock) -> Clock:
    """A clock that runs on from the same start with more time: what the other told is not told again.

    After a breach by a deadline that has left, the shares of its own that are to come are news.
    """
    if fresh.started_at != running.started_at or fresh.due_at <= running.due_at:
        return fresh
    told = {step.name for step in running.steps[: running.next_step]} if running.breached_at is None else set()
    coming = [step for step in fresh.steps if step.at > fresh.created_at and step.name not in told]
    return replace(fresh, steps=tuple(coming) if coming else fresh.steps[-1:])


def orders(view: IncidentView, rules: Rulebook) -> list[Order]:
    """The clocks that an incident in this state should have, by the policies of its class.

    Those of an emergency start at the earliest when it became one.
    """
    policies = rules.classes(view.classification.clock_class)
    course = view.course or PLAIN
    risen = course.emergency_since if view.classification.clock_class == "emergency" else None

    def start(at: datetime) -> datetime:
        return max(at, risen) if risen else at

    wanted: list[Order] = []
    acceptance, dispatch = policies.get("acceptance"), view.dispatch
    if acceptance is not None and dispatch is not None and view.state != "covered":
        wanted.append(
            Order(acceptance, "acceptance", dispatch.dispatch_id, dispatch.unit, start(dispatch.dispatched_at))
        )
    ruling = policies.get("adjudication")
    if ruling is not None and course.waiting_since is not None:
        wanted.append(Order(ruling, "adjudication", f"ruling{view.returns}", rules.centre, start(course.waiting_since)))
    run, since = "", course.citizen_since or view.opened_at
    if course.redone and course.redone_at is not None:
        run, since = f"redo{course.redone}", course.redone_at  # the first time has its verdict; this one has a clock
    since = start(since)
    for kind in CITIZEN:
        policy = policies.get(kind)
        if run and kind == "contact":
            continue
        if kind != "resolution":
            if policy is not None:
                wanted.append(Order(policy, kind, run, None, since))
            continue
        origin = view.origin_due_at if not run else None
        if origin is not None and is_far(origin, since):
            origin = None  # the doors refuse such a date; one that an older version let in counts as none
        basis = policy or (policies.get("response") if origin is not None else None)
        if basis is not None:
            wanted.append(Order(basis, kind, run, None, since, origin))
    return wanted
