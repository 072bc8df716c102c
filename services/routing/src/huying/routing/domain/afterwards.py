"""A report about a finished incident: does the result stand?

It stands when the report was received before it, when it is a device's all-clear, and when it thanks for the result or
asks about it. Any other report says that the trouble is still there, and never goes to nobody: what has come after joins
it, else the order is done again, else a new incident is opened, linked to the old one.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from huying.contracts.commands import Actor
from huying.contracts.incidents import ReportRef
from huying.county import Pack

from ..incident import Incident
from ..judgement import RECURRENCE_AFTER_DAYS
from .turn import Turn
from .working import done_again

ROUTING = Actor(id="routing", role="system")
"""Who does an order again when no person has said so."""
STILL = "办结后又有群众反映，问题仍未解决"
"""Why. Every reporter reads it, so it quotes nobody's words."""


def stands(result: Incident, text: str, received_at: datetime, pack: Pack) -> bool:
    """Whether a report leaves the result of a finished incident as it is.

    Words decide by the pack: thanks and questions (`settled_patterns`) without a word of doubt (`doubt_patterns`).
    """
    assert result.completed_at is not None
    if received_at <= result.completed_at:
        return True
    words = pack.screening
    return _any(words.settled_patterns, text) and not _any(words.doubt_patterns, text)


def host(
    turn: Turn,
    finished: Incident,
    report: ReportRef,
    *,
    cleared: bool = False,
    emergency: bool = False,
    again: bool = False,
) -> Incident | None:
    """The incident that a report about a finished one joins; None where it opens a new one, linked to it.

    An emergency opens: its clock is of its own. So does what says that the trouble is back (`again`) or comes late,
    and what comes after the order was done again as often as that happens by itself.
    """
    if cleared or stands(finished, report.text, report.received_at, turn.catalogue.pack):
        return finished
    later = successor(turn, finished)
    if later is not None and later.state != "completed":
        return later
    last = later or finished
    assert last.completed_at is not None
    late = report.received_at - last.completed_at > timedelta(days=RECURRENCE_AFTER_DAYS)
    if emergency or again or late or last.course.redone >= turn.catalogue.pack.county.orders.redo_limit:
        return None
    before, turn.cause = turn.cause, replace(turn.cause, actor=ROUTING)
    last = done_again(turn, last, STILL)
    turn.cause = before
    return last


def answered_host(turn: Turn, finished: Incident, reports: Iterable[ReportRef]) -> Incident:
    """The same where a person has said that these reports are the finished incident's: a person's redo has no limit."""
    pack = turn.catalogue.pack
    if all(stands(finished, one.text, one.received_at, pack) for one in reports):
        return finished
    later = successor(turn, finished)
    if later is not None and later.state != "completed":
        return later
    return done_again(turn, later or finished, STILL)


def successor(turn: Turn, finished: Incident) -> Incident | None:
    """The last of the incidents that were opened because this one's trouble came back; None where there is none."""
    seen, last = {finished.id}, finished
    while last.state == "completed":
        came = [one for one in turn.scene.known.values() if one.recurrence_of == last.id]
        living = [one for each in came if (one := turn.surviving(each.id)) is not None and one.id not in seen]
        if not living:
            break
        last = max(living, key=lambda one: (one.opened_at, one.number))
        seen.add(last.id)
    return None if last.id == finished.id else last


def _any(patterns: Iterable[str], text: str) -> bool:
    return any(re.search(pattern, text) for pattern in patterns)
