"""Settings of routing."""

from datetime import timedelta
from pathlib import Path

from huying.chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """What routing needs beyond what every service needs."""

    service: str = "routing"
    port: int = 8003
    model: Path | None = None
    """The judgement model; the pack's own (`model/judgement.npz`) when absent."""
    memory: timedelta = timedelta(days=120)
    """How long a finished incident stays in memory, for recurrences and late follow-ups."""


def model_path(settings: Settings) -> Path:
    """The model that this installation judges with."""
    return settings.model or settings.pack / "model" / "judgement.npz"
