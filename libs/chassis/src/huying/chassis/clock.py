"""Business time. Live it is the wall clock; in a replay it is the driver's ticks, and never goes back.

Leases, back-off, retention and TTL indexes do not come here: they stay on wall or monotonic time.
"""

from datetime import UTC, datetime
from typing import Literal, Protocol

from huying.contracts.ticks import TickV1

from .errors import Transient


class Clock(Protocol):
    """The one source of business time."""

    mode: Literal["live", "replay"]

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def stamp(self, hint: datetime | None) -> datetime:
        """The instant to write on what happens now; `hint` is when the sender says that it happened."""
        ...


class LiveClock:
    """The wall clock; senders' hints do not count."""

    mode: Literal["live", "replay"] = "live"

    def now(self) -> datetime:
        """Wall time."""
        return datetime.now(UTC)

    def stamp(self, hint: datetime | None) -> datetime:
        """Wall time, whatever the sender says."""
        del hint
        return self.now()


class ReplayClock:
    """A clock that stands still between ticks.

    Inside a tick's window an event keeps the instant it carries, so that a replayed month has the minutes that
    the month had, although ticks are an hour apart.
    """

    mode: Literal["live", "replay"] = "replay"

    def __init__(self) -> None:
        """Nothing is known until the first tick."""
        self._tick: TickV1 | None = None

    @property
    def number(self) -> int:
        """Number of the last tick, 0 before the first."""
        return self._tick.number if self._tick else 0

    def strike(self, tick: TickV1) -> bool:
        """Move to `tick`; False for one that is not news."""
        if self._tick is not None and (tick.number <= self._tick.number or tick.instant < self._tick.instant):
            return False
        self._tick = tick
        return True

    def now(self) -> datetime:
        """The last tick's instant."""
        return self._known().instant

    def stamp(self, hint: datetime | None) -> datetime:
        """`hint`, kept inside the window of the last tick."""
        tick = self._known()
        if hint is None:
            return tick.instant
        return min(max(hint, tick.instant), tick.until)

    def _known(self) -> TickV1:
        if self._tick is None:
            raise Transient("the replay's clock has not struck yet: start the driver (`huying demo`, `huying replay`)")
        return self._tick


class FixedClock:
    """A clock for tests: stands where it is put."""

    mode: Literal["live", "replay"] = "live"

    def __init__(self, instant: datetime) -> None:
        """Stand at `instant` (aware)."""
        self.instant = instant

    def now(self) -> datetime:
        """Where it was put."""
        return self.instant

    def stamp(self, hint: datetime | None) -> datetime:
        """The sender's instant where it gives one, for tests that tell a story."""
        return hint or self.instant
