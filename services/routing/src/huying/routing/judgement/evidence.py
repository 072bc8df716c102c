"""Evidence: one row of numbers for each incident that a report may belong to.

Refuses to weigh it (the scorer does) and to look at anything but traits and the index. NaN means unknown: a missing
point is not a far one.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .compiled import compiled
from .index import COLUMN, Bits, IncidentIndex, Rows
from .postings import Lists, count_of
from .records import day_key
from .retrieval import ALARM, DEVICE, MENTIONED, PERSON, VILLAGE, Found
from .text import BUCKETS
from .traits import IDS_AT, LATE_AT, NUMBERS, NUMBERS_AT, TOPIC_AT, WEIGHTS_AT, WORDS, Floats, H, Traits

Ints = npt.NDArray[np.int64]

MEANS = ("text_mean", "place_mean", "topic_mean")
BEST = (
    "text_best", "place_best", "topic_best", "said_place_known", "place_said_known",
    "text_known", "place_known", "rarity_common", "rarest_common", "metres_best", "hours_nearest",
)  # fmt: skip
"""Best over the incident's reports; the first three also as means."""
LATE = ("late_in_ours", "late_in_theirs")
"""How late in the text shared words stand: who tells of two problems shares the second one from the middle on."""
SAID = (
    "village_same", "village_mentioned", "reporter_same", "device_same", "device_id_same",
    "numbers_common", "numbers_differ",
)  # fmt: skip
NAMES = (VILLAGE, MENTIONED, PERSON, ALARM, DEVICE)
"""The first of SAID, as the search found them."""
DISTANCES = ("metres_middle", "metres_village", "metres_centre_to_point", "metres_between_villages")
TIMES = ("hours_since_last", "hours_since_first", "pace", "pace_first")
SPOTS = ("landmarks_common", "concepts_common", "sides_common", "landmarks_share", "concepts_share", "sides_differ")
MATTERS = ("matter_dot", "matter_agreed", "matter_ours", "matter_agreed_top", "matter_theirs")
OWN = (
    "follow_up", "recurrence", "done", "emergency_report", "channel", "length", "has_address", "is_machine", "cleared",
    "place_unknown", "matter_sure_report", "two_problems",
)  # fmt: skip
THEIRS = {
    "reports": "reports", "people": "people", "incident_follow_ups": "follow_ups", "emergency_incident": "emergency",
    "matter_sure_incident": "sure", "matter_agreed_sure": "sharp_sure", "machines": "machines",
    "two_problems_incident": "two_problems", "spread": "spread",
}  # fmt: skip
"""Columns of the index as they are."""
COUNTS = ("here", "here_same_matter", "candidates")
MARGINS = {
    "text_margin": "text_best", "place_margin": "said_place_known", "topic_margin": "topic_best",
    "rarity_margin": "rarity_common", "matter_margin": "matter_dot", "agreed_margin": "matter_agreed",
    "metres_margin": "metres_best",
}  # fmt: skip
"""How far an incident leads or trails the report's other candidates in something."""
FEATURES = (
    *BEST, *MEANS, "text_last", *LATE, *SAID, *DISTANCES, *TIMES, *SPOTS, *MATTERS, *OWN, *THEIRS,
    "village_sure", "town_same", "channel_seen", "busy", *COUNTS, *MARGINS,
)  # fmt: skip
"""Names of the rows, in order; the model file records them."""
F = {name: i for i, name in enumerate(FEATURES)}

HERE_M = 450.0
"""Two points of one problem are at most 300 m apart; with measuring error, this is "here"."""


PLACES = 4096
"""Room for a report's words: few enough to stay in the processor's first cache, many more than WORDS, so that they stand
apart and a search for one that is not there ends."""


class Workbench:
    """What reading evidence needs beside the report: how rare each word is, and where it stands in the report."""

    def __init__(self, rare: Floats) -> None:
        """`rare` has a weight for each word bucket."""
        self.rare = rare
        self.places = np.zeros(PLACES, dtype=np.int16)
        """Scratch, zeros between two reports: a hash table of the report's words to their place among them, from 1."""


