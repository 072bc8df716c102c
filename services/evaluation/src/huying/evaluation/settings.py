"""What one process of evaluation needs to know."""

from datetime import timedelta

from huying.chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of evaluation."""

    service: str = "evaluation"
    port: int = 8006
    rating_open: timedelta = timedelta(days=15)
    """How long a citizen's link is good: long enough for a fortnight away from home."""
    callback_after: timedelta = timedelta(days=3)
    """When nobody rated by then, a person calls back, while the matter is still remembered."""
