"""Which incidents are worth a look: by device, person, cell, village, and, when no place is said, by words.

Refuses to grow with the county: lists that are too common are skipped, and a first look at a few numbers (a logistic
scorer that was learned) leaves those that are not hopeless.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .index import GLANCE, IncidentIndex
from .postings import FIRST, NEXT, USED, Key
from .records import cell_key, cell_of, day_key, device_key, heading_key, reporter_key, village_key
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
LOOKS = (
    "matter", "matter_root", "metres", "unknown", "unknown_matter", "village", "village_matter",
    "days", "words", "reporter", "device",
)  # fmt: skip
"""What the first look sees, all cheap."""
(
    _MATTER, _ROOT, _FAR, _UNKNOWN, _UNKNOWN_ROOT, _NEAR, _NEAR_ROOT, _OLD, _SHARED, _SAME_PERSON, _SAME_DEVICE,
) = range(len(LOOKS))  # fmt: skip

Slots = npt.NDArray[np.int64]
Asked = npt.NDArray[np.int64]
"""(flag, list number): what is looked up, and what it says of the incidents found under it."""
_PLAIN, _HERE, _PERSON, _DEVICE, _WORD, _DAY, _HEADING = 0, 1, 2, 4, 8, 16, 32
_FOUND = 64
_AROUND = [cell_key(x, y) - cell_key(0, 0) for x in (-1, 0, 1) for y in (-1, 0, 1)]
"""From a cell's key to those of the 3 x 3 block around it."""


def open_gate() -> Floats:
    """A first look that lets everything pass."""
    return np.zeros(len(LOOKS) + 1, dtype=np.float32)


def asked(report: Traits, index: IncidentIndex) -> Asked:
    """The lists that a report leads to."""
    known = index.postings.number_of.get
    has_point = not math.isnan(report.x)
    found: list[int] = []
    for word in report.words[: WORDS_ASKED * (1 if has_point else 2)]:
        if (number := known(word)) is not None:
            found += (_WORD, number)
    keys: list[tuple[int, Key]] = []
    if has_point:
        middle = cell_key(*cell_of(report.x, report.y))
        for step in _AROUND:
            if (number := known(middle + step)) is not None:
                found += (_PLAIN, number)
    else:
        keys.append((_HEADING, heading_key(report.likely[0], report.town)))
    day = int(report.at // 24)
    for matter in report.likely:
        today = day_key(matter, day)
        keys += ((_DAY, today), (_DAY, today - 1))
    keys += [(_HERE, village_key(village)) for village in {report.village, *report.mentioned}]
    if report.reporter:
        keys.append((_PERSON, reporter_key(report.reporter)))
    if report.device_id:
        keys.append((_DEVICE, device_key(report.device_id)))
    for flag, key in keys:
        if (number := known(key)) is not None:
            found += (flag, number)
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def first_looks(report: Traits, index: IncidentIndex, windows_days: Floats, gate: Floats) -> tuple[Slots, Floats]:
    """Slots of all near incidents inside their windows that `gate` lets pass, with LOOKS of each (slots, looks).

    `windows_days` gives for each heading how long after its last report an incident still attracts; `gate` has the
    weight of each of LOOKS and, last, of 1: what sums up to less than zero is hopeless.
    """
    postings = index.postings
    return _first_looks(
        asked(report, index), postings.heads, postings.counts, postings.blocks, index.flags, index.votes,
        index.glances, index.shares, report.matters, report.packed, windows_days, gate,
    )  # fmt: skip


def retrieve(report: Traits, index: IncidentIndex, windows_days: Floats, gate: Floats, kept: int) -> Slots:
    """The slots worth a full look, ascending, at most `kept`."""
    return _likeliest(*first_looks(report, index, windows_days, gate), gate, kept)


_X, _Y, _CENTRE_X, _CENTRE_Y = (H[name] for name in ("x", "y", "centre_x", "centre_y"))
_THEIR_X, _THEIR_Y, _THEIR_CENTRE_X, _THEIR_CENTRE_Y, _LAST_AT, _TOP = (GLANCE.index(name) for name in GLANCE)
_AT = H["at"]


@compiled
def _is_common(flag: int, holders: int) -> bool:
    return holders > (CROWD if flag == _HEADING else COMMON if flag in (_WORD, _DAY) else holders)


@compiled
def _first_looks(
    asked: Asked,
    heads: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int32],
    blocks: npt.NDArray[np.int32],
    flags: npt.NDArray[np.int8],
    votes: Floats,
    glances: Floats,
    shares: npt.NDArray[np.uint8],
    matters: Floats,
    head: Floats,
    windows_days: Floats,
    gate: Floats,
) -> tuple[Slots, Floats]:
    """`flags` and `votes` are scratch over slots, zero before and after."""
    room = 0
    for at in range(len(asked)):
        flag, number = asked[at, 0], asked[at, 1]
        if not _is_common(flag, counts[number]):
            room += counts[number]
    found, size = np.empty(room, dtype=np.int64), 0
    voted, voters = np.empty(room, dtype=np.int64), 0
    for at in range(len(asked)):
        flag, number = asked[at, 0], asked[at, 1]
        if _is_common(flag, counts[number]):
            continue
        block = heads[number]
        while block >= 0:
            for place in range(FIRST, FIRST + blocks[block, USED]):
                slot = blocks[block, place]
                if flag == _WORD:
                    if votes[slot] == 0:
                        voted[voters] = slot
                        voters += 1
                    votes[slot] += np.float32(1.0 / (3.0 + counts[number]))
                else:
                    if flags[slot] == 0:
                        found[size] = slot
                        size += 1
                    flags[slot] |= (flag & (_HERE | _PERSON | _DEVICE)) | _FOUND
            block = blocks[block, NEXT]
    for slot in _most_voted(voted[:voters], votes):
        if flags[slot] == 0:
            found[size] = slot
            size += 1
            flags[slot] = _FOUND
    slots, looks = np.empty(size, dtype=np.int64), np.empty((size, len(LOOKS)), dtype=np.float32)
    used = 0
    for slot in found[:size]:
        days = (head[_AT] - glances[slot, _LAST_AT]) / np.float32(24)
        if days <= windows_days[int(glances[slot, _TOP])]:
            slots[used] = slot
            used += _look(looks, used, slot, days, glances, head, shares, matters, flags[slot], votes[slot], gate)
        flags[slot] = 0
    for slot in voted[:voters]:
        votes[slot] = 0
    return slots[:used], looks[:used]


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
def _apart(x: float, y: float, other_x: float, other_y: float, slack_m: float) -> float:
    """Metres between two points less what their inaccuracy may be; infinite when one is unknown."""
    east, north = x - other_x, y - other_y
    metres = math.sqrt(east * east + north * north)
    return math.inf if np.isnan(metres) else metres - slack_m


