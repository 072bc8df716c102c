"""Which incidents are worth a look: by device, person, cell, village, and, when no place is said, by words.

Refuses to grow with the county: every list is cut, so ten times the incidents cost about the same.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .index import COLUMN, IncidentIndex, cell_of, rare_words
from .traits import Traits

KEPT = 40
"""Candidates scored in full; the right one is among them in 99.9 % of the county's months."""
WORDS_ASKED = 24
"""Rare n-grams looked up for a report: twice what an incident posts."""
COMMON_WORD = 400
"""A word posted by more incidents than this tells nothing and is skipped."""


def retrieve(report: Traits, index: IncidentIndex, windows_days: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Slots of the likely incidents, ascending.

    `windows_days` gives for each heading how long after its last report an incident still attracts.
    """
    near: set[int] = set()
    if report.device_id is not None:
        near |= index.by_device.get(report.device_id, set())
    if report.reporter is not None:
        near |= index.by_reporter.get(report.reporter, set())
    has_point = not math.isnan(report.x)
    if has_point:
        column, row = cell_of(report.x, report.y)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                near |= index.by_cell.get((column + dx, row + dy), set())
    for village in {report.village, *report.mentioned}:
        near |= index.by_village.get(village, set())
    votes: dict[int, float] = {}
    for word in rare_words(report, WORDS_ASKED).tolist():
        holders = index.by_word.get(word)
        if holders is not None and len(holders) <= COMMON_WORD:
            share = 1.0 / (3.0 + len(holders))
            for slot in holders:
                votes[slot] = votes.get(slot, 0.0) + share
    best_words = sorted(votes, key=lambda s: (-votes[s], s))[: KEPT // 2]
    near.update(best_words)
    if not has_point:
        near |= _same_matter(report, index)
    day = int(report.at // 24)
    for matter in np.argsort(-report.matters, kind="stable")[:2].tolist():
        for back in (0, 1):
            near |= index.by_day.get((matter, day - back), set())
    slots: npt.NDArray[np.int64] = np.fromiter(near, dtype=np.int64, count=len(near))
    slots.sort()
    if not len(slots):
        return slots
    rows = index.rows[slots]
    age_days = (report.at - rows[:, COLUMN["last_at"]]) / 24.0
    windows = windows_days[np.argmax(index.matters[slots], axis=1)]
    slots = slots[age_days <= windows]
    if len(slots) <= KEPT:
        return slots
    kept: npt.NDArray[np.int64] = np.sort(
        slots[np.argsort(-_promise(report, slots, index, votes), kind="stable")[:KEPT]]
    )
    return kept


def _same_matter(report: Traits, index: IncidentIndex) -> set[int]:
    """Incidents of the report's likeliest heading, in its town when that is known."""
    holders = index.by_matter.get(int(np.argmax(report.matters)), set())
    if len(holders) > COMMON_WORD * 4:
        return set()
    if report.town >= 0:
        return holders & index.by_town.get(report.town, set())
    return holders


def _promise(
    report: Traits, slots: npt.NDArray[np.int64], index: IncidentIndex, votes: dict[int, float]
) -> npt.NDArray[np.float64]:
    """A rough order of the candidates when there are too many: place, heading, words, freshness."""
    rows = index.rows[slots]
    promise = 2.0 * (index.matters[slots] @ report.matters).astype(np.float64)
    promise += np.minimum(1.0, 4.0 * np.array([votes.get(int(s), 0.0) for s in slots]))
    if not math.isnan(report.x):
        metres = np.hypot(rows[:, COLUMN["x"]] - report.x, rows[:, COLUMN["y"]] - report.y)
        promise += 2.0 * np.exp(-np.nan_to_num(metres, nan=900.0) / 300.0)
    if report.village >= 0:
        promise += rows[:, COLUMN["village"]] == report.village
    promise -= np.minimum(2.0, np.maximum(0.0, report.at - rows[:, COLUMN["last_at"]]) / 24.0 / 14.0)
    for table, key, weight in (
        (index.by_reporter, report.reporter, 1.5),
        (index.by_device, report.device_id, 9.0),
    ):
        if key is not None:
            same = table.get(key, set())
            promise += weight * np.array([int(s) in same for s in slots])
    return promise
