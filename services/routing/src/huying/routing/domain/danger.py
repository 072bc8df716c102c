"""Danger on an incident that exists: the stricter of what is known counts, and what is dangerous waits for nobody.

The system raises a danger and never takes one back: that is a person's word (`working.confirm`).
"""

from collections.abc import Mapping
from datetime import datetime

from huying.contracts.incidents import Classification
from huying.contracts.moves import OPEN

from .. import steps
from ..incident import Incident
from .families import at_once, go_on
from .turn import Turn


def stricter(known: Classification, told: Classification) -> Classification:
    """What is known of an incident, with a danger that another report or incident tells of."""
    if told.clock_class == "emergency" != known.clock_class:
        return known.model_copy(update={"clock_class": "emergency", "alarm": False})
    if told.alarm and not known.danger:
        return known.model_copy(update={"alarm": True, "needs_confirmation": True})
    return known


def starts(incident: Incident, told: Classification, at: datetime) -> datetime | None:
    """Where an emergency's clocks start with this, told `at`: at the first of what makes it one; None where it is none."""
    known = [incident.emergency_since] if incident.classification.clock_class == "emergency" else []
    heard = [at] if told.clock_class == "emergency" and incident.state in OPEN else []
    return min((*known, *heard), default=None)


def rising(incident: Incident, told: Classification, brought: Mapping[str, datetime]) -> Mapping[str, datetime]:
    """By which reports it is an emergency with this, `brought` among them: an undoing takes them out again."""
    heard = told.clock_class == "emergency" and incident.state in OPEN
    return {**incident.rising, **brought} if heard else incident.rising


def heed(turn: Turn, incident: Incident, told: Classification, why: str, since: datetime | None) -> Incident:
    """What came to the incident may tell of a danger; what is finished stays as its result left it.

    `since` is where an emergency's clocks start; None where it is no emergency.
    """
    if incident.state not in OPEN:
        return incident
    what = stricter(incident.classification, told)
    if what is not incident.classification:
        incident = turn.take(steps.alarmed(incident, turn.cause, what, why, since or turn.at))
    return waiting_ends(turn, incident)


def waiting_ends(turn: Turn, incident: Incident) -> Incident:
    """No question holds a danger: it is dispatched, and the question stays open beside that. No pause holds an emergency."""
    return at_once(turn, go_on(turn, incident) if incident.classification.danger else incident)
