"""Open and recently finished incidents in memory, as columns of numbers and a few posting lists.

Refuses to decide and to read a clock. One writer: a fork journals each change, so that a batch can be
thrown away without copying anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .traits import Floats, Ints, Traits

MEMBERS_KEPT = 12
"""Reports remembered per incident: the first four and the latest eight; a flood night has hundreds."""
WORDS_POSTED = 12
"""Rare n-grams posted per text and per address."""
CHANCE_FLOOR = 1e-3
"""No report rules a heading out altogether."""
CELL_M = 600.0
"""Grid cell: a problem's reports lie within 300 m of each other, so a 3 x 3 block holds them."""
COLUMNS = (
    "x", "y", "points", "first_at", "last_at", "reports", "people", "village", "village_sure", "town",
    "follow_ups", "emergency", "closed_at", "channels", "machines", "open",
)  # fmt: skip
COLUMN = {name: i for i, name in enumerate(COLUMNS)}


@dataclass(slots=True)
class Record:
    """One incident in the index. Treated as immutable: a join makes a new record."""

    incident_id: str
    members: tuple[Traits, ...]
    xs: npt.NDArray[np.float64]
    ys: npt.NDArray[np.float64]
    ats: npt.NDArray[np.float64]
    gram_ids: Ints
    gram_weights: Floats
    gram_starts: Ints
    place_ids: Ints
    place_weights: Floats
    place_starts: Ints
    topics: Floats
    reporters: frozenset[str]
    devices: frozenset[str]
    device_ids: frozenset[str]
    villages: frozenset[int]
    numbers: frozenset[str]
    cells: frozenset[tuple[int, int]]
    towns: frozenset[int]
    words: frozenset[int]
    """Rarest n-grams of the reports and their addresses: how a report without a place finds its incident."""
    days: frozenset[tuple[int, int]]
    """(heading, day of the latest report): how a wide trouble finds its first reports."""
    matter: int


def keep_members(members: tuple[Traits, ...]) -> tuple[Traits, ...]:
    """The members an incident remembers."""
    if len(members) <= MEMBERS_KEPT:
        return members
    return members[:4] + members[-(MEMBERS_KEPT - 4) :]


def starts(parts: Iterable[Ints]) -> Ints:
    """Where each part begins when they are put behind each other."""
    lengths = [0, *(len(p) for p in parts)]
    return np.cumsum(lengths[:-1]).astype(np.int32)


def rare_words(member: Traits, count: int) -> npt.NDArray[np.int32]:
    """The heaviest n-grams of a report's text and of its address."""
    heavy = member.gram_ids[np.argsort(-member.gram_weights, kind="stable")[:count]]
    return np.concatenate([heavy, member.place_ids[np.argsort(-member.place_weights, kind="stable")[:count]]])


