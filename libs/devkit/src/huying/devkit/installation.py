"""What a run owns beside its programs: secret, machine keys, accounts, county pack. Refuses to make them anew.

Everything is written once into the run's folder and read back afterwards. Tokens stand in clear in `tokens.json` (0600)
because the simulator and the person at the keyboard need them; services see only their hashes in `keys.json`.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from huying.chassis.errors import ConfigurationError
from huying.chassis.security import find_entry, write_entry
from huying.contracts.commands import Role

SECRET_BYTES = 48
"""64 characters of base64: twice what the settings ask for."""

TOKEN_BYTES = 24
"""192 bits, which nobody guesses."""

PASSWORD_BYTES = 12
"""96 bits: long enough for a console that counts wrong attempts, short enough to type once."""

DOOR = "door"
"""Key of the citizens' pages and the grid app: the doors through intake."""

ORIGINS = "origins"
"""Key that speaks for every origin system and device of the pack: the doors through the bridge."""

BRIDGE = "bridge"
"""Key by which the bridge asks intake's vault."""


def root() -> Path:
    """The folder of the repository: where deploy/ and tests/ lie; HUYING_ROOT or the working directory elsewhere."""
    named = os.environ.get("HUYING_ROOT")
    if named:
        return Path(named).absolute()
    here = Path(__file__).resolve()
    for folder in here.parents:
        if (folder / "deploy" / "county").is_dir():
            return folder
    return Path.cwd()


def default_pack() -> Path:
    """The pack that the demo lives in."""
    return root() / "deploy" / "county" / "julu"


@dataclass(frozen=True, slots=True)
class Installation:
    """Files of one run: `folder/secret`, `keys.json`, `tokens.json`, `console-password.txt`."""

    folder: Path
    pack: Path

    @property
    def secret(self) -> str:
        """The installation's secret."""
        return (self.folder / "secret").read_text("utf-8").strip()

    @property
    def keys(self) -> Path:
        """The ring's file: hashes and public keys only."""
        return self.folder / "keys.json"

    @property
    def password_file(self) -> Path:
        """Name and password of the console's first account."""
        return self.folder / "console-password.txt"

    @property
    def tokens(self) -> dict[str, str]:
        """Every machine key in clear, by id."""
        found: dict[str, str] = json.loads((self.folder / "tokens.json").read_text("utf-8"))
        return found

    def token(self, key_id: str) -> str:
        """The machine key in clear.

        Raises:
            KeyError: no such key was made in this folder.
        """
        return self.tokens[key_id]

    def unit_token(self, unit: str) -> str:
        """The machine key of a unit of the pack."""
        return self.token(f"unit-{unit}")


def ensure(folder: Path, pack: Path | None = None) -> Installation:
    """The folder's installation; what is missing is made, what is there stays.

    Raises:
        ConfigurationError: what is there speaks for another county, whose reports the services would refuse.
    """
    chosen = (pack or default_pack()).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    made = Installation(folder.absolute(), chosen)
    if not (folder / "secret").exists():
        write_private(folder / "secret", new_secret() + "\n")
    tokens_path = folder / "tokens.json"
    if not tokens_path.exists():
        entries, tokens = _demo_keys(chosen)
        write_entry(made.keys, *entries)  # beside what was registered before the first start
        write_private(tokens_path, json.dumps(tokens, indent=1) + "\n")
    else:
        _refuse_anothers(made)
    if not made.password_file.exists():
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        write_entry(made.keys, first_account(made, password))
        write_private(made.password_file, f"dispatcher {password}\n")
    return made


def _refuse_anothers(made: Installation) -> None:
    from huying.county import load

    spoken_for = (find_entry(made.keys, DOOR) or {}).get("jurisdiction")
    if spoken_for not in {None, code := load(made.pack).code}:
        raise ConfigurationError(
            f"{made.folder} has the keys of county {spoken_for}, and {made.pack} is county {code}: give that one's pack "
            "(HUYING_PACK), or start afresh (`huying up --fresh`; in containers remove the volume `tokens`)"
        )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    path.chmod(0o600)


def new_secret() -> str:
    """A fresh installation secret."""
    return secrets.token_urlsafe(SECRET_BYTES)


def key_entry(
    key_id: str, role: Role, unit: str | None = None, sources: tuple[str, ...] = (), jurisdiction: str | None = None
) -> tuple[dict[str, Any], str]:
    """A machine key: the entry for the ring, and the token that is shown once."""
    token = f"hy_{key_id}_{secrets.token_urlsafe(TOKEN_BYTES)}"
    entry: dict[str, Any] = {"id": key_id, "role": role, "sha256": sha256(token.encode()).hexdigest()}
    if unit is not None:
        entry["unit"] = unit
    if sources:
        entry["sources"] = list(sources)
    if jurisdiction is not None:
        entry["jurisdiction"] = jurisdiction
    return entry, token


def signing_pair() -> tuple[str, str]:
    """An Ed25519 pair for a publisher on Kafka: private and public key, base64 of 32 bytes each."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    raw = base64.b64encode(private.private_bytes_raw()).decode()
    return raw, base64.b64encode(private.public_key().public_bytes_raw()).decode()


def account_entry(name: str, password: str, role: Role, unit: str | None = None) -> dict[str, Any]:
    """A person's account for the console."""
    from argon2 import PasswordHasher

    entry: dict[str, Any] = {"id": name, "role": role, "argon2": PasswordHasher().hash(password)}
    return entry | ({"unit": unit} if unit else {})


def first_account(made: Installation, password: str) -> dict[str, Any]:
    """The console's first account, with the machine key of the same name: the ring has one entry a name."""
    key = sha256(made.token("dispatcher").encode()).hexdigest()
    return account_entry("dispatcher", password, "dispatcher") | {"sha256": key}


def _demo_keys(pack: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    from huying.county import load

    county = load(pack)
    made = [key_entry(f"unit-{unit.code}", "unit", unit.code) for unit in county.units]
    made += [key_entry(name, name) for name in _PEOPLE]
    first = next((unit.code for unit in county.units if unit.level == "town"), None)
    made.append(key_entry("grid_worker", "grid_worker", first))  # of one town: a grid worker acts in theirs
    origins = tuple(channel.code for channel in county.channels if channel.door == "hotline-bridge")
    made.append(key_entry(DOOR, "system", None, ("huying/doors",), county.code))
    made.append(key_entry(ORIGINS, "system", None, origins, county.code))
    made.append(key_entry(BRIDGE, "system"))
    return [entry for entry, _ in made], {entry["id"]: token for entry, token in made}


_PEOPLE: tuple[Role, ...] = ("dispatcher", "leader", "supervisor", "system")
