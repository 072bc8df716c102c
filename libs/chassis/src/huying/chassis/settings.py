"""Settings every service shares: environment `HUYING_...`, `.env`, or files in `/run/secrets`; empty is not given.

Read once in `create_app`; nothing reads the environment later.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = Path("/run/secrets")


class ServiceSettings(BaseSettings):
    """What one process of one service needs to know."""

    model_config = SettingsConfigDict(
        env_prefix="HUYING_",
        env_file=".env",
        env_ignore_empty=True,  # compose passes what .env leaves out as empty
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        extra="ignore",
        frozen=True,
    )

    service: str
    """Name of the service: its folder's."""
    host: str = "127.0.0.1"
    port: int
    broker: Literal["embedded", "kafka"] = "embedded"
    """`embedded`: tansu, no idempotent producer, every replica reads all; `kafka`: Apache Kafka, groups share."""
    kafka: str = "127.0.0.1:9092"
    """Bootstrap servers, `host:port` separated by commas."""
    mongo: str = "mongodb://127.0.0.1:27117/?replicaSet=rs0&directConnection=true"
    database_prefix: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,30}$")] = "huying"
    """The service's database is `<prefix>_<service>`."""
    group_prefix: str = "huying"
    replica: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,40}$")] = "0"
    """Static member name; two processes with one name are one replica that restarted."""
    clock: Literal["live", "replay"] = "live"
    pack: Path = Path("deploy/county/julu")
    keys: Path = Path(".run/up/keys.json")
    """Machine keys and accounts, written by `huying keys`."""
    secret: SecretStr
    """At least 32 characters; the vault's, the parked records' and the links' keys are derived from it."""
    batch_records: Annotated[int, Field(ge=1, le=5000)] = 500
    batch_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    retention: timedelta = timedelta(days=30)
    """How long outbox rows stay after they were published."""
    lease: timedelta = timedelta(seconds=5)
    traces: Annotated[str, Field(pattern="^(otlp|file:.+)$")] | None = None
    """`file:PATH` writes spans as JSON lines, `otlp` exports as OTEL_EXPORTER_OTLP_ENDPOINT says; off when absent."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    crash_at: str | None = None
    """A named point at which the process kills itself; only the tests of delivery set it."""
    freeze_at: str | None = None
    """A named point at which it stops itself until it is continued; only the tests of delivery set it."""

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < 32:
            raise ValueError("HUYING_SECRET needs at least 32 characters; make one with `huying keys secret`")
        return secret

    @property
    def by_group(self) -> bool:
        """Whether the broker assigns partitions."""
        return self.broker == "kafka"

    @property
    def paced_records(self) -> int:
        """What a full batch holds, for the pace of small ones; 0 in a replay, whose driver waits for each."""
        return self.batch_records if self.clock == "live" else 0

    @property
    def database(self) -> str:
        """Name of this service's own database."""
        return f"{self.database_prefix}_{self.service.replace('-', '_')}"

    @property
    def group(self) -> str:
        """Consumer group of this service."""
        return f"{self.group_prefix}.{self.service}"
