"""Whether a schema only grew: what an older one promised to readers and writers still holds. It knows no models.

New optional fields, new alternatives and new words of a closed list are growth. Everything else is a break.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

SAID_ONLY = frozenset({"title", "description", "default", "examples", "$schema", "$comment"})
"""Keywords that no validator looks at."""

WORDS = frozenset({"enum", "const"})
"""Two spellings of a closed list."""


def broken(old: Schema, new: Schema) -> list[str]:
    """What `new` takes back of `old`, as sentences that begin with the place; empty when it only grew."""
    return list(_broken(old, new, ""))


def _broken(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for keyword in sorted((set(old) | set(new)) - SAID_ONLY - WORDS):
        before, after = old.get(keyword), new.get(keyword)
        if keyword in {"properties", "$defs", "mapping"}:
            yield from _named(before or {}, after or {}, place)
        elif keyword == "required":
            known, wanted = set(before or ()), set(after or ())
            yield from (f"{place}/{name}: is required now; old records lack it" for name in sorted(wanted - known))
            yield from (f"{place}/{name}: is no longer required" for name in sorted(known - wanted))
        elif keyword in {"anyOf", "oneOf"} and before and after:
            for choice in before:
                if all(broken(choice, other) for other in after):
                    yield f"{place}: {dict(choice)!r} is no longer possible"
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _broken(before, after, f"{place}/{keyword}")
        elif before != after:
            yield f"{place}: {keyword} was {before!r}, is {after!r}"
    said, says = _words(old), _words(new)
    if said != says and not (said and set(said) <= set(says)):
        yield f"{place}: said one of {said!r}, now of {says!r}"


def _named(before: Schema, after: Schema, place: str) -> Iterator[str]:
    for name, known in before.items():
        if name not in after:
            yield f"{place}/{name}: was removed"
        elif isinstance(known, Mapping):
            yield from _broken(known, after[name], f"{place}/{name}")
        elif known != after[name]:
            yield f"{place}/{name}: was {known!r}, is {after[name]!r}"


def _words(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))
