"""Open and recently finished incidents in memory, as columns of numbers and a few posting lists.

Refuses to decide and to read a clock. One writer: a fork journals each change, so that a batch can be
thrown away without copying anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .traits import Floats, H, Traits

MEMBERS_KEPT = 10
"""Reports remembered per incident: the first four and the latest six; a flood night has hundreds."""
WORDS_POSTED = 20
"""Heaviest n-grams posted per report."""
CHANCE_FLOOR = 1e-3
"""No report rules a heading out altogether."""
CELL_M = 600.0
"""Grid cell: a problem's reports lie within 300 m of each other, so a 3 x 3 block holds them."""
COLUMNS = (
    "last_at", "first_at", "reports", "people", "follow_ups", "emergency", "village_sure", "sure", "sharp_sure",
    "x", "y", "centre_x", "centre_y", "points", "town", "top", "sharp_top", "usual_gap",
    "closed_at", "channels", "machines", "open",
)  # fmt: skip
"""Columns of `rows`; `top` and `sure` are the likeliest heading by the mean of chances, `sharp_*` by their product."""
COLUMN = {name: i for i, name in enumerate(COLUMNS)}
GLANCE = ("x", "y", "centre_x", "centre_y", "last_at", "top")
"""Columns kept a second time, close together: what the first look at very many incidents needs."""
_GLANCE = np.array([COLUMN[name] for name in GLANCE])
_EMPTY = np.zeros(len(COLUMNS))
_EMPTY[[COLUMN[name] for name in ("x", "y", "centre_x", "centre_y", "town", "closed_at")]] = np.nan
_EMPTY[COLUMN["open"]] = 1.0


@dataclass(slots=True)
class Record:
    """One incident in the index. Treated as immutable: a join makes a new record."""

    incident_id: str
    members: tuple[Traits, ...]
    reporters: frozenset[str]
    devices: frozenset[str]
    device_ids: frozenset[str]
    villages: frozenset[int]
    numbers: frozenset[str]
    cells: frozenset[tuple[int, int]]
    words: frozenset[int]
    """Heaviest n-grams of the reports: how a report without a place finds its incident."""
    headings: frozenset[tuple[int, int]]
    """(likeliest heading, town) for each town named, and -1 for all: how a report without a point finds it."""
    days: frozenset[tuple[int, int]]
    """(heading, day of the latest report): how a wide trouble finds its first reports."""


def keep_members(members: tuple[Traits, ...]) -> tuple[Traits, ...]:
    """The members an incident remembers."""
    if len(members) <= MEMBERS_KEPT:
        return members
    return members[:4] + members[4 - MEMBERS_KEPT :]


def build_record(incident_id: str, members: tuple[Traits, ...], matter: int, last_at: float) -> Record:
    """The record of an incident's first reports."""
    record = Record(incident_id, (), *([frozenset()] * 9))
    for member in members:
        record = joined_record(record, member, matter, last_at)
    return record


