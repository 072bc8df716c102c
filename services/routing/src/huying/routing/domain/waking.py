"""What happens by itself: a question nobody answered, a pause or a flood mode that ran out. Each at its own instant."""

from datetime import datetime

from .. import asides, steps
from ..incident import Cause, Incident
from .families import settle
from .turn import Decision, Scene, Turn


def wake(incident: Incident, scene: Scene, until: datetime) -> Decision:
    """Everything of this incident that ran out by `until`."""
    at = asides.wakes_at(incident)
    assert at is not None
    turn = Turn(scene, Cause(at, scene.catalogue.pack.hash))
    ask, course = incident.ask, incident.course
    if ask is not None and ask.until <= until:
        turn.cause = Cause(ask.until, scene.catalogue.pack.hash)
        incident = settle(turn, turn.take(steps.answered(incident, turn.cause, "expired")))
    if course.suspension is not None and course.suspension.until <= until:
        turn.cause = Cause(course.suspension.until, scene.catalogue.pack.hash)
        incident = turn.take(asides.resumed(incident, turn.cause, expired=True))
    if course.flood is not None and course.flood.until <= until:
        turn.cause = Cause(course.flood.until, scene.catalogue.pack.hash)
        turn.take(asides.flood_closed(incident, turn.cause, "expired"))
    return turn.decision
