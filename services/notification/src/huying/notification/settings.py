"""Settings of notification. Addresses and secrets of receivers stand here, never in a county pack."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from huying.chassis.settings import ServiceSettings
from huying.contracts.message import Value


class WebhookTarget(Value):
    """Where a `webhook:<handle>` contact of the pack leads."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    secret: SecretStr
    """Shared with the receiver: requests are signed with it (HMAC-SHA256)."""
    takes_ids: bool = False
    """Whether the receiver takes the same notice id twice as one; without it an unanswered request is never resent."""


class Settings(ServiceSettings):
    """What notification needs beyond what every service needs."""

    service: str = "notification"
    port: int = 8005
    outbox_dir: Path = Path(".run/notices")
    """Medium `file`: one file of JSON lines a recipient."""
    webhooks: dict[str, WebhookTarget] = Field(default_factory=dict)
    """Handle to target, as JSON."""
    reporter_contact: Annotated[str, Field(pattern=r"^(file:.*|webhook:.+)$")] = "file:"
    """How reporters are told: files of their own, or the webhook that knows the way from a reference to a person."""
    public_url: str = "http://127.0.0.1:8006"
    """Where the citizens' pages are: what a rating link begins with."""
    progress_url: str = "http://127.0.0.1:8001"
    """Where citizens reach intake's page: what a link to the progress begins with."""
    delivery_batch: Annotated[int, Field(ge=1, le=2000)] = 200
    """Notices claimed at a time."""
    webhook_timeout: timedelta = timedelta(seconds=10)
    webhook_concurrency: Annotated[int, Field(ge=1, le=200)] = 20
    webhook_attempts: Annotated[int, Field(ge=1, le=20)] = 6
    """How often a notice is tried before it has failed."""
    webhook_first_pause: timedelta = timedelta(seconds=1)
    """Doubles with each attempt, up to a minute."""
    webhook_disable_after: Annotated[int, Field(ge=1)] = 20
    """Failures in a row after which a receiver is down: its notices wait, and one at a time asks whether it is back."""
    notice_age: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=36500))] = timedelta(days=7)
    """What waited longer expires: a long holiday. Who looks up an order in the console then knows more than it says."""
    claim_lease: timedelta = timedelta(seconds=60)
    """How long a replica may hold a claimed notice: well over the webhook's timeout."""
