"""Which incidents are worth a look: by device, person, cell, village, and, when no place is said, by words.

Refuses to grow with the county: lists that are too common are skipped, and a first look at a few numbers (a logistic
scorer that was learned) leaves those that are not hopeless.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .index import GLANCE, IncidentIndex
from .postings import COUNT, FIRST, HEAD, KEY, NEXT, NONE, USED, Blocks, Lists, place_of
from .records import (
    alarm_key,
    cell_key,
    cell_of,
    day_key,
    device_key,
    heading_key,
    reporter_key,
    village_key,
)  # fmt: skip
from .traits import Floats, H, Traits

VOTED = 16
"""Incidents found by their words alone at most."""
WORDS_ASKED = 8
"""Heaviest n-grams looked up for a report; twice as many when it has no point, half as many bring as much as all."""
COMMON = 60
"""A word, or a heading's day, that more incidents share tells nothing and is skipped."""
CROWD = 1_000
"""A heading with more open incidents is not searched as a whole."""
SPREAD_M = 700.0
"""How far a problem lies from its village's centre."""
ROUNDING = 1e-4
"""What a sum of 32-bit numbers may differ by from the same sum in another order."""
LOOKS = (
    "matter", "matter_root", "metres", "unknown", "unknown_matter", "village", "village_matter",
    "days", "words", "reporter", "device",
)  # fmt: skip
"""What the first look sees, all cheap."""
(
    _MATTER, _ROOT, _FAR, _UNKNOWN, _UNKNOWN_ROOT, _NEAR, _NEAR_ROOT, _OLD, _SHARED, _SAME_PERSON, _SAME_DEVICE,
) = range(len(LOOKS))  # fmt: skip

Slots = npt.NDArray[np.int64]


class Asked(NamedTuple):
    """What a search goes through: the report, what it names, and the index."""

    words: npt.NDArray[np.int32]
    point: tuple[float, float]
    likely: tuple[int, int]
    day: int
    town: int
    matters: Floats
    head: Floats
    says: npt.NDArray[np.int64]
    """Of each name: VILLAGE, PERSON ..."""
    names: npt.NDArray[np.int64]
    """Keys of what the report names."""
    lists: Lists
    blocks: Blocks
    flags: npt.NDArray[np.int8]
    votes: Floats
    """Both scratch over slots, zero before and after a search."""
    glances: Floats
    shares: npt.NDArray[np.uint8]
    windows_days: Floats
    """For each heading, how long after its last report an incident still attracts."""


class Found(NamedTuple):
    """The incidents worth a full look."""

    slots: Slots
    """Ascending."""
    shared: npt.NDArray[np.int8]
    """What each has in common with the report: VILLAGE, MENTIONED, PERSON, DEVICE and ALARM, added up."""
    named: int
    """What of these the report names at all."""


VILLAGE, MENTIONED, PERSON, DEVICE, ALARM = 1, 2, 4, 8, 16
"""The village that the report is in, or one that it names, is known of the incident; so is its person, device, or device
and kind of alarm."""
_HERE, _FOUND = VILLAGE | MENTIONED, 64
_PLAIN, _WORD, _DAY, _HEADING = 0, 256, 512, 1024
"""Kinds of lists that are no name."""


def open_gate() -> Floats:
    """A first look that lets everything pass."""
    return np.zeros(len(LOOKS) + 1, dtype=np.float32)


