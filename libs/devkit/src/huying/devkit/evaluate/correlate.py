"""Judges correlation on labelled streams of three formats, beside plain methods on the same streams.

Refuses to fit on a file without --cv; with it, no report is judged by a model that saw its problem.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from huying.routing.judgement import Judge, PackBits, Reason
from huying.routing.judgement.learning.labelled import LabelledReport

from .baselines import BY_FORMAT
from .figures import Figures, b_cubed, group_recall, mean_of, pair_counts, ratio
from .fitting import fitted
from .living import Life, live
from .shipped import shipped_judge
from .sources import Format, UnusableError, format_of, in_order, read_cases, read_county, read_messages

READERS: dict[str, Callable[[Path], list[LabelledReport]]] = {
    "county": read_county,
    "messages": read_messages,
    "cases": read_cases,
}
NOT_FOUND = "not among the candidates"
"""Of a miss: the search did not bring the right incident before the scorer."""


@dataclass(slots=True)
class Judged:
    """One stream with what the engine made of it; `counted` marks the reports that count (None: all)."""

    name: str
    labelled: list[LabelledReport]
    alone: Life
    helped: Life
    counted: list[bool] | None = None

    @property
    def marks(self) -> list[bool]:
        """Whether each report counts."""
        return [True] * len(self.labelled) if self.counted is None else self.counted


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
    *,
    explained: bool = False,
) -> Outcome:
    """Judge the files. `cv` is None, a number, `months` or `towns`; `explained`: `worst` will ask.

    Raises:
        UnusableError: files of different formats, or a kind of --cv that the format does not have.
    """
    forms = {format_of(path) for path in files}
    if len(forms) != 1:
        raise UnusableError(f"the files have formats {', '.join(sorted(forms))}; give files of one format at a time")
    form = forms.pop()
    months = in_order(files, READERS[form])
    outcome = Outcome(form)
    if cv is None:
        judge = shipped_judge(pack, model)
        for path, labelled in months:
            progress(f"judging {path.name}")
            outcome.streams.append(judged(path.stem, judge, labelled, explained=explained))
    else:
        from .folds import folds_of

        for fold in folds_of(form, [labelled for _, labelled in months], cv):
            progress(f"learning without {fold.name}")
            judge = fitted(form, fold.learned, pack, fold.kept)
            progress(f"judging {fold.name}")
            outcome.streams += [
                judged(fold.name, judge, stream, counted, explained=explained) for stream, counted in fold.streams
            ]
    outcome.figures = figures_of(outcome)
    return outcome


def judged(
    name: str,
    judge: Judge,
    labelled: list[LabelledReport],
    counted: list[bool] | None = None,
    *,
    explained: bool = False,
) -> Judged:
    """Both lives of one stream."""
    alone = live(judge, labelled, answered=False, explained=explained)
    helped = live(judge, labelled, answered=True)
    return Judged(name, labelled, alone, helped, counted)


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """The keys of the issue: means over the parts, and the same for the plain methods.

    Streams of one name are one part (a town's months): its pairs are counted together before the mean is taken.
    """
    parts: dict[str, list[Judged]] = {}
    for stream in outcome.streams:
        parts.setdefault(stream.name, []).append(stream)
    rows = [part_figures([(s, s.alone.clusters, s.helped) for s in streams]) for streams in parts.values()]
    by_name: dict[str, list[Figures]] = defaultdict(list)
    for streams in parts.values():
        for name, method in BY_FORMAT[outcome.form].items():
            begun = perf_counter()
            grouped = [method(stream.labelled) for stream in streams]
            seconds = perf_counter() - begun
            plain = part_figures([(s, own, None) for s, own in zip(streams, grouped, strict=True)])
            plain["reports_per_s"] = sum(len(s.labelled) for s in streams) / max(seconds, 1e-9)
            by_name[name].append(plain)
    figures: dict[str, Any] = {"format": outcome.form} | mean_of(rows)
    figures["reports"] = int(sum(row["reports"] or 0 for row in rows))
    if outcome.form == "cases":
        flagged = [item.relation == "duplicate" for s in outcome.streams for item in s.labelled]
        figures["flagged_share"] = ratio(sum(flagged), len(flagged))
    figures["parts"] = [{"name": name} | row for name, row in zip(parts, rows, strict=True)]
    figures["baselines"] = {name: mean_of(plain) for name, plain in by_name.items()}
    if outcome.form == "county":
        figures["hard_cases"] = hard_cases(outcome)
    return figures


def stream_figures(stream: Judged) -> Figures:
    """Figures of a part that is one stream."""
    return part_figures([(stream, stream.alone.clusters, stream.helped)])


def part_figures(lived: Sequence[tuple[Judged, Sequence[str], Life | None]]) -> Figures:
    """Figures of one part over its streams; without a helped life, a method that asks nobody.

    Reports that do not count stand in the streams only: a question or a join of theirs is nobody's figure, a pair with
    one that counts is. `merged_share` alone is of all that came.
    """
    marks = [mark for stream, _, _ in lived for mark in stream.marks]
    truth = [(n, i.problem) if i.problem else None for n, (stream, _, _) in enumerate(lived) for i in stream.labelled]
    own_truth = [label if mark else None for label, mark in zip(truth, marks, strict=True)]
    clusters = [(n, cluster) for n, (_, own, _) in enumerate(lived) for cluster in own]
    right, joined, due = pair_counts(clusters, truth, marks)
    count = max(sum(marks), 1)
    precision, recall = b_cubed(clusters, own_truth)
    links = [links_joined(stream, own) for stream, own, _ in lived]
    first = sum(c == i.facts.report_id for s, own, _ in lived for c, i in zip(own, s.labelled, strict=True))
    found: Figures = {
        "reports": float(sum(marks)),
        "due_pairs": float(due),
        "joined_pairs": float(joined),
        "merge_precision": ratio(right, joined),
        "merge_recall": ratio(right, due),
        "merge_ask_recall": ratio(right, due),
        "asked_share": 0.0,
        "bcubed_precision": precision,
        "bcubed_recall": recall,
        "group_recall": group_recall(clusters, own_truth),
        "links_joined": ratio(sum(together for together, _ in links), sum(due for _, due in links)),
        "merged_share": 1.0 - first / max(len(marks), 1),
    }
    helped = [(stream, life) for stream, _, life in lived if life is not None]
    if helped:
        answered = [(n, cluster) for n, (_, life) in enumerate(helped) for cluster in life.clusters]
        right, _, due = pair_counts(answered, truth, marks)
        found["merge_ask_recall"] = ratio(right, due)
        alone = [one for stream, _ in helped for one in questions(stream, stream.alone)]
        asked = [one for stream, life in helped for one in questions(stream, life)]
        found["asked_share"] = max(len(alone), len(asked)) / count
        found["asked_incidents_per_question"] = ratio(sum(asked), len(asked))
        found["reports_per_s"] = len(marks) / max(sum(stream.alone.seconds for stream, _ in helped), 1e-9)
    return found


def questions(stream: Judged, life: Life) -> list[int]:
    """How many incidents each question about a report that counts shows."""
    shown = [len(verdict.question()) for verdict in life.verdicts]
    return [count for count, mark in zip(shown, stream.marks, strict=True) if mark and count]


def links_joined(stream: Judged, clusters: Sequence[str]) -> tuple[int, int]:
    """Known links of reports that count: how many have both ends in one incident, and how many there are."""
    links = [(later, earlier) for later, earlier in links_of(stream.labelled) if stream.marks[later]]
    return sum(clusters[later] == clusters[earlier] for later, earlier in links), len(links)


def links_of(labelled: Sequence[LabelledReport]) -> Iterator[tuple[int, int]]:
    """A report and the one that it repeats, by number: its parent where the source names one, else its problem's first."""
    number_of = {item.facts.report_id: number for number, item in enumerate(labelled)}
    parents = {item.parent for item in labelled}
    first: dict[str, int] = {}
    for number, item in enumerate(labelled):
        if item.problem is None:
            continue
        earlier = first.setdefault(item.problem, number)
        named = number_of.get(item.parent) if item.parent else None
        if named is not None:
            yield number, named
        elif earlier != number and item.facts.report_id not in parents:  # a parent's links are its children's
            yield number, earlier


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
        lived = zip(stream.labelled, stream.alone.clusters, stream.alone.verdicts, stream.marks, strict=True)
        for item, cluster, verdict, counts in lived:
            problem = item.problem or item.facts.report_id
            others = held[cluster] - {problem}
            for letter in item.hard:
                if letter not in kinds or not counts:
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
    """The `count` worst false merges, and the `count` worst misses with the evidence of where they belong."""
    by_id = {item.facts.report_id: item for item in stream.labelled}
    members: dict[str, list[LabelledReport]] = defaultdict(list)
    home: dict[str, str] = {}
    false: list[dict[str, Any]] = []
    missed: list[dict[str, Any]] = []
    lived = zip(stream.labelled, stream.alone.clusters, stream.alone.verdicts, stream.marks, strict=True)
    for number, (item, cluster, verdict, counts) in enumerate(lived):
        problems = {m.problem for m in members[cluster]}
        case = {
            "report": item.facts.report_id,
            "problem": item.problem,
            "text": item.facts.text[:120],
            "address": item.facts.address,
            "band": verdict.band,
        }

        def told(incident: str | None, score: float, evidence: Sequence[Reason]) -> dict[str, Any]:
            text = by_id[incident].facts.text[:120] if incident else None
            shown = [f"{r.text_zh}（{r.weight:+.1f}）" for r in evidence]
            return {"score": score, "incident": incident, "incident_text": text, "reasons": shown}

        if not counts:
            pass
        elif verdict.band == "merge" and item.problem and item.problem not in problems and problems - {None}:
            false.append({"kind": "false merge"} | case | told(verdict.incident_id, verdict.score, verdict.reasons))
        elif verdict.band != "merge" and item.problem in home:
            right = stream.alone.right.get(number)
            if right is None:
                case |= told(home[item.problem], 0.0, ()) | {"reasons": [NOT_FOUND]}
            else:
                best = verdict.candidates[0].incident_id == right[0]
                case |= told(right[0], verdict.score if best else right[1], right[2])
            missed.append({"kind": "miss"} | case)
        members[cluster].append(item)
        if item.problem:
            home.setdefault(item.problem, cluster)
    false.sort(key=lambda c: -float(c["score"]))
    missed.sort(key=lambda c: float(c["score"]))
    return false[:count] + missed[:count]


def with_limits(pack: PackBits, merge: float, ask: float, window_days: float) -> PackBits:
    """The pack with one pair of limits for every heading."""
    limits = replace(pack.correlation.default, merge=merge, ask=ask, window_days=window_days)
    return replace(pack, correlation=replace(pack.correlation, default=limits, by_matter={}))
