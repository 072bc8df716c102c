"""Open and recently finished incidents in memory, as columns of numbers and a few posting lists.

Refuses to decide and to read a clock. One writer: a fork journals each change, so that a batch can be
thrown away without copying anything.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .postings import NONE, Postings
from .records import MEMBERS_KEPT, Record, joined_record
from .traits import TOPIC_AT, Floats, H, Traits

CHANCE_FLOOR = 1e-3
"""No report rules a heading out altogether."""
COLUMNS = (
    "last_at", "first_at", "reports", "people", "follow_ups", "emergency", "village_sure", "sure", "sharp_sure",
    "x", "y", "centre_x", "centre_y", "points", "town", "top", "sharp_top", "usual_gap",
    "closed_at", "channels", "machines", "open", "two_problems", "spread", "villages",
)  # fmt: skip
"""Columns of `rows`; `top` and `sure` are the likeliest heading by the mean of chances, `sharp_*` by their product;
`villages` is how many it is known to name."""
COLUMN = {name: i for i, name in enumerate(COLUMNS)}
(
    _LAST_AT, _FIRST_AT, _REPORTS, _PEOPLE, _FOLLOW_UPS, _EMERGENCY, _VILLAGE_SURE, _SURE, _SHARP_SURE,
    _X, _Y, _CENTRE_X, _CENTRE_Y, _POINTS, _TOWN, _TOP, _SHARP_TOP, _USUAL_GAP,
    _CLOSED_AT, _CHANNELS, _MACHINES, _OPEN, _TWO_PROBLEMS, _SPREAD, _VILLAGES,
) = range(len(COLUMNS))  # fmt: skip
GLANCE = ("x", "y", "centre_x", "centre_y", "last_at", "top")
"""Columns kept a second time, close together: what the first look at very many incidents needs."""
_GLANCE = np.array([COLUMN[name] for name in GLANCE])
_EMPTY = np.zeros(len(COLUMNS))
_EMPTY[[COLUMN[name] for name in ("x", "y", "centre_x", "centre_y", "town", "closed_at")]] = np.nan
_EMPTY[_OPEN] = 1.0


Rows = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint64]


def bit_words(landmarks: int, concepts: int, sides: int) -> Bits:
    """Three bit sets of 256, 128 and 64 bits as 64-bit words, lowest first."""
    together = landmarks | (concepts & _CONCEPTS) << 256 | sides << 384
    return np.frombuffer(together.to_bytes(56, sys.byteorder), dtype=np.uint64).copy()


_CONCEPTS = (1 << 128) - 1


Undo = tuple[int, Record | None, Rows, Floats, Bits]


class IncidentIndex:
    """Columns and postings over incident slots, and a pool of what is remembered of their reports."""

    def __init__(self, gap_hours: Floats, topics: int = 0, capacity: int = 256) -> None:
        """`gap_hours` is the usual longest gap between two reports of one problem, for each heading."""
        self._gap_hours = gap_hours
        self.records: list[Record | None] = []
        self.rows: Rows = np.full((capacity, len(COLUMNS)), np.nan)
        self.chances: Floats = np.zeros((capacity, 3, len(gap_hours)), dtype=np.float32)
        """Of each heading: mean chance over the reports; what they agree on (their product, as chances that sum to
        one); mean log chance."""
        self.glances: Floats = np.zeros((capacity, padded(len(GLANCE), 8)), dtype=np.float32)
        self.shares = np.zeros((capacity, padded(len(gap_hours), 32)), dtype=np.uint8)
        """Mean chances in steps of 1/255, close together too. Rows of both are so wide that none lies in two cache lines."""
        self.votes: Floats = np.zeros(capacity, dtype=np.float32)
        self.flags = np.zeros(capacity, dtype=np.int8)
        """Both scratch of the search, zeros between two."""
        self.bits: Bits = np.zeros((capacity, 7), dtype=np.uint64)
        """Landmarks (4 words), concepts (2 words), sides."""
        self.pool: Floats = np.zeros((capacity, TOPIC_AT + topics), dtype=np.float32)
        """`Traits.packed` of the reports that incidents remember."""
        self.members = np.full((capacity, MEMBERS_KEPT), NONE, dtype=np.int32)
        """Rows of the pool of each incident, in order of arrival, then NONE."""
        self.slot_of: dict[str, int] = {}
        self.postings = Postings()
        self._free: list[int] = []
        self._free_members: list[int] = []
        self._members = 0
        self._taken: list[int] = []
        self._left: list[int] = []
        self._emptied: list[int] = []
        """Rows of the pool taken and given up, and slots emptied, since the fork began."""
        self.journal: list[Undo] | None = None

    def __len__(self) -> int:
        return len(self.slot_of)

    def slot(self, incident_id: str) -> int:
        """Slot of a known incident; KeyError names an unknown one."""
        return self.slot_of[incident_id]

    def at(self, slots: npt.NDArray[np.int64]) -> list[Record]:
        """Records of slots that are taken."""
        records = self.records
        return cast("list[Record]", [records[slot] for slot in slots.tolist()])

    def put(self, incident_id: str, members: Sequence[Traits], closed_at: float | None = None) -> int:
        """Add an incident with its reports."""
        if incident_id in self.slot_of:
            raise ValueError(f"incident {incident_id!r} is in the index already; use join()")
        slot = self._free.pop() if self._free else len(self.records)
        if slot == len(self.records):
            self.records.append(None)
            self._grow(slot + 1)
        self._note(slot)
        self.rows[slot] = _EMPTY
        self.rows[slot, _LAST_AT] = self.rows[slot, _FIRST_AT] = members[0].at
        self.bits[slot] = 0
        self.chances[slot] = 0.0
        self._take_in(slot, Record(incident_id), members)
        if closed_at is not None:
            self.close(incident_id, closed_at)
        return slot

    def join(self, incident_id: str, member: Traits) -> int:
        """Add one report to an incident."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        old = self.records[slot]
        assert old is not None
        self._take_in(slot, old, (member,))
        return slot

    def _take_in(self, slot: int, record: Record, members: Sequence[Traits]) -> None:
        row, chances, bits = self.rows[slot], self.chances[slot], self.bits[slot]
        for member in members:
            _absorb(
                row, chances, bits, member.packed, member.matters, member.bits, self._gap_hours,
                member.at, member.village >= 0, member.device is not None, member.channel,
            )  # fmt: skip
            heading, last_at = int(row[_TOP]), float(row[_LAST_AT])
            record = joined_record(record, member, self._remember(member), heading, last_at)
        row[_VILLAGES] = len(record.villages)
        self._show(slot)
        self._set(slot, record)

    def _show(self, slot: int) -> None:
        """What the first look sees follows the columns."""
        _show(slot, self.rows, self.chances, self.glances, self.shares)

    def close(self, incident_id: str, at_hours: float) -> None:
        """Mark an incident finished; it stays for recurrences until it is removed."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        self.rows[slot, _CLOSED_AT] = at_hours
        self.rows[slot, _OPEN] = 0.0

    def reopen(self, incident_id: str) -> None:
        """A finished incident is open again, with the reports that it has."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        self.rows[slot, _CLOSED_AT] = np.nan
        self.rows[slot, _OPEN] = 1.0

    def remove(self, incident_id: str) -> None:
        """Forget an incident."""
        slot = self.slot_of[incident_id]
        self._note(slot)
        self._set(slot, None)
        self.rows[slot] = np.nan

    def begin(self) -> list[Undo]:
        """Note every change from now on, so that it can be undone."""
        self.journal = []
        return self.journal

    def keep(self) -> None:
        """The changes since `begin` stay."""
        self.journal = None
        self._settle(self._left)

    def undo(self) -> None:
        """The changes since `begin` never were, latest first."""
        for slot, record, row, chances, bits in reversed(self.journal or []):
            self._set(slot, record)
            self.rows[slot], self.chances[slot], self.bits[slot] = row, chances, bits
            self._show(slot)
        self.journal = None
        self._settle(self._taken)

    def _settle(self, unused: list[int]) -> None:
        """After a fork: slots and rows of the pool that nothing stands in are free again."""
        self._free_members += unused
        self._free += [slot for slot in dict.fromkeys(self._emptied) if self.records[slot] is None]
        self._taken, self._left, self._emptied = [], [], []

    def _note(self, slot: int) -> None:
        if self.journal is not None:
            before = self.rows[slot].copy(), self.chances[slot].copy(), self.bits[slot].copy()
            self.journal.append((slot, self.records[slot], *before))

    def _remember(self, member: Traits) -> int:
        """Row of the pool that holds what is remembered of a report."""
        row = self._free_members.pop() if self._free_members else self._members
        if row == self._members:
            self._members += 1
            self.pool = grown(self.pool, self._members)
        self.pool[row] = member.packed
        if self.journal is not None:
            self._taken.append(row)
        return row

    def _set(self, slot: int, record: Record | None) -> None:
        old = self.records[slot]
        if old is not None:
            self.postings.strike(old.keys_beyond(record), slot)
            del self.slot_of[old.incident_id]
            gone = set(old.members).difference(record.members if record else ())
            if gone:
                (self._free_members if self.journal is None else self._left).extend(sorted(gone))
        self.records[slot] = record
        if record is not None:
            self.slot_of[record.incident_id] = slot
            self.members[slot] = record.members + (NONE,) * (MEMBERS_KEPT - len(record.members))
            self.postings.enter(record.keys_beyond(old), slot)
        else:
            (self._free if self.journal is None else self._emptied).append(slot)

    def _grow(self, size: int) -> None:
        if size > len(self.rows):
            for name in ("rows", "chances", "glances", "shares", "votes", "flags", "bits", "members"):
                setattr(self, name, grown(getattr(self, name), size))


