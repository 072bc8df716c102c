"""The figures of a grouping against the truth; refuses to count what nobody labelled.

Pairs are pairs of labelled reports. Two big groups dominate pair counts, so group and B-cubed figures
stand beside them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

Figures = dict[str, float | None]
"""Figures by name; None where there is nothing to divide by: a share of nothing is neither good nor bad."""


def pair_counts(
    clusters: Sequence[Hashable], truth: Sequence[Hashable | None], counted: Sequence[bool] | None = None
) -> tuple[int, int, int]:
    """(rightly joined, joined, due) pairs among labelled reports, with at least one report `counted`."""
    known = [(c, t) for c, t in zip(clusters, truth, strict=True) if t is not None]
    if counted is None:
        return _all_pairs(known)
    rest = [(c, t) for c, t, own in zip(clusters, truth, counted, strict=True) if t is not None and not own]
    whole, others = _all_pairs(known), _all_pairs(rest)
    return whole[0] - others[0], whole[1] - others[1], whole[2] - others[2]


def _all_pairs(known: list[tuple[Hashable, Hashable]]) -> tuple[int, int, int]:
    both: Counter[Hashable] = Counter(known)
    joined: Counter[Hashable] = Counter(c for c, _ in known)
    due: Counter[Hashable] = Counter(t for _, t in known)
    return _pairs(both), _pairs(joined), _pairs(due)


def _pairs(counts: Counter[Hashable]) -> int:
    return sum(n * (n - 1) // 2 for n in counts.values())


def due_pairs(truth: Sequence[Hashable | None]) -> int:
    """Pairs that should be joined: what a recall is a share of."""
    return pair_counts(truth, truth)[2]


def ratio(part: float, whole: float) -> float | None:
    """part/whole; None when there is nothing to divide by."""
    return part / whole if whole else None


def mean_of(rows: Sequence[Mapping[str, float | None]]) -> Figures:
    """Mean per key over the rows that have a figure there."""
    known = {key: [found for row in rows if (found := row[key]) is not None] for key in (rows[0] if rows else ())}
    return {key: ratio(sum(values), len(values)) for key, values in known.items()}


def b_cubed(clusters: Sequence[Hashable], truth: Sequence[Hashable | None]) -> tuple[float | None, float | None]:
    """B-cubed precision and recall over labelled reports."""
    known = [(c, t) for c, t in zip(clusters, truth, strict=True) if t is not None]
    both = Counter(known)
    joined = Counter(c for c, _ in known)
    due = Counter(t for _, t in known)
    count = len(known)
    precision = sum(both[pair] / joined[pair[0]] for pair in known)
    recall = sum(both[pair] / due[pair[1]] for pair in known)
    return ratio(precision, count), ratio(recall, count)


def group_recall(clusters: Sequence[Hashable], truth: Sequence[Hashable | None]) -> float | None:
    """Mean over groups of two and more of the share of their pairs that are joined."""
    groups: dict[Hashable, list[Hashable]] = defaultdict(list)
    for cluster, label in zip(clusters, truth, strict=True):
        if label is not None:
            groups[label].append(cluster)
    shares = [_pairs(Counter(g)) / (len(g) * (len(g) - 1) // 2) for g in groups.values() if len(g) > 1]
    return ratio(sum(shares), len(shares))
