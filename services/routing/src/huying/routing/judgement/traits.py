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
WORDS = 72
"""N-grams remembered per report, text and address together: more moves no score and costs memory."""
SAID = 56
"""Of these at most so many from the text; the address gets what it needs of the rest."""
EPOCH_HOURS = 438_288.0
"""2020-01-01 in hours since 1970: hours from here fit a 32-bit float to 15 seconds."""
HEAD = (
    "x", "y", "at", "centre_x", "centre_y", "village_sure", "town",
    "landmarks", "concepts", "sides", "place_unknown", "matter_sure_report",
    "follow_up", "recurrence", "done", "emergency_report", "channel", "length", "has_address", "is_machine", "cleared",
)  # fmt: skip
"""First columns of `Traits.packed`; what a report does not say is NaN (so are counts of 0 and no side)."""
H = {name: i for i, name in enumerate(HEAD)}
IDS = slice(len(HEAD), len(HEAD) + WORDS)
WEIGHTS = slice(IDS.stop, IDS.stop + 2 * WORDS)
TOPIC = slice(WEIGHTS.stop, None)


@dataclass(slots=True)
class Traits:
    """One report as numbers. Positions in metres from the county's middle, times in hours since 2020."""

    report_id: str
    packed: Floats
    """HEAD, then word ids (exact in a float below 2**24; unused ones are BUCKETS), their weights in the text, their
    weights in the address, then the unit vector of the learned wording space."""
    ids: Ints
    """The word ids in use."""
    weights: Floats
    """For each of them, after a column of zeros: weight in the text, in the address, both squared, and rarity."""
    at: float
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
    likely: tuple[int, int]
    """The two likeliest headings."""
    words: tuple[int, ...]
    """The ids in use, heaviest first: how a report without a place finds its incident."""
    bits: npt.NDArray[np.uint64]
    """Landmarks (4 words), concepts (2 words), sides (1 word)."""
    numbers: frozenset[str]
    channel: int
    reporter: str | None
    device: str | None
    """Device and alarm kind together: the identity of an alarm."""
    device_id: str | None
    cleared: bool
    follow_up: float
    recurrence: float
    emergency: float
