"""Who is told what, after an event. Pure: facts and pack in, notices out; it never sends and never reads a clock.

A notice is named by what it is about and by whom it tells, so the same thing is told to nobody twice. What a clock
or a rating tells rests on the facts of the incident's opening alone, so that no order of topics changes a word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from huying.contracts import incidents as feed
from huying.contracts import orders
from huying.contracts.clocks import ClockBreachedV1, ClockEvent, ClockWarnedV1
from huying.contracts.course import LEVEL_ZH, Level
from huying.contracts.identity import deterministic_id
from huying.contracts.incidents import IncidentEvent, IncidentView
from huying.contracts.ratings import RatingInvitedV1, ReviewDueV1
from huying.county import Pack

from .audience import Audience, Recipient
from .facts import Facts, Told, opening, pause_over_after, place_zh, places, reporters_after, result_after
from .wording import KIND_ZH, Wording, danger_zh

BACK = frozenset({"split", "restored"})
"""Ways to an incident of which the one that they came from has told the reporter already."""

STILL_USEFUL = timedelta(hours=1)
"""How long after its deadline a warning is still told: a replay's tick brings an hour's warnings and breaches at once."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing told to one recipient."""

    id: str
    incident_id: str
    jurisdiction: str
    at: datetime
    recipient: Recipient
    template: str
    title: str
    text: str
    until: datetime | None = None
    """When it is of no use any more; None for what has no such instant of its own."""


