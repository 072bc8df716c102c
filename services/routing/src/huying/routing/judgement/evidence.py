"""Evidence: one row of numbers for each incident that a report may belong to.

Refuses to weigh it (the scorer does) and to look at anything but traits and the index.
NaN means unknown: a missing point is not a far one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .index import COLUMN, IncidentIndex, Record, split_bits
from .places import PlaceFinder
from .text import BUCKETS
from .traits import Traits

Floats = npt.NDArray[np.float32]

FEATURES = (
    "text_best", "text_mean", "text_last", "text_known", "place_best", "place_mean", "place_known",
    "said_place_known", "place_said_known", "topic_best", "topic_mean",
    "concepts_common", "concepts_share", "landmarks_common", "landmarks_share", "sides_common", "sides_differ",
    "numbers_common", "numbers_differ",
    "matter_dot", "matter_theirs", "matter_ours", "matter_same", "matter_sure_report", "matter_sure_incident",
    "metres_best", "metres_middle", "metres_village", "metres_centre_to_point",
    "village_same", "village_sure", "village_mentioned", "town_same", "place_unknown", "metres_between_villages",
    "hours_since_last", "hours_since_first", "hours_nearest", "reports", "people",
    "reporter_same", "reporter_known", "reporter_elsewhere",
    "device_same", "device_id_same", "is_machine", "has_machine", "cleared",
    "follow_up", "recurrence", "done", "incident_follow_ups", "emergency_report", "emergency_incident",
    "channel", "channel_seen", "length", "has_address",
    "here", "here_same_matter", "text_margin", "place_margin", "matter_margin", "metres_margin", "topic_margin",
    "newer_here", "candidates",
    "matter_agreed", "matter_agreed_top", "pace", "pace_first", "rarity_common", "rarest_common", "agreed_margin", "rarity_margin",
)  # fmt: skip
"""Names of the columns, in order; the model file records them."""
F = {name: i for i, name in enumerate(FEATURES)}

COMMON_IDF = 3.0
"""Words found in more than about one report in eight say nothing about the spot."""
HERE_M = 450.0
"""Two points of one problem are at most 300 m apart; with measuring error, this is "here"."""


class Workbench:
    """Reused lookup tables for one thread of judging: report words spread over all buckets."""

    def __init__(self, idf: Floats, gap_hours: Floats) -> None:
        self.idf = idf
        self.gap_hours = gap_hours
        self.grams = np.zeros(BUCKETS, dtype=np.float32)
        self.places = np.zeros(BUCKETS, dtype=np.float32)


def joined(parts: Sequence[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
    """Arrays behind each other."""
    return np.concatenate(parts)


def popcount(values: npt.NDArray[np.uint64]) -> Floats:
    """Bits set, summed over the last axis."""
    return np.asarray(np.bitwise_count(values).sum(axis=-1), dtype=np.float32)


def margins(values: Floats) -> Floats:
    """Each value minus the best of the others (largest is best); 0 for a single one."""
    if len(values) < 2:
        return np.zeros_like(values)
    filled = np.where(np.isnan(values), -np.inf, values)
    order = np.argsort(-filled, kind="stable")
    best, second = filled[order[0]], filled[order[1]]
    out = np.where(np.arange(len(values)) == order[0], values - second, values - best)
    return np.asarray(np.where(np.isfinite(out), out, np.nan), dtype=np.float32)


def evidence(
    report: Traits, slots: npt.NDArray[np.int64], index: IncidentIndex, places: PlaceFinder, bench: Workbench
) -> Floats:
    """Feature rows (incidents, len(FEATURES)) of one report against the incidents in `slots`."""
    count = len(slots)
    out = np.full((count, len(FEATURES)), np.nan, dtype=np.float32)
    if count == 0:
        return out
    records: list[Record] = [r for s in slots if (r := index.records[s]) is not None]
    rows = index.rows[slots]
    sizes = np.array([len(r.members) for r in records])
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    _words(out, report, records, sizes, firsts, bench)
    _spots(out, report, records, index.bits[slots])
    _matters(out, report, index.matters[slots], index.agreed[slots])
    _places(out, report, records, rows, firsts, places)
    _times(out, report, records, rows, firsts, index.matters[slots] @ bench.gap_hours)
    _people(out, report, records, rows, index)
    out[:, F["candidates"]] = count
    _competition(out, rows)
    return out


def _words(
    out: Floats,
    report: Traits,
    records: list[Record],
    sizes: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    bench: Workbench,
) -> None:
    bench.grams[report.gram_ids] = report.gram_weights
    bench.places[report.place_ids] = report.place_weights
    gram_ids = np.concatenate([r.gram_ids for r in records])
    gram_weights = np.concatenate([r.gram_weights for r in records])
    gram_sizes = [len(r.gram_ids) for r in records]
    gram_offsets = np.concatenate([[0], np.cumsum(gram_sizes)[:-1]])
    starts = np.concatenate([r.gram_starts + o for r, o in zip(records, gram_offsets, strict=True)])
    hits = bench.grams[gram_ids]
    similar = segment_sums(hits * gram_weights, starts)
    out[:, F["text_best"]] = np.maximum.reduceat(similar, firsts)
    out[:, F["text_mean"]] = np.add.reduceat(similar, firsts) / sizes
    out[:, F["text_last"]] = similar[firsts + sizes - 1]
    said_place = segment_sums(bench.places[gram_ids] * gram_weights, starts)
    out[:, F["place_said_known"]] = np.maximum.reduceat(said_place, firsts)
    place_ids = np.concatenate([r.place_ids for r in records])
    place_weights = np.concatenate([r.place_weights for r in records])
    place_offsets = np.concatenate([[0], np.cumsum([len(r.place_ids) for r in records])[:-1]])
    place_starts = np.concatenate([r.place_starts + o for r, o in zip(records, place_offsets, strict=True)])
    place_similar = segment_sums(bench.places[place_ids] * place_weights, place_starts)
    out[:, F["place_best"]] = np.maximum.reduceat(place_similar, firsts)
    out[:, F["place_mean"]] = np.add.reduceat(place_similar, firsts) / sizes
    place_said = segment_sums(bench.grams[place_ids] * place_weights, place_starts)
    out[:, F["said_place_known"]] = np.maximum.reduceat(place_said, firsts)
    place_sizes = [len(r.place_ids) for r in records]
    _known_share(out, report, gram_ids, gram_sizes, place_ids, place_sizes)
    _rarity(out, report, gram_ids, gram_sizes, place_ids, place_sizes, bench.idf)
    bench.grams[report.gram_ids] = 0.0
    bench.places[report.place_ids] = 0.0
    if len(report.topic):
        topic = np.concatenate([r.topics for r in records]) @ report.topic
        out[:, F["topic_best"]] = np.maximum.reduceat(topic, firsts)
        out[:, F["topic_mean"]] = np.add.reduceat(topic, firsts) / sizes


def _known_share(
    out: Floats, report: Traits, gram_ids: npt.NDArray[np.int32], gram_sizes: list[int],
    place_ids: npt.NDArray[np.int32], place_sizes: list[int],
) -> None:  # fmt: skip
    """Share of the report's weight that the incident has said before, in all its reports together."""
    for name, own_ids, own_weights, ids, lengths in (
        ("text_known", report.gram_ids, report.gram_weights, gram_ids, gram_sizes),
        ("place_known", report.place_ids, report.place_weights, place_ids, place_sizes),
    ):
        if not len(own_ids):
            continue
        position = np.searchsorted(own_ids, ids)
        position[position == len(own_ids)] = 0
        hit = own_ids[position] == ids
        owner = np.repeat(np.arange(len(lengths)), lengths)[hit]
        seen = np.zeros((len(lengths), len(own_ids)), dtype=bool)
        seen[owner, position[hit]] = True
        squares = own_weights * own_weights
        out[:, F[name]] = np.where(seen, squares, np.float32(0)).sum(axis=1)


