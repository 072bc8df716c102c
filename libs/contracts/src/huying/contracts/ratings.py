"""Ratings: how well everyone answered."""

from typing import ClassVar, Literal

from .message import Code, Event, Identifier, Instant, Text

Grade = Literal["satisfied", "basically_satisfied", "dissatisfied"]


class RatingEvent(Event):
    """What all events of evaluation share."""

    incident_id: Identifier
    jurisdiction: Code
    at: Instant


class RatingInvitedV1(RatingEvent):
    """A reporter was given a one-time link. The token travels to notification only as a path."""

    TYPE: ClassVar[str] = "cn.huying.rating.invited.v1"
    rating_id: Identifier
    report_id: Identifier
    reporter: Identifier
    unit: Code
    path: str


class IncidentRatedV1(RatingEvent):
    """A citizen's verdict (满意 / 基本满意 / 不满意)."""

    TYPE: ClassVar[str] = "cn.huying.rating.given.v1"
    rating_id: Identifier
    report_id: Identifier
    unit: Code
    grade: Grade
    comment: Text | None = None
    by: Literal["link", "callback"] = "link"


class CallbackDueV1(RatingEvent):
    """Nobody rated in time: a person calls back (回访)."""

    TYPE: ClassVar[str] = "cn.huying.callback.due.v1"
    rating_id: Identifier
    unit: Code


class ReviewDueV1(RatingEvent):
    """A supervisor reviews it (复核): dissatisfied after it was done again, or it is not done again by itself."""

    TYPE: ClassVar[str] = "cn.huying.review.due.v1"
    rating_id: Identifier
    unit: Code
    redone: int
    """How often it was done again before."""
    because: Literal["dissatisfied_again", "redo_declined"]


class ListPublishedV1(Event):
    """A red or black list of a period."""

    TYPE: ClassVar[str] = "cn.huying.list.published.v1"
    list_id: Identifier
    jurisdiction: Code
    at: Instant
    period: str
    colour: Literal["red", "black"]
    units: tuple[Code, ...]


class SupervisionPushedV1(RatingEvent):
    """A slow or idle case went to a supervisor."""

    TYPE: ClassVar[str] = "cn.huying.supervision.pushed.v1"
    unit: Code
    supervisor: Code
    reason: str
