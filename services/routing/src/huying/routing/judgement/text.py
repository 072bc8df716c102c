"""Chinese text as numbers: normalised, cut into character n-grams, hashed and weighted.

Refuses to segment words: at hotline lengths characters and their neighbours carry more than a dictionary
(measured on the county's months), and a hash needs no vocabulary that a new town's words would miss.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from ahocorasick_rs import AhoCorasick, MatchKind

from .compiled import compiled

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

HASH_BITS = 17
"""131,072 buckets: eight months use about 90,000 n-grams, so few collide, and 28 rows of weights stay small."""
BUCKETS = 1 << HASH_BITS
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
EVERY = 1 << 30
"""Keep all words."""


def normalise(text: str) -> str:
    """Half-width, lower case, one blank between words."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def without_numbers(text: str) -> str:
    """Numbers replaced by 0: how much water stands there does not say what the matter is."""
    return _DIGITS.sub("0", text)


def gram_ids(text: str, sizes: Sequence[int], salt: int = 0) -> Ints:
    """Hashed n-grams of `text`, one id per position and size (repeats kept)."""
    return grams_of([text], sizes, salt)[0]


def grams_of(texts: Sequence[str], sizes: Sequence[int], salt: int = 0) -> list[Ints]:
    """`gram_ids` of each text, hashed in one go: 2 us a text instead of 20."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    hashed: list[Ints] = []
    for size in sizes:
        rolled = np.full(max(len(codes) - size + 1, 0), salt * 31 + size, dtype=np.uint64)
        for offset in range(size if len(rolled) else 0):
            rolled ^= codes[offset : len(codes) - size + 1 + offset]
            rolled *= _MULTIPLIER
            rolled ^= rolled >> np.uint64(29)
        hashed.append((rolled >> np.uint64(64 - HASH_BITS)).astype(np.int32))
    found: list[Ints] = []
    begin = 0
    for text in texts:
        end = begin + len(text)
        parts = [own[begin : end - size + 1] for own, size in zip(hashed, sizes, strict=True) if size <= end - begin]
        found.append(np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32))
        begin = end
    return found


@lru_cache(maxsize=10_000)
def token_id(token: str, salt: int) -> int:
    """Hashed id of a whole token (a synonym group, a device's alarm)."""
    return int(gram_ids(token, (len(token),), salt)[0])


@compiled
def weigh(ids: Ints, idf: Floats, keep: int = EVERY) -> tuple[Ints, Floats]:
    """Unique ids, ascending, with length-normalised TF-IDF weights (sublinear counts); at most the `keep` heaviest."""
    unique, weights = np.empty_like(ids), np.empty(len(ids), dtype=np.float32)
    used, count = 0, 0
    ordered = np.sort(ids)
    for at in range(len(ordered)):
        count += 1
        if at + 1 == len(ordered) or ordered[at + 1] != ordered[at]:
            unique[used] = ordered[at]
            weights[used] = idf[ordered[at]] * np.float32(1.0 + math.log(count))
            used += 1
            count = 0
    unique, weights = unique[:used], weights[:used]
    if used > keep:
        best = np.sort(np.argsort(-weights, kind="mergesort")[:keep])
        unique, weights = unique[best], weights[best]
    norm = math.sqrt((weights * weights).sum())
    if norm > 0:
        weights = weights / np.float32(norm)
    return unique, weights


def inverse_document_frequency(documents: Iterable[Ints]) -> Floats:
    """Smoothed IDF over hashed documents; a bucket never seen gets the highest weight."""
    seen = np.zeros(BUCKETS, dtype=np.int64)
    total = 0
    for ids in documents:
        seen[np.unique(ids)] += 1
        total += 1
    idf: Floats = (np.log((1.0 + total) / (1.0 + seen)) + 1.0).astype(np.float32)
    return idf


class Lexicon:
    """Finds words of a fixed list in a text, all at once (Aho-Corasick)."""

    def __init__(self, words: Iterable[str], *, overlapping: bool = False) -> None:
        """Leftmost and longest words without overlap, or each and every one."""
        self._words = sorted({word for word in words if word})
        self._overlapping = overlapping
        kind = MatchKind.Standard if overlapping else MatchKind.LeftmostLongest
        self._machine = AhoCorasick(self._words, matchkind=kind)

    def find(self, text: str) -> list[tuple[int, str]]:
        """(position, word) from left to right."""
        found = self._machine.find_matches_as_indexes(text, self._overlapping)
        return [(begin, self._words[number]) for number, begin, _ in found]


class Synonyms:
    """The pack's word groups: finds which groups a text mentions."""

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._group_of: dict[str, int] = {}
        for number, group in enumerate(groups):
            for word in group:
                self._group_of.setdefault(normalise(word), number)
        self._words = Lexicon(self._group_of)

    def groups(self, text: str) -> list[int]:
        """Numbers of the groups mentioned, each once, in order."""
        return sorted({self._group_of[word] for _, word in self._words.find(text)})