def _rarity(
    out: Floats, report: Traits, gram_ids: npt.NDArray[np.int32], gram_sizes: list[int],
    place_ids: npt.NDArray[np.int32], place_sizes: list[int], idf: Floats,
) -> None:  # fmt: skip
    """Weight of the rare words that report and incident share, wherever they were said."""
    own = np.union1d(report.gram_ids, report.place_ids)
    if not len(own):
        return
    rare = np.maximum(idf[own] - COMMON_IDF, 0.0)
    ids = np.concatenate([gram_ids, place_ids])
    owner = np.concatenate(
        [np.repeat(np.arange(len(gram_sizes)), gram_sizes), np.repeat(np.arange(len(place_sizes)), place_sizes)]
    )
    position = np.searchsorted(own, ids)
    position[position == len(own)] = 0
    hit = own[position] == ids
    seen = np.zeros((len(gram_sizes), len(own)), dtype=bool)
    seen[owner[hit], position[hit]] = True
    out[:, F["rarity_common"]] = np.where(seen, rare, np.float32(0)).sum(axis=1)
    out[:, F["rarest_common"]] = (seen * rare).max(axis=1)


def segment_sums(values: Floats, starts: npt.NDArray[np.int64]) -> Floats:
    """Sums of the segments that begin at `starts`; an empty segment gives 0."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    ends = np.append(starts[1:], len(values))
    return np.asarray(total[ends] - total[starts], dtype=np.float32)


def _spots(out: Floats, report: Traits, records: list[Record], bits: npt.NDArray[np.uint64]) -> None:
    for name, own, theirs in (
        ("landmarks", report.landmarks, bits[:, 0:4]),
        ("concepts", report.concepts, bits[:, 4:6]),
    ):
        mine = np.array(split_bits(own, theirs.shape[1]), dtype=np.uint64)
        common = popcount(theirs & mine)
        out[:, F[f"{name}_common"]] = common
        if own:
            out[:, F[f"{name}_share"]] = common / own.bit_count()
    sides = np.uint64(report.sides)
    common = popcount((bits[:, 6] & sides)[:, None])
    out[:, F["sides_common"]] = common
    if report.sides:
        out[:, F["sides_differ"]] = np.where(bits[:, 6] > 0, common == 0, np.nan)
    if report.numbers:
        shared = np.array([len(report.numbers & r.numbers) for r in records], dtype=np.float32)
        known = np.array([bool(r.numbers) for r in records])
        out[:, F["numbers_common"]] = shared
        out[:, F["numbers_differ"]] = np.where(known, shared == 0, np.nan)


def _matters(out: Floats, report: Traits, theirs: Floats, agreed: Floats) -> None:
    mine = report.matters
    out[:, F["matter_dot"]] = theirs @ mine
    top = int(np.argmax(mine))
    tops = np.argmax(theirs, axis=1)
    out[:, F["matter_theirs"]] = theirs[:, top]
    out[:, F["matter_ours"]] = mine[tops]
    out[:, F["matter_same"]] = tops == top
    out[:, F["matter_sure_report"]] = mine[top]
    out[:, F["matter_sure_incident"]] = theirs.max(axis=1)
    sharp = np.exp(agreed - agreed.max(axis=1, keepdims=True))
    sharp /= sharp.sum(axis=1, keepdims=True)
    out[:, F["matter_agreed"]] = sharp @ mine
    out[:, F["matter_agreed_top"]] = mine[np.argmax(sharp, axis=1)]


def _places(
    out: Floats, report: Traits, records: list[Record], rows: npt.NDArray[np.float64], firsts: npt.NDArray[np.int64],
    places: PlaceFinder,
) -> None:  # fmt: skip
    c = COLUMN
    villages = rows[:, c["village"]].astype(np.int64)
    has_point = not math.isnan(report.x)
    if has_point:
        metres = np.hypot(
            np.concatenate([r.xs for r in records]) - report.x, np.concatenate([r.ys for r in records]) - report.y
        )
        best = np.minimum.reduceat(np.where(np.isnan(metres), np.inf, metres), firsts)
        out[:, F["metres_best"]] = np.where(np.isfinite(best), best, np.nan)
        out[:, F["metres_middle"]] = np.hypot(rows[:, c["x"]] - report.x, rows[:, c["y"]] - report.y)
    if len(places.centres):
        centres = np.where((villages >= 0)[:, None], places.centres[villages], np.nan)
        if has_point:
            out[:, F["metres_village"]] = np.hypot(centres[:, 0] - report.x, centres[:, 1] - report.y)
        if report.village >= 0:
            mine = places.centres[report.village]
            out[:, F["metres_centre_to_point"]] = np.hypot(rows[:, c["x"]] - mine[0], rows[:, c["y"]] - mine[1])
            out[:, F["metres_between_villages"]] = np.hypot(centres[:, 0] - mine[0], centres[:, 1] - mine[1])
    if report.village >= 0:
        same = np.array([report.village in r.villages for r in records], dtype=np.float32)
        out[:, F["village_same"]] = np.where((villages >= 0) | (same > 0), same, np.nan)
        out[:, F["village_sure"]] = report.village_sure * rows[:, c["village_sure"]]
    if report.mentioned:
        out[:, F["village_mentioned"]] = [not r.villages.isdisjoint(report.mentioned) for r in records]
    if report.town >= 0:
        town = rows[:, c["town"]]
        out[:, F["town_same"]] = np.where(town >= 0, town == report.town, np.nan)
    out[:, F["place_unknown"]] = (report.village < 0) + 2.0 * (not has_point) + 4.0 * (report.town < 0)


def _times(
    out: Floats, report: Traits, records: list[Record], rows: npt.NDArray[np.float64], firsts: npt.NDArray[np.int64],
    usual_gap: Floats,
) -> None:  # fmt: skip
    c = COLUMN
    out[:, F["hours_since_last"]] = report.at - rows[:, c["last_at"]]
    out[:, F["hours_since_first"]] = report.at - rows[:, c["first_at"]]
    out[:, F["pace"]] = out[:, F["hours_since_last"]] / usual_gap
    out[:, F["pace_first"]] = out[:, F["hours_since_first"]] / usual_gap
    gaps = np.abs(np.concatenate([r.ats for r in records]) - report.at)
    out[:, F["hours_nearest"]] = np.minimum.reduceat(gaps, firsts)
    out[:, F["reports"]] = rows[:, c["reports"]]
    out[:, F["people"]] = rows[:, c["people"]]


def _people(
    out: Floats, report: Traits, records: list[Record], rows: npt.NDArray[np.float64], index: IncidentIndex
) -> None:
    c = COLUMN
    out[:, F["reporter_known"]] = report.reporter is not None
    if report.reporter is not None:
        same = np.array([report.reporter in r.reporters for r in records], dtype=np.float32)
        out[:, F["reporter_same"]] = same
        everywhere = len(index.by_reporter.get(report.reporter, ()))
        out[:, F["reporter_elsewhere"]] = everywhere - same
    out[:, F["is_machine"]] = report.device is not None
    out[:, F["has_machine"]] = rows[:, c["machines"]] > 0
    if report.device is not None:
        out[:, F["device_same"]] = [report.device in r.devices for r in records]
        out[:, F["device_id_same"]] = [report.device_id in r.device_ids for r in records]
        out[:, F["cleared"]] = report.cleared
    out[:, F["follow_up"]] = report.follow_up
    out[:, F["recurrence"]] = report.recurrence
    out[:, F["done"]] = report.done
    out[:, F["incident_follow_ups"]] = rows[:, c["follow_ups"]]
    out[:, F["emergency_report"]] = report.emergency
    out[:, F["emergency_incident"]] = rows[:, c["emergency"]]
    out[:, F["channel"]] = report.channel
    seen = rows[:, c["channels"]].astype(np.int64)
    out[:, F["channel_seen"]] = (seen >> report.channel) & 1
    out[:, F["length"]] = report.length
    out[:, F["has_address"]] = report.has_address


def _competition(out: Floats, rows: npt.NDArray[np.float64]) -> None:
    """How each incident stands beside the report's other candidates."""
    here = (out[:, F["metres_best"]] < HERE_M) | (
        (out[:, F["village_same"]] > 0) & ~(out[:, F["metres_best"]] > 2 * HERE_M)
    )
    alike = here & (out[:, F["matter_dot"]] > 0.2)
    out[:, F["here"]] = here.sum()
    out[:, F["here_same_matter"]] = alike.sum()
    for name, source in (
        ("text_margin", "text_best"),
        ("place_margin", "said_place_known"),
        ("matter_margin", "matter_dot"),
        ("topic_margin", "topic_best"),
        ("agreed_margin", "matter_agreed"),
        ("rarity_margin", "rarity_common"),
    ):
        out[:, F[name]] = margins(out[:, F[source]] + np.where(here, 0.2, 0.0).astype(np.float32))
    out[:, F["metres_margin"]] = margins(-out[:, F["metres_best"]])
    last = rows[:, COLUMN["last_at"]]
    out[:, F["newer_here"]] = ((last[None, :] > last[:, None]) & here[None, :]).sum(axis=1)