class Desk:
    """Writes notices by the county's people and words."""

    def __init__(self, pack: Pack, audience: Audience, wording: Wording, public_url: str, progress_url: str) -> None:
        """What a citizen's links begin with: those to rate, and those to the progress."""
        self._pack = pack
        self._audience = audience
        self._wording = wording
        self._public_url = public_url.rstrip("/")
        self._progress_url = progress_url.rstrip("/")
        self._names = {unit.code: unit.name_zh for unit in pack.units}

    def on_incident(self, facts: Facts | None, event: IncidentEvent) -> tuple[Facts, list[Notice]] | None:
        """The facts after an event of the feed, and who is told; None when it was seen before."""
        if facts is not None and event.incident_version <= facts.version:
            return None
        after = replace(facts or opening(event), version=event.incident_version)
        after = replace(
            after, reporters=reporters_after(after.reporters, event), result=result_after(after.result, event)
        )
        occasion = f"v{event.incident_version}"
        written = [
            self._notice(after, occasion, event.at, recipient, template, {**self._fields(event.incident), **more})
            for recipient, template, more in (*self._steps(event, after), *self._goes_on(event, after))
        ]
        placed, pause_over = after.placed or places(event), pause_over_after(after.pause_over, event)
        return replace(after, placed=placed, pause_over=pause_over), _once(written)

    def on_clock(self, facts: Facts, event: ClockEvent, event_id: str) -> list[Notice]:
        """Who is told of a warning or a breach; nobody of the rest."""
        if not isinstance(event, ClockWarnedV1 | ClockBreachedV1):
            return []
        roles = event.roles
        fields = self._opening_fields(facts) | {
            "unit": self._unit(event.unit),
            "kind": KIND_ZH[event.kind],
            "due": self._wording.moment(event.due_at),
            "late": event.late,
        }
        template, soon = "clock_breached", frozenset[str]()
        if isinstance(event, ClockWarnedV1):
            template = "clock_warned" if event.percent <= 100 and "/+" not in event_id else "clock_reminded"
            fields["percent"] = event.percent
            policy = self._pack.clock(event.kind, event.clock_class)
            soon = frozenset(policy.breach_roles if policy else ())
            if template == "clock_warned" and event.percent == 100:
                roles = tuple(role for role in roles if role not in soon)  # the breach tells them in the next moment
        people = self._audience.of(roles, event.unit, facts.village)
        until = event.due_at + STILL_USEFUL if template == "clock_warned" and event.due_at > event.at else None
        written = (self._notice(facts, event_id, event.at, person, template, fields) for person in people)
        return _once(replace(one, until=until) if one.recipient.role in soon else one for one in written)

    def on_rating(self, facts: Facts, event: RatingInvitedV1 | ReviewDueV1) -> list[Notice]:
        """The reporter is asked for a verdict, or the supervisors to review what dissatisfied."""
        if isinstance(event, ReviewDueV1):
            told = self._opening_fields(facts) | {"unit": self._unit(event.unit), "redone": event.redone}
            people = self._audience.holders("supervisor", event.unit, facts.village)
            occasion = f"review/{event.redone}"
            return _once(self._notice(facts, occasion, event.at, person, "review_due", told) for person in people)
        fields = self._opening_fields(facts) | {
            "unit": self._unit(event.unit),
            "link": f"{self._public_url}{event.path}",
        }
        reporter = self._audience.reporter(event.reporter)
        return [self._notice(facts, event.rating_id, event.at, reporter, "rating_invited", fields)]

    def villages_of(self, unit: str) -> tuple[str, ...]:
        """Villages of the towns that a unit serves."""
        towns = self._pack.towns_of(unit)
        return tuple(village.code for village in self._pack.villages if village.town in towns)

    def _steps(self, event: IncidentEvent, facts: Facts) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
        view, village = event.incident, event.incident.place.village_code
        unit = view.dispatch.unit if view.dispatch else None
        match event:
            case feed.IncidentOpenedV1() if view.classification.danger:
                yield from _each(self._audience.holders("dispatcher", unit, village), "alarm", _alarm(view, ""))
            case feed.IncidentDispatchedV1(dispatch=dispatch):
                names = "、".join(self._unit(code) for code in dispatch.assisting)
                more = {"assisting": names, "basis": dispatch.basis or dispatch.catalogue}
                yield from _each(self._audience.holders("duty_officer", dispatch.unit, village), "dispatched", more)
                for code in dispatch.assisting:
                    told = {"unit": self._unit(code), "main_unit": dispatch.unit_name}
                    yield from _each(self._audience.holders("duty_officer", code, village), "assisting", told)
                yield from self._placed(facts, unit, village)
            case feed.IncidentReportJoinedV1(report=report, how=how):
                if report.reporter is not None and how not in BACK:
                    told = {"tracking": report.tracking_number}
                    yield self._audience.reporter(report.reporter.ref), "reporter_joined", told
                if report.reporter is not None and facts.result is not None:  # it came after the others were told
                    told = {"tracking": report.tracking_number, "text": facts.result}
                    yield self._audience.reporter(report.reporter.ref), "reporter_completed", told
                if how == "follow_up" and view.state != "completed":
                    role = "duty_officer" if unit else "dispatcher"
                    yield from _each(self._audience.holders(role, unit, village), "follow_up", {})
            case feed.IncidentAskedV1(until=until):
                numbers = "、".join(one.number for one in event.named())
                question = {"candidate": numbers, "until": self._wording.moment(until), "holds": view.state == "asked"}
                yield from _each(self._audience.holders("dispatcher", unit, village), "asked", question)
            case feed.IncidentReturnedV1(dispatch=dispatch, reason=reason, basis=basis):
                why = {"reason": reason, "basis": basis or "", "unit": dispatch.unit_name}
                ruling = {"ruling": view.state == "adjudicating"}
                yield from _each(self._audience.holders("dispatcher", unit, village), "returned", {**why, **ruling})
            case feed.IncidentCompletedV1(text=text):
                yield from _each(self._audience.holders("grid_worker", unit, village), "grid_completed", {"text": text})
                yield from self._reporters(facts, "reporter_completed", {"text": text})
            case _:
                yield from self._beside(event, facts)

    def _beside(self, event: IncidentEvent, facts: Facts) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
        """Steps beside the main line, and reports that left for another incident."""
        village = event.incident.place.village_code
        unit = event.incident.dispatch.unit if event.incident.dispatch else None
        officers = self._audience.holders("duty_officer", unit, village)
        match event:
            case orders.IncidentAlarmedV1() | orders.IncidentConfirmedV1() if template := _of_danger(event):
                roles = ("duty_officer", "leader", "grid_worker", "dispatcher") if unit else ("dispatcher",)
                more = _alarm(event.incident, event.reason or "")
                yield from _each(self._audience.of(roles, unit, village), template, more)
                for code in event.incident.dispatch.assisting if event.incident.dispatch else ():
                    people = self._audience.holders("duty_officer", code, village)
                    yield from _each(people, template, more | {"unit": self._unit(code)})
            case orders.IncidentWithdrawnV1(dispatch=dispatch, reason=reason):
                more = {"reason": reason, "unit": dispatch.unit_name}
                yield from _each(self._audience.holders("duty_officer", dispatch.unit, village), "withdrawn", more)
            case orders.IncidentCoveredV1(by_number=by) if unit is not None:
                yield from _each(officers, "covered", {"by": by})
                if not facts.placed:
                    yield from self._placed(facts, unit, village)
            case orders.IncidentWhistledV1() | orders.IncidentReviewedV1():
                yield from self._called(event)
            case orders.IncidentEscalatedV1(from_level=low, to_level=high, reason=reason):
                more = {"from_level": LEVEL_ZH[low], "to_level": LEVEL_ZH[high], "reason": reason}
                yield from _each(self._level(high, event.incident), "escalated", more)
            case orders.IncidentSupervisedV1(listed=listed, reason=reason):
                people = self._audience.of(("duty_officer", "leader"), unit, village)
                yield from _each(people, "supervised" if listed else "supervision_lifted", {"reason": reason})
            case orders.IncidentExtensionRequestedV1(request=request):
                more = {"until": self._wording.moment(request.until), "reason": request.reason}
                yield from _each(self._audience.holders("dispatcher", unit, village), "extension_requested", more)
            case orders.IncidentExtensionDecidedV1(request=request, granted=granted, count=count):
                until = self._wording.moment(request.until)
                said = {"granted": granted, "until": until, "count": count, "reason": event.reason or ""}
                yield from _each(officers, "extension_decided", said)
                if granted:
                    yield from self._reporters(facts, "reporter_extended", {"until": until, "reason": request.reason})
            case orders.IncidentSuspendedV1(reason=reason, until=moment):
                more = {"until": self._wording.moment(moment), "reason": reason}
                yield from _each(() if _by(event, unit) else officers, "suspended", more)
                yield from self._reporters(facts, "reporter_paused", more)
            case orders.IncidentResumedV1(expired=expired):
                more = {"expired": expired, "reason": event.reason or ""}
                yield from _each(() if _by(event, unit) else officers, "resumed", more)
                yield from self._reporters(facts, "reporter_resumed", {})
            case orders.IncidentFloodClosedV1(by="expired" | "completed" as by):
                people = self._audience.holders("dispatcher", unit, village)
                yield from _each(people, "flood_closed", {"expired": by == "expired"})
            case orders.IncidentRedoneV1(reason=reason):
                yield from self._reporters(facts, "reporter_redone", {"reason": reason})
            case orders.IncidentSplitV1(reports=reports, into_number=into):
                for report in reports:
                    if report.reporter is not None:
                        told = {"tracking": report.tracking_number, "into": into}
                        yield self._audience.reporter(report.reporter.ref), "reporter_split", told
            case orders.IncidentPartedV1(part=part, into_number=into) if part.reporter is not None:
                told = {"tracking": part.tracking_number, "into": into}
                yield self._audience.reporter(part.reporter.ref), "reporter_parted", told

    def _goes_on(self, event: IncidentEvent, facts: Facts) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
        """Who was told of a pause hears that a unit has it again; what was merged goes on as the other does."""
        if facts.pause_over and places(event):
            yield from self._reporters(facts, "reporter_resumed", {})

    def _level(self, level: Level, view: IncidentView) -> tuple[Recipient, ...]:
        """Who hears that it came to this level: the unit that has it, then the town of the place, or the county."""
        village, roles = view.place.village_code, ("duty_officer", "leader")
        people = self._audience.of(roles, view.dispatch.unit if view.dispatch else None, village)
        town = self._pack.town_unit(view.place.town_code or "")
        if level == "county":
            return (*people, *self._audience.holders("dispatcher", None, village))
        return (*people, *self._audience.of(roles, town.code, village)) if town else people

    def _called(
        self, event: orders.IncidentWhistledV1 | orders.IncidentReviewedV1
    ) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
        """Units that are called to a place or to a table."""
        village = event.incident.place.village_code
        for code in event.units:
            more: dict[str, Any] = {"unit": self._unit(code)}
            template = "reviewed"
            if isinstance(event, orders.IncidentWhistledV1):
                template, main = "whistled", event.incident.dispatch
                more |= {"meet_at": event.meet_at, "reason": event.reason, "main_unit": main.unit_name if main else ""}
            else:
                more |= {"topic": event.topic, "conclusion": event.conclusion or ""}
            yield from _each(self._audience.holders("duty_officer", code, village), template, more)

    def _placed(
        self, facts: Facts, unit: str | None, village: str | None
    ) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
        """Those outside the units who hear that one of them has it."""
        yield from _each(self._audience.holders("grid_worker", unit, village), "grid_dispatched", {})
        yield from self._reporters(facts, "reporter_progress", {})

    def _reporters(
        self, facts: Facts, template: str, more: Mapping[str, Any]
    ) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
        first: dict[str, Told] = {}
        for told in facts.reporters:
            first.setdefault(told.reference, told)
        for told in first.values():
            yield self._audience.reporter(told.reference), template, {"tracking": told.tracking, **more}

    def _notice(
        self, facts: Facts, occasion: str, at: datetime, recipient: Recipient, template: str, fields: Mapping[str, Any]
    ) -> Notice:
        if "tracking" in fields:
            fields = {**fields, "progress": self._progress(fields["tracking"])}
        title, text = self._wording.render(template, fields)
        notice_id = deterministic_id("nt", facts.incident_id, occasion, recipient.id, template)
        return Notice(notice_id, facts.incident_id, facts.jurisdiction, at, recipient, template, title, text)

    def _fields(self, view: IncidentView) -> dict[str, Any]:
        return {
            "number": view.number,
            "title": view.title,
            "matter": view.classification.matter_name,
            "place": place_zh(view.place),
            "unit": view.dispatch.unit_name if view.dispatch else self._unit(None),
            "danger": danger_zh(view.classification),
        }

    def _opening_fields(self, facts: Facts) -> dict[str, Any]:
        return {"number": facts.number, "title": facts.title, "matter": facts.matter, "place": facts.place}

    def _progress(self, tracking: str) -> str:
        return f"{self._progress_url}/v1/reports/{tracking}"

    def _unit(self, code: str | None) -> str:
        return self._names.get(code or self._pack.county.dispatch_centre, code or "")


def _of_danger(event: orders.IncidentAlarmedV1 | orders.IncidentConfirmedV1) -> str:
    """What is told of a step that makes an emergency of it, an alarm of what was none, or ends both; else nothing."""
    now, before = event.incident.classification, event.before
    if not now.danger:
        return "alarm_over" if before.danger else ""
    return "alarm" if (now.clock_class, now.alarm) != (before.clock_class, before.alarm) else ""


def _alarm(view: IncidentView, reason: str) -> dict[str, Any]:
    return {"unsure": view.classification.alarm, "reason": reason}


def _by(event: IncidentEvent, unit: str | None) -> bool:
    """Whether the unit's own people did it."""
    return event.actor is not None and event.actor.unit == unit


def _each(
    recipients: tuple[Recipient, ...], template: str, more: Mapping[str, Any]
) -> Iterator[tuple[Recipient, str, Mapping[str, Any]]]:
    for recipient in recipients:
        yield recipient, template, more


def _once(notices: Any) -> list[Notice]:
    return list({notice.id: notice for notice in notices}.values())
