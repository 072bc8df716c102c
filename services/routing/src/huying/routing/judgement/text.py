"""Chinese text as numbers: normalised, cut into character n-grams, hashed and weighted.

Refuses to segment words: at hotline lengths characters and their neighbours carry more than a dictionary
(measured on the county's months), and a hash needs no vocabulary that a new town's words would miss.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

HASH_BITS = 17
"""131,072 buckets: eight months use about 90,000 n-grams, so few collide, and 28 rows of weights stay small."""
BUCKETS = 1 << HASH_BITS
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_SPACE = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Half-width, lower case, one blank between words."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip().lower()


def without_numbers(text: str) -> str:
    """Numbers replaced by 0: how much water stands there does not say what the matter is."""
    return _DIGITS.sub("0", text)


def gram_ids(text: str, sizes: Sequence[int], salt: int = 0) -> Ints:
    """Hashed n-grams of `text`, one id per position and size (repeats kept)."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    parts: list[npt.NDArray[np.uint64]] = []
    for size in sizes:
        if len(codes) < size:
            continue
        rolled = np.full(len(codes) - size + 1, salt * 31 + size, dtype=np.uint64)
        for offset in range(size):
            rolled = (rolled ^ codes[offset : len(codes) - size + 1 + offset]) * _MULTIPLIER
            rolled ^= rolled >> np.uint64(29)
        parts.append(rolled)
    if not parts:
        return np.zeros(0, dtype=np.int32)
    return (np.concatenate(parts) >> np.uint64(64 - HASH_BITS)).astype(np.int32)


def token_ids(tokens: Iterable[str], salt: int) -> Ints:
    """One hashed id per whole token (a synonym group, a device kind)."""
    ids = [gram_ids(token + "\x00" * (2 - min(len(token), 1)), (len(token),), salt) for token in tokens if token]
    return np.concatenate([i[:1] for i in ids]) if ids else np.zeros(0, dtype=np.int32)


def weigh(ids: Ints, idf: Floats, keep: int | None = None) -> tuple[Ints, Floats]:
    """Unique ids with length-normalised TF-IDF weights (sublinear counts); at most the `keep` heaviest."""
    if not len(ids):
        return ids, np.zeros(0, dtype=np.float32)
    unique, counts = np.unique(ids, return_counts=True)
    weights = ((1.0 + np.log(counts)) * idf[unique]).astype(np.float32)
    if keep is not None and len(unique) > keep:
        best = np.sort(np.argpartition(-weights, keep)[:keep])
        unique, weights = unique[best], weights[best]
    norm = float(np.sqrt(np.dot(weights, weights)))
    if norm > 0:
        weights = weights / np.float32(norm)
    return unique.astype(np.int32), weights


def inverse_document_frequency(documents: Iterable[Ints]) -> Floats:
    """Smoothed IDF over hashed documents; a bucket never seen gets the highest weight."""
    seen = np.zeros(BUCKETS, dtype=np.int64)
    total = 0
    for ids in documents:
        seen[np.unique(ids)] += 1
        total += 1
    idf: Floats = (np.log((1.0 + total) / (1.0 + seen)) + 1.0).astype(np.float32)
    return idf


class Synonyms:
    """The pack's word groups: finds which groups a text mentions."""

    def __init__(self, groups: Sequence[Sequence[str]]) -> None:
        self._group_of: dict[str, int] = {}
        for number, group in enumerate(groups):
            for word in group:
                self._group_of.setdefault(normalise(word), number)
        words = sorted(self._group_of, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, words))) if words else None

    def groups(self, text: str) -> list[int]:
        """Numbers of the groups mentioned, each once, in order."""
        if self._pattern is None:
            return []
        return sorted({self._group_of[m.group(0)] for m in self._pattern.finditer(text)})