def asked(report: Traits, index: IncidentIndex, windows_days: Floats) -> Asked:
    """What a report's search goes through."""
    named = dict.fromkeys(report.mentioned, MENTIONED)
    if report.village >= 0:
        named[report.village] = named.get(report.village, 0) | VILLAGE
    names, says = [*map(village_key, named)], [*named.values()]
    if report.reporter:
        names.append(reporter_key(report.reporter))
        says.append(PERSON)
    if report.device_id and report.device:
        names += (device_key(report.device_id), alarm_key(report.device))
        says += (DEVICE, ALARM)
    return Asked(
        report.words, (report.x, report.y), report.likely, int(report.at // 24), report.town, report.matters, report.packed,
        np.array(says, dtype=np.int64), np.array(names, dtype=np.int64), index.postings.lists, index.postings.blocks,
        index.flags, index.votes, index.glances, index.shares, windows_days,
    )  # fmt: skip


def first_looks(report: Traits, index: IncidentIndex, windows_days: Floats) -> tuple[Slots, Floats]:
    """Slots of all near incidents inside their windows, with LOOKS of each (slots, looks)."""
    return _first_looks(asked(report, index, windows_days))


def retrieve(report: Traits, index: IncidentIndex, windows_days: Floats, gate: Floats, kept: int) -> Found:
    """The slots worth a full look: the `kept` with the best first look, of equals the lower ones.

    `gate` has the weight of each of LOOKS and, last, of 1: what sums up to less than zero is hopeless.
    """
    return Found(*_likeliest(asked(report, index, windows_days), gate, kept))


_X, _Y, _CENTRE_X, _CENTRE_Y = (H[name] for name in ("x", "y", "centre_x", "centre_y"))
_THEIR_X, _THEIR_Y, _THEIR_CENTRE_X, _THEIR_CENTRE_Y, _LAST_AT, _TOP = (GLANCE.index(name) for name in GLANCE)
_AT = H["at"]


@compiled
def _asked_for(near: Asked) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What each list says, and its key: words, names, the 3 x 3 block of cells (or all of the heading), days.

    The likeliest come first, names and then the cell in the middle: the sooner the best are known, the less of the rest is
    looked at.
    """
    x, y = near.point
    has_point = not math.isnan(x)
    words = near.words[: WORDS_ASKED * (1 if has_point else 2)]
    size = len(words) + len(near.names) + (9 if has_point else 1) + 4
    says, keys = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    used = len(words)
    says[:used], keys[:used] = _WORD, words
    for number in range(len(near.names)):
        says[used], keys[used] = near.says[number], near.names[number]
        used += 1
    if has_point:
        column, row = cell_of(x, y)
        for step in range(4, 13):
            says[used], keys[used] = _PLAIN, cell_key(column + step % 9 // 3 - 1, row + step % 3 - 1)
            used += 1
    else:
        says[used], keys[used] = _HEADING, heading_key(near.likely[0], near.town)
        used += 1
    for matter in near.likely:
        for day in (near.day, near.day - 1):
            says[used], keys[used] = _DAY, day_key(matter, day)
            used += 1
    return says, keys


@compiled
def _is_common(flag: int, holders: int) -> bool:
    return holders > (CROWD if flag == _HEADING else COMMON if flag in (_WORD, _DAY) else holders)


@compiled
def _search(near: Asked) -> tuple[Slots, Slots]:
    """Slots found, and slots that words voted for; `flags` and `votes` say how, and were zero before."""
    says, keys = _asked_for(near)
    lists, blocks, flags, votes = near.lists, near.blocks, near.flags, near.votes
    heads, holders = np.empty(len(keys), dtype=np.int64), np.empty(len(keys), dtype=np.int64)
    room = 0
    for at in range(len(keys)):
        own = lists[place_of(lists, keys[at])]
        heads[at], holders[at] = own[HEAD], own[COUNT]
        if own[KEY] == NONE or _is_common(says[at], own[COUNT]):
            heads[at] = NONE
        else:
            room += own[COUNT]
    found, size = np.empty(room, dtype=np.int64), 0
    voted, voters = np.empty(room, dtype=np.int64), 0
    for at in range(len(keys)):
        flag, block = says[at], heads[at]
        while block >= 0:
            for place in range(FIRST, FIRST + blocks[block, USED]):
                slot = blocks[block, place]
                if flag == _WORD:
                    if votes[slot] == 0:
                        voted[voters] = slot
                        voters += 1
                    votes[slot] += np.float32(1.0 / (3.0 + holders[at]))
                else:
                    if flags[slot] == 0:
                        found[size] = slot
                        size += 1
                    flags[slot] |= (flag & (_HERE | PERSON | DEVICE | ALARM)) | _FOUND
            block = blocks[block, NEXT]
    for slot in _most_voted(voted[:voters], votes):
        if flags[slot] == 0:
            found[size] = slot
            size += 1
            flags[slot] = _FOUND
    return found[:size], voted[:voters]


@compiled
def _most_voted(voted: Slots, votes: Floats) -> Slots:
    """The slots with most votes (of equals the higher ones); the others' votes are forgotten."""
    if len(voted) <= VOTED:
        return voted
    ordered = np.sort(voted)
    ordered = ordered[np.argsort(votes[ordered], kind="mergesort")]
    for slot in ordered[:-VOTED]:
        votes[slot] = 0
    return ordered[-VOTED:]


@compiled
def _first_looks(near: Asked) -> tuple[Slots, Floats]:
    found, voted = _search(near)
    flags, votes, glances, head, windows_days = near.flags, near.votes, near.glances, near.head, near.windows_days
    slots, looks = np.empty(len(found), dtype=np.int64), np.empty((len(found), len(LOOKS)), dtype=np.float32)
    used = 0
    for slot in found:
        days = (head[_AT] - glances[slot, _LAST_AT]) / np.float32(24)
        if days <= windows_days[int(glances[slot, _TOP])]:
            far, old = _far(slot, glances, head), math.log1p(max(days, 0.0))
            _look(looks[used], far, old, flags[slot], votes[slot], slot, near.shares, near.matters)
            slots[used] = slot
            used += 1
        flags[slot] = 0
    for slot in voted:
        votes[slot] = 0
    return slots[:used], looks[:used]


@compiled
def _likeliest(near: Asked, gate: Floats, most: int) -> tuple[Slots, npt.NDArray[np.int8], int]:
    """As _first_looks, but what cannot be among the `most` hopeful any more is dropped as early as possible.

    Where incidents are many, memory is what takes time: a slot's headings lie far away, and few are read.
    """
    found, voted = _search(near)
    flags, votes, glances, head, windows_days = near.flags, near.votes, near.glances, near.head, near.windows_days
    best, hopes = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.float64)
    shared, look = np.empty(most, dtype=np.int8), np.empty(len(LOOKS), dtype=np.float32)
    kept, least = 0, -ROUNDING
    promise = np.empty((2, 2), dtype=np.float64)
    for here in range(2):
        for unknown in range(2):
            by_root = gate[_ROOT] + unknown * gate[_UNKNOWN_ROOT] + here * gate[_NEAR_ROOT]
            promise[here, unknown] = unknown * gate[_UNKNOWN] + here * gate[_NEAR] + _most(gate[_MATTER], by_root)
    falls = gate[_FAR] <= 0
    ages = np.empty(len(found), dtype=np.float32)
    for at in range(len(found)):  # no question asked in between, so the processor fetches many at a time
        ages[at] = head[_AT] - glances[found[at], _LAST_AT]
    for at in range(len(found)):
        slot, days = found[at], ages[at] / np.float32(24)
        flag, vote = flags[slot], votes[slot]
        flags[slot] = 0
        if days > windows_days[int(glances[slot, _TOP])]:
            continue
        here = 1 if flag & _HERE else 0
        hope = gate[len(LOOKS)] + min(vote, 0.5) * gate[_SHARED]
        hope += gate[_SAME_PERSON] if flag & PERSON else 0.0
        hope += gate[_SAME_DEVICE] if flag & DEVICE else 0.0
        old = math.log1p(max(days, 0.0))
        hope += old * gate[_OLD]
        if falls and hope + max(promise[here, 0], promise[here, 1]) < least:
            continue
        far = _far(slot, glances, head)
        unknown = 1 if far == math.inf else 0
        if hope + promise[here, unknown] + (0.0 if unknown else far * gate[_FAR]) < least:
            continue
        _look(look, far, old, flag, vote, slot, near.shares, near.matters)
        hope = gate[len(LOOKS)] + 0.0
        for number in range(len(LOOKS)):
            hope += look[number] * gate[number]
        if hope < 0:
            continue
        place = kept
        while place > 0 and (hope > hopes[place - 1] or (hope == hopes[place - 1] and slot < best[place - 1])):
            place -= 1
        if place == most:
            continue
        kept = min(kept + 1, most)
        for later in range(kept - 1, place, -1):
            best[later], hopes[later], shared[later] = best[later - 1], hopes[later - 1], shared[later - 1]
        best[place], hopes[place], shared[place] = slot, hope, flag & ~_FOUND
        if kept == most:
            least = hopes[most - 1] - ROUNDING
    for slot in voted:
        votes[slot] = 0
    order, named = np.argsort(best[:kept]), 0
    for says in near.says:
        named |= says
    return best[order], shared[order], named


