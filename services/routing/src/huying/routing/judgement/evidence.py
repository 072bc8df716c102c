"""Evidence: one column of numbers for each incident that a report may belong to, for many reports at once.

Refuses to weigh it (the scorer does) and to look at anything but traits and the index; what stands in a column
does not depend on the other reports of the batch. NaN means unknown: a missing point is not a far one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .index import COLUMN, IncidentIndex, Record
from .retrieval import FROM, KEPT, TO
from .text import BUCKETS
from .traits import HEAD, IDS, TOPIC, WEIGHTS, WORDS, H, Traits

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float64]

MEANS = ("text_mean", "place_mean", "topic_mean")
BEST = (
    "text_best", "place_best", "topic_best", "said_place_known", "place_said_known",
    "text_known", "place_known", "rarity_common", "rarest_common", "metres_best", "hours_nearest",
)  # fmt: skip
"""Best over the incident's reports; the first three also as means."""
SAID = (
    "village_same", "village_mentioned", "reporter_same", "device_same", "device_id_same",
    "numbers_common", "numbers_differ",
)  # fmt: skip
DISTANCES = ("metres_middle", "metres_village", "metres_centre_to_point", "metres_between_villages")
TIMES = ("hours_since_last", "hours_since_first", "pace", "pace_first")
SPOTS = ("landmarks_common", "concepts_common", "sides_common", "landmarks_share", "concepts_share", "sides_differ")
MATTERS = ("matter_dot", "matter_agreed", "matter_ours", "matter_agreed_top", "matter_theirs")
OWN = (
    "follow_up", "recurrence", "done", "emergency_report", "channel", "length", "has_address", "is_machine", "cleared",
    "place_unknown", "matter_sure_report",
)  # fmt: skip
THEIRS = {
    "reports": "reports", "people": "people", "incident_follow_ups": "follow_ups", "emergency_incident": "emergency",
    "matter_sure_incident": "sure", "matter_agreed_sure": "sharp_sure", "machines": "machines",
}  # fmt: skip
"""Columns of the index as they are."""
COUNTS = ("here", "here_same_matter", "candidates")
MARGINS = {
    "text_margin": "text_best", "place_margin": "said_place_known", "topic_margin": "topic_best",
    "rarity_margin": "rarity_common", "matter_margin": "matter_dot", "agreed_margin": "matter_agreed",
    "metres_margin": "metres_best",
}  # fmt: skip
"""How far an incident leads or trails the report's other candidates in something."""
FEATURES = (
    *BEST, *MEANS, "text_last", *SAID, *DISTANCES, *TIMES, *SPOTS, *MATTERS, *OWN, *THEIRS,
    "village_sure", "town_same", "channel_seen",  *COUNTS, *MARGINS,
)  # fmt: skip
"""Names of the rows, in order; the model file records them."""
F = {name: i for i, name in enumerate(FEATURES)}

HERE_M = 450.0
"""Two points of one problem are at most 300 m apart; with measuring error, this is "here"."""
AT_ONCE = 32
"""Reports in one go: their words need a table of 512 kB each."""


def _block(first: str, names: Sequence[str]) -> slice:
    return slice(F[first], F[first] + len(names))


_BEST, _MEANS, _SAID = _block(BEST[0], BEST), _block(MEANS[0], MEANS), _block(SAID[0], SAID)
_DISTANCES, _TIMES, _SPOTS = _block(DISTANCES[0], DISTANCES), _block(TIMES[0], TIMES), _block(SPOTS[0], SPOTS)
_MATTERS, _OWN, _THEIRS = _block(MATTERS[0], MATTERS), _block(OWN[0], OWN), _block("reports", [*THEIRS])
_COUNTS, _MARGINS = _block(COUNTS[0], COUNTS), _block("text_margin", [*MARGINS])
_HEAD_OWN = np.array([H[name] for name in OWN])
_COLUMN_THEIRS = np.array([COLUMN[name] for name in THEIRS.values()])
_MARGINS_OF = np.array([F[name] for name in MARGINS.values()])
_LAST_FIRST = np.array([COLUMN["last_at"], COLUMN["first_at"]])
_TOPS = np.array([COLUMN["top"], COLUMN["sharp_top"]])
_FROM, _TO = np.array([COLUMN[name] for name in FROM]), np.array([H[name] for name in TO])
_BITS = np.array([0, 4, 6])
_TOTALS = slice(H["landmarks"], H["concepts"] + 1)


