"""Deterministic identities: a repeat of the same thing has the same name, so it can be recognised.

Nothing here is random; a caller that wants randomness brings it as a part.
"""

from hashlib import blake2b

DIGEST_BYTES = 12
"""96 bits: with a million reports a year, a collision in a hundred years is below one in 10^12."""


def deterministic_id(prefix: str, *parts: str | int) -> str:
    """`prefix-` and 24 hex digits; equal parts give equal ids, and parts cannot run into one another."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        piece = str(part).encode("utf-8", "surrogatepass")
        digest.update(len(piece).to_bytes(4, "big"))
        digest.update(piece)
    return f"{prefix}-{digest.hexdigest()}"


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
