"""A case as evaluation sees it: who answered, in time or not, and what the citizens say. No I/O, no clock.

Feed and clocks come in no common order, so each writes its own part of a case and the result is the same for every
interleaving. It never counts a silent citizen as a satisfied one, and invites nobody twice to the same result. A dissatisfied one has
the order done again once, then it is a supervisor's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from huying.contracts.clocks import ClockBreachedV1, ClockEvent, ClockExtendedV1, ClockKind, ClockStoppedV1
from huying.contracts.identity import deterministic_id
from huying.contracts.incidents import (
    CommandDeclinedV1,
    IncidentCompletedV1,
    IncidentDispatchedV1,
    IncidentEvent,
    IncidentMergedV1,
    IncidentOpenedV1,
    IncidentReportJoinedV1,
    IncidentReturnedV1,
)
from huying.contracts.orders import IncidentCoveredV1, IncidentSplitV1, IncidentWithdrawnV1
from huying.contracts.ratings import Grade
from huying.contracts.wording import clean, mask_numbers

Verdict = Literal["on_time", "late", "void"]
Refusal = Literal["unknown", "used", "expired", "moved"]
Because = Literal["dissatisfied_again", "redo_declined"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Rules(_Part):
    """How long a link is good, and how long we wait before a person calls back."""

    rating_open: timedelta
    callback_after: timedelta

    def __init__(self, rating_open: timedelta, callback_after: timedelta) -> None:
        super().__init__(rating_open=rating_open, callback_after=callback_after)


class CaseReport(_Part):
    """A report of the case; `reporter` is None where there is nobody to ask, such as a device."""

    reporter: str | None
    channel: str
    since: datetime


class CaseClock(_Part):
    """A deadline of the case. A breach stays a breach; extensions only grow."""

    kind: ClockKind
    unit: str | None = None
    at: datetime
    verdict: Verdict | None = None
    breached: bool = False
    extended: int = 0


class Invitation(_Part):
    """One citizen's one chance to say how well it went. `round`: how often it was done again before this result."""

    rating_id: str
    round: int = 0
    report_id: str
    reporter: str
    unit: str
    at: datetime
    expires_at: datetime
    grade: Grade | None = None
    comment: str | None = None
    rated_at: datetime | None = None


class Case(_Part):
    """An incident and how it was answered. `unit` is the main unit now; `held_by` every one that ever had it."""

    incident_id: str
    jurisdiction: str = ""
    revision: int = 0
    seen_version: int = 0
    number: str = ""
    title: str = ""
    result: str = ""
    state: str = ""
    matter: str = ""
    matter_name: str = ""
    clock_class: str = ""
    town_code: str | None = None
    town: str | None = None
    unit: str | None = None
    unit_name: str = ""
    unit_names: dict[str, str] = {}
    """Of every unit that ever had it."""
    held_by: tuple[str, ...] = ()
    withdrawn: bool = False
    """Whether its dispatch was just taken back; by a merge it is none, so that an undone merge counts none twice."""
    returned_by: tuple[str, ...] = ()
    opened_at: datetime | None = None
    dispatched_at: datetime | None = None
    accepted_at: datetime | None = None
    contacted_at: datetime | None = None
    completed_at: datetime | None = None
    redone: int = 0
    merged_into: str | None = None
    reports: dict[str, CaseReport] = {}
    clocks: dict[str, CaseClock] = {}
    invitations: tuple[Invitation, ...] = ()
    callback_due_at: datetime | None = None
    callback_at: datetime | None = None
    redo_asked_at: datetime | None = None
    review_at: datetime | None = None
    review_round: int | None = None
    """The result that a supervisor reviews, by how often it was done again before."""

    def invitation(self, rating_id: str) -> Invitation | None:
        """The invitation with this id."""
        return next((one for one in self.invitations if one.rating_id == rating_id), None)

    def stands(self, invitation: Invitation) -> bool:
        """Whether it is still about its reporter's matter: their report may have gone on to another incident."""
        return invitation.report_id in self.reports

    @property
    def unheard(self) -> tuple[Invitation, ...]:
        """Who can be asked about the result that stands, as long as nobody has said how it went."""
        asked = [one for one in self.invitations if one.round == self.redone]
        said = any(one.grade is not None for one in asked)
        return () if said else tuple(one for one in asked if self.stands(one))

    @property
    def called(self) -> bool:
        """Whether a call-back for the result that stands fell due."""
        asked = [one.at for one in self.invitations if one.round == self.redone]
        return self.callback_at is not None and bool(asked) and self.callback_at >= min(asked)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a message changes: cases as they are now, and what is told of them."""

    cases: tuple[Case, ...] = ()
    invited: tuple[tuple[Case, Invitation], ...] = ()
    rated: tuple[tuple[Case, Invitation], ...] = ()
    callbacks: tuple[tuple[Case, Invitation], ...] = ()
    redos: tuple[tuple[Case, Invitation], ...] = ()
    reviews: tuple[tuple[Case, Invitation, Because], ...] = ()
    refusal: Refusal | None = None
    gap: bool = False


def decide_step(cases: Mapping[str, Case], event: IncidentEvent, rules: Rules) -> Decision:
    """A step of an incident's life.

    Reports that leave it are told of by the incident that they come to, so every interleaving gives the same.
    """
    known = cases.get(event.incident_id) or Case(incident_id=event.incident_id)
    if event.incident_version <= known.seen_version:
        return Decision()
    gap = event.incident_version > known.seen_version + 1
    case = _after(known, event)
    if case.redone > known.redone:
        case = case.model_copy(update={"callback_due_at": None})
    if isinstance(event, IncidentMergedV1 | IncidentSplitV1):
        gone = event.reports if isinstance(event, IncidentMergedV1) else [one.report_id for one in event.reports]
        staying = {name: report for name, report in case.reports.items() if name not in gone}
        return Decision((case.model_copy(update={"reports": staying}),), gap=gap)
    if isinstance(event, IncidentOpenedV1 | IncidentReportJoinedV1):
        told = event.report
        reporter = told.reporter.ref if told.reporter else None
        added = CaseReport(reporter=reporter, channel=told.channel, since=_milliseconds(event.at))
        case = case.model_copy(update={"reports": {told.report_id: added} | case.reports})
    case, invited = _invite(case, rules)
    return Decision((case,), invited, gap=gap)


def decide_clock(cases: Mapping[str, Case], event: ClockEvent) -> Decision:
    """A clock's step; the same one again changes nothing."""
    case = cases.get(event.incident_id) or Case(incident_id=event.incident_id, jurisdiction=event.jurisdiction)
    at = _milliseconds(event.at)
    known = case.clocks.get(event.clock_id)
    clock = known or CaseClock(kind=event.kind, unit=event.unit, at=at)
    if isinstance(event, ClockBreachedV1):
        clock = clock.model_copy(update={"breached": True})
    elif isinstance(event, ClockExtendedV1):
        clock = clock.model_copy(update={"extended": max(clock.extended, event.count)})
    elif isinstance(event, ClockStoppedV1) and (clock.verdict is None or at >= clock.at):
        clock = clock.model_copy(update={"verdict": event.verdict})
    clock = clock.model_copy(update={"at": max(clock.at, at), "unit": event.unit or clock.unit})
    if clock == known:
        return Decision()
    return Decision((case.model_copy(update={"clocks": case.clocks | {event.clock_id: clock}}),))