class Workbench:
    """Reused lookup table for one thread of judging: where in the reports' lists each word stands, 0 for nowhere."""

    def __init__(self) -> None:
        self._table = np.zeros(BUCKETS + 1, dtype=np.int32)

    def table(self, reports: int) -> npt.NDArray[np.int32]:
        """Room for `reports` reports, BUCKETS + 1 each; whoever enters something clears it."""
        if len(self._table) < reports * (BUCKETS + 1):
            self._table = np.zeros(reports * (BUCKETS + 1), dtype=np.int32)
        return self._table


@dataclass(slots=True)
class Pairs:
    """The (report, incident) pairs of a batch: report by report, slots ascending within one."""

    reports: Sequence[Traits]
    slots: Ints
    owner: Ints
    """Number of the report of each pair."""
    starts: Ints
    """First pair of each report; every report has one."""


def pairs_of(reports: Sequence[Traits], slots: Sequence[Ints]) -> Pairs:
    """All pairs of reports with their candidates (none without)."""
    if len(slots) == 1:
        zero = np.zeros(len(slots[0]), dtype=np.int64)
        return Pairs(reports, slots[0], zero, zero[:1])
    counts = [len(own) for own in slots]
    owner = np.repeat(np.arange(len(counts)), counts)
    return Pairs(reports, np.concatenate(slots), owner, np.cumsum([0, *counts[:-1]]))


def evidence(pairs: Pairs, index: IncidentIndex, bench: Workbench) -> Floats:
    """Features (len(FEATURES), pairs)."""
    out = np.empty((len(FEATURES), len(pairs.slots)), dtype=np.float32)
    slots = pairs.slots.tolist()
    records: list[Record] = [r for s in slots if (r := index.records[s]) is not None]
    packed = np.concatenate([r.packed for r in pairs.reports]).reshape(len(pairs.reports), -1)
    heads = packed[:, : len(HEAD)].T[:, pairs.owner]
    rows = index.rows[pairs.slots].T
    _members(out, pairs, records, packed, bench)
    _said(out, pairs, records)
    _spots(out, pairs, heads, index)
    _matters(out, pairs, rows, index)
    away = rows[_FROM] - heads[_TO]
    np.hypot(away[:4], away[4:], out=out[_DISTANCES], casting="same_kind")
    since = heads[H["at"]] - rows[_LAST_FIRST]
    first = _TIMES.start
    out[first : first + 2] = since
    out[first + 2 : first + 4] = since / rows[COLUMN["usual_gap"]]
    out[_OWN] = heads[_HEAD_OWN]
    out[_THEIRS] = rows[_COLUMN_THEIRS]
    out[F["village_sure"]] = heads[H["village_sure"]] * rows[COLUMN["village_sure"]]
    own, theirs = heads[H["town"]], rows[COLUMN["town"]]
    out[F["town_same"]] = np.where(np.isnan(own + theirs), np.nan, own == theirs)
    seen = rows[COLUMN["channels"]].astype(np.int64)
    out[F["channel_seen"]] = (seen >> heads[H["channel"]].astype(np.int64)) & 1
    _competition(out, pairs)
    return out


def _members(out: Floats, pairs: Pairs, records: list[Record], reports: Floats, bench: Workbench) -> None:
    """What each report of each incident has in common with the report, best and mean."""
    sizes = np.array([len(r.members) for r in records])
    ends = sizes.cumsum()
    firsts = ends - sizes
    packed = np.concatenate([m.packed for r in records for m in r.members]).reshape(int(ends[-1]), -1)
    ids = packed[:, IDS].astype(np.int64)
    if len(pairs.reports) == 1:
        entered, weights, own = pairs.reports[0].ids, pairs.reports[0].weights, reports
    else:
        owner = pairs.owner.repeat(sizes)
        base = np.arange(len(reports)) * (BUCKETS + 1)
        entered = np.concatenate([r.ids + at for r, at in zip(pairs.reports, base.tolist(), strict=True)])
        weights = np.concatenate([pairs.reports[0].weights[:, :1], *(r.weights[:, 1:] for r in pairs.reports)], axis=1)
        ids += base[owner][:, None]
        own = reports[owner]
    table = bench.table(len(reports))
    table[entered] = np.arange(1, len(entered) + 1)
    hits = weights[:, table[ids]]
    table[entered] = 0
    alike = np.empty((len(BEST), len(packed)), dtype=np.float32)
    both = np.einsum("amw,mbw->abm", hits[:2], packed[:, WEIGHTS].reshape(-1, 2, WORDS))
    alike[0], alike[1], alike[3], alike[4] = both[0, 0], both[1, 1], both[0, 1], both[1, 0]
    alike[2] = (packed[:, TOPIC] * own[:, TOPIC]).sum(axis=1)
    alike[5:8] = hits[2:].sum(axis=2)
    alike[8] = hits[4].max(axis=1)
    away = packed[:, :3] - own[:, :3]
    metres = np.hypot(away[:, 0], away[:, 1])
    metres[np.isnan(metres)] = np.inf
    alike[9] = -metres
    alike[10] = -np.abs(away[:, 2])
    best = np.maximum.reduceat(alike, firsts, axis=1)
    best[9:] *= -1
    best[9, best[9] == np.inf] = np.nan
    out[_BEST] = best
    out[_MEANS] = np.add.reduceat(alike[:3], firsts, axis=1) / sizes
    out[F["text_last"]] = alike[0, ends - 1]


