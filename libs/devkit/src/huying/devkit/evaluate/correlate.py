"""Judges correlation on labelled streams of three formats, beside plain methods on the same streams.

Refuses to fit on a file without --cv; with it, no report is judged by a model that saw its problem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from huying.routing.judgement import Judge, PackBits
from huying.routing.judgement.learning.labelled import LabelledReport

from .baselines import BY_FORMAT
from .figures import b_cubed, group_recall, pair_counts, ratio
from .fitting import fitted
from .living import Life, live
from .shipped import shipped_judge
from .sources import Format, format_of, in_order, read_cases, read_county, read_messages

READERS: dict[str, Callable[[Path], list[LabelledReport]]] = {
    "county": read_county,
    "messages": read_messages,
    "cases": read_cases,
}


@dataclass(slots=True)
class Judged:
    """One stream with what the engine made of it; `counted` marks the reports that count (None: all)."""

    name: str
    labelled: list[LabelledReport]
    alone: Life
    helped: Life
    counted: list[bool] | None = None


@dataclass(slots=True)
class Outcome:
    """All streams of a run and its figures."""

    form: Format
    streams: list[Judged] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def evaluate(
    files: Sequence[Path],
    cv: str | None,
    pack: Path | None,
    model: Path | None,
    progress: Callable[[str], None],
) -> Outcome:
    """Judge the files. `cv` is None, a number, `months` or `towns`.

    Raises:
        ValueError: files of different formats, or a kind of --cv that the format does not have.
    """
    forms = {format_of(path) for path in files}
    if len(forms) != 1:
        raise ValueError(f"the files have formats {sorted(forms)!r}; give files of one format at a time")
    form = forms.pop()
    months = in_order(files, READERS[form])
    outcome = Outcome(form)
    if cv is None:
        judge = shipped_judge(pack, model)
        for path, labelled in months:
            progress(f"judging {path.name}")
            outcome.streams.append(judged(path.stem, judge, labelled))
    else:
        from .folds import folds_of

        for fold in folds_of(form, [labelled for _, labelled in months], cv):
            progress(f"learning without {fold.name}")
            judge = fitted(form, fold.learned, pack, fold.kept)
            progress(f"judging {fold.name}")
            outcome.streams += [judged(fold.name, judge, stream, counted) for stream, counted in fold.streams]
    outcome.figures = figures_of(outcome)
    return outcome


def judged(name: str, judge: Judge, labelled: list[LabelledReport], counted: list[bool] | None = None) -> Judged:
    """Both lives of one stream."""
    alone = live(judge, labelled, answered=False)
    helped = live(judge, labelled, answered=True)
    return Judged(name, labelled, alone, helped, counted)


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """The keys of the issue: means over streams, and the same for the plain methods."""
    rows = [stream_figures(stream, stream.alone.clusters, stream.helped) for stream in outcome.streams]
    by_name: dict[str, list[dict[str, float]]] = defaultdict(list)
    for stream in outcome.streams:
        for name, method in BY_FORMAT[outcome.form].items():
            begun = perf_counter()
            clusters = method(stream.labelled)
            seconds = perf_counter() - begun
            plain = stream_figures(stream, clusters, None)
            plain["reports_per_s"] = len(stream.labelled) / max(seconds, 1e-9)
            by_name[name].append(plain)
    figures: dict[str, Any] = {"format": outcome.form} | mean_of(rows)
    figures["reports"] = sum(len(s.labelled) for s in outcome.streams)
    if outcome.form == "cases":
        flagged = [item.relation == "duplicate" for s in outcome.streams for item in s.labelled]
        figures["flagged_share"] = ratio(sum(flagged), len(flagged))
    figures["parts"] = [{"name": s.name} | row for s, row in zip(outcome.streams, rows, strict=True)]
    figures["baselines"] = {name: mean_of(plain) for name, plain in by_name.items()}
    if outcome.form == "county":
        figures["hard_cases"] = hard_cases(outcome)
    return figures


def mean_of(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean per key."""
    return {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]} if rows else {}


def stream_figures(stream: Judged, clusters: Sequence[str], helped: Life | None) -> dict[str, float]:
    """Figures of one stream; without `helped`, a method that asks nobody."""
    truth = [item.problem for item in stream.labelled]
    right, joined, due = pair_counts(clusters, truth, stream.counted)
    count = max(len(stream.labelled), 1)
    own_truth = [t if stream.counted is None or stream.counted[i] else None for i, t in enumerate(truth)]
    precision, recall = b_cubed(clusters, own_truth)
    first = [c == item.facts.report_id for c, item in zip(clusters, stream.labelled, strict=True)]
    found: dict[str, float] = {
        "reports": float(len(stream.labelled)),
        "merge_precision": ratio(right, joined),
        "merge_recall": ratio(right, due),
        "merge_ask_recall": ratio(right, due),
        "asked_share": 0.0,
        "bcubed_precision": precision,
        "bcubed_recall": recall,
        "group_recall": group_recall(clusters, own_truth),
        "links_joined": links_joined(stream, clusters),
        "merged_share": 1.0 - sum(first) / count,
    }
    if helped is not None:
        answered = pair_counts(helped.clusters, truth, stream.counted)
        found["merge_ask_recall"] = ratio(answered[0], answered[2])
        found["asked_share"] = max(stream.alone.asked, helped.asked) / count
        found["asked_incidents_per_question"] = ratio(helped.asked_pairs, helped.asked)
        found["reports_per_s"] = count / max(stream.alone.seconds, 1e-9)
    return found


