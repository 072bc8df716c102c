"""The steps beside an order's main line: level, whistle, review, supervision, pauses, extensions, families, floods."""

from datetime import datetime
from typing import Any, Literal

from huying.contracts import orders
from huying.contracts.commands import BlowWhistle, OpenFlood, RequestExtension, Suspend
from huying.contracts.course import (
    CatalogueRule,
    ExtensionRequest,
    Flood,
    Level,
    Review,
    Supervision,
    Suspension,
    Whistle,
)
from huying.contracts.incidents import Dispatch

from .incident import Cause, Incident, step
from .steps import Step, current


def ruled(incident: Incident, cause: Cause, unit: str, basis: str, rule: CatalogueRule | None) -> Step:
    """The dispatch centre has spoken; a dispatch follows as the next step."""
    return step(incident, cause, orders.IncidentRuledV1, {}, unit=unit, basis=basis, rule=rule)


def escalated(incident: Incident, cause: Cause, from_level: Level, to_level: Level, reason: str) -> Step:
    """One level up."""
    changes = {"course": incident.changed(level=to_level)}
    facts = {"from_level": from_level, "to_level": to_level, "reason": reason}
    return step(incident, cause, orders.IncidentEscalatedV1, changes, **facts)


def whistled(incident: Incident, cause: Cause, action: BlowWhistle) -> Step:
    """Units are called; they assist from now on, and the main unit stays. Who was elsewhere before is awaited here."""
    dispatch = current(incident)
    called = tuple(dict.fromkeys(unit for unit in action.units if unit != dispatch.unit))
    known = incident.course.whistle
    whistle = Whistle(
        units=tuple(dict.fromkeys((*(known.units if known else ()), *called))),
        arrived=tuple(unit for unit in known.arrived if unit not in called) if known else (),
        reason=action.reason,
        meet_at=action.meet_at,
        at=max(cause.at, incident.last_at),
    )
    helping = dispatch.model_copy(update={"assisting": tuple(dict.fromkeys((*dispatch.assisting, *called)))})
    changes = {"dispatch": helping, "course": incident.changed(whistle=whistle)}
    facts = {"units": called, "meet_at": action.meet_at, "reason": action.reason}
    return step(incident, cause, orders.IncidentWhistledV1, changes, **facts)


def checked_in(incident: Incident, cause: Cause, unit: str) -> Step:
    """A called unit is there."""
    whistle = incident.course.whistle
    assert whistle is not None
    there = whistle.model_copy(update={"arrived": (*whistle.arrived, unit)})
    return step(incident, cause, orders.IncidentCheckedInV1, {"course": incident.changed(whistle=there)}, unit=unit)


def reviewed(incident: Incident, cause: Cause, review: Review, conclusion: str | None) -> Step:
    """Convened, or ended with a conclusion."""
    changes = {"course": incident.changed(review=None if conclusion else review)}
    facts = {"units": review.units, "topic": review.topic, "conclusion": conclusion}
    return step(incident, cause, orders.IncidentReviewedV1, changes, **facts)


def supervised(incident: Incident, cause: Cause, listed: bool, reason: str) -> Step:
    """Listed, or taken off the list."""
    since = max(cause.at, incident.last_at)
    supervision = Supervision(since=since, reason=reason) if listed else None
    changes = {"course": incident.changed(supervision=supervision)}
    return step(incident, cause, orders.IncidentSupervisedV1, changes, listed=listed, reason=reason)


def suspended(incident: Incident, cause: Cause, action: Suspend) -> Step:
    """It stands still."""
    assert incident.state in {"accepted", "contacted"}
    state: Literal["accepted", "contacted"] = "accepted" if incident.state == "accepted" else "contacted"
    since = max(cause.at, incident.last_at)
    pause = Suspension(state=state, since=since, reason=action.reason, until=action.until)
    changes = {"state": "suspended", "course": incident.changed(suspension=pause)}
    facts = {"reason": action.reason, "until": action.until}
    return step(incident, cause, orders.IncidentSuspendedV1, changes, **facts)


