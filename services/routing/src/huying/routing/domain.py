"""What routing decides: which incident a report belongs to, who gets it, and whether a command is legal.

Pure: state, message and time in, steps out. No I/O, no clock, no randomness.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from huying.contracts.commands import Accept, AnswerAsk, CommandIssuedV1, Complete, Contact, Return
from huying.contracts.identity import incident_id
from huying.contracts.incidents import (
    Classification,
    ClockClass,
    CommandDeclinedV1,
    DeclineReason,
    IncidentEvent,
    Reason,
    ReportRef,
)
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1
from huying.county import Duty, Pack

from . import incident as life
from .incident import Ask, Cause, Incident
from .judgement import ReportFacts, Screening, Verdict

LEGAL: Mapping[str, tuple[str, ...]] = {
    "asked": ("answer_ask",),
    "dispatched": ("accept", "return"),
    "accepted": ("contact", "return", "complete"),
    "contacted": ("contact", "return", "complete"),
    "completed": (),
    "merged": (),
}
"""State to the moves that are legal in it."""

RETURN_LIMIT = 2
"""The second return goes to the dispatch centre, whose word is final (requirements 16)."""

SECONDARY = 3
"""How many reasons travel with an event: what a dispatcher reads at a glance."""


@dataclass(slots=True)
class Decision:
    """Steps to take, in order: the incidents after them and the events, and what goes with a declined command."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    events: list[IncidentEvent] = field(default_factory=list)
    declined: CommandDeclinedV1 | None = None
    joins: list[tuple[str, str]] = field(default_factory=list)
    """(report id, incident id): where reports belong from now on."""
    merged: list[tuple[str, str]] = field(default_factory=list)
    """(incident, into): for the index."""
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def take(self, after: tuple[Incident, IncidentEvent]) -> Incident:
        """Note one step."""
        self.incidents[after[0].id] = after[0]
        self.events.append(after[1])
        return after[0]


def facts_of(report: ReportAcceptedV1) -> ReportFacts:
    """What judgement needs of a report."""
    point, device = report.place.point, report.device
    return ReportFacts(
        report_id=report.report_id,
        channel=report.channel,
        received_at=report.received_at,
        text=report.text,
        address=report.place.address,
        village_code=report.place.village_code,
        town=report.place.town_code or report.place.town,
        lon=point.lon if point else None,
        lat=point.lat if point else None,
        accuracy_m=point.accuracy_m if point else None,
        device_id=device.device_id if device else None,
        alarm_kind=device.alarm if device else None,
        alarm_state=device.state if device else None,
        reporter=report.reporter.ref if report.reporter else None,
        matter_hint=report.category_hint,
    )


def ref_of(report: ReportAcceptedV1) -> ReportRef:
    """A report as the feed names it."""
    return ReportRef.model_construct(
        report_id=report.report_id,
        tracking_number=report.tracking_number,
        channel=report.channel,
        text=report.text,
        source=report.source,
        accepted_at=report.accepted_at,
        received_at=report.received_at,
        reporter=report.reporter,
        origin_number=report.origin_number,
    )


def reasons_of(verdict: Verdict) -> tuple[Reason, ...]:
    """The strongest reasons, in words."""
    strongest = sorted(verdict.reasons, key=lambda reason: -abs(reason.weight))[:SECONDARY]
    return tuple(Reason.model_construct(code=r.code, text=r.text_zh, weight=round(r.weight, 3)) for r in strongest)


def classify(screening: Screening, pack: Pack) -> Classification:
    """The matter that it is, the clock that it runs on, and whether a person should look at it."""
    top = screening.matters[0]
    return Classification(
        matter=top.code,
        matter_name=pack.matter(top.code).name_zh,
        clock_class=cast("ClockClass", "emergency" if screening.emergency else screening.clock),
        confidence=min(1.0, max(0.0, float(top.confidence))),
        circumstances=screening.circumstances,
        needs_confirmation=screening.needs_person,
    )


