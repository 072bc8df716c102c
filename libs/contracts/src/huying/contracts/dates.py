"""Dates that a report may tell, by the same rule at every door, and any date as a county's clocks show it.

It reads no clock itself: `now` comes with the question.
"""

from datetime import datetime, timedelta, tzinfo
from typing import Literal, NamedTuple

from .reports import ReportSubmittedV1

CLOCK_LEEWAY = timedelta(minutes=10)
"""Clocks of other systems go wrong by minutes; more than that is a wrong date."""
FARTHEST = timedelta(days=3_653)
"""Ten years: a deadline further away is a slip of the pen, or another system's word for having none."""


class WrongDate(NamedTuple):
    """A date of a report that cannot be. `message` says what is wrong with `field` and what to do."""

    reason: Literal["future_date", "implausible_date"]
    field: str
    message: str


def wrong_date(body: ReportSubmittedV1, now: datetime, leeway: timedelta) -> WrongDate | None:
    """The first date of a report that cannot be; `leeway` is how far after `now` the sender's clock may lie.

    What was received or happened long ago is told as it is: people report old troubles, and a device that has lost
    its clock may still have seen a fire.
    """
    for field, moment in (("received_at", body.received_at), ("happened_at", body.happened_at)):
        if moment is not None and moment > now + leeway:
            message = f"{moment.isoformat()} is after now, {now.isoformat()}; check the sender's clock and time zone"
            return WrongDate("future_date", field, message)
    due = body.origin_due_at
    if due is not None and is_far(due, now):
        message = (
            f"{due.isoformat()} is more than ten years from now; correct it, or leave it out if there is no deadline"
        )
        return WrongDate("implausible_date", "origin_due_at", message)
    return None


def is_far(moment: datetime, other: datetime) -> bool:
    """Whether no deadline of an order lies so far from it."""
    return abs(moment - other) > FARTHEST


def local(moment: datetime, zone: tzinfo) -> datetime:
    """The instant on a zone's clocks; a day of it where the zone's own would lie outside all years."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.replace(tzinfo=zone)
