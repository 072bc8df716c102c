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

PRECISION_FLOOR = 0.95
RECALL_FLOOR = 0.5
"""A new model below these on its held-out month stays out: plain methods reach 0.98 and 0.23."""
PREVIOUS = ".previous.npz"


def go_live(files: Sequence[Path], pack: Path | None, anyway: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Learn from all files; what goes live is judged by its twin that did not learn from the last file.

    Returns figures with `live` and a `verdict` in words.
    """
    months = [read_county(path) for path in files]
    bits = pack_bits(pack)
    figures: dict[str, Any] = {"files": len(files), "reports": sum(map(len, months))}
    fine = True
    if len(months) > 1:
        progress(f"learning without {files[-1].name}, to judge on it")
        twin = learn([item for month in months[:-1] for item in month], bits, progress)
        stream = judged(files[-1].stem, Judge(bits, twin.model), months[-1])
        figures |= mean_of([stream_figures(stream, stream.alone.clusters, stream.helped)])
        fine = figures["merge_precision"] >= PRECISION_FLOOR and figures["merge_recall"] >= RECALL_FLOOR
    live = model_path(pack)
    if not fine and not anyway:
        return figures | {
            "live": False,
            "verdict": f"not live: below {PRECISION_FLOOR} / {RECALL_FLOOR} on {files[-1].name}; --anyway overrules",
        }
    progress("learning from all files")
    learned = learn([item for month in months for item in month], bits, progress)
    kept = {key: value for key, value in figures.items() if isinstance(value, int | float)}
    description = dict(learned.model.description) | {"judged_on": files[-1].name, "figures": kept}
    fresh = live.with_suffix(".fresh.npz")
    version = save_model(dataclasses.replace(learned.model, description=description), fresh)
    load_model(fresh)
    if live.exists():
        live.replace(live.with_name(live.stem + PREVIOUS))
    fresh.replace(live)
    return figures | {"live": True, "version": version, "verdict": f"live: model {version} at {live}"}


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
    return {"live": True, "version": model.version, "reports": len(model.description.get("periods", []))}
