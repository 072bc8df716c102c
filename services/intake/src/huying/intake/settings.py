"""Settings of intake: what every service has, and its own address."""

from huying.chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """One process of intake."""

    service: str = "intake"
    port: int = 8001
