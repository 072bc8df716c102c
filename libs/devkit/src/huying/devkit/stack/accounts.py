"""The MQTT brokers' password file. It needs no broker: the production image has none."""

from pathlib import Path


def accounts(password_file: Path) -> dict[str, str]:
    """User names and passwords of a file of `user:password` lines. Raises ValueError naming a line that is not one."""
    found: dict[str, str] = {}
    for number, line in enumerate(password_file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.partition(":")
        if not (user and colon and password):
            raise ValueError(f"{str(password_file)!r}, line {number}: expected user:password")
        found[user] = password
    return found
