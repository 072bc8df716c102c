"""A report arrives: it joins an incident, opens one, or opens one about which a person is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from huying.contracts.identity import incident_id
from huying.contracts.incidents import Candidate, Classification, ClockClass, Reason, ReportPart, ReportRef
from huying.contracts.places import Place
from huying.contracts.reports import ReportAcceptedV1
from huying.county import Pack

from .. import steps
from ..incident import Ask, Cause, Incident
from ..judgement import ReportFacts, Screening, Verdict
from .afterwards import host, successor
from .danger import heed, rising, starts
from .families import settle
from .turn import Decision, Scene, Turn

SECONDARY = 3
"""How many reasons travel with an event: what a dispatcher reads at a glance."""
TOLD = "新并入的诉求反映有险情"


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


def ref_of(report: ReportAcceptedV1, parts: tuple[ReportPart, ...] | None = None) -> ReportRef:
    """A report as the feed names it, with how it could be parted."""
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
        origin_due_at=report.origin_due_at,
        parts=parts,
        place=report.place,
        attachments=report.attachments or None,
    )


def reasons_of(verdict: Verdict) -> tuple[Reason, ...]:
    """The strongest reasons, in words; a verdict has them in that order."""
    strongest = verdict.reasons[:SECONDARY]
    return tuple([Reason.model_construct(code=r.code, text=r.text_zh, weight=round(r.weight, 3)) for r in strongest])


def classify(screening: Screening, pack: Pack) -> Classification:
    """The matter that it is, the clock that it runs on, and whether a person should look at it.

    An alarm that is too unsure for the emergency's clock goes out at once all the same, and a person confirms it.
    """
    top = screening.matters[0]
    unsure = screening.emergency and screening.clock != "emergency"
    return Classification.model_construct(
        matter=top.code,
        matter_name=pack.matter(top.code).name_zh,
        clock_class=cast("ClockClass", screening.clock),
        confidence=min(1.0, max(0.0, float(top.confidence))),
        circumstances=screening.circumstances,
        needs_confirmation=screening.needs_person or unsure,
        alarm=unsure,
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """A report with what judgement says about it."""

    report: ReportAcceptedV1
    ref: ReportRef
    screening: Screening
    verdict: Verdict
    own: Screening | None = None
    """What its words alone say; `screening` where absent. An incident's danger is no news to that incident."""


def receive(arrival: Arrival, scene: Scene, cause: Cause) -> Decision:
    """A report joins an incident, opens one, or opens one that waits for an answer.

    On a finished incident it is heard first (`afterwards`). A danger never waits: it is dispatched, and asked about
    beside that.
    """
    turn, verdict, pack = Turn(scene, cause), arrival.verdict, scene.catalogue.pack
    decision, report = turn.decision, arrival.report
    ref, reasons = arrival.ref, reasons_of(verdict)
    target, screening, back_of = turn.surviving(verdict.incident_id), arrival.screening, verdict.recurrence_of
    cleared = report.device is not None and report.device.state == "cleared"
    if verdict.band == "merge" and target is not None and target.state == "completed":
        finished = target
        danger, again = screening.emergency, screening.recurrence
        target = host(turn, finished, ref, cleared=cleared, emergency=danger, again=again)
        if target is None:
            back_of = (successor(turn, finished) or finished).id
    if verdict.band == "merge" and target is not None:
        how: steps.How = "device" if report.device else "merged"
        if screening.follow_up:
            how = "follow_up"
        told, when = classify(arrival.own or screening, pack), report.accepted_at
        brought = {ref.report_id: when}
        if cleared:  # it tells of no danger
            told, when, brought = target.classification, target.emergency_since, {}
        urgent = starts(target, told, when)
        risen = rising(target, told, brought) if target.risen else None
        joined = turn.take(steps.joined(target, cause, ref, how, verdict.score, reasons, urgent, risen))
        decision.joins.append((ref.report_id, joined.id))
        decision.merges += 1
        heed(turn, joined, told, TOLD, urgent)
        return decision
    fresh = Incident(
        id=incident_id(ref.report_id),
        version=0,
        number=scene.number,
        jurisdiction=report.jurisdiction,
        state="dispatched",
        classification=classify(screening, pack),
        place=locate(report.place, screening, pack),
        title=steps.title_of(report.text),
        opened_at=cause.at,
        last_at=cause.at,
        reports=(ref.report_id,),
        channels=(ref.channel,),
        recurrence_of=back_of,
        origin_due_at=report.origin_due_at,
    )
    current = turn.take(steps.opened(fresh, cause, ref, reasons))
    decision.opened.append(current.id)
    decision.joins.append((ref.report_id, current.id))
    candidates = tuple(
        Candidate.model_construct(incident_id=found.id, number=found.number, score=one.score)
        for one in verdict.question()
        if (found := turn.surviving(one.incident_id)) is not None
    )
    holds = bool(candidates) and not current.classification.danger
    if not holds:
        current = settle(turn, current)
    if candidates:
        minutes = pack.correlation_rule(current.classification.matter).ask_hold_minutes
        ask = Ask(candidates, cause.at + timedelta(minutes=minutes), reasons)
        turn.take(steps.asked(current, cause, ask, holds=holds))
    return decision


def place_of(facts: ReportFacts, pack: Pack) -> Place:
    """A report's own place again, out of what was kept for judgement."""
    towns: Mapping[str, str] = {town.code: town.name_zh for town in pack.towns}
    names = {name: code for code, name in towns.items()}
    code = facts.town if facts.town in towns else names.get(facts.town or "")
    known = {village.code: village.name_zh for village in pack.villages}
    return Place(
        address=facts.address,
        village_code=facts.village_code,
        village=known.get(facts.village_code or ""),
        town_code=code,
        town=towns.get(code or "", facts.town),
    )
