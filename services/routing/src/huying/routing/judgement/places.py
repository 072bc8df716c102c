"""Finds places in what people write: villages, towns, landmarks, sides of the village.

Refuses to guess: every hit says what it rests on, and a name that several villages share stays several.
Source of names: the county pack (national codes); of landmark words: the pack's landmark files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .facts import Gazetteer
from .text import Lexicon

_SUFFIX = re.compile(r"(村民委员会|居民委员会|村委会|居委会|社区)$")
_GENERIC = re.compile(r"^(?:[东西南北中前后大小][街关园城屯寨庄村井门]|商店|前屯|[张王李赵刘]村)$")
"""Village names that are also ordinary words for a place (西街, 商店): weak evidence in free text."""
_SIDES = ("东", "西", "南", "北", "中", "前", "后")
_SIDE = re.compile(
    r"([东西南北中前后])(?:边|头|口|侧|面|门|街|巷|地|坡|沟|渠|路|桥|坑|河|洼|排|院墙|外)|"
    r"村([东西南北中前后])|([东西南北])(?=第)"
)
_NUMBERED = re.compile(r"(\d+|[一二三四五六七八九十]+)\s*(?:号楼|栋|单元|排|组|号)")
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True, slots=True)
class Mention:
    """A village name found in a text; several indexes when the name is shared."""

    villages: tuple[int, ...]
    name: str
    start: int
    generic: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """What a text says about where inside the village: landmark words, sides, numbers, as bit sets."""

    landmarks: int
    sides: int
    numbers: frozenset[str]


class PlaceFinder:
    """Scans texts for the gazetteer's names; built once per pack."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        self.villages = gazetteer.villages
        self.town_codes = tuple(gazetteer.towns)
        self.index_of_code = {v.code: i for i, v in enumerate(self.villages)}
        self.town_index = {code: i for i, code in enumerate(self.town_codes)}
        self.town_of_village = np.array([self.town_index.get(v.town_code, -1) for v in self.villages], dtype=np.int32)
        known = [v for v in self.villages if v.lon is not None and v.lat is not None]
        self.lon0 = sum(v.lon or 0.0 for v in known) / len(known) if known else 0.0
        self.lat0 = sum(v.lat or 0.0 for v in known) / len(known) if known else 0.0
        self._kx = METRES_PER_DEGREE * math.cos(math.radians(self.lat0))
        self.centres = np.full((len(self.villages), 2), np.nan, dtype=np.float64)
        for i, village in enumerate(self.villages):
            if village.lon is not None and village.lat is not None:
                self.centres[i] = self.project(village.lon, village.lat)
        self._known_number = np.flatnonzero(~np.isnan(self.centres[:, 0]))
        self._known = self.centres[self._known_number]
        self.centres_by_number = np.vstack([self.centres, np.full((1, 2), np.nan)])
        """The same with a row of unknowns at the end, for number -1."""
        self._names: dict[str, list[int]] = {}
        for i, village in enumerate(self.villages):
            for name in village_names(village.name):
                self._names.setdefault(name, []).append(i)
        self._lexicon = Lexicon(self._names)
        self._towns = {name: self.town_index[code] for code, name in gazetteer.towns.items()}
        self._town_names = Lexicon(self._towns)
        self._towns |= {code: self.town_index[code] for code in gazetteer.towns}
        self._noun_bit = {noun: i % 256 for i, noun in enumerate(gazetteer.landmark_nouns)}
        self._nouns = Lexicon(gazetteer.landmark_nouns)

    def project(self, lon: float, lat: float) -> tuple[float, float]:
        """Metres east and north of the county's middle (plane good to 0.1 % within a county)."""
        if self.lon0 == 0.0 and self.lat0 == 0.0:
            return lon * METRES_PER_DEGREE * math.cos(math.radians(lat)), lat * METRES_PER_DEGREE
        return (lon - self.lon0) * self._kx, (lat - self.lat0) * METRES_PER_DEGREE

    def town(self, value: str | None) -> int:
        """Index of a town given by name or code, -1 when unknown."""
        return -1 if value is None else self._towns.get(value, -1)

    def mentions(self, text: str) -> list[Mention]:
        """Village names in `text`, longest first match, left to right."""
        return [
            Mention(tuple(self._names[name]), name, position, _GENERIC.match(name) is not None)
            for position, name in self._lexicon.find(text)
            if not self._is_town(text, position, len(name))
        ]

    def towns_in(self, text: str) -> list[int]:
        """Towns whose full name occurs in `text`."""
        return sorted({self._towns[name] for _, name in self._town_names.find(text)})

    @staticmethod
    def _is_town(text: str, position: int, length: int) -> bool:
        return text[position + length : position + length + 1] in ("镇", "乡") and length > 1

    def mask(self, text: str, mentions: Iterable[Mention]) -> str:
        """`text` with each village name replaced by one placeholder: what is said, not where."""
        pieces: list[str] = []
        position = 0
        for mention in mentions:
            pieces += (text[position : mention.start], "某村")
            position = mention.start + len(mention.name)
        pieces.append(text[position:])
        masked = "".join(pieces)
        for position, name in reversed(self._town_names.find(masked)):
            masked = f"{masked[:position]}某镇{masked[position + len(name) :]}"
        return masked

    def spot(self, text: str) -> Spot:
        """Landmark words, sides and house numbers said in `text` (give it masked)."""
        landmarks = sides = 0
        for _, noun in self._nouns.find(text):
            landmarks |= 1 << self._noun_bit[noun]
        for hit in _SIDE.finditer(text):
            sides |= 1 << _SIDES.index(hit.group(hit.lastindex or 1))
        numbers = frozenset(hit.group(0).replace(" ", "") for hit in _NUMBERED.finditer(text))
        return Spot(landmarks, sides, numbers)

    def nearest(self, x: float, y: float) -> tuple[int, float]:
        """Index of the nearest village centre and its distance in metres; (-1, inf) without centres."""
        if not len(self._known):
            return -1, math.inf
        squared = (self._known[:, 0] - x) ** 2 + (self._known[:, 1] - y) ** 2
        best = int(squared.argmin())
        return int(self._known_number[best]), math.sqrt(float(squared[best]))

    def distances(self, villages: npt.NDArray[np.int32], x: float, y: float) -> npt.NDArray[np.float64]:
        """Metres from each village centre to one point."""
        delta = self.centres[villages] - (x, y)
        return np.asarray(np.hypot(delta[:, 0], delta[:, 1]))


def village_names(name: str) -> list[str]:
    """What people call a village: its official name without the committee, and with 村 or 社区 dropped.

    One-character rests are not names (a single 庄 says nothing).
    """
    short = _SUFFIX.sub("", name)
    names = [name, short]
    if short.endswith("村") and len(short) > 2:
        names.append(short[:-1])
    numbered = re.match(r"(.{2,})[一二三四五六七八九十]村$", short)
    if numbered:
        names.append(numbered.group(1))
    return list(dict.fromkeys(n for n in names if len(n) >= 2))
