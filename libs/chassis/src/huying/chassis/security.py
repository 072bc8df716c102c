"""Who may: machine keys for publishers and services, accounts for people. Nothing is open by default.

Keys and accounts stand in one file that holds only hashes and public keys; it is read again when it changes.
Events on Kafka are signed (Ed25519), since a secret must not travel in a record.
"""

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast, get_args

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from fastapi import Request

from huying.contracts.commands import Actor, Role

from .errors import ConfigurationError, Transient
from .problem import Problem

Standing = Role | Literal["publisher"]
"""As whom a key is let in: a role, or `publisher`, a machine of others that lists the sources it speaks for.

A publisher reports and asks after its own reports. What `system` may beside that is for the installation's machines.
"""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking."""

    id: str
    role: Role
    unit: str | None = None
    sources: tuple[str, ...] = ()
    """CloudEvents sources that a publisher may speak for."""
    jurisdiction: str | None = None

    @property
    def actor(self) -> Actor:
        """As it is recorded with what they do."""
        return Actor(id=self.id, role=self.role, unit=self.unit)

    @property
    def standing(self) -> Standing:
        """As whom they are let in."""
        return "publisher" if self.role == "system" and self.sources else self.actor.standing

    def must_serve(self, county: str) -> None:
        """Pass for a key that is bound to no county or to this one.

        Raises:
            Problem: 403.
        """
        if self.jurisdiction not in (None, county):
            raise Problem(403, "Not allowed", f"Your key is for {self.jurisdiction!r}; this is {county!r}.")

    @property
    def only_unit(self) -> str | None:
        """The unit whose matters alone they are shown, a grid worker those of its town, too; None for everybody's.

        Raises:
            Problem: 403, a unit's or grid worker's key that names no unit.
        """
        if self.standing not in {"unit", "grid_worker"}:
            return None
        if self.unit is None:
            raise Problem(403, "Not allowed", "Your key names no unit; make it anew with `huying keys create --unit`.")
        return self.unit


class KeyRing:
    """The keys and accounts of one installation."""

    def __init__(self, path: Path) -> None:
        """Read `path` when first needed; a missing file is an empty ring."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._by_hash: dict[str, Principal] = {}
        self._public: dict[str, tuple[Principal, Ed25519PublicKey]] = {}
        self._accounts: dict[str, tuple[Principal, str]] = {}

    def _fresh(self) -> None:
        """Read the file if it is another one now.

        Raises:
            Transient: it is no ring, or cannot be read: whoever asks waits until it is mended, and no record is parked.
        """
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            self._stamp, self._by_hash, self._public, self._accounts = None, {}, {}, {}
            return
        stamp = (stat.st_mtime_ns, stat.st_size)
        if stamp == self._stamp:
            return
        try:
            self._take(_ring(self._path))
        except (ConfigurationError, OSError) as error:
            raise Transient(str(error)) from error
        self._stamp = stamp

    def _take(self, entries: list[dict[str, Any]]) -> None:
        by_hash, public, accounts = {}, {}, {}
        for entry in entries:
            who = Principal(
                entry["id"],
                _role(self._path, entry),
                entry.get("unit"),
                tuple(entry.get("sources", ())),
                entry.get("jurisdiction"),
            )
            if "sha256" in entry:
                by_hash[entry["sha256"]] = who
            if "public_key" in entry:
                public[who.id] = (who, _public_key(self._path, entry))
            if "argon2" in entry:
                accounts[who.id] = (who, entry["argon2"])
        self._by_hash, self._public, self._accounts = by_hash, public, accounts

    def by_token(self, token: str) -> Principal | None:
        """Whose machine key it is."""
        self._fresh()
        return self._by_hash.get(sha256(token.encode()).hexdigest())

    def by_password(self, name: str, password: str) -> Principal | None:
        """Whose account it is; takes as long for a wrong name as for a wrong password."""
        from argon2 import PasswordHasher
        from argon2.exceptions import VerificationError

        self._fresh()
        hasher = PasswordHasher()
        known = self._accounts.get(name)
        try:
            hasher.verify(known[1] if known else _NOBODY, password)
        except VerificationError:
            return None
        return known[0] if known else None

    def account(self, name: str) -> tuple[Principal, str] | None:
        """An account as it stands now, and a mark that is another one after its password was set."""
        self._fresh()
        known = self._accounts.get(name)
        return (known[0], sha256(known[1].encode()).hexdigest()) if known else None

    def by_signature(self, header: str, data: bytes) -> Principal | None:
        """Whose signature stands over `data`."""
        self._fresh()
        key_id, _, encoded = header.partition(":")
        known = self._public.get(key_id)
        if known is None:
            return None
        try:
            known[1].verify(base64.b64decode(encoded, validate=True), data)
        except (InvalidSignature, ValueError):
            return None
        return known[0]


