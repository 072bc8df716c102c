"""Judges first screening on labelled county months: heading, clock, unit, emergencies.

Refuses the easy way of judging texts alone: reports are screened in order of arrival with what stands open,
as they are live; the figures of the text alone stand beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from huying.county import Pack, load
from huying.routing.domain import Catalogue, classify, locate, place_of
from huying.routing.judgement import Correlator, IncidentView, Judge, Screening
from huying.routing.judgement.learning.labelled import LabelledReport

from .figures import Figures, mean_of, ratio
from .fitting import fitted
from .folds import folds_of
from .living import SCREENED_AT_ONCE
from .shipped import pack_dir, shipped_judge
from .sources import in_order, read_county


def evaluate_screening(
    files: Sequence[Path], cv: str | None, pack: Path | None, model: Path | None, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Figures of the files: the shipped engine, or cross-validated with `cv` (as in `eval correlate`).

    A part's streams are counted together before the mean over parts is taken: a month of a town may have no emergency.
    """
    months = [labelled for _, labelled in in_order(files, read_county)]
    county = load(pack_dir(pack))
    rows: list[Figures] = []
    if cv is None:
        judge = shipped_judge(pack, model)
        rows = [judged(county, judge, [(month, None)]) for month in months]
    else:
        for fold in folds_of("county", months, cv):
            progress(f"learning without {fold.name}")
            rows.append(judged(county, fitted("county", fold.learned, pack), fold.streams))
    figures: dict[str, Any] = dict(mean_of(rows))
    figures["reports"] = sum(len(month) for month in months)
    figures["parts"] = rows
    return figures


def in_context(judge: Judge, labelled: Sequence[LabelledReport]) -> tuple[list[Screening], list[Screening]]:
    """Screenings of the texts alone, and as revised by the incidents that the reports look like."""
    correlator = Correlator(judge)
    alone: list[Screening] = []
    revised: list[Screening] = []
    for start in range(0, len(labelled), SCREENED_AT_ONCE):
        batch = labelled[start : start + SCREENED_AT_ONCE]
        screenings = judge.screen([item.facts for item in batch])
        for item, screening in zip(batch, screenings, strict=True):
            verdict = correlator.judge(item.facts, screening)
            alone.append(screening)
            revised.append(correlator.revise(screening, verdict))
            if verdict.band == "merge" and verdict.incident_id is not None:
                correlator.join(verdict.incident_id, item.facts, screening)
            else:
                view = IncidentView(item.facts.report_id, (item.facts,), item.facts.received_at)
                correlator.add_incident(view, (screening,))
    return alone, revised


def judged(
    county: Pack, judge: Judge, streams: Sequence[tuple[Sequence[LabelledReport], Sequence[bool] | None]]
) -> Figures:
    """Figures of one part, over all its streams."""
    items: list[LabelledReport] = []
    texts: list[Screening] = []
    lived: list[Screening] = []
    for labelled, counted in streams:
        alone, revised = in_context(judge, labelled)
        chosen = [i for i in range(len(labelled)) if counted is None or counted[i]]
        items += [labelled[i] for i in chosen]
        texts += [alone[i] for i in chosen]
        lived += [revised[i] for i in chosen]
    by_text = screening_figures(county, items, texts)
    return screening_figures(county, items, lived) | {
        f"{key}_text_alone": by_text[key] for key in ("top1", "top3", "emergency_recall", "emergency_precision")
    }


def screening_figures(county: Pack, labelled: Sequence[LabelledReport], screenings: Sequence[Screening]) -> Figures:
    """The keys of the issue, each over the reports that have its label; clock and unit as the domain dispatches it."""
    duties = Catalogue(county)
    top1: list[bool] = []
    top3: list[bool] = []
    clock: list[bool] = []
    unit: list[bool] = []
    hits = alarms = dangers = 0
    for item, screening in zip(labelled, screenings, strict=True):
        what, where = classify(screening, county), locate(place_of(item.facts, county), screening, county)
        if item.matter is not None:
            codes = [matter.code for matter in screening.matters]
            top1.append(codes[0] == item.matter)
            top3.append(item.matter in codes[:3])
        if item.main_unit is not None:
            unit.append(duties.duty(what, where).main == item.main_unit)
        if item.clock is not None:
            clock.append(what.clock_class == item.clock)
            danger = item.clock == "emergency"
            dangers += danger
            alarms += screening.emergency
            hits += danger and screening.emergency
    return {
        "top1": ratio(sum(top1), len(top1)),
        "top3": ratio(sum(top3), len(top3)),
        "clock_class_accuracy": ratio(sum(clock), len(clock)),
        "main_unit_accuracy": ratio(sum(unit), len(unit)),
        "emergency_recall": ratio(hits, dangers),
        "emergency_precision": ratio(hits, alarms),
    }
