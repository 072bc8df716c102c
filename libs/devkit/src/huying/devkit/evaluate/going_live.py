"""Learns a model, judges it on a month it has not seen, and swaps it in; or swaps the one before back.

Refuses to replace a live model by one that joins fewer or wronger, unless told to.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huying.county import load
from huying.routing.judgement import Judge, JudgementModel, load_model, model_file, save_model
from huying.routing.judgement.learning import learn
from huying.routing.judgement.learning.labelled import LabelledReport
from huying.routing.judgement.model import ModelUnreadableError
from huying.routing.models import Models

from .corrections import NothingToLearnError, period_of
from .correlate import judged, stream_figures
from .figures import due_pairs, mean_of
from .shipped import model_path, pack_bits, pack_dir
from .sources import UnusableError, in_order, read_county

FLOORS = {"merge_precision": 0.95, "merge_recall": 0.5}
"""A new model below these on its held-out months stays out: plain methods reach 0.98 and 0.23."""
SWING = {"merge_precision": 0.02, "merge_recall": 0.05}
"""Nor may it stand further than this below the figures that the live one went live on: other months differ so much."""
JUDGED_ON = 3
"""Files held out in turn: a single month's precision swings by three points with one wrong chain."""
JUDGING_PAIRS = 100
"""Pairs of reports on one problem that a month needs to judge a model: with fewer a recall is not known to five points
(one standard error), which is what it may swing by. The 450 reports of a whole month have some 750 such pairs."""
LEAST = 100
"""Labelled reports that a model needs: below it some parts of a model have no example to learn from."""
PREVIOUS = ".previous.npz"
TAKEN_UP = (
    "live: model {version} at {live}. A running routing that reads this file judges by it within seconds: "
    "see huying_routing_model_info in its /metrics, or GET /v1/model"
)


@dataclass(frozen=True)
class Month:
    """Labelled reports to learn from. `whole`: every report has its answer, so that a model can be judged on it."""

    name: str
    labelled: list[LabelledReport]
    whole: bool = True


def months_of(files: Sequence[Path], corrected: Sequence[LabelledReport] = ()) -> list[Month]:
    """The files, and the corrections of a running system by month."""
    periods = sorted({item.period for item in corrected})
    feed = [Month(period, [item for item in corrected if item.period == period], False) for period in periods]
    return [Month(path.name, labelled) for path, labelled in in_order(files, read_county)] + feed


def taught_without(months: Sequence[Month], held: int) -> list[LabelledReport]:
    """What the twin learns that is judged on the held month: nothing of its reports, nor of what people corrected then."""
    own = {(item.facts.report_id, item.facts.received_at) for item in months[held].labelled}
    then = {period_of(received_at) for _, received_at in own}
    others = (item for number, month in enumerate(months) if number != held for item in month.labelled)
    return [i for i in others if i.period not in then and (i.facts.report_id, i.facts.received_at) not in own]


