"""Deterministic identities: a repeat of the same thing has the same name, so it can be recognised.

Nothing here is random; a caller that wants randomness brings it as a part.
"""

from collections.abc import Callable
from hashlib import blake2b

DIGEST_BYTES = 12
"""96 bits: with a million reports a year, a collision in a hundred years is below one in 10^12."""

LONGEST_IDENTITY = 200
"""Characters of an `id` or `source`, as `Identifier` has it."""

NO_IDENTITY = f"must be 1 to {LONGEST_IDENTITY} printable characters without blanks at its ends"
"""What a refusal says of an `id` or `source` that is none."""

KeyedHash = Callable[..., str]
"""Words to hexadecimal, stable and keyed: nobody without the installation's secret can make it or read it back."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, so a number can be read out on the telephone."""

TRACKING_CHARS = 12
"""60 bits: with a million reports, a guesser needs a million million tries for one."""

_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})


def deterministic_id(prefix: str, *parts: str | int) -> str:
    """`prefix-` and 24 hex digits; equal parts give equal ids, and parts cannot run into one another."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        piece = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(piece).to_bytes(4, "big"))
        digest.update(piece)
    return f"{prefix}-{digest.hexdigest()}"


def is_identity(text: str) -> bool:
    """Whether a sender's `id` or `source` can be one: people are shown it and type it."""
    return 0 < len(text) <= LONGEST_IDENTITY and text.isprintable() and text == text.strip()


def report_id(source: str, origin_id: str) -> str:
    """A report is unique by CloudEvents (`source`, `id`)."""
    return deterministic_id("rp", source, origin_id)


def incident_id(first_report_id: str) -> str:
    """An incident is named by the report that opened it."""
    return deterministic_id("in", first_report_id)


def split_incident_id(command_id: str) -> str:
    """An incident that a person split off is named by the command: its first report may have opened another."""
    return deterministic_id("in", "split", command_id)


def part_id(whole_report_id: str, text: str) -> str:
    """A part of a report is named by the report and the part's words: the same piece is parted once."""
    return deterministic_id("rp", "part", whole_report_id, text)


def dispatch_id(incident: str, incident_version: int) -> str:
    """A dispatch is named by the step of the incident's life that made it."""
    return deterministic_id("dp", incident, incident_version)


def event_id(incident: str, incident_version: int) -> str:
    """An event of the feed is unique by (`incident_id`, `incident_version`)."""
    return f"{incident}/{incident_version}"


def tracking_number(report: str, hashed: KeyedHash) -> str:
    """Twelve characters that only this installation can make for a report."""
    number = int(hashed(report), 16)
    return "".join(ALPHABET[(number >> (5 * place)) & 31] for place in range(TRACKING_CHARS))


def typed_number(text: str) -> str:
    """A tracking number as people type it, in the form that it is kept in; anything else comes out as no number."""
    plain = text.upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    return plain if len(plain) == TRACKING_CHARS and all(character in ALPHABET for character in plain) else ""