def _said(out: Floats, pairs: Pairs, records: list[Record]) -> None:
    """Names and numbers that report and incident share."""
    found = []
    for owner, record in zip(pairs.owner.tolist(), records, strict=True):
        report = pairs.reports[owner]
        village = reporter = device = device_id = mentioned = differ = math.nan
        common = 0
        if report.village >= 0 and record.villages:
            village = report.village in record.villages
        if report.mentioned:
            mentioned = not record.villages.isdisjoint(report.mentioned)
        if report.reporter is not None:
            reporter = report.reporter in record.reporters
        if report.device is not None:
            device, device_id = report.device in record.devices, report.device_id in record.device_ids
        if report.numbers and record.numbers:
            common = len(report.numbers & record.numbers)
            differ = common == 0
        found.append((village, mentioned, reporter, device, device_id, common, differ))
    out[_SAID] = np.array(found, dtype=np.float32).T


def _spots(out: Floats, pairs: Pairs, heads: Floats, index: IncidentIndex) -> None:
    theirs = index.bits[pairs.slots]
    own = pairs.reports[0].bits if len(pairs.reports) == 1 else np.array([r.bits for r in pairs.reports])[pairs.owner]
    common = np.add.reduceat(np.bitwise_count(theirs & own), _BITS, axis=1, dtype=np.float32).T
    first = _SPOTS.start
    out[first : first + 3] = common
    out[first + 3 : first + 5] = common[:2] / heads[_TOTALS]
    out[first + 5] = np.where(theirs[:, 6] > 0, (common[2] == 0) + heads[H["sides"]], np.nan)


def _matters(out: Floats, pairs: Pairs, rows: Rows, index: IncidentIndex) -> None:
    chances = index.chances[pairs.slots]
    own = np.array([r.matters for r in pairs.reports])
    at = np.arange(len(chances))
    first = _MATTERS.start
    out[first : first + 2] = (chances[:, :2] * own[pairs.owner, None]).sum(axis=2).T
    out[first + 2 : first + 4] = own[pairs.owner, rows[_TOPS].astype(np.int64)]
    out[first + 4] = chances[at, 0, np.array([r.likely[0] for r in pairs.reports])[pairs.owner]]


def _competition(out: Floats, pairs: Pairs) -> None:
    """How each incident stands beside the report's other candidates."""
    metres = out[F["metres_best"]]
    here = (metres < HERE_M) | ((out[F["village_same"]] > 0) & ~(metres > 2 * HERE_M))
    counts = np.empty((3, len(here)), dtype=np.float32)
    counts[0], counts[1], counts[2] = here, here & (out[F["matter_dot"]] > 0.2), 1.0
    out[_COUNTS] = np.add.reduceat(counts, pairs.starts, axis=1)[:, pairs.owner]
    values = out[_MARGINS_OF]
    values[-1] *= -1
    values[:-1] += np.float32(0.2) * here
    out[_MARGINS] = margins(values, pairs.starts, pairs.owner)


def margins(values: Floats, starts: Ints, owner: Ints) -> Floats:
    """Each value minus the best of the report's others (largest is best); 0 for a single one, NaN for unknown."""
    filled = np.full((len(values), len(starts), KEPT + 1), -np.inf, dtype=np.float32)
    filled[:, owner, np.arange(len(owner)) - starts[owner]] = np.where(np.isnan(values), np.float32(-np.inf), values)
    filled.sort(axis=2)
    best, second = filled[:, owner, KEPT], filled[:, owner, KEPT - 1]
    out = values - np.where(values == best, second, best)
    out[np.isinf(out)] = np.nan
    return out