def padded(width: int, step: int) -> int:
    """The next multiple of `step`."""
    return -(-width // step) * step


Column = TypeVar("Column", bound=np.generic)


def grown(array: npt.NDArray[Column], size: int) -> npt.NDArray[Column]:
    """The array with room for `size` rows, zeros where nothing was."""
    if size <= len(array):
        return array
    more = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    more[: len(array)] = array
    return more


_OWN_X, _OWN_Y, _OWN_CENTRE_X, _OWN_CENTRE_Y, _OWN_SURE, _OWN_TOWN, _OWN_FOLLOW_UP, _OWN_EMERGENCY, _OWN_TWO = (
    H[name]
    for name in (
        "x", "y", "centre_x", "centre_y", "village_sure", "town", "follow_up", "emergency_report", "two_problems",
    )
)  # fmt: skip


@compiled
def _absorb(
    row: Rows,
    chances: Floats,
    bits: Bits,
    own: Floats,
    matters: Floats,
    own_bits: Bits,
    gap_hours: Floats,
    at: float,
    knows_village: bool,
    is_machine: bool,
    channel: int,
) -> None:
    """One more report in the columns of an incident."""
    count = row[_REPORTS]
    for matter in range(len(matters)):
        chances[0, matter] += (matters[matter] - chances[0, matter]) / np.float32(count + 1)
        chances[2, matter] += (math.log(matters[matter] + CHANCE_FLOOR) - chances[2, matter]) / np.float32(count + 1)
    if not np.isnan(own[_OWN_X]):
        points = row[_POINTS]
        if points > 0:
            row[_SPREAD] = max(row[_SPREAD], math.hypot(own[_OWN_X] - row[_X], own[_OWN_Y] - row[_Y]))
        row[_X] = own[_OWN_X] if points == 0 else (row[_X] * points + own[_OWN_X]) / (points + 1)
        row[_Y] = own[_OWN_Y] if points == 0 else (row[_Y] * points + own[_OWN_Y]) / (points + 1)
        row[_POINTS] = points + 1
    if knows_village and own[_OWN_SURE] > row[_VILLAGE_SURE]:
        row[_VILLAGE_SURE] = own[_OWN_SURE]
        row[_CENTRE_X], row[_CENTRE_Y] = own[_OWN_CENTRE_X], own[_OWN_CENTRE_Y]
    if np.isnan(row[_TOWN]):
        row[_TOWN] = own[_OWN_TOWN]
    row[_FIRST_AT] = min(row[_FIRST_AT], at)
    row[_LAST_AT] = max(row[_LAST_AT], at)
    row[_TWO_PROBLEMS] += (own[_OWN_TWO] - row[_TWO_PROBLEMS]) / (count + 1)
    row[_REPORTS] += 1
    row[_PEOPLE] += not is_machine
    row[_MACHINES] += is_machine
    row[_FOLLOW_UPS] += own[_OWN_FOLLOW_UP] >= 0.5
    row[_EMERGENCY] = max(row[_EMERGENCY], own[_OWN_EMERGENCY])
    row[_CHANNELS] = int(row[_CHANNELS]) | (1 << channel)
    for word in range(len(bits)):
        bits[word] |= own_bits[word]
    _rank(row, chances, gap_hours)


@compiled
def _show(slot: int, rows: Rows, chances: Floats, glances: Floats, shares: npt.NDArray[np.uint8]) -> None:
    for place in range(len(_GLANCE)):
        glances[slot, place] = rows[slot, _GLANCE[place]]
    for matter in range(chances.shape[2]):
        shares[slot, matter] = np.uint8(np.rint(chances[slot, 0, matter] * np.float32(255)))


@compiled
def _rank(row: Rows, chances: Floats, gap_hours: Floats) -> None:
    """Likeliest headings and how sure, kept beside the chances."""
    matters, sharp, agreed = chances[0], chances[1], chances[2]
    most = agreed.max()
    for matter in range(len(agreed)):
        sharp[matter] = math.exp(agreed[matter] - most)
    sharp /= sharp.sum()
    top, sharp_top = matters.argmax(), sharp.argmax()
    row[_TOP], row[_SURE] = top, matters[top]
    row[_SHARP_TOP], row[_SHARP_SURE] = sharp_top, sharp[sharp_top]
    row[_USUAL_GAP] = (matters * gap_hours).sum()
