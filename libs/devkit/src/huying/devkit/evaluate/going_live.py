"""Learns a model, judges it on a month it has not seen, and swaps it in; or swaps the one before back.

Refuses to replace a live model by one that joins fewer or wronger, unless told to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from huying.routing.judgement import Judge, load_model, save_model
from huying.routing.judgement.learning import learn

from .correlate import judged, mean_of, stream_figures
from .shipped import model_path, pack_bits
from .sources import read_county

FLOORS = {"merge_precision": 0.93, "merge_recall": 0.5}
"""A new model below these on its held-out months stays out: plain methods reach 0.98 and 0.23."""
SWING = {"merge_precision": 0.02, "merge_recall": 0.05}
"""Nor may it stand further than this below the figures that the live one went live on: other months differ so much."""
JUDGED_ON = 3
"""Files held out in turn: a single month's precision swings by three points with one wrong chain."""
PREVIOUS = ".previous.npz"


def go_live(files: Sequence[Path], pack: Path | None, anyway: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Learn from all files; what goes live is judged by twins, each without one of the last files.

    Returns figures with `live` and a `verdict` in words.
    """
    months = [read_county(path) for path in files]
    bits = pack_bits(pack)
    figures: dict[str, Any] = {"files": len(files), "reports": sum(map(len, months))}
    judged_on = range(max(len(months) - JUDGED_ON, 0), len(months)) if len(months) > 1 else range(0)
    rows = []
    for held in judged_on:
        progress(f"learning without {files[held].name}, to judge on it")
        twin = learn([item for i, month in enumerate(months) if i != held for item in month], bits, progress)
        stream = judged(files[held].stem, Judge(bits, twin.model), months[held])
        rows.append(stream_figures(stream, stream.alone.clusters, stream.helped))
    names = [files[held].name for held in judged_on]
    if rows:
        figures |= mean_of(rows) | {"reports": sum(map(len, months))}
    live = model_path(pack)
    wanted = wanted_figures(live) if rows else {}
    short = [f"{key} {figures[key]:.3f} (wanted {limit:.3f})" for key, limit in wanted.items() if figures[key] < limit]
    if short and not anyway:
        return figures | {"live": False, "verdict": f"not live: {', '.join(short)} on {names}; --anyway overrules"}
    progress("learning from all files")
    learned = learn([item for month in months for item in month], bits, progress)
    kept = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    description = dict(learned.model.description) | {"judged_on": names, "figures": kept}
    fresh = live.with_suffix(".fresh.npz")
    version = save_model(dataclasses.replace(learned.model, description=description), fresh)
    load_model(fresh)
    if live.exists():
        live.replace(live.with_name(live.stem + PREVIOUS))
    fresh.replace(live)
    return figures | {"live": True, "version": version, "verdict": f"live: model {version} at {live}"}


def wanted_figures(live: Path) -> dict[str, float]:
    """What a new model must reach: the floors, and about what the live one was let go live on."""
    known = load_model(live).description.get("figures", {}) if live.exists() else {}
    return {key: max(floor, known.get(key, 0.0) - SWING[key]) for key, floor in FLOORS.items()}


def roll_back(pack: Path | None) -> dict[str, Any]:
    """Swap the live model and the one before it.

    Raises:
        FileNotFoundError: there is none before it.
    """
    live = model_path(pack)
    previous = live.with_name(live.stem + PREVIOUS)
    if not previous.exists():
        raise FileNotFoundError(f"no model before the live one at {str(previous)!r}; nothing to roll back to")
    model = load_model(previous)
    aside = live.with_suffix(".aside.npz")
    live.replace(aside)
    previous.replace(live)
    aside.replace(previous)
    return {"live": True, "version": model.version, "reports": int(model.description.get("reports", 0))}