def resumed(incident: Incident, cause: Cause, *, expired: bool = False, reason: str | None = None) -> Step:
    """It goes on where it was."""
    pause = incident.course.suspension
    assert pause is not None
    changes = {"state": pause.state, "course": incident.changed(suspension=None)}
    return step(incident, cause, orders.IncidentResumedV1, changes, expired=expired, reason=reason)


def extension_requested(incident: Incident, cause: Cause, action: RequestExtension) -> Step:
    """The unit asks for more time."""
    at = max(cause.at, incident.last_at)
    request = ExtensionRequest(until=action.until, reason=action.reason, requested_at=at)
    changes = {"course": incident.changed(request=request)}
    return step(incident, cause, orders.IncidentExtensionRequestedV1, changes, request=request)


def extension_decided(incident: Incident, cause: Cause, granted: bool, reason: str | None) -> Step:
    """Granted, counted; or refused."""
    request, course = incident.course.request, incident.course
    assert request is not None
    changed: dict[str, Any] = {"request": None}
    if granted:
        changed |= {"extensions": course.extensions + 1, "extended_until": request.until}
    after = incident.changed(**changed)
    facts = {"request": request, "granted": granted, "count": after.extensions, "reason": reason}
    return step(incident, cause, orders.IncidentExtensionDecidedV1, {"course": after}, **facts)


def grouped(incident: Incident, cause: Cause, parent: Incident, reason: str | None) -> Step:
    """It belongs to a family now."""
    changes = {"course": incident.changed(parent=parent.id)}
    facts = {"parent": parent.id, "parent_number": parent.number, "reason": reason}
    return step(incident, cause, orders.IncidentGroupedV1, changes, **facts)


def covered(incident: Incident, cause: Cause, by: Incident) -> Step:
    """The dispatch of `by` stands for this one, too. Who spoke with this one's reporter is kept."""
    dispatch: Dispatch | None = by.dispatch
    if dispatch is not None:
        dispatch = dispatch.model_copy(update={"contacted_at": incident.course.contacted_at})
    changes = {
        "state": "covered",
        "dispatch": dispatch,
        "course": incident.changed(covered_by=by.id, waiting_since=None, request=None),
    }
    facts = {"by": by.id, "by_number": by.number, "dispatch": dispatch}
    return step(incident, cause, orders.IncidentCoveredV1, changes, **facts)


def released(incident: Incident, cause: Cause, reason: str | None) -> Step:
    """It stands for itself again."""
    parent, course = incident.course.parent, incident.changed(parent=None, covered_by=None)
    if incident.state == "covered":
        course = course.model_copy(update={"request": None})  # a wish ends with the order that it was made for
    changes = {"course": course}
    return step(incident, cause, orders.IncidentReleasedV1, changes, parent=parent, reason=reason)


def family_changed(parent: Incident, cause: Cause, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()) -> Step:
    """Children came or left."""
    children = tuple(child for child in parent.children if child not in removed) + added
    changes = {"children": children, "course": parent.changed(child_count=len(children))}
    return step(parent, cause, orders.IncidentFamilyChangedV1, changes, added=added, removed=removed)


def flood_opened(incident: Incident, cause: Cause, action: OpenFlood) -> Step:
    """New incidents of these matters join this family."""
    flood = Flood(
        opened_at=max(cause.at, incident.last_at),
        until=action.until,
        matters=action.matters or (incident.classification.matter,),
        towns=action.towns,
    )
    changes = {"course": incident.changed(flood=flood)}
    return step(incident, cause, orders.IncidentFloodOpenedV1, changes, flood=flood, reason=action.reason)


def flood_closed(
    incident: Incident, cause: Cause, by: Literal["person", "completed", "expired"], reason: str | None = None
) -> Step:
    """Nobody joins by themselves any more."""
    changes = {"course": incident.changed(flood=None)}
    return step(incident, cause, orders.IncidentFloodClosedV1, changes, by=by, reason=reason)


def wakes_at(incident: Incident) -> datetime | None:
    """When it goes on by itself: a question, a pause or a flood runs out; None when it waits for nothing."""
    course = incident.course
    times = [
        incident.ask.until if incident.ask else None,
        course.suspension.until if course.suspension else None,
        course.flood.until if course.flood else None,
    ]
    return min((at for at in times if at is not None), default=None)
