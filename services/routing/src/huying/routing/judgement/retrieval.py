"""Which incidents are worth a look: by device, person, cell, village, and, when no place is said, by words.

Refuses to grow with the county: every list is cut, so ten times the incidents cost about the same. A first look at
a few numbers (a logistic scorer that was learned) leaves those that are not hopeless.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from .index import GLANCE, IncidentIndex, cell_of
from .traits import H, Traits

KEPT = 8
"""Candidates looked at in full at most; the right one is among them in 99 % of the county's months."""
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

Slots = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
_NONE: frozenset[int] = frozenset()
FROM = ("x", "centre_x", "x", "centre_x", "y", "centre_y", "y", "centre_y")
TO = ("x", "x", "centre_x", "centre_x", "y", "y", "centre_y", "centre_y")
"""Columns of the index and of a report between which the four distances lie."""
_FROM, _TO = np.array([GLANCE.index(name) for name in FROM]), np.array([H[name] for name in TO])
_SLACK = np.array([[0.0], [SPREAD_M], [SPREAD_M], [0.0]], dtype=np.float32)
_HERE, _PERSON, _DEVICE = 1, 2, 4


def open_gate() -> Floats:
    """A first look that lets everything pass."""
    return np.zeros(len(LOOKS) + 1, dtype=np.float32)


def near(report: Traits, index: IncidentIndex) -> tuple[Slots, Floats, npt.NDArray[np.int8]]:
    """Slots that anything leads to, ascending, with votes by shared words and flags of what else is shared."""
    votes = _votes(report, index)
    found = set(votes)
    has_point = not math.isnan(report.x)
    if has_point:
        column, row = cell_of(report.x, report.y)
        cells = index.by_cell
        for x in (column - 1, column, column + 1):
            for y in (row - 1, row, row + 1):
                if (x, y) in cells:
                    found |= cells[x, y]
    if not has_point:
        holders = index.by_heading.get((report.likely[0], report.town), _NONE)
        if len(holders) <= CROWD:
            found |= holders
    day = int(report.at // 24)
    for matter in report.likely:
        for key in ((matter, day), (matter, day - 1)):
            holders = index.by_day.get(key, _NONE)
            if len(holders) <= COMMON:
                found |= holders
    flags = index.flags
    marked: list[list[int]] = []
    for flag, holders in (
        *((_HERE, index.by_village.get(village, _NONE)) for village in {report.village, *report.mentioned}),
        (_PERSON, index.by_reporter.get(report.reporter or "", _NONE)),
        (_DEVICE, index.by_device.get(report.device_id or "", _NONE)),
    ):
        if holders:
            found |= holders
            marked.append(list(holders))
            flags[marked[-1]] |= flag
    slots: Slots = np.fromiter(found, dtype=np.int64, count=len(found))
    slots.sort()
    voted = list(votes)
    index.votes[voted] = list(votes.values())
    result = slots, index.votes[slots], flags[slots]
    index.votes[voted] = 0.0
    for holders_marked in marked:
        flags[holders_marked] = 0
    return result


def _votes(report: Traits, index: IncidentIndex) -> dict[int, float]:
    """Incidents that share heavy words; a word counts by how few share it."""
    votes: dict[int, float] = {}
    for word in report.words[: WORDS_ASKED * (2 if math.isnan(report.x) else 1)]:
        holders = index.by_word.get(word)
        if holders is not None and len(holders) <= COMMON:
            share = 1.0 / (3.0 + len(holders))
            for slot in holders:
                votes[slot] = votes.get(slot, 0.0) + share
    if len(votes) > 2 * KEPT:
        ordered = sorted(zip(votes.values(), votes, strict=True))
        votes = {slot: share for share, slot in ordered[-2 * KEPT :]}
    return votes


def first_looks(
    reports: Sequence[Traits], index: IncidentIndex, windows_days: Floats
) -> tuple[npt.NDArray[np.int64], Slots, Floats]:
    """(owner, slot, LOOKS) of all near incidents still inside their windows, report by report, slots ascending.

    `windows_days` gives for each heading how long after its last report an incident still attracts.
    """
    found = [near(report, index) for report in reports]
    at, votes, flags = (np.concatenate(parts) for parts in zip(*found, strict=True)) if len(found) > 1 else found[0]
    owner = np.repeat(np.arange(len(found)), [len(slots) for slots, _, _ in found])
    theirs = index.glances[at].T
    heads = np.concatenate([r.packed[: len(H)] for r in reports]).reshape(len(reports), -1)[owner].T
    days = (heads[H["at"]] - theirs[GLANCE.index("last_at")]) * np.float32(1 / 24)
    inside = days <= windows_days[theirs[GLANCE.index("top")].astype(np.int64)]
    away = theirs[_FROM] - heads[_TO]
    metres = np.fmin.reduce(np.hypot(away[:4], away[4:]) - _SLACK, axis=0)
    unknown = np.isnan(metres)
    mine = reports[0].matters if len(reports) == 1 else np.array([r.matters for r in reports])[owner]
    here = (flags & _HERE) > 0
    looks = np.empty((len(LOOKS), len(at)), dtype=np.float32)
    looks[0] = (index.chances[at, 0] * mine).sum(axis=1)
    looks[1] = root = np.sqrt(looks[0])
    looks[2] = np.log1p(np.where(unknown, np.float32(0), np.maximum(metres, 0)) / np.float32(300))
    looks[3] = unknown
    looks[4] = unknown * root
    looks[5] = here
    looks[6] = here * root
    looks[7] = np.log1p(np.maximum(days, 0))
    looks[8] = np.minimum(votes, 0.5)
    looks[9] = (flags & _PERSON) > 0
    looks[10] = (flags & _DEVICE) > 0
    return owner[inside], at[inside], looks[:, inside]


def retrieve(reports: Sequence[Traits], index: IncidentIndex, windows_days: Floats, gate: Floats) -> list[Slots]:
    """For each report the slots worth a full look, ascending, at most KEPT.

    `gate` has the weight of each of LOOKS and, last, of 1: what sums up to less than zero is hopeless.
    """
    owner, slots, looks = first_looks(reports, index, windows_days)
    hope = (looks * gate[:-1, None]).sum(axis=0) + gate[-1]
    kept = np.flatnonzero(hope >= 0)
    found = []
    ends = np.searchsorted(owner[kept], np.arange(len(reports) + 1)).tolist()
    for begin, end in pairwise(ends):
        own = kept[begin:end]
        if len(own) > KEPT:
            own = np.sort(own[np.argsort(-hope[own], kind="stable")[:KEPT]])
        found.append(slots[own])
    return found
