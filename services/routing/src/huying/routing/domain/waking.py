"""What happens by itself: a question nobody answered, a pause or a flood mode that ran out. Each at its own instant."""

from .. import asides, steps
from ..incident import Cause, Incident
from .families import go_on
from .turn import Decision, Scene, Turn


def wake(incident: Incident, scene: Scene) -> Decision:
    """What ran out first; what runs out after it wakes the incident again."""
    at = asides.wakes_at(incident)
    assert at is not None
    turn = Turn(scene, Cause(at, scene.catalogue.pack.hash))
    ask, suspension = incident.ask, incident.course.suspension
    if ask is not None and ask.until == at:
        go_on(turn, turn.take(steps.answered(incident, turn.cause, "expired")))
    elif suspension is not None and suspension.until == at:
        turn.take(asides.resumed(incident, turn.cause, expired=True))
    else:
        turn.take(asides.flood_closed(incident, turn.cause, "expired"))
    return turn.decision