def joined_record(old: Record, member: Traits, matter: int, last_at: float) -> Record:
    """The record after one more report; sets only grow, so they may know members that are no longer kept."""
    villages = old.villages | set(member.mentioned)
    if member.village >= 0 and member.village_sure >= 0.3:
        villages |= {member.village}
    return Record(
        old.incident_id,
        keep_members((*old.members, member)),
        old.reporters | {member.reporter} if member.reporter else old.reporters,
        old.devices | {member.device} if member.device else old.devices,
        old.device_ids | {member.device_id} if member.device_id else old.device_ids,
        villages,
        old.numbers | member.numbers,
        old.cells if math.isnan(member.x) else old.cells | {cell_of(member.x, member.y)},
        old.words.union(member.words[:WORDS_POSTED]),
        frozenset((matter, town) for _, town in old.headings) | {(matter, -1), (matter, member.town)},
        frozenset([(matter, int(last_at // 24))]),
    )


def split_bits(bits: int, words: int) -> tuple[int, ...]:
    """A bit set as so many 64-bit words, lowest first."""
    return tuple((bits >> (64 * i)) & 0xFFFF_FFFF_FFFF_FFFF for i in range(words))


def cell_of(x: float, y: float) -> tuple[int, int]:
    """Grid cell of a point in metres."""
    return math.floor(x / CELL_M), math.floor(y / CELL_M)


Undo = tuple[int, Record | None, npt.NDArray[np.float64], Floats, npt.NDArray[np.uint64]]


NOTHING: frozenset[object] = frozenset()


def update_postings(table: dict[object, set[int]], keys: Iterable[object], slot: int, *, adding: bool) -> None:
    """Enter or strike `slot` under each key; a key without slots is forgotten."""
    for key in keys:
        if adding:
            table.setdefault(key, set()).add(slot)
            continue
        holders = table[key]
        holders.discard(slot)
        if not holders:
            del table[key]


class IncidentIndex:
    """Columns and postings over incident slots."""

    def __init__(self, gap_hours: Floats, capacity: int = 256) -> None:
        """`gap_hours` is the usual longest gap between two reports of one problem, for each heading."""
        self._gap_hours = gap_hours
        self.records: list[Record | None] = []
        self.rows = np.full((capacity, len(COLUMNS)), np.nan)
        self.chances = np.zeros((capacity, 3, len(gap_hours)), dtype=np.float32)
        """Of each heading: mean chance over the reports; what they agree on (their product, as chances that sum to
        one); mean log chance."""
        self.glances = np.zeros((capacity, len(GLANCE)), dtype=np.float32)
        self.votes = np.zeros(capacity, dtype=np.float32)
        self.flags = np.zeros(capacity, dtype=np.int8)
        """Scratch of the search, zeros between two."""
        self.bits = np.zeros((capacity, 7), dtype=np.uint64)
        """Landmarks (4 words), concepts (2 words), sides."""
        self.slot_of: dict[str, int] = {}
        self.free: list[int] = []
        self.by_village: dict[int, set[int]] = {}
        self.by_cell: dict[tuple[int, int], set[int]] = {}
        self.by_device: dict[str, set[int]] = {}
        self.by_reporter: dict[str, set[int]] = {}
        self.by_word: dict[int, set[int]] = {}
        self.by_heading: dict[tuple[int, int], set[int]] = {}
        self.by_day: dict[tuple[int, int], set[int]] = {}
        self.journal: list[Undo] | None = None

    def __len__(self) -> int:
        return len(self.slot_of)

    def slot(self, incident_id: str) -> int:
        """Slot of a known incident; KeyError names an unknown one."""
        return self.slot_of[incident_id]

    def put(self, incident_id: str, members: tuple[Traits, ...], closed_at: float | None = None) -> int:
        """Add an incident with its reports."""
        if incident_id in self.slot_of:
            raise ValueError(f"incident {incident_id!r} is in the index already; use join()")
        slot = self.free.pop() if self.free else len(self.records)
        if slot == len(self.records):
            self.records.append(None)
            self._grow(slot + 1)
        self._note(slot)
        for member in members:
            self._absorb(slot, member, first=member is members[0])
        self._rank(slot)
        row = self.rows[slot]
        self._set(slot, build_record(incident_id, members, int(row[COLUMN["top"]]), float(row[COLUMN["last_at"]])))
        if closed_at is not None:
            self.close(incident_id, closed_at)
        return slot

    def join(self, incident_id: str, member: Traits) -> int:
        """Add one report to an incident."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        old = self.records[slot]
        assert old is not None
        self._absorb(slot, member, first=False)
        self._rank(slot)
        row = self.rows[slot]
        self._set(slot, joined_record(old, member, int(row[COLUMN["top"]]), float(row[COLUMN["last_at"]])))
        return slot

    def confirm(self, slot: int, matter: int) -> None:
        """A person said which heading it is: the reports' own words count for little from now on."""
        chances = self.chances[slot]
        chances[0] *= 0.1
        chances[0, matter] += 0.9
        chances[2] = np.log(chances[0] + CHANCE_FLOOR)
        self._rank(slot)
        self.rows[slot, COLUMN["top"]] = matter
        self.glances[slot, GLANCE.index("top")] = matter
        old = self.records[slot]
        assert old is not None
        headings = frozenset((matter, town) for _, town in old.headings)
        self._set(slot, replace(old, headings=headings, days=frozenset((matter, day) for _, day in old.days)))

    def _rank(self, slot: int) -> None:
        """Likeliest headings and how sure, kept beside the chances."""
        row, c = self.rows[slot], COLUMN
        matters, sharp, agreed = self.chances[slot]
        np.exp(agreed - agreed.max(), out=sharp)
        sharp /= sharp.sum()
        top, sharp_top = int(matters.argmax()), int(sharp.argmax())
        row[c["top"]], row[c["sure"]] = top, matters[top]
        row[c["sharp_top"]], row[c["sharp_sure"]] = sharp_top, sharp[sharp_top]
        row[c["usual_gap"]] = float(matters @ self._gap_hours)
        self.glances[slot] = row[_GLANCE]

    def close(self, incident_id: str, at_hours: float) -> None:
        """Mark an incident finished; it stays for recurrences until it is removed."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        self.rows[slot, COLUMN["closed_at"]] = at_hours
        self.rows[slot, COLUMN["open"]] = 0.0

    def remove(self, incident_id: str) -> None:
        """Forget an incident."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        self._set(slot, None)
        self.rows[slot] = np.nan

    def rollback(self, journal: list[Undo]) -> None:
        """Undo what the journal noted, latest first."""
        for slot, record, row, chances, bits in reversed(journal):
            self._set(slot, record)
            self.rows[slot], self.chances[slot], self.bits[slot] = row, chances, bits
            self.glances[slot] = row[_GLANCE]
        while self.records and self.records[-1] is None:
            self.records.pop()
        self.free = [s for s in self.free if s < len(self.records)]
        known = set(self.free)
        self.free += [s for s, r in enumerate(self.records) if r is None and s not in known]

    def _note(self, slot: int) -> None:
        if self.journal is not None:
            before = self.rows[slot].copy(), self.chances[slot].copy(), self.bits[slot].copy()
            self.journal.append((slot, self.records[slot], *before))

    def _set(self, slot: int, record: Record | None) -> None:
        old = self.records[slot]
        if old is not None:
            self._post(slot, old, record, adding=False)
            del self.slot_of[old.incident_id]
        self.records[slot] = record
        if record is not None:
            self.slot_of[record.incident_id] = slot
            self._post(slot, record, old, adding=True)
        elif self.journal is None:
            self.free.append(slot)

    def _post(self, slot: int, record: Record, other: Record | None, *, adding: bool) -> None:
        """Add or drop the postings of `record` that `other` does not share."""
        for table, keys, shared in (
            (self.by_village, record.villages, other.villages if other else NOTHING),
            (self.by_cell, record.cells, other.cells if other else NOTHING),
            (self.by_device, record.device_ids, other.device_ids if other else NOTHING),
            (self.by_reporter, record.reporters, other.reporters if other else NOTHING),
            (self.by_word, record.words, other.words if other else NOTHING),
            (self.by_day, record.days, other.days if other else NOTHING),
            (self.by_heading, record.headings, other.headings if other else NOTHING),
        ):
            if keys != shared:
                update_postings(table, keys - shared, slot, adding=adding)  # type: ignore[arg-type]

    def _absorb(self, slot: int, member: Traits, *, first: bool) -> None:
        row, c = self.rows[slot], COLUMN
        chances = self.chances[slot]
        if first:
            row[:] = _EMPTY
            row[c["first_at"]] = row[c["last_at"]] = member.at
            self.bits[slot] = 0
            chances[:] = 0.0
        count = row[c["reports"]]
        chances[0] += (member.matters - chances[0]) / (count + 1)
        chances[2] += (np.log(member.matters + CHANCE_FLOOR) - chances[2]) / (count + 1)
        if not math.isnan(member.x):
            count = row[c["points"]]
            row[c["x"]] = member.x if count == 0 else (row[c["x"]] * count + member.x) / (count + 1)
            row[c["y"]] = member.y if count == 0 else (row[c["y"]] * count + member.y) / (count + 1)
            row[c["points"]] = count + 1
        if member.village >= 0 and member.village_sure > row[c["village_sure"]]:
            row[c["village_sure"]] = member.village_sure
            row[c["centre_x"]], row[c["centre_y"]] = member.packed[H["centre_x"]], member.packed[H["centre_y"]]
        if member.town >= 0 and math.isnan(row[c["town"]]):
            row[c["town"]] = member.town
        row[c["first_at"]] = min(row[c["first_at"]], member.at)
        row[c["last_at"]] = max(row[c["last_at"]], member.at)
        row[c["reports"]] += 1
        row[c["people"]] += member.device is None
        row[c["machines"]] += member.device is not None
        row[c["follow_ups"]] += member.follow_up >= 0.5
        row[c["emergency"]] = max(row[c["emergency"]], member.emergency)
        row[c["channels"]] = int(row[c["channels"]]) | (1 << member.channel)
        self.bits[slot] |= member.bits

    def _grow(self, size: int) -> None:
        if size <= len(self.rows):
            return
        extra = max(size, 2 * len(self.rows)) - len(self.rows)
        self.rows = np.vstack([self.rows, np.full((extra, len(COLUMNS)), np.nan)])
        self.chances = np.concatenate([self.chances, np.zeros((extra, *self.chances.shape[1:]), dtype=np.float32)])
        self.glances = np.vstack([self.glances, np.zeros((extra, len(GLANCE)), dtype=np.float32)])
        self.votes = np.zeros(len(self.rows), dtype=np.float32)
        self.flags = np.zeros(len(self.rows), dtype=np.int8)
        self.bits = np.vstack([self.bits, np.zeros((extra, self.bits.shape[1]), dtype=np.uint64)])
