"""The learned part as a file: versioned arrays with their description, read without running any code in it.

Refuses pickles and refuses a file of another format version: numbers only, so a model can be handed on.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from .text import BUCKETS

FORMAT = 4
"""Raised when the meaning of an array changes; a file of another format is refused."""
FLAG_NAMES = ("emergency", "follow_up", "recurrence", "two_problems")
"""Columns of the text model between the headings and the wording space."""
LEAF = -1
TREE_PARTS = ("feature", "limit", "missing_left", "left", "right")
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


class ModelUnreadableError(ValueError):
    """The file is not a judgement model of this format."""


@dataclass(frozen=True)
class TextModel:
    """Linear scorers over hashed n-grams.

    `rows` maps a bucket to a row of `weights` (0 is a row of zeros: an n-gram never seen in learning);
    columns are the headings first, then FLAG_NAMES, then the wording space.
    """

    idf: Floats
    rows: Ints
    weights: Floats
    bias: Floats
    matter_codes: tuple[str, ...]
    sharpness: float
    flag_slopes: Floats
    """Slope and offset of each flag's logistic calibration, shape (flags, 2)."""
    topics: int

    @property
    def matters(self) -> int:
        """Number of headings."""
        return len(self.matter_codes)


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees, arrays of shape (trees, nodes), the root first; the output is a log-odds.

    A value up to the node's `limit` goes `left`, an unknown one where `missing_left` says; a node whose `feature` is
    LEAF answers with its `limit`.
    """

    feature: npt.NDArray[np.int16]
    limit: Floats
    missing_left: npt.NDArray[np.bool_]
    left: npt.NDArray[np.uint8]
    right: npt.NDArray[np.uint8]
    offset: float


@dataclass(frozen=True)
class JudgementModel:
    """All that was learned, with the figures it was let go live on."""

    text: TextModel
    gate: Floats
    """Weights of the first look (see `retrieval.LOOKS`), the constant last; below zero is hopeless."""
    pair: Trees
    final: Trees
    gap_hours: Floats
    """Usual longest gap between two reports of one problem, hours per heading."""
    join_rates: Floats | None = None
    """Log share of reports that were known already, per heading; only for sources without words (see `habits`)."""
    description: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Content hash: tells one model from another."""
        return str(self.description.get("version", "unsaved"))


def save_model(model: JudgementModel, path: Path) -> str:
    """Write the model; returns its version (a hash of the arrays)."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "text_idf": model.text.idf.astype(np.float16),
        "text_rows": model.text.rows,
        "text_weights": model.text.weights.astype(np.float16),
        "text_bias": model.text.bias,
        "text_flag_slopes": model.text.flag_slopes,
        "gap_hours": model.gap_hours,
        "gate": model.gate,
    }
    if model.join_rates is not None:
        arrays["join_rates"] = model.join_rates
    for name, trees in (("pair", model.pair), ("final", model.final)):
        arrays |= {f"{name}_{part}": getattr(trees, part) for part in TREE_PARTS}
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    version = digest.hexdigest()[:12]
    description = dict(model.description) | {
        "format": FORMAT,
        "version": version,
        "matter_codes": list(model.text.matter_codes),
        "sharpness": model.text.sharpness,
        "topics": model.text.topics,
        "offsets": [model.pair.offset, model.final.offset],
    }
    buffer = io.BytesIO()
    encoded = np.frombuffer(json.dumps(description, ensure_ascii=False, sort_keys=True).encode(), dtype=np.uint8)
    np.savez_compressed(buffer, description=encoded, **arrays)  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    return version


def model_file(pack: Path, learned: Path | None = None) -> Path:
    """Where the live model of a pack's folder stands: what an installation has learned, else the pack's own."""
    return learned if learned is not None and learned.exists() else pack / "model" / "judgement.npz"


def load_model(path: Path) -> JudgementModel:
    """Read a model file.

    Raises:
        ModelUnreadableError: not a model, or one of another format.
    """
    if not path.is_file():
        raise ModelUnreadableError(f"no model at {str(path)!r}; learn one with `huying learn --from FILE`")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        description = json.loads(arrays["description"].tobytes())
        if description.get("format") == FORMAT:
            return _model_of(arrays, description)
    except (OSError, LookupError, TypeError, ValueError, AttributeError, BadZipFile, zlib.error) as broken:
        raise ModelUnreadableError(
            f"{str(path)!r} is not a judgement model; learn one with `huying learn --from FILE`"
        ) from broken
    raise ModelUnreadableError(
        f"{str(path)!r} has format {description.get('format')!r}, this program reads {FORMAT}; learn it again"
    )


def _model_of(arrays: Mapping[str, npt.NDArray[Any]], description: Mapping[str, Any]) -> JudgementModel:
    text = TextModel(
        idf=arrays["text_idf"].astype(np.float32),
        rows=arrays["text_rows"].astype(np.int32),
        weights=arrays["text_weights"].astype(np.float32),
        bias=arrays["text_bias"].astype(np.float32),
        matter_codes=tuple(description["matter_codes"]),
        sharpness=float(description["sharpness"]),
        flag_slopes=arrays["text_flag_slopes"].astype(np.float32),
        topics=int(description["topics"]),
    )
    trees = [
        Trees(
            **{part: arrays[f"{name}_{part}"] for part in TREE_PARTS},
            offset=float(description["offsets"][i]),
        )
        for i, name in enumerate(("pair", "final"))
    ]
    return JudgementModel(
        text, arrays["gate"], trees[0], trees[1], arrays["gap_hours"], arrays.get("join_rates"), description
    )


def untrained_text(matter_codes: tuple[str, ...]) -> TextModel:
    """A text model that knows nothing: even chances for every heading (an empty county starts with it)."""
    columns = len(matter_codes) + len(FLAG_NAMES)
    return TextModel(
        idf=np.ones(BUCKETS, dtype=np.float32),
        rows=np.zeros(BUCKETS, dtype=np.int32),
        weights=np.zeros((1, columns), dtype=np.float32),
        bias=np.zeros(columns, dtype=np.float32),
        matter_codes=matter_codes,
        sharpness=1.0,
        flag_slopes=np.array([[1.0, -4.0]] * len(FLAG_NAMES), dtype=np.float32),
        topics=0,
    )
