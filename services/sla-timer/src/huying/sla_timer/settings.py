"""Settings of sla-timer."""

from datetime import timedelta

from huying.chassis.settings import ServiceSettings

LIVE_TOLERANCE = timedelta(minutes=5)
"""A warning told within five minutes is in time: the shortest clock of a county counts in quarters of an hour."""
REPLAY_TOLERANCE = timedelta(minutes=65)
"""A replay ticks hourly at most, so a step waits up to an hour for its tick without being late."""


class Settings(ServiceSettings):
    """What sla-timer needs beyond what every service needs."""

    service: str = "sla-timer"
    port: int = 8004

    @property
    def tolerance(self) -> timedelta:
        """How long after its instant a step may be told without being called late."""
        return LIVE_TOLERANCE if self.clock == "live" else REPLAY_TOLERANCE
