"""What the engine remembers of one report: the few numbers that all evidence is computed from.

Refuses to hold the text or the person: a trait set can be thrown away and made again from the stored facts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .text import BUCKETS, Ints, weigh

Floats = npt.NDArray[np.float32]

CHANNELS = (
    "citizen_app", "qr_code", "grid_worker", "hotline_12345", "secretary_hotline",
    "party_gov_site", "internet_supervision", "iot",
)  # fmt: skip
"""Doors the learned evidence knows; any other counts as a citizen's message (index 0)."""
WORDS = 72
"""N-grams remembered per report, text and address together: more moves no score and costs memory."""
SAID = 56
"""Of these at most so many from the text; the address gets what it needs of the rest."""
POSTED = 20
"""Heaviest of them, by which a report without a place finds its incident."""
EPOCH_HOURS = 438_288.0
"""2020-01-01 in hours since 1970: hours from here fit a 32-bit float to 15 seconds."""
HEAD = (
    "x", "y", "at", "centre_x", "centre_y", "village_sure", "town",
    "landmarks", "concepts", "sides", "place_unknown", "matter_sure_report",
    "follow_up", "recurrence", "done", "emergency_report", "channel", "length", "has_address", "is_machine", "cleared",
    "two_problems",
)  # fmt: skip
"""First columns of `Traits.packed`; what a report does not say is NaN (so are counts of 0 and no side)."""
H = {name: i for i, name in enumerate(HEAD)}
IDS_AT = len(HEAD)
WEIGHTS_AT = IDS_AT + WORDS
LATE_AT = WEIGHTS_AT + 2 * WORDS
NUMBERS_AT = LATE_AT + WORDS
NUMBERS = 4
"""House numbers and the like that are remembered of a report."""
TOPIC_AT = NUMBERS_AT + NUMBERS
"""Where in `Traits.packed` the word ids, their weights, how late they come, the numbers and the wording space begin."""


@dataclass(slots=True)
class Traits:
    """One report as numbers. Positions in metres from the county's middle, times in hours since 2020."""

    report_id: str
    packed: Floats
    """HEAD, then word ids (exact in a float below 2**24; unused ones are BUCKETS), their weights in the text, their
    weights in the address, how late they first stand in the text (0 at its beginning, below 1), then `number_ids`, then the
    unit vector of the learned wording space."""
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
    words: npt.NDArray[np.int32]
    """The POSTED heaviest word ids, heaviest first."""
    bits: npt.NDArray[np.uint64]
    """Landmarks (4 words), concepts (2 words), sides (1 word)."""
    channel: int
    reporter: str | None
    device: str | None
    """Device and alarm kind together: the identity of an alarm."""
    device_id: str | None
    cleared: bool
    follow_up: float
    recurrence: float
    emergency: float


def number_ids(numbers: Iterable[str]) -> Floats:
    """The first NUMBERS of what was said ("3号楼"), as hashes that a float holds exactly; NaN where there are fewer."""
    ids = [float(crc32(number.encode()) & 0xFFFFFF) for number in sorted(numbers)[:NUMBERS]]
    return np.array(ids + [math.nan] * (NUMBERS - len(ids)), dtype=np.float32)


NO_NUMBERS = number_ids(())


@compiled
def remember_words(said: Ints, place: Ints, length: int, idf: Floats, packed: Floats) -> Ints:
    """Enter the words of text and address worth remembering in `packed`; the POSTED heaviest of them.

    `said` has the n-grams of a text of `length` characters: those of one in order, then of two, then of three.
    """
    own, own_weights = weigh(said, idf, SAID)
    named, named_weights = weigh(place, idf, WORDS - len(own))
    ids, weights = packed[IDS_AT:WEIGHTS_AT], packed[WEIGHTS_AT:LATE_AT]
    late = packed[LATE_AT:NUMBERS_AT]
    ids[:] = BUCKETS
    weights[:] = 0.0
    late[:] = 0.0
    used = len(own)
    ids[:used] = own
    weights[:used] = own_weights
    for number in range(len(named)):
        word = named[number]
        at = int(np.searchsorted(own, word))
        if at == len(own) or own[at] != word:
            at = used
            used += 1
            ids[at] = word
        weights[WORDS + at] = named_weights[number]
    for number in range(len(said) - 1, -1, -1):
        at = int(np.searchsorted(own, said[number]))
        if at < len(own) and own[at] == said[number]:
            begin, size = number, length
            while begin >= size > 0:
                begin -= size
                size -= 1
            late[at] = begin / length
    heaviest = np.argsort(-np.maximum(weights[:used], weights[WORDS : WORDS + used]), kind="mergesort")
    return ids[heaviest[:POSTED]].astype(np.int32)
