"""What the engine remembers of one report: the few numbers that all evidence is computed from.

Refuses to hold the text or the person: a trait set can be thrown away and made again from the stored facts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

CHANNELS = (
    "citizen_app", "qr_code", "grid_worker", "hotline_12345", "secretary_hotline",
    "party_gov_site", "internet_supervision", "iot",
)  # fmt: skip
"""Doors the learned evidence knows; any other counts as a citizen's message (index 0)."""


@dataclass(slots=True)
class Traits:
    """One report as numbers. Positions in metres from the county's middle, times in hours since 1970."""

    report_id: str
    at: float
    channel: int
    x: float
    y: float
    village: int
    """Index of the village given or clearly named; -1 unknown."""
    village_sure: float
    mentioned: tuple[int, ...]
    """Villages named in text or address (shared names give several)."""
    town: int
    matters: Floats
    """Calibrated distribution over the pack's headings."""
    topic: Floats
    """Unit vector of the learned wording space (what kind of trouble, whatever the words)."""
    gram_ids: Ints
    gram_weights: Floats
    place_ids: Ints
    place_weights: Floats
    """N-grams of the address and of place phrases in the text."""
    concepts: int
    landmarks: int
    sides: int
    numbers: frozenset[str]
    reporter: str | None
    device: str | None
    """Device and alarm kind together: the identity of an alarm."""
    device_id: str | None
    cleared: bool
    follow_up: float
    recurrence: float
    done: float
    emergency: float
    length: int
    has_address: bool