def build_record(incident_id: str, members: tuple[Traits, ...], matter: int, old: Record | None = None) -> Record:
    """The record of `members`; sets grow from `old`, which may know members that are no longer kept."""
    grams = [m.gram_ids for m in members]
    places = [m.place_ids for m in members]
    return Record(
        incident_id=incident_id,
        members=members,
        xs=np.array([m.x for m in members]),
        ys=np.array([m.y for m in members]),
        ats=np.array([m.at for m in members]),
        gram_ids=np.concatenate(grams),
        gram_weights=np.concatenate([m.gram_weights for m in members]),
        gram_starts=starts(grams),
        place_ids=np.concatenate(places),
        place_weights=np.concatenate([m.place_weights for m in members]),
        place_starts=starts(places),
        topics=np.stack([m.topic for m in members]),
        reporters=frozenset(m.reporter for m in members if m.reporter) | (old.reporters if old else frozenset()),
        devices=frozenset(m.device for m in members if m.device) | (old.devices if old else frozenset()),
        device_ids=frozenset(m.device_id for m in members if m.device_id) | (old.device_ids if old else frozenset()),
        villages=frozenset(m.village for m in members if m.village >= 0 and m.village_sure >= 0.3)
        | frozenset(v for m in members for v in m.mentioned)
        | (old.villages if old else frozenset()),
        numbers=frozenset().union(*(m.numbers for m in members)) | (old.numbers if old else frozenset()),
        cells=frozenset(cell_of(m.x, m.y) for m in members if not math.isnan(m.x))
        | (old.cells if old else frozenset()),
        towns=frozenset(m.town for m in members if m.town >= 0) | (old.towns if old else frozenset()),
        words=frozenset(int(w) for m in members for w in rare_words(m, WORDS_POSTED)),
        days=frozenset([(matter, int(max(m.at for m in members) // 24))]),
        matter=matter,
    )


def split_bits(bits: int, words: int) -> tuple[int, ...]:
    """A bit set as so many 64-bit words, lowest first."""
    return tuple((bits >> (64 * i)) & 0xFFFF_FFFF_FFFF_FFFF for i in range(words))


def cell_of(x: float, y: float) -> tuple[int, int]:
    """Grid cell of a point in metres."""
    return math.floor(x / CELL_M), math.floor(y / CELL_M)


Undo = tuple[int, Record | None, npt.NDArray[np.float64], Floats, Floats, npt.NDArray[np.uint64]]


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

    def __init__(self, matters: int, capacity: int = 256) -> None:
        self.records: list[Record | None] = []
        self.rows = np.full((capacity, len(COLUMNS)), np.nan)
        self.matters = np.zeros((capacity, matters), dtype=np.float32)
        self.agreed = np.zeros((capacity, matters), dtype=np.float32)
        """Mean log chance of each heading over the reports: what they agree on."""
        self.bits = np.zeros((capacity, 7), dtype=np.uint64)
        """Landmarks (4 words), concepts (2 words), sides."""
        self.slot_of: dict[str, int] = {}
        self.free: list[int] = []
        self.by_village: dict[int, set[int]] = {}
        self.by_cell: dict[tuple[int, int], set[int]] = {}
        self.by_device: dict[str, set[int]] = {}
        self.by_reporter: dict[str, set[int]] = {}
        self.by_town: dict[int, set[int]] = {}
        self.by_word: dict[int, set[int]] = {}
        self.by_matter: dict[int, set[int]] = {}
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
        self.rows[slot] = np.nan
        for member in members:
            self._absorb(slot, member, first=member is members[0])
        self._set(slot, build_record(incident_id, keep_members(members), self.top_matter(slot)))
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
        members = keep_members((*old.members, member))
        self._set(slot, build_record(incident_id, members, self.top_matter(slot), old))
        return slot

    def top_matter(self, slot: int) -> int:
        """The most likely heading of an incident."""
        return int(np.argmax(self.matters[slot]))

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
        for slot, record, row, matters, agreed, bits in reversed(journal):
            self._set(slot, record)
            self.rows[slot], self.matters[slot], self.agreed[slot], self.bits[slot] = row, matters, agreed, bits
        while self.records and self.records[-1] is None:
            self.records.pop()
        self.free = [s for s in self.free if s < len(self.records)]
        known = set(self.free)
        self.free += [s for s, r in enumerate(self.records) if r is None and s not in known]

    def _note(self, slot: int) -> None:
        if self.journal is not None:
            self.journal.append(
                (
                    slot,
                    self.records[slot],
                    self.rows[slot].copy(),
                    self.matters[slot].copy(),
                    self.agreed[slot].copy(),
                    self.bits[slot].copy(),
                )
            )

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
            (self.by_town, record.towns, other.towns if other else NOTHING),
            (self.by_word, record.words, other.words if other else NOTHING),
            (self.by_day, record.days, other.days if other else NOTHING),
            (self.by_matter, {record.matter}, {other.matter} if other else NOTHING),
        ):
            update_postings(table, keys - shared, slot, adding=adding)  # type: ignore[arg-type]

    def _absorb(self, slot: int, member: Traits, *, first: bool) -> None:
        row, c = self.rows[slot], COLUMN
        if first:
            row[:] = 0.0
            row[c["x"]] = row[c["y"]] = row[c["closed_at"]] = np.nan
            row[c["first_at"]] = member.at
            row[c["village"]] = row[c["town"]] = -1
            row[c["open"]] = 1.0
            self.matters[slot] = member.matters
            self.agreed[slot] = np.log(member.matters + CHANCE_FLOOR)
            self.bits[slot] = 0
        else:
            count = row[c["reports"]]
            self.matters[slot] = (self.matters[slot] * count + member.matters) / (count + 1)
            self.agreed[slot] = (self.agreed[slot] * count + np.log(member.matters + CHANCE_FLOOR)) / (count + 1)
        if not math.isnan(member.x):
            count = row[c["points"]]
            row[c["x"]] = member.x if count == 0 else (row[c["x"]] * count + member.x) / (count + 1)
            row[c["y"]] = member.y if count == 0 else (row[c["y"]] * count + member.y) / (count + 1)
            row[c["points"]] = count + 1
        if member.village >= 0 and member.village_sure > row[c["village_sure"]]:
            row[c["village"]], row[c["village_sure"]] = member.village, member.village_sure
        if member.town >= 0 and row[c["town"]] < 0:
            row[c["town"]] = member.town
        row[c["first_at"]] = min(row[c["first_at"]], member.at)
        row[c["last_at"]] = max(row[c["last_at"]], member.at)
        row[c["reports"]] += 1
        row[c["people"]] += member.device is None
        row[c["machines"]] += member.device is not None
        row[c["follow_ups"]] += member.follow_up >= 0.5
        row[c["emergency"]] = max(row[c["emergency"]], member.emergency)
        row[c["channels"]] = int(row[c["channels"]]) | (1 << member.channel)
        words = (*split_bits(member.landmarks, 4), *split_bits(member.concepts, 2), member.sides)
        self.bits[slot] |= np.array(words, dtype=np.uint64)

    def _grow(self, size: int) -> None:
        if size <= len(self.rows):
            return
        extra = max(size, 2 * len(self.rows)) - len(self.rows)
        self.rows = np.vstack([self.rows, np.full((extra, len(COLUMNS)), np.nan)])
        self.matters = np.vstack([self.matters, np.zeros((extra, self.matters.shape[1]), dtype=np.float32)])
        self.agreed = np.vstack([self.agreed, np.zeros((extra, self.matters.shape[1]), dtype=np.float32)])
        self.bits = np.vstack([self.bits, np.zeros((extra, self.bits.shape[1]), dtype=np.uint64)])
