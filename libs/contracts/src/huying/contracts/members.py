"""JSON whose objects have each member once: of two, one reader takes the first and another the last."""

import json
from typing import Any

from . import wording

TWICE = "is there twice; send it once, so that nobody has to guess"
"""What a refusal says of the member."""
LONGEST_NAME = 100
"""Characters of a member's name that a refusal quotes."""


class DuplicateMember(ValueError):
    """An object has a member twice; the only argument is its name, fit to be shown."""


def read(data: bytes | str) -> Any:
    """The JSON, in which no object has a member twice.

    Raises:
        DuplicateMember: one has.
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(data, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DuplicateMember(wording.encodable(wording.clean_line(twice))[:LONGEST_NAME])
    return members
