"""Named points at which a process can be made to kill or to freeze itself. Only the tests of delivery set one.

It refuses to do anything unless the process was started with `HUYING_CRASH_AT=point[:n]`: then the n-th passage of
that point is its last; or with `HUYING_FREEZE_AT=point[:n]`: then it stands still there until somebody thaws it.
"""

import os
import signal

POINTS = (
    "before-transaction",
    "inside-transaction",
    "after-transaction",
    "before-publish",
    "between-publish-and-mark",
    "before-kafka-commit",
)
"""Where every service passes that consumes and publishes."""

OF_SENDING = ("after-sending-file", "after-sending-webhook")
"""Between handing notices to their medium and settling what became of them: notification only."""

_armed: str | None = None
_left = 0
_signal = signal.SIGKILL


def arm(crash_at: str | None, freeze_at: str | None = None) -> None:
    """Read `point` or `point:n`; None or empty disarms.

    Raises:
        ValueError: there is no such point.
    """
    global _armed, _left, _signal  # noqa: PLW0603 - one process, one life
    where = crash_at or freeze_at
    if not where:
        _armed = None
        return
    point_name, _, count = where.partition(":")
    if point_name not in POINTS + OF_SENDING:
        raise ValueError(f"no crash point {point_name!r}; there are {', '.join(POINTS + OF_SENDING)}")
    _armed, _left = point_name, int(count or 1)
    _signal = signal.SIGKILL if crash_at else signal.SIGSTOP


def point(name: str) -> None:
    """Die or stand still here if this is where it was ordered: no clean-up of any kind, and once in a life."""
    global _armed, _left  # noqa: PLW0603 - see above
    if _armed == name:
        _left -= 1
        if _left <= 0:
            _armed = None
            os.kill(os.getpid(), _signal)
