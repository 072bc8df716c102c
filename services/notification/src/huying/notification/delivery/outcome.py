"""What became of a notice, and of a claim's notices together. Values only."""

from collections.abc import Container
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

State = Literal["confirmed", "failed", "unknown", "expired", "intent"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`intent` means: to be tried again at `next_try_at` (wall time)."""

    notice_id: str
    state: State
    reason: str = ""
    next_try_at: datetime | None = None
    counts: bool = True
    """Whether it was an attempt of this notice's; False where the trouble is its receiver's."""
    unsure: bool = False
    """Whether the other side may have taken it, though it is to be tried again."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Everything that was sent under one claim; `finished_at` is wall time."""

    claim: str
    finished_at: datetime
    results: tuple[Outcome, ...]

    def of(self, rows: Container[str]) -> "Outcomes":
        """Without notices that the claim no longer holds."""
        return replace(self, results=tuple(outcome for outcome in self.results if outcome.notice_id in rows))


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed notice on its way. `resumed` when somebody was sending it before and nobody knows how far he got.

    `expiring` when it was claimed past its age: nobody sends it, nor did whoever claimed it before.
    """

    notice_id: str
    incident_id: str
    at: datetime
    recipient: str
    role: str
    handle: str
    template: str
    title: str
    text: str
    attempts: int = 0
    resumed: bool = False
    expiring: bool = False

    def payload(self) -> dict[str, str]:
        """What the receiver gets, as JSON."""
        return {
            "notice_id": self.notice_id,
            "incident_id": self.incident_id,
            "at": self.at.isoformat(),
            "recipient": self.recipient,
            "role": self.role,
            "template": self.template,
            "title": self.title,
            "text": self.text,
        }
