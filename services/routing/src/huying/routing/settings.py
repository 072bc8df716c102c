"""Settings of routing."""

from datetime import timedelta
from pathlib import Path

from huying.chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What routing needs beyond what every service needs."""

    service: str = "routing"
    port: int = 8003
    model: Path | None = None
    """Where `huying learn` puts the model; the pack's own (`model/judgement.npz`) judges while nothing is there."""
    memory: timedelta = timedelta(days=120)
    """How long a finished incident stays in memory after its last step, for recurrences and late follow-ups."""