def links_joined(stream: Judged, clusters: Sequence[str]) -> float:
    """Share of later reports of a known problem that stand in one incident with its first report."""
    first: dict[str, str] = {}
    together = due = 0
    for number, (item, cluster) in enumerate(zip(stream.labelled, clusters, strict=True)):
        if item.problem is None:
            continue
        if item.problem not in first:
            first[item.problem] = cluster
        elif stream.counted is None or stream.counted[number]:
            due += 1
            together += first[item.problem] == cluster
    return ratio(together, due)


def hard_cases(outcome: Outcome) -> dict[str, dict[str, float]]:
    """Each marked kind with its own score; a and b also count joins of the confusable pair."""
    kinds: dict[str, dict[str, float]] = {
        letter: {"reports": 0, "due": 0, "joined_right": 0, "asked": 0, "merged_wrong": 0} for letter in "abcdefgh"
    }
    pairs: dict[str, set[frozenset[str]]] = {"a": set(), "b": set()}
    mixed: dict[str, set[frozenset[str]]] = {"a": set(), "b": set()}
    for stream in outcome.streams:
        first: dict[str, str] = {}
        held: dict[str, set[str]] = defaultdict(set)
        for item, cluster, verdict in zip(stream.labelled, stream.alone.clusters, stream.alone.verdicts, strict=True):
            problem = item.problem or item.facts.report_id
            others = held[cluster] - {problem}
            for letter in item.hard:
                if letter not in kinds:
                    continue
                row = kinds[letter]
                row["reports"] += 1
                row["due"] += problem in first
                row["joined_right"] += problem in first and verdict.band == "merge" and problem in held[cluster]
                row["asked"] += bool(verdict.question())
                row["merged_wrong"] += verdict.band == "merge" and bool(others) and problem not in held[cluster]
                if letter in pairs:
                    for other in item.confusable_with:
                        pairs[letter].add(frozenset((stream.name, problem, other)))
                        if other in held[cluster]:
                            mixed[letter].add(frozenset((stream.name, problem, other)))
            held[cluster].add(problem)
            first.setdefault(problem, cluster)
    for letter, name in (("a", "same_village_same_matter"), ("b", "neighbouring_village")):
        kinds[f"{letter}_{name}"] = {"pairs": len(pairs[letter]), "false_merges": len(mixed[letter])}
    return kinds


def worst(stream: Judged, count: int) -> list[dict[str, Any]]:
    """The `count` worst false merges and the `count` worst misses with their evidence."""
    by_id = {item.facts.report_id: item for item in stream.labelled}
    members: dict[str, list[LabelledReport]] = defaultdict(list)
    started: set[str] = set()
    false: list[dict[str, Any]] = []
    missed: list[dict[str, Any]] = []
    for item, cluster, verdict in zip(stream.labelled, stream.alone.clusters, stream.alone.verdicts, strict=True):
        problems = {m.problem for m in members[cluster]}
        case = {
            "report": item.facts.report_id,
            "problem": item.problem,
            "text": item.facts.text[:120],
            "address": item.facts.address,
            "score": verdict.score,
            "band": verdict.band,
            "incident": verdict.incident_id,
            "incident_text": by_id[verdict.incident_id].facts.text[:120] if verdict.incident_id else None,
            "reasons": [f"{r.text_zh}（{r.weight:+.1f}）" for r in verdict.reasons],
        }
        if verdict.band == "merge" and item.problem and item.problem not in problems and problems - {None}:
            false.append({"kind": "false merge"} | case)
        elif verdict.band != "merge" and item.problem in started:
            missed.append({"kind": "miss"} | case)
        members[cluster].append(item)
        if item.problem:
            started.add(item.problem)
    false.sort(key=lambda c: -float(c["score"]))
    missed.sort(key=lambda c: float(c["score"]))
    return false[:count] + missed[:count]


def with_limits(pack: PackBits, merge: float, ask: float, window_days: float) -> PackBits:
    """The pack with one pair of limits for every heading."""
    limits = replace(pack.correlation.default, merge=merge, ask=ask, window_days=window_days)
    return replace(pack, correlation=replace(pack.correlation, default=limits, by_matter={}))
