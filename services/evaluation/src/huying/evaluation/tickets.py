"""One-time links: a signed ticket that names a rating and its last moment; it never says whose it is.

Whether a ticket was used is the case's business, not the ticket's; nothing here reads a clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import jwt

ALGORITHM = "HS256"
PATH = "/r/"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a link says: which rating, and until when."""

    rating_id: str
    expires_at: datetime


class Tickets:
    """Writes and reads tickets with one key."""

    def __init__(self, key: bytes) -> None:
        """`key` is derived from the installation's secret, for this purpose alone."""
        self._key = key

    def path(self, ticket: Ticket) -> str:
        """`/r/<token>`; the same ticket gives the same path, so a repeated event repeats the link."""
        claims = {"rating_id": ticket.rating_id, "exp": int(ticket.expires_at.timestamp())}
        return PATH + jwt.encode(claims, self._key, ALGORITHM)

    def read(self, token: str) -> Ticket | None:
        """The ticket, expired or not; None when we did not write it."""
        try:
            claims = jwt.decode(
                token, self._key, [ALGORITHM], options={"require": ["rating_id", "exp"], "verify_exp": False}
            )
        except jwt.InvalidTokenError:
            return None
        return Ticket(str(claims["rating_id"]), datetime.fromtimestamp(int(claims["exp"]), UTC))