def go_live(
    months: Sequence[Month], pack: Path | None, model: Path | None, anyway: bool, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Learn from all months; what goes live is judged by twins, each without one of the last whole months.

    It is written to `model`, or into the pack. Returns figures with `live` and a `verdict` in words.

    Raises:
        NothingToLearnError: there are fewer reports than a model can be made of.
    """
    reports = sum(len(month.labelled) for month in months)
    if reports < LEAST:
        raise NothingToLearnError(
            f"{reports} labelled reports are too few for a model (at least {LEAST}): "
            "add labelled months with --from FILE beside them"
        )
    bits, live = pack_bits(pack), model or model_path(pack)
    before = model_file(pack_dir(pack), live)
    corrected = sum(len(month.labelled) for month in months if not month.whole)
    figures: dict[str, Any] = {"files": sum(month.whole for month in months), "reports": reports}
    figures |= {"corrected": corrected} if corrected else {}
    whole = [number for number, month in enumerate(months) if month.whole] or list(range(len(months)))
    due = {number: due_pairs([item.problem for item in months[number].labelled]) for number in whole}
    judging = [number for number in whole if due[number] >= JUDGING_PAIRS] if len(whole) > 1 else []
    judged_on = [held for held in judging[-JUDGED_ON:] if taught_without(months, held)]
    rows = []
    for held in judged_on:
        progress(f"learning without {months[held].name}, to judge on it")
        taught = learn(taught_without(months, held), bits, progress)
        stream = judged(months[held].name, Judge(bits, taught.model), months[held].labelled)
        rows.append(stream_figures(stream))
    names = [months[held].name for held in judged_on]
    if rows:
        figures |= mean_of(rows) | {"reports": reports}
    elif not anyway:
        most = max(due.values(), default=0)
        verdict = (
            f"not live: nothing to judge it on (at most {most} pairs of reports on one problem in a month); learn from "
            f"two labelled months at least, one of them with at least {JUDGING_PAIRS} such pairs, or overrule with --anyway"
        )
        return figures | {"live": False, "verdict": verdict}
    wanted = wanted_figures(before) if rows else {}
    # A precision of no joins is None; the recall beside it is 0 then.
    known = {key: figures[key] for key in wanted if figures[key] is not None}
    short = [f"{key} {known[key]:.3f} (wanted {wanted[key]:.3f})" for key in known if known[key] < wanted[key]]
    if short and not anyway:
        return figures | {"live": False, "verdict": f"not live: {', '.join(short)} on {names}; --anyway overrules"}
    progress("learning from all")
    learned = learn([item for month in months for item in month.labelled], bits, progress)
    kept = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    description = dict(learned.model.description) | {"judged_on": names, "figures": kept}
    fresh = live.with_suffix(".fresh.npz")
    version = save_model(dataclasses.replace(learned.model, description=description), fresh)
    _judging(fresh, pack)
    if _usable(before, pack):  # a broken one must not take the place of the last good one
        _copy(before, live.with_name(live.stem + PREVIOUS))
    fresh.replace(live)
    return figures | {"live": True, "version": version, "verdict": TAKEN_UP.format(version=version, live=live)}


def _judging(file: Path, pack: Path | None) -> JudgementModel:
    """The model, as routing takes it up: what it would refuse must not be called live."""
    return Models(load(pack_dir(pack)), None).judge(file).model


def _usable(file: Path, pack: Path | None) -> bool:
    try:
        _judging(file, pack)
    except ModelUnreadableError:
        return False
    return True


def _copy(one: Path, other: Path) -> None:
    """Whole or not at all; and the live place is never empty, since routing looks at it."""
    aside = other.with_suffix(".copy.npz")
    shutil.copyfile(one, aside)
    aside.replace(other)


def wanted_figures(live: Path) -> dict[str, float]:
    """What a new model must reach: the floors, and about what the live one was let go live on."""
    try:
        known = load_model(live).description.get("figures", {})
    except ModelUnreadableError:  # none yet, or one of an older format: the floors alone decide
        known = {}
    return {key: max(floor, known.get(key, 0.0) - SWING[key]) for key, floor in FLOORS.items()}


def roll_back(pack: Path | None, model: Path | None) -> dict[str, Any]:
    """Swap the live model and the one before it.

    Raises:
        UnusableError: there is none before it.
        ModelUnreadableError: routing would refuse the one before it.
    """
    live = model or model_path(pack)
    previous = live.with_name(live.stem + PREVIOUS)
    if not previous.exists():
        raise UnusableError(f"no model before the live one at {str(previous)!r}; nothing to roll back to")
    back = _judging(previous, pack)
    aside = live.with_suffix(".aside.npz")
    if live.exists():
        _copy(live, aside)
    previous.replace(live)
    if aside.exists():
        aside.replace(previous)
    verdict = TAKEN_UP.format(version=back.version, live=live)
    return {
        "live": True,
        "version": back.version,
        "reports": int(back.description.get("reports", 0)),
        "verdict": verdict,
    }
