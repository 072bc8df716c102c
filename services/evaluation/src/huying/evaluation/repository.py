"""Cases in the database and as events. It decides nothing: what a decision says is written, as it says it."""

from typing import Any

from pymongo import ReplaceOne

from huying.chassis.message import Document, Outgoing
from huying.contracts import topics
from huying.contracts.commands import Actor, CommandIssuedV1, Redo
from huying.contracts.identity import deterministic_id
from huying.contracts.ratings import CallbackDueV1, IncidentRatedV1, RatingInvitedV1, ReviewDueV1

from .domain import Because, Case, Invitation, redo_id
from .rates import grades, marks, silent, taken
from .tickets import Ticket, Tickets

CASES = "cases"
EVALUATION = Actor(id="evaluation", role="system")
UNSATISFIED = "群众评价不满意"
"""Why it is done again. Every reporter reads it, so it quotes nobody's comment."""


def read(document: Document) -> Case:
    """A case out of its document."""
    return Case.model_validate(document | {"incident_id": document["_id"]})


def write(case: Case) -> tuple[Case, ReplaceOne[Document]]:
    """The case at its next revision, and the write that succeeds only from the one before.

    When another replica wrote first the filter misses, the upsert meets the same `_id`, and the chassis reads again.
    """
    following = case.model_copy(update={"revision": case.revision + 1})
    document: dict[str, Any] = following.model_dump(exclude={"incident_id"})
    document |= {"_id": case.incident_id, "marks": marks(case), "taken": taken(case)}
    document |= {"grades": grades(case), "silent": len(silent(case))}
    return following, ReplaceOne({"_id": case.incident_id, "revision": case.revision}, document, upsert=True)


def invited(case: Case, invitation: Invitation, tickets: Tickets) -> Outgoing:
    """The event of an invitation, with the link's path."""
    event = RatingInvitedV1(
        incident_id=case.incident_id,
        jurisdiction=case.jurisdiction,
        at=invitation.at,
        rating_id=invitation.rating_id,
        report_id=invitation.report_id,
        reporter=invitation.reporter,
        unit=invitation.unit,
        path=tickets.path(Ticket(invitation.rating_id, invitation.expires_at)),
    )
    return Outgoing(topics.RATINGS, case.incident_id, invitation.rating_id, event, invitation.at)


def rated(case: Case, invitation: Invitation) -> Outgoing:
    """The event of a verdict."""
    assert invitation.grade is not None
    assert invitation.rated_at is not None
    event = IncidentRatedV1(
        incident_id=case.incident_id,
        jurisdiction=case.jurisdiction,
        at=invitation.rated_at,
        rating_id=invitation.rating_id,
        report_id=invitation.report_id,
        unit=invitation.unit,
        grade=invitation.grade,
        comment=invitation.comment,
    )
    identity = deterministic_id("rg", invitation.rating_id)
    return Outgoing(topics.RATINGS, case.incident_id, identity, event, invitation.rated_at)


def callback(case: Case, invitation: Invitation) -> Outgoing:
    """The event that a person has to call back."""
    assert case.callback_at is not None
    event = CallbackDueV1(
        incident_id=case.incident_id,
        jurisdiction=case.jurisdiction,
        at=case.callback_at,
        rating_id=invitation.rating_id,
        unit=invitation.unit,
    )
    identity = deterministic_id("cb", case.incident_id, *([invitation.round] if invitation.round else []))
    return Outgoing(topics.RATINGS, case.incident_id, identity, event, case.callback_at)


def redo(case: Case, invitation: Invitation) -> Outgoing:
    """The command that has it done again; its name makes it happen once."""
    assert invitation.rated_at is not None
    command = CommandIssuedV1(
        command_id=redo_id(case.incident_id),
        jurisdiction=case.jurisdiction,
        incident_id=case.incident_id,
        actor=EVALUATION,
        action=Redo(reason=UNSATISFIED),
        issued_at=invitation.rated_at,
    )
    return Outgoing(topics.COMMANDS, case.jurisdiction, command.command_id, command, invitation.rated_at)


def review(case: Case, invitation: Invitation, because: Because) -> Outgoing:
    """The event that a supervisor has to review it."""
    assert case.review_at is not None
    event = ReviewDueV1(
        incident_id=case.incident_id,
        jurisdiction=case.jurisdiction,
        at=case.review_at,
        rating_id=invitation.rating_id,
        unit=invitation.unit,
        redone=case.redone,
        because=because,
    )
    identity = deterministic_id("rv", case.incident_id, case.redone)
    return Outgoing(topics.RATINGS, case.incident_id, identity, event, case.review_at)
