"""Who is signed in: a signed cookie. It keeps nothing on the server, and lives by wall time, not by a replay's clock.

It names an account and says nothing of its rights: those are the key ring's, at every request. An account that is taken
back, or given another password, has no session any more.
"""

import base64
import hmac
import json
import time
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from huying.chassis.security import KeyRing, Principal
from huying.contracts.commands import STAFF

COOKIE = "huying_session"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Writes and reads the cookie with one key."""

    key: bytes
    life: timedelta
    accounts: KeyRing

    def write(self, who: Principal) -> str:
        """The cookie's value for `who`, good for `life` from now as long as the account stands."""
        until = int(time.time() + self.life.total_seconds())
        known = self.accounts.account(who.id)
        body = {"id": who.id, "mark": known[1] if known else None, "until": until}
        packed = base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()
        return f"{packed}.{self._mac(packed)}"

    def read(self, value: str | None) -> Principal | None:
        """Whose cookie it is; None when we did not write it, its time is over or the account is another one now."""
        packed, _, mac = (value or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(packed).encode()):
            return None
        body = json.loads(base64.urlsafe_b64decode(packed))
        known = self.accounts.account(body["id"])
        if body["until"] <= time.time() or known is None or known[1] != body.get("mark"):
            return None
        return known[0] if known[0].role in STAFF else None

    def _mac(self, packed: str) -> str:
        return hmac.new(self.key, packed.encode("utf-8", "surrogatepass"), sha256).hexdigest()