@compiled
def _far(slot: int, glances: Floats, head: Floats) -> float:
    """Log of the metres between report and incident, less what their inaccuracy may be; infinite when unknown."""
    x, y, centre_x, centre_y = head[_X], head[_Y], head[_CENTRE_X], head[_CENTRE_Y]
    their_x, their_y = glances[slot, _THEIR_X], glances[slot, _THEIR_Y]
    their_centre_x, their_centre_y = glances[slot, _THEIR_CENTRE_X], glances[slot, _THEIR_CENTRE_Y]
    points = min(_square(their_x - x, their_y - y), _square(their_centre_x - centre_x, their_centre_y - centre_y))
    mixed = min(_square(their_centre_x - x, their_centre_y - y), _square(their_x - centre_x, their_y - centre_y))
    metres = min(math.sqrt(points), math.sqrt(mixed) - SPREAD_M)
    return math.log1p(max(metres, 0.0) / 300.0)


@compiled
def _square(east: float, north: float) -> float:
    """Square of a distance; infinite when unknown."""
    square = east * east + north * north
    return math.inf if np.isnan(square) else square


@compiled
def _look(
    look: Floats,
    far: float,
    old: float,
    flag: int,
    vote: float,
    slot: int,
    shares: npt.NDArray[np.uint8],
    matters: Floats,
) -> None:
    """Fill in LOOKS; the headings, far away in memory, are read here."""
    matter = np.float32(0)
    for heading in range(len(matters)):
        matter += shares[slot, heading] * matters[heading]
    matter /= np.float32(255)
    root, unknown, here = math.sqrt(matter), far == math.inf, (flag & _HERE) > 0
    look[_MATTER], look[_ROOT], look[_FAR] = matter, root, 0.0 if unknown else far
    look[_UNKNOWN], look[_UNKNOWN_ROOT] = unknown, unknown * root
    look[_NEAR], look[_NEAR_ROOT] = here, here * root
    look[_OLD], look[_SHARED] = old, min(vote, 0.5)
    look[_SAME_PERSON], look[_SAME_DEVICE] = (flag & PERSON) > 0, (flag & DEVICE) > 0


@compiled
def _most(by_square: float, by_root: float) -> float:
    """Largest value of `by_square * r * r + by_root * r` for r from 0 to 1."""
    if by_square < 0:
        root = min(max(-by_root / (2 * by_square), 0.0), 1.0)
        return by_square * root * root + by_root * root
    return max(0.0, by_square + by_root)