_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5bm9ib2R5$4QwCq3FCC7DhbMnNKHXr0cZQ1nHZl2y3oUGVfFzKd4c"
"""A hash that no password is known for: verifying against it costs what a real one costs."""


def signed_bytes(event_id: str, source: str, event_type: str, data: bytes) -> bytes:
    """What a publisher signs: identity, type and data."""
    return b"\n".join((event_id.encode(), source.encode(), event_type.encode(), sha256(data).hexdigest().encode()))


def sign(key_id: str, private_key: str, event_id: str, source: str, event_type: str, data: bytes) -> str:
    """The signature header's value; `private_key` is base64 of 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key))
    signature = key.sign(signed_bytes(event_id, source, event_type, data))
    return f"{key_id}:{base64.b64encode(signature).decode()}"


def bearer(request: Request) -> Principal:
    """The machine key's owner.

    Raises:
        Problem: 401 without a key that we know.
    """
    ring: KeyRing = request.app.state.ground.keys
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    principal = ring.by_token(token.strip()) if scheme.lower() == "bearer" else None
    if principal is None:
        raise Problem(401, "Who are you?", "Send `Authorization: Bearer <key>`; `huying keys create` makes one.")
    return principal


def allowed(*roles: Standing) -> Callable[[Request], Awaitable[Principal]]:
    """A FastAPI dependency: the key's owner, if they stand as one of `roles`. A coroutine: it needs no thread."""

    async def check(request: Request) -> Principal:
        principal = bearer(request)
        if (standing := principal.standing) not in roles:
            raise Problem(403, "Not allowed", f"This is for {', '.join(roles)}; your key's role is {standing}.")
        return principal

    return check


_CURE = "mend it, or move it away and make the keys anew with `huying keys`"


def write_entry(path: Path, *entries: dict[str, Any]) -> None:
    """Add or replace entries in the ring's file by their id; the others stay."""
    new = {entry["id"] for entry in entries}
    _write_ring(path, [known for known in _ring(path) if known["id"] not in new] + list(entries))


def find_entry(path: Path, key_id: str) -> dict[str, Any] | None:
    """The entry of that id; an account's has `argon2`, a machine key's `sha256`."""
    return next((entry for entry in _ring(path) if entry["id"] == key_id), None)


def remove_entry(path: Path, key_id: str) -> bool:
    """Take an entry out of the ring's file; False if there is none."""
    known = _ring(path)
    rest = [entry for entry in known if entry["id"] != key_id]
    if len(rest) == len(known):
        return False
    _write_ring(path, rest)
    return True


def _ring(path: Path) -> list[dict[str, Any]]:
    """The entries of the ring's file; a missing file has none.

    Raises:
        ConfigurationError: the file is no ring.
    """
    try:
        entries = json.loads(path.read_text("utf-8")) if path.exists() else []
    except ValueError as error:
        raise ConfigurationError(f"{path}: not JSON ({error}); {_CURE}") from error
    if not isinstance(entries, list) or not all(
        isinstance(one, dict) and {"id", "role"} <= one.keys() for one in entries
    ):
        raise ConfigurationError(f"{path}: not a list of entries with id and role; {_CURE}")
    return entries


def _role(path: Path, entry: dict[str, Any]) -> Role:
    if entry["role"] not in get_args(Role):
        known = ", ".join(get_args(Role))
        raise ConfigurationError(f"{path}: role of {entry['id']!r}: {entry['role']!r} is none of {known}; {_CURE}")
    return cast("Role", entry["role"])


def _public_key(path: Path, entry: dict[str, Any]) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(entry["public_key"]))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: public_key of {entry['id']!r}: {error}; {_CURE}") from error


def _write_ring(path: Path, entries: list[dict[str, Any]]) -> None:
    """Whole or not at all, mode 0600: services read it while it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", "utf-8")
    temporary.replace(path)
