"""What the index knows of one incident beside its columns, and the keys it is found by.

Refuses to hold what a report said: its numbers stand in the index's pool, here are names and places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from .compiled import compiled
from .traits import Traits

MEMBERS_KEPT = 10
"""Reports remembered per incident: the first four and the latest six; a flood night has hundreds."""
CELL_M = 600.0
"""Grid cell: a problem's reports lie within 300 m of each other, so a 3 x 3 block holds them."""


@dataclass(slots=True)
class Record:
    """One incident in the index. Treated as immutable: a join makes a new record.

    What it knows of a kind is a tuple without repeats: mostly one or two, and a set of one takes 200 bytes.
    """

    incident_id: str
    members: tuple[int, ...] = ()
    """Rows of `IncidentIndex.pool`, in order of arrival."""
    reporters: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    villages: tuple[int, ...] = ()
    words: tuple[int, ...] = ()
    """Heaviest n-grams of the reports: how a report without a place finds its incident."""
    cells: tuple[tuple[int, int], ...] = ()
    towns: tuple[int, ...] = (-1,)
    """Towns named, and -1 for all."""
    heading: int = -1
    day: int = 0
    """Likeliest heading and the day of the latest report: how a wide trouble finds its first reports."""

    def keys(self) -> list[int]:
        """What the incident is posted under, each once."""
        found = list(self.words)
        found += [village_key(village) for village in self.villages]
        found += [cell_key(*cell) for cell in self.cells]
        found += [heading_key(self.heading, town) for town in self.towns]
        found.append(day_key(self.heading, self.day))
        found += map(reporter_key, self.reporters)
        found += map(device_key, self.device_ids)
        found += map(alarm_key, self.devices)
        return found

    def keys_beyond(self, other: Record | None) -> list[int]:
        """What it is posted under and the other is not. A join changes little: kinds that are the same cost nothing."""
        if other is None:
            return self.keys()
        found = _beyond(self.words, other.words)
        found += [village_key(village) for village in _beyond(self.villages, other.villages)]
        found += [cell_key(*cell) for cell in _beyond(self.cells, other.cells)]
        towns = _beyond(self.towns, other.towns) if self.heading == other.heading else self.towns
        found += [heading_key(self.heading, town) for town in towns]
        if (self.heading, self.day) != (other.heading, other.day):
            found.append(day_key(self.heading, self.day))
        found += map(reporter_key, _beyond(self.reporters, other.reporters))
        found += map(device_key, _beyond(self.device_ids, other.device_ids))
        found += map(alarm_key, _beyond(self.devices, other.devices))
        return found


Known = TypeVar("Known")


def _beyond(ours: tuple[Known, ...], theirs: tuple[Known, ...]) -> list[Known]:
    return [] if ours == theirs else list(set(ours).difference(theirs))


def more(known: tuple[Known, ...], *others: Known | None) -> tuple[Known, ...]:
    """`known` with the others that it lacks."""
    fresh = [other for other in others if other is not None and other not in known]
    return (*known, *fresh) if fresh else known


def joined_record(old: Record, member: Traits, row: int, heading: int, last_at: float) -> Record:
    """The record after one more report; what is known only grows, so it may be of members that are no longer kept."""
    members = (*old.members, row)
    if len(members) > MEMBERS_KEPT:
        members = members[:4] + members[4 - MEMBERS_KEPT :]
    said = member.words.tolist()
    named = member.village if member.village >= 0 and member.village_sure >= 0.3 else None
    return Record(
        old.incident_id,
        members,
        more(old.reporters, member.reporter),
        more(old.devices, member.device),
        more(old.device_ids, member.device_id),
        more(more(old.villages, *member.mentioned), named),
        (*old.words, *set(said).difference(old.words)) if old.words else tuple(said),
        old.cells if math.isnan(member.x) else more(old.cells, cell_of(member.x, member.y)),
        more(old.towns, member.town),
        heading,
        int(last_at // 24),
    )


@compiled
def cell_of(x: float, y: float) -> tuple[int, int]:
    """Grid cell of a point in metres."""
    return math.floor(x / CELL_M), math.floor(y / CELL_M)


_NAMES = 1 << 62


def village_key(village: int) -> int:
    """Posting key of a village; words, the most frequent keys, stand for themselves below 2**32."""
    return (1 << 40) + village


@compiled
def cell_key(column: int, row: int) -> int:
    """Posting key of a grid cell."""
    return (1 << 60) + (column << 28) + row


@compiled
def heading_key(matter: int, town: int) -> int:
    """Posting key of a heading in a town (-1: in any)."""
    return (2 << 40) + (matter << 20) + town


@compiled
def day_key(matter: int, day: int) -> int:
    """Posting key of a heading on a day since 2020."""
    return (3 << 40) + (matter << 24) + day


def reporter_key(reference: str) -> int:
    """Posting key of a person."""
    return _named_key("r" + reference)


def device_key(device: str) -> int:
    """Posting key of a device."""
    return _named_key("d" + device)


def alarm_key(device: str) -> int:
    """Posting key of a device's kind of alarm."""
    return _named_key("a" + device)


def _named_key(name: str) -> int:
    """By the name's hash, in 62 bits: that any two of a million names share one is a chance of one in ten million."""
    return _NAMES + (hash(name) & (_NAMES - 1))