def evidence(report: Traits, found: Found, index: IncidentIndex, bench: Workbench) -> Floats:
    """Features (slots, len(FEATURES)); the rows of one report's candidates know of each other."""
    return _evidence(
        report.packed, report.matters, report.bits, report.likely[0], int(report.at // 24), found.slots, found.shared,
        found.named, index.postings.lists, index.members, index.pool, index.rows, index.chances, index.bits, bench.rare, bench.places,
    )  # fmt: skip


_TEXT_BEST, _TEXT_MEAN, _TEXT_LAST, _SAID, _NUMBERS, _METRES_MIDDLE, _BUSY = (
    F[name] for name in ("text_best", "text_mean", "text_last", SAID[0], "numbers_common", "metres_middle", "busy")
)
_LATE = F[LATE[0]]
_METRES_BEST, _VILLAGE_SAME, _MATTER_DOT = F["metres_best"], F["village_same"], F["matter_dot"]
_SINCE, _SPOTS, _MATTERS, _OWN, _THEIRS, _VILLAGE_SURE, _TOWN_SAME, _CHANNEL_SEEN, _COUNTS, _MARGINS = (
    F[name]
    for name in (
        TIMES[0], SPOTS[0], MATTERS[0], OWN[0], next(iter(THEIRS)), "village_sure", "town_same", "channel_seen",
        COUNTS[0], next(iter(MARGINS)),
    )
)  # fmt: skip
_HEAD_OWN = np.array([H[name] for name in OWN])
_COLUMN_THEIRS = np.array([COLUMN[name] for name in THEIRS.values()])
_MARGINS_OF = np.array([F[name] for name in MARGINS.values()])
_X, _Y, _AT, _CENTRE_X, _CENTRE_Y, _OWN_TOWN, _OWN_CHANNEL, _OWN_SURE, _OWN_LANDMARKS, _OWN_SIDES = (
    H[name]
    for name in (
        "x", "y", "at", "centre_x", "centre_y", "town", "channel", "village_sure", "landmarks", "sides",
    )
)  # fmt: skip
_THEIR_X, _THEIR_Y, _THEIR_CENTRE_X, _THEIR_CENTRE_Y, _LAST_AT, _FIRST_AT, _GAP, _TOP, _SHARP_TOP = (
    COLUMN[name] for name in ("x", "y", "centre_x", "centre_y", "last_at", "first_at", "usual_gap", "top", "sharp_top")
)
_THEIR_TOWN, _THEIR_CHANNELS, _THEIR_SURE, _THEIR_VILLAGES = (
    COLUMN[name] for name in ("town", "channels", "village_sure", "villages")
)
_BEST, _WIDTH = len(BEST), len(FEATURES)


@compiled
def _evidence(
    own: Floats,
    matters: Floats,
    bits: Bits,
    likeliest: int,
    day: int,
    slots: Ints,
    shared: npt.NDArray[np.int8],
    named: int,
    lists: Lists,
    members: npt.NDArray[np.int32],
    pool: Floats,
    rows: Rows,
    chances: Floats,
    index_bits: Bits,
    rare: Floats,
    places: npt.NDArray[np.int16],
) -> Floats:
    """`named` is what the report names, `shared` what of it each of `slots` has in common with it (NAMES, added up).

    `members` has the rows of `pool` of each incident; `places` is scratch.
    """
    out = np.empty((len(slots), _WIDTH), dtype=np.float32)
    used = np.empty(WORDS, dtype=np.int64)
    words = 0
    while words < WORDS and own[IDS_AT + words] != BUCKETS:
        at = int(own[IDS_AT + words]) % PLACES
        while places[at] > 0:
            at = (at + 1) % PLACES
        places[at] = words + 1
        used[words] = at
        words += 1
    for at in range(len(slots)):
        slot, row = slots[at], out[at]
        _members(row, own, members[slot], pool, rare, places)
        for number in range(len(NAMES)):
            row[_SAID + number] = (shared[at] & NAMES[number]) > 0 if named & NAMES[number] else np.nan
        if rows[slot, _THEIR_VILLAGES] == 0:
            row[_VILLAGE_SAME] = np.nan
        _places_and_times(row, own, rows[slot])
        _spots(row, own, bits, index_bits[slot])
        _headings(row, matters, likeliest, rows[slot], chances[slot])
        for number in range(len(_HEAD_OWN)):
            row[_OWN + number] = own[_HEAD_OWN[number]]
        for number in range(len(_COLUMN_THEIRS)):
            row[_THEIRS + number] = rows[slot, _COLUMN_THEIRS[number]]
    for word in range(words):
        places[used[word]] = 0
    out[:, _BUSY] = count_of(lists, day_key(likeliest, day - 1)) + count_of(lists, day_key(likeliest, day))
    _competition(out)
    return out


@compiled
def _members(
    row: Floats, own: Floats, members: npt.NDArray[np.int32], pool: Floats, rare: Floats, places: npt.NDArray[np.int16]
) -> None:
    """What each report of an incident has in common with the report, best and mean."""
    best = np.full(_BEST, -np.inf, dtype=np.float32)
    alike = np.empty(_BEST, dtype=np.float32)
    sums = np.zeros(3, dtype=np.float32)
    shared = late_in_ours = late_in_theirs = np.float32(0)
    count = 0
    common, any_number = 0, False
    for member in members:
        if member < 0:
            break
        theirs = pool[member]
        alike[:] = 0.0
        for word in range(WORDS):
            number = int(theirs[IDS_AT + word])
            if number == BUCKETS:
                break
            at = number % PLACES
            place = places[at]
            while place > 0 and own[IDS_AT + place - 1] != number:
                at = (at + 1) % PLACES
                place = places[at]
            if place > 0:
                said, placed = own[WEIGHTS_AT + place - 1], own[WEIGHTS_AT + WORDS + place - 1]
                their_said, their_place = theirs[WEIGHTS_AT + word], theirs[WEIGHTS_AT + WORDS + word]
                alike[0] += said * their_said
                alike[1] += placed * their_place
                alike[3] += said * their_place
                alike[4] += placed * their_said
                alike[5] += said * said
                shared += said * said
                late_in_ours += said * said * own[LATE_AT + place - 1]
                late_in_theirs += said * said * theirs[LATE_AT + word]
                alike[6] += placed * placed
                alike[7] += rare[number]
                alike[8] = max(alike[8], rare[number])
        for topic in range(TOPIC_AT, len(own)):
            alike[2] += own[topic] * theirs[topic]
        for number in range(NUMBERS_AT, NUMBERS_AT + NUMBERS):
            any_number |= not np.isnan(theirs[number])
            for ours in range(NUMBERS):
                common |= (theirs[number] == own[NUMBERS_AT + ours]) << ours
        metres = math.hypot(theirs[_X] - own[_X], theirs[_Y] - own[_Y])
        alike[9] = -np.inf if np.isnan(metres) else -metres
        alike[10] = -abs(theirs[_AT] - own[_AT])
        for name in range(_BEST):
            best[name] = max(best[name], alike[name])
        sums += alike[:3]
        count += 1
    best[9:] *= -1
    if best[9] == np.inf:
        best[9] = np.nan
    row[_TEXT_BEST : _TEXT_BEST + _BEST] = best
    row[_TEXT_MEAN : _TEXT_MEAN + 3] = sums / np.float32(count)
    row[_TEXT_LAST] = alike[0]
    row[_NUMBERS] = _ones(np.uint64(common))
    row[_NUMBERS + 1] = common == 0 if any_number and not np.isnan(own[NUMBERS_AT]) else np.nan
    row[_LATE], row[_LATE + 1] = late_in_ours / shared, late_in_theirs / shared


@compiled
def _places_and_times(row: Floats, own: Floats, theirs: npt.NDArray[np.float64]) -> None:
    x, y, centre_x, centre_y = own[_X], own[_Y], own[_CENTRE_X], own[_CENTRE_Y]
    their_x, their_y = theirs[_THEIR_X], theirs[_THEIR_Y]
    their_centre_x, their_centre_y = theirs[_THEIR_CENTRE_X], theirs[_THEIR_CENTRE_Y]
    row[_METRES_MIDDLE] = math.hypot(their_x - x, their_y - y)
    row[_METRES_MIDDLE + 1] = math.hypot(their_centre_x - x, their_centre_y - y)
    row[_METRES_MIDDLE + 2] = math.hypot(their_x - centre_x, their_y - centre_y)
    row[_METRES_MIDDLE + 3] = math.hypot(their_centre_x - centre_x, their_centre_y - centre_y)
    since_last, since_first = own[_AT] - theirs[_LAST_AT], own[_AT] - theirs[_FIRST_AT]
    row[_SINCE], row[_SINCE + 1] = since_last, since_first
    row[_SINCE + 2], row[_SINCE + 3] = since_last / theirs[_GAP], since_first / theirs[_GAP]
    row[_VILLAGE_SURE] = own[_OWN_SURE] * theirs[_THEIR_SURE]
    town, their_town = own[_OWN_TOWN], theirs[_THEIR_TOWN]
    row[_TOWN_SAME] = town == their_town
    if np.isnan(town) or np.isnan(their_town):
        row[_TOWN_SAME] = np.nan
    row[_CHANNEL_SEEN] = int(theirs[_THEIR_CHANNELS]) >> int(own[_OWN_CHANNEL]) & 1


@compiled
def _ones(word: np.uint64) -> int:
    count = 0
    while word:
        word &= word - np.uint64(1)
        count += 1
    return count


@compiled
def _spots(row: Floats, own: Floats, bits: npt.NDArray[np.uint64], theirs: npt.NDArray[np.uint64]) -> None:
    landmarks = concepts = 0
    for word in range(4):
        landmarks += _ones(bits[word] & theirs[word])
    for word in range(4, 6):
        concepts += _ones(bits[word] & theirs[word])
    sides = _ones(bits[6] & theirs[6])
    row[_SPOTS], row[_SPOTS + 1], row[_SPOTS + 2] = landmarks, concepts, sides
    row[_SPOTS + 3] = landmarks / own[_OWN_LANDMARKS]
    row[_SPOTS + 4] = concepts / own[_OWN_LANDMARKS + 1]
    row[_SPOTS + 5] = (sides == 0) + own[_OWN_SIDES] if theirs[6] > 0 else np.nan


@compiled
def _headings(row: Floats, own: Floats, likeliest: int, theirs: npt.NDArray[np.float64], chances: Floats) -> None:
    mean = agreed = np.float32(0)
    for matter in range(len(own)):
        mean += chances[0, matter] * own[matter]
        agreed += chances[1, matter] * own[matter]
    row[_MATTERS], row[_MATTERS + 1] = mean, agreed
    row[_MATTERS + 2], row[_MATTERS + 3] = own[int(theirs[_TOP])], own[int(theirs[_SHARP_TOP])]
    row[_MATTERS + 4] = chances[0, likeliest]


@compiled
def _competition(out: Floats) -> None:
    """How each incident stands beside the report's other candidates."""
    here = np.empty(len(out), dtype=np.float32)
    heres = same = 0
    for at in range(len(out)):
        metres, village = out[at, _METRES_BEST], out[at, _VILLAGE_SAME] > 0
        is_here = metres < HERE_M or (village and not metres > 2 * HERE_M)
        here[at] = is_here
        heres += is_here
        same += is_here and out[at, _MATTER_DOT] > 0.2
    out[:, _COUNTS], out[:, _COUNTS + 1], out[:, _COUNTS + 2] = heres, same, len(out)
    last = len(_MARGINS_OF) - 1
    for number in range(last):
        out[:, _MARGINS + number] = margins(out[:, _MARGINS_OF[number]] + np.float32(0.2) * here)
    out[:, _MARGINS + last] = margins(-out[:, _MARGINS_OF[last]])


@compiled
def margins(values: Floats) -> Floats:
    """Each value minus the best of the others (largest is best); NaN for a single one and for unknown."""
    found = np.empty(len(values), dtype=np.float32)
    for at in range(len(values)):
        best = np.float32(-np.inf)
        for other in range(len(values)):
            if other != at and values[other] > best:
                best = values[other]
        found[at] = values[at] - best if best > -np.inf else np.nan
    return found