def decide_rating(case: Case | None, rating_id: str, grade: Grade, comment: str | None, at: datetime) -> Decision:
    """A citizen's verdict: taken once, until the link's last moment; a call-back that was due before comes first.

    Numbers of persons in the comment are masked: it goes on the bus.
    """
    invitation = case.invitation(rating_id) if case else None
    if case is None or invitation is None:
        return Decision(refusal="unknown")
    if invitation.grade is not None:
        return Decision(refusal="used")
    if not case.stands(invitation):
        return Decision(refusal="moved")
    if at >= invitation.expires_at:
        return Decision(refusal="expired")
    before = decide_silence(case, at)
    [case] = before.cases or (case,)
    given = invitation.model_copy(
        update={
            "grade": grade,
            "comment": mask_numbers(clean(comment or "")) or None,
            "rated_at": max(_milliseconds(at), invitation.at),
        }
    )
    invitations = tuple(given if one.rating_id == rating_id else one for one in case.invitations)
    case = case.model_copy(update={"invitations": invitations, "callback_due_at": None})
    decision = Decision((case,), rated=((case, given),), callbacks=before.callbacks)
    return _dissatisfied(decision, case, given) if grade == "dissatisfied" else decision


def _dissatisfied(decision: Decision, case: Case, given: Invitation) -> Decision:
    """Once it is done again; the result of that is reviewed. What is being done again already needs neither."""
    if case.state != "completed":
        return decision
    if case.redone == 0:
        if case.redo_asked_at is not None:
            return decision
        case = case.model_copy(update={"redo_asked_at": given.rated_at})
        return replace(decision, cases=(case,), redos=((case, given),))
    if case.review_round == case.redone:
        return decision
    case = case.model_copy(update={"review_at": given.rated_at, "review_round": case.redone})
    return replace(decision, cases=(case,), reviews=((case, given, "dissatisfied_again"),))


def decide_declined(case: Case | None, event: CommandDeclinedV1) -> Decision:
    """Routing has it not done again by itself any more: a supervisor looks at it.

    Any other refusal means that somebody was faster: it is being done again.
    """
    ours = case is not None and case.redo_asked_at is not None and event.command_id == redo_id(case.incident_id)
    if case is None or not ours or event.reason != "limit_reached" or case.review_round is not None:
        return Decision()
    case = case.model_copy(update={"review_at": _milliseconds(event.at), "review_round": case.redone})
    unhappy = [one for one in case.invitations if one.grade == "dissatisfied" and one.rated_at is not None]
    first = min(unhappy, key=lambda one: (one.rated_at, one.rating_id))
    return Decision((case,), reviews=((case, first, "redo_declined"),))


