"""Settings of the hotline bridge: where the vault is, and where devices speak."""

from datetime import timedelta

from pydantic import SecretStr

from huying.chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """One process of the hotline bridge."""

    service: str = "hotline-bridge"
    port: int = 8002
    vault_url: str = "http://127.0.0.1:8001"
    """Intake, which keeps names and numbers."""
    vault_key: SecretStr | None = None
    """This service's machine key for the vault; orders that name a person are refused with 503 without it."""
    vault_patience: timedelta = timedelta(seconds=3)
    """An origin waits about ten seconds for its answer, so we must know sooner."""
    mqtt_url: SecretStr | None = None
    """`mqtt://user:password@host:port`; no MQTT when absent. A secret, for it carries the password."""
