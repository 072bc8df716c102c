"""How old a notice may become before it tells nothing any more, by business time. Nothing is dropped for it: it expires."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .outcome import Outcome, Parcel


@dataclass(frozen=True, slots=True)
class Age:
    """The most at an instant."""

    now: datetime
    most: timedelta

    @property
    def query(self) -> dict[str, Any]:
        """Those that are past it."""
        return {"$or": [{"at": {"$lt": self.now - self.most}}, {"until": {"$lt": self.now}}]}


def expired(parcel: Parcel) -> Outcome:
    """What becomes of one that is past it; nobody is asked any more."""
    return Outcome(parcel.notice_id, "expired", "too_old", counts=False)
