"""What fell due and failed: left alone for a while, then tried again. It has no record that could be parked.

Kept in memory: a process that starts anew tries all of it at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from .clock import Clock
from .measures import Measures
from .message import Message
from .parking import Failure

FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)
"""Of business time, so that a replay tries again at the same instants on every run."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when something is left alone, and how long that was."""

    until: datetime
    pause: timedelta


class Aside:
    """What is set aside, by what it is about."""

    def __init__(self, clock: Clock, measures: Measures) -> None:
        """Nothing is aside at first."""
        self._clock = clock
        self._measures = measures
        self._rests: dict[str, _Rest] = {}

    def holds(self, due: Message) -> bool:
        """Whether it is not to be tried now."""
        rest = self._rests.get(name_of(due))
        return rest is not None and self._clock.now() < rest.until

    def put(self, due: Message, failure: Failure) -> None:
        """It failed: leave it alone, twice as long as the last time."""
        known = self._rests.get(name_of(due))
        pause = min(known.pause * 2, LONGEST_PAUSE) if known else FIRST_PAUSE
        self._rests[name_of(due)] = _Rest(self._clock.now() + pause, pause)
        self._measures.due_failing.set(len(self._rests))
        log.error(
            "what fell due cannot be processed; set aside",
            due=due.id,
            reason=failure.reason,
            error=failure.message,
            stack=failure.stack,
            pause_s=pause.total_seconds(),
        )

    def forget_all_but(self, due: Iterable[Message]) -> None:
        """What is due no more is not aside either."""
        names = {name_of(one) for one in due}
        self._rests = {name: rest for name, rest in self._rests.items() if name in names}
        self._measures.due_failing.set(len(self._rests))


def name_of(due: Message) -> str:
    """What falls due for the same thing, at whatever instant it is asked, goes by one name."""
    return due.key or due.id
