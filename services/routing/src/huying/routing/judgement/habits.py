"""Habits: evidence from what learning counted, for sources that name a heading but describe nothing in words.

Refuses to look at reports: how often reports of a heading turn out to be known already, and how crowded a place is. A
street lamp that fails is called in by everyone who passes, a bulky item by the one who has it collected.
"""

from __future__ import annotations

import numpy as np

from .evidence import FEATURES, Ints
from .index import COLUMN, IncidentIndex
from .records import cell_key, cell_of
from .traits import Floats, H, Traits

HABITS = ("joins_ours", "joins_theirs", "crowd", "finished", "door_theirs")
"""Columns behind FEATURES: the heading's rate of joins, report's and incident's; incidents ever in the cell; hours since
the incident was finished, less than zero while it is open; the door that its first report came through."""
_TOP, _CLOSED_AT = COLUMN["top"], COLUMN["closed_at"]
OPEN = -1.0


def columns(rates: Floats | None) -> list[str]:
    """Names of the evidence that a model with these `join_rates` reads."""
    return [*FEATURES, *(() if rates is None else HABITS)]


def with_habits(found: Floats, report: Traits, slots: Ints, index: IncidentIndex, rates: Floats) -> Floats:
    """Evidence (slots, FEATURES) with HABITS behind it; `rates` has the log share of joins of each heading."""
    wide = np.empty((len(slots), len(FEATURES) + len(HABITS)), dtype=np.float32)
    wide[:, : len(FEATURES)] = found
    ours, theirs, crowd, finished, door = range(len(FEATURES), wide.shape[1])
    wide[:, ours] = rates[report.likely[0]]
    wide[:, theirs] = rates[index.rows[slots, _TOP].astype(np.int64)]
    wide[:, crowd] = np.nan
    if not np.isnan(report.x):
        wide[:, crowd] = index.postings.count_of(cell_key(*cell_of(report.x, report.y)))
    since = report.at - index.rows[slots, _CLOSED_AT]
    wide[:, finished] = np.where(np.isnan(since), OPEN, np.maximum(since, 0.0))
    wide[:, door] = index.pool[index.members[slots, 0], H["channel"]]
    return wide
