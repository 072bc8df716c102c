"""Who is signed in: a signed cookie. It keeps nothing on the server, and lives by wall time, not by a replay's clock."""

import base64
import hmac
import json
import time
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from huying.chassis.security import Principal

COOKIE = "huying_session"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Writes and reads the cookie with one key."""

    key: bytes
    life: timedelta

    def write(self, who: Principal) -> str:
        """The cookie's value for `who`, good for `life` from now."""
        until = int(time.time() + self.life.total_seconds())
        body = {"id": who.id, "role": who.role, "unit": who.unit, "jurisdiction": who.jurisdiction, "until": until}
        packed = base64.urlsafe_b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()
        return f"{packed}.{self._mac(packed)}"

    def read(self, value: str | None) -> Principal | None:
        """Whose cookie it is; None when we did not write it or its time is over."""
        packed, _, mac = (value or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(packed).encode()):
            return None
        body = json.loads(base64.urlsafe_b64decode(packed))
        if body["until"] <= time.time():
            return None
        return Principal(body["id"], body["role"], body["unit"], jurisdiction=body["jurisdiction"])

    def _mac(self, packed: str) -> str:
        return hmac.new(self.key, packed.encode("utf-8", "surrogatepass"), sha256).hexdigest()