@compiled
def _look(
    looks: Floats,
    at: int,
    slot: int,
    days: float,
    glances: Floats,
    head: Floats,
    shares: npt.NDArray[np.uint8],
    matters: Floats,
    flag: int,
    vote: float,
    gate: Floats,
) -> bool:
    """Fill in a row of looks; False as soon as it is hopeless: the headings, far away in memory, are read last.

    Single numbers are read out of whole arrays: a view of a row costs more than the numbers in it.
    """
    x, y, centre_x, centre_y = head[_X], head[_Y], head[_CENTRE_X], head[_CENTRE_Y]
    their_x, their_y = glances[slot, _THEIR_X], glances[slot, _THEIR_Y]
    their_centre_x, their_centre_y = glances[slot, _THEIR_CENTRE_X], glances[slot, _THEIR_CENTRE_Y]
    metres = min(
        _apart(their_x, their_y, x, y, 0.0),
        _apart(their_centre_x, their_centre_y, x, y, SPREAD_M),
        _apart(their_x, their_y, centre_x, centre_y, SPREAD_M),
        _apart(their_centre_x, their_centre_y, centre_x, centre_y, 0.0),
    )
    unknown = metres == math.inf
    here = (flag & _HERE) > 0
    far = 0.0 if unknown else math.log1p(max(metres, 0.0) / 300.0)
    old = math.log1p(max(days, 0.0))
    words = min(vote, 0.5)
    person, device = (flag & _PERSON) > 0, (flag & _DEVICE) > 0
    hope = gate[len(LOOKS)] + far * gate[_FAR] + unknown * gate[_UNKNOWN] + here * gate[_NEAR] + old * gate[_OLD]
    hope += words * gate[_SHARED] + person * gate[_SAME_PERSON] + device * gate[_SAME_DEVICE]
    by_matter, by_root = gate[_MATTER], gate[_ROOT] + unknown * gate[_UNKNOWN_ROOT] + here * gate[_NEAR_ROOT]
    if hope + _most(by_matter, by_root) < 0:
        return False
    matter = np.float32(0)
    for heading in range(len(matters)):
        matter += shares[slot, heading] * matters[heading]
    matter /= np.float32(255)
    root = math.sqrt(matter)
    looks[at, _MATTER], looks[at, _ROOT], looks[at, _FAR] = matter, root, far
    looks[at, _UNKNOWN], looks[at, _UNKNOWN_ROOT] = unknown, unknown * root
    looks[at, _NEAR], looks[at, _NEAR_ROOT] = here, here * root
    looks[at, _OLD], looks[at, _SHARED], looks[at, _SAME_PERSON], looks[at, _SAME_DEVICE] = old, words, person, device
    return bool(hope + matter * by_matter + root * by_root >= 0)


@compiled
def _most(by_square: float, by_root: float) -> float:
    """Largest value of `by_square * r * r + by_root * r` for r from 0 to 1."""
    if by_square < 0:
        root = min(max(-by_root / (2 * by_square), 0.0), 1.0)
        return by_square * root * root + by_root * root
    return max(0.0, by_square + by_root)


@compiled
def _likeliest(slots: Slots, looks: Floats, gate: Floats, most: int) -> Slots:
    """The `most` hopeful slots (of equals the lower ones), ascending."""
    best, hopes = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.float64)
    kept = 0
    for at in range(len(slots)):
        hope = 0.0
        for look in range(len(LOOKS)):
            hope += looks[at, look] * gate[look]
        place = kept
        while place > 0 and (hope > hopes[place - 1] or (hope == hopes[place - 1] and slots[at] < best[place - 1])):
            place -= 1
        if place == most:
            continue
        kept = min(kept + 1, most)
        for later in range(kept - 1, place, -1):
            best[later], hopes[later] = best[later - 1], hopes[later - 1]
        best[place], hopes[place] = slots[at], hope
    return np.sort(best[:kept])
