"""Which system is driven: addresses and keys. It reads them; it starts nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huying.chassis.errors import ConfigurationError

from ..databases import name_of
from ..installation import DOOR
from ..system import BY_NAME, SERVICES, Services

CURE = "give the tokens.json that `huying up` wrote with --tokens"


@dataclass(frozen=True, slots=True)
class Target:
    """A running system on a replay's clock. `urls` by service, `tokens` by key id."""

    bootstrap: str
    mongo_url: str
    prefix: str
    urls: Mapping[str, str]
    tokens: Mapping[str, str]
    pack: Path
    services: tuple[str, ...] = tuple(BY_NAME)
    """Those that run."""

    @classmethod
    def of(cls, services: Services) -> "Target":
        """A system that this process started."""
        stack, made = services.stack, services.installation
        urls = {one.name: services.url(one.name) for one in SERVICES}
        return cls(
            stack.bootstrap, stack.mongo_url, services.prefix, urls, made.tokens, made.pack, tuple(services.names)
        )

    @classmethod
    def elsewhere(cls, bootstrap: str, mongo_url: str, prefix: str, host: str, tokens: Path, pack: Path) -> "Target":
        """A system on the fixed ports of `host`, such as `huying up` or compose.

        Raises:
            ConfigurationError: `tokens` are no machine keys of an installation.
        """
        urls = {one.name: f"http://{host}:{one.port}" for one in SERVICES}
        return cls(bootstrap, mongo_url, prefix, urls, _read(tokens), pack)

    @property
    def without(self) -> frozenset[str]:
        """Services that do not run."""
        return frozenset(BY_NAME) - frozenset(self.services)

    def headers(self, key_id: str) -> dict[str, str]:
        """Who speaks."""
        return {"Authorization": f"Bearer {self.tokens[key_id]}"}

    def database(self, service: str) -> str:
        """Name of a service's database."""
        return name_of(self.prefix, service)


def _read(tokens: Path) -> dict[str, str]:
    try:
        known = json.loads(tokens.read_text("utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"{tokens}: 不是 JSON · not JSON ({error}); {CURE}") from error
    if not isinstance(known, dict) or not isinstance(known.get(DOOR), str):
        raise ConfigurationError(f"{tokens}: 没有 {DOOR!r} 的密钥 · no machine key {DOOR!r} in it; {CURE}")
    return known