def locate(place: Place, screening: Screening, pack: Pack) -> Place:
    """The report's place, completed by what its words say."""
    if place.village_code is not None or not screening.places:
        return place
    guess = screening.places[0]
    found: dict[str, Any] = {}
    if guess.village_code is not None:
        village = pack.village(guess.village_code)
        found = {"village_code": village.code, "village": village.name_zh}
    town = guess.town_code or place.town_code
    if town is not None:
        found |= {"town_code": town, "town": pack.town(town).name_zh}
    return place.model_copy(update=found)


def duty_of(incident: Incident, pack: Pack) -> Duty:
    """Who is responsible, by the catalogue."""
    what = incident.classification
    return pack.duty(what.matter, frozenset(what.circumstances), incident.place.town_code)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A report with what judgement says about it."""

    report: ReportAcceptedV1
    screening: Screening
    verdict: Verdict
    number: str
    """The number that a new incident gets."""


def receive(arrival: Arrival, known: Mapping[str, Incident], pack: Pack, at: datetime) -> Decision:
    """A report joins an incident, opens one, or opens one that waits for an answer."""
    decision, verdict = Decision(), arrival.verdict
    cause = Cause(at, pack.hash)
    ref, reasons = ref_of(arrival.report), reasons_of(verdict)
    target = _surviving(verdict.incident_id, known)
    if verdict.band == "merge" and target is not None:
        how: life.How = "device" if arrival.report.device else "merged"
        if arrival.screening.follow_up:
            how = "follow_up"
        joined = decision.take(life.joined(target, cause, ref, how, verdict.score, reasons))
        decision.joins.append((ref.report_id, joined.id))
        return decision
    screening = arrival.screening
    fresh = Incident(
        id=incident_id(ref.report_id),
        version=0,
        number=arrival.number,
        jurisdiction=arrival.report.jurisdiction,
        state="dispatched",
        classification=classify(screening, pack),
        place=locate(arrival.report.place, screening, pack),
        title=life.title_of(arrival.report.text),
        opened_at=at,
        last_at=at,
        reports=(ref.report_id,),
        channels=(ref.channel,),
        recurrence_of=verdict.recurrence_of,
        origin_due_at=arrival.report.origin_due_at,
    )
    current = decision.take(life.opened(fresh, cause, ref, reasons))
    decision.opened.append(current.id)
    decision.joins.append((ref.report_id, current.id))
    if verdict.band == "ask" and target is not None and not screening.emergency:
        hold = pack.correlation_rule(current.classification.matter).ask_hold_minutes
        ask = Ask(target.id, target.number, verdict.score, at + timedelta(minutes=hold), reasons)
        decision.take(life.asked(current, cause, ask))
    else:
        decision.take(life.dispatched(current, cause, duty_of(current, pack), pack))
    return decision


def run_out(incident: Incident, pack: Pack) -> Decision:
    """Nobody answered in time: it goes its own way."""
    decision = Decision()
    assert incident.ask is not None
    cause = Cause(incident.ask.until, pack.hash)
    current = decision.take(life.answered(incident, cause, "expired"))
    decision.take(life.dispatched(current, cause, duty_of(current, pack), pack))
    return decision


def obey(
    command: CommandIssuedV1,
    known: Mapping[str, Incident],
    reports: Mapping[str, ReportRef],
    pack: Pack,
    at: datetime,
) -> Decision:
    """Do what is wished, or say why not. `reports` has those of an asked incident."""
    incident = known.get(command.incident_id)
    refusal = _refusal(command, incident)
    if refusal is not None or incident is None:
        reason, message = refusal or ("unknown_incident", "")
        return Decision(declined=_decline(command, incident, reason, message, at))
    cause = Cause(at, pack.hash, command.command_id, command.actor)
    decision = Decision()
    match command.action:
        case Accept():
            decision.take(life.accepted(incident, cause))
        case Contact() as action:
            decision.take(life.contacted(incident, cause, action))
        case Complete() as action:
            decision.take(life.completed(incident, cause, action))
            decision.closed.append(incident.id)
        case Return() as action:
            current = decision.take(life.returned(incident, cause, action))
            decision.take(life.dispatched(current, cause, _next_duty(current, action, pack), pack))
        case AnswerAsk(same=same):
            _answer(decision, incident, same, known, reports, cause, pack)
    return decision


def _answer(
    decision: Decision,
    incident: Incident,
    same: bool,
    known: Mapping[str, Incident],
    reports: Mapping[str, ReportRef],
    cause: Cause,
    pack: Pack,
) -> None:
    assert incident.ask is not None
    ask = incident.ask
    target = _surviving(ask.candidate, known)
    if not same or target is None or target.id == incident.id:
        current = decision.take(life.answered(incident, cause, "different"))
        decision.take(life.dispatched(current, cause, duty_of(current, pack), pack))
        return
    current = decision.take(life.answered(incident, cause, "same"))
    decision.take(life.merged(current, cause, target.id))
    decision.merged.append((incident.id, target.id))
    for report_id in incident.reports:
        target = decision.take(life.joined(target, cause, reports[report_id], "answered", ask.score, ask.reasons))
        decision.joins.append((report_id, target.id))


def _next_duty(incident: Incident, action: Return, pack: Pack) -> Duty:
    """First return: where the unit says it belongs, if that is a unit; otherwise the dispatch centre decides."""
    centre = pack.county.dispatch_centre
    suggested = {unit.code for unit in pack.units} & {action.suggested_unit or ""}
    main = suggested.pop() if suggested and incident.returns < RETURN_LIMIT else centre
    return duty_of(incident, pack).model_copy(
        update={"main": main, "reason": f"退回：{action.reason}", "settled": False}
    )


def _refusal(command: CommandIssuedV1, incident: Incident | None) -> tuple[DeclineReason, str] | None:
    if incident is None:
        return "unknown_incident", f"没有事件 {command.incident_id!r}"
    kind = command.action.kind
    if command.expected_version is not None and command.expected_version != incident.version:
        return (
            "stale_version",
            f"事件已到第 {incident.version} 版，您看到的是第 {command.expected_version} 版：刷新后再办",
        )
    if kind not in LEGAL[incident.state]:
        legal = "、".join(LEGAL[incident.state]) or "无"
        return "illegal_move", f"事件处于 {incident.state}，不能 {kind}；现在可以：{legal}"
    actor = command.actor
    if kind == "answer_ask":
        return None if actor.role in {"dispatcher", "leader"} else ("not_allowed", "只有调度员可以研判")
    unit = incident.dispatch.unit if incident.dispatch else None
    if actor.role == "unit" and actor.unit != unit:
        return "not_allowed", f"事件由 {unit} 主责，不是 {actor.unit}"
    if actor.role not in {"unit", "dispatcher", "leader"}:
        return "not_allowed", f"角色 {actor.role} 不能 {kind}"
    if kind == "return" and incident.returns >= RETURN_LIMIT:
        return "return_limit", f"已退回 {incident.returns} 次，调度中心已裁决，不能再退"
    return None


def _decline(
    command: CommandIssuedV1, incident: Incident | None, reason: DeclineReason, message: str, at: datetime
) -> CommandDeclinedV1:
    return CommandDeclinedV1(
        command_id=command.command_id,
        incident_id=command.incident_id,
        jurisdiction=command.jurisdiction,
        at=at,
        reason=reason,
        message=message,
        state=incident.state if incident else None,
        legal=LEGAL[incident.state] if incident else (),
        current_version=incident.version if incident else None,
    )


def _surviving(wanted: str | None, known: Mapping[str, Incident]) -> Incident | None:
    """The incident, or the one that it was merged into."""
    found = known.get(wanted) if wanted else None
    while found is not None and found.merged_into is not None:
        found = known.get(found.merged_into)
    return found