def redo_id(incident_id: str) -> str:
    """The one command by which a case is done again after a dissatisfied verdict."""
    return deterministic_id("cm", "redo", incident_id)


def decide_silence(case: Case, now: datetime) -> Decision:
    """Nobody rated by the due time: one call-back for the result, to whoever was invited first and is still there."""
    if case.callback_due_at is None or case.callback_due_at > now:
        return Decision()
    due = case.callback_due_at
    last = max(one.round for one in case.invitations)
    asked = [one for one in case.invitations if one.round == last and case.stands(one)]
    if not asked:
        return Decision((case.model_copy(update={"callback_due_at": None}),))
    first = min(asked, key=lambda one: (one.at, one.rating_id))
    case = case.model_copy(update={"callback_due_at": None, "callback_at": due})
    return Decision((case,), callbacks=((case, first),))


def _after(case: Case, event: IncidentEvent) -> Case:
    view, dispatch = event.incident, event.incident.dispatch
    held, returned, first = case.held_by, case.returned_by, case.dispatched_at
    if isinstance(event, IncidentDispatchedV1):
        held = (*held, event.dispatch.unit)
        first = first or event.dispatch.dispatched_at
    elif isinstance(event, IncidentCoveredV1) and event.dispatch is not None:
        first = first or event.at  # the family's one dispatch is its unit's order to it, too; it holds none of its own
    elif isinstance(event, IncidentMergedV1) and case.withdrawn:
        held = held[:-1]
    if isinstance(event, IncidentReturnedV1):
        returned = (*returned, event.dispatch.unit)
    return case.model_copy(
        update={
            "jurisdiction": event.jurisdiction,
            "seen_version": event.incident_version,
            "number": view.number,
            "title": view.title,
            "result": event.text if isinstance(event, IncidentCompletedV1) else case.result,
            "state": view.state,
            "matter": view.classification.matter,
            "matter_name": view.classification.matter_name,
            "clock_class": view.classification.clock_class,
            "town_code": view.place.town_code,
            "town": view.place.town,
            "unit": dispatch.unit if dispatch else case.unit,
            "unit_name": dispatch.unit_name if dispatch else case.unit_name,
            "unit_names": case.unit_names | ({dispatch.unit: dispatch.unit_name} if dispatch else {}),
            "held_by": held,
            "withdrawn": isinstance(event, IncidentWithdrawnV1),
            "returned_by": returned,
            "opened_at": view.opened_at,
            "dispatched_at": first,
            "accepted_at": (dispatch and dispatch.accepted_at) or case.accepted_at,
            "contacted_at": (dispatch and dispatch.contacted_at) or case.contacted_at,
            "completed_at": view.completed_at or (event.at if isinstance(event, IncidentCompletedV1) else None),
            "redone": case.redone + (case.state == "completed" and view.state not in {"completed", "merged"}),
            "merged_into": event.into if isinstance(event, IncidentMergedV1) else view.merged_into,
        }
    )


def _invite(case: Case, rules: Rules) -> tuple[Case, tuple[tuple[Case, Invitation], ...]]:
    """Invite every reporter of a completed case who was not invited to this result yet; older links end."""
    if case.state != "completed" or case.completed_at is None or case.unit is None:
        return case, ()
    again = case.redone
    asked = {one.report_id for one in case.invitations if one.round == again}
    new = []
    for report_id, report in case.reports.items():
        if report.reporter is None or report_id in asked:
            continue
        at = _milliseconds(max(case.completed_at, report.since))
        new.append(
            Invitation(
                rating_id=deterministic_id("rt", case.incident_id, report_id, *([again] if again else [])),
                round=again,
                report_id=report_id,
                reporter=report.reporter,
                unit=case.unit,
                at=at,
                expires_at=at + rules.rating_open,
            )
        )
    if not new:
        return _awaited(case, rules), ()
    since = min(one.at for one in new)
    older = tuple(_ended(one, since) if one.round < again else one for one in case.invitations)
    case = _awaited(case.model_copy(update={"invitations": (*older, *new)}), rules)
    return case, tuple((case, one) for one in new)


def _awaited(case: Case, rules: Rules) -> Case:
    """With a call-back due for the result, unless it has one, or had it, or somebody said how it went.

    The first to be invited sets it; where nobody was left at that time, the first who is there again.
    """
    there = case.unheard
    if case.callback_due_at is not None or not there or case.called:
        return case
    return case.model_copy(update={"callback_due_at": min(one.at for one in there) + rules.callback_after})


def _ended(invitation: Invitation, at: datetime) -> Invitation:
    """The link to a result that does not stand: whoever did not use it gets one to the new result."""
    if invitation.grade is not None or invitation.expires_at <= at:
        return invitation
    return invitation.model_copy(update={"expires_at": at})


def _milliseconds(moment: datetime) -> datetime:
    """As the database keeps it, so that what was read again equals what was decided."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
