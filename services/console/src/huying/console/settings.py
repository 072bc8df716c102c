"""What one process of the console needs to know."""

from datetime import timedelta

from huying.chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the console."""

    service: str = "console"
    port: int = 8080
    session: timedelta = timedelta(hours=12)
    """How long a sign-in is good: a shift, not a week."""
