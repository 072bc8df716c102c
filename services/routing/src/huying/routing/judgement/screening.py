"""First screening: heading, clock, urgency, place and circumstances from one batch of reports.

Refuses to know incidents: what the report says is judged here, what it belongs to in `correlator`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import wording
from .compiled import compiled
from .emergency import danger_words
from .facts import PackBits, ReportFacts
from .model import FLAG_NAMES, TextModel
from .places import Mention, PlaceFinder
from .text import Ints, Lexicon, Synonyms, grams_of, normalise, token_id, weigh, without_numbers
from .traits import CHANNELS

Floats = npt.NDArray[np.float32]


@dataclass(slots=True)
class Reading:
    """One report read once: its pieces before any learned number touches them."""

    facts: ReportFacts
    text: str
    masked: str
    address: str
    masked_address: str
    mentions: list[Mention]
    address_mentions: list[Mention]
    ids: Ints
    """Grams and tokens that the learned headings are read from."""
    words: Ints
    place_words: Ints
    """Grams that tell one spot from another: of the text and of the address."""
    concepts: list[int]
    dangers: list[tuple[str, str]]
    certain: bool
    """A word of danger that leaves no doubt."""
    joins: int
    """Words that join a second problem to the first."""


class Reader:
    """Turns facts into readings; built once per pack."""

    def __init__(self, pack: PackBits) -> None:
        self.pack = pack
        self.places = PlaceFinder(pack.gazetteer)
        self.synonyms = Synonyms(pack.synonyms)
        self.more_danger = re.compile("|".join(f"(?:{p})" for p in pack.screening.emergency_patterns) or r"(?!)")
        self.certain = tuple(normalise(word) for word in pack.screening.certain_words)
        self.calm = tuple(normalise(word) for word in pack.screening.calm_words)
        self._circumstances: dict[str, list[str]] = {}
        for code, words in pack.screening.circumstances.items():
            for word in words:
                self._circumstances.setdefault(normalise(word), []).append(code)
        self._circumstance_words = Lexicon(self._circumstances, overlapping=True)

    def circumstances(self, text: str) -> tuple[str, ...]:
        """Codes of the circumstances that a normalised text gives away, in the pack's order."""
        words = {word for _, word in self._circumstance_words.find(text)}
        found = {code for word in words for code in self._circumstances[word]}
        return tuple(code for code in self.pack.screening.circumstances if code in found)

    def read(self, reports: Sequence[ReportFacts]) -> list[Reading]:
        """Reports normalised, masked and hashed; a report reads the same in any batch."""
        texts = [normalise(facts.text) for facts in reports]
        addresses = [normalise(facts.address or "") for facts in reports]
        mentions = [self.places.mentions(text) for text in texts]
        address_mentions = [self.places.mentions(address) for address in addresses]
        masked = [self.places.mask(*pair) for pair in zip(texts, mentions, strict=True)]
        masked_addresses = [self.places.mask(*pair) for pair in zip(addresses, address_mentions, strict=True)]
        said = grams_of([without_numbers(text) for text in masked], (1, 2))
        at = grams_of([without_numbers(address) for address in masked_addresses], (1, 2), 7)
        words = grams_of(masked, (1, 2, 3))
        place_words = grams_of(masked_addresses, (1, 2, 3))
        readings = []
        for i, facts in enumerate(reports):
            concepts = self.synonyms.groups(masked[i])
            calm = any(word in texts[i] for word in self.calm)
            dangers = [] if calm else danger_words(texts[i], self.more_danger)
            tokens = [*(f"§{c}" for c in concepts), *(f"!{kind}" for kind, _ in dangers), f"@{facts.channel}"]
            joins = wording.count(wording.TWO_PROBLEMS, masked[i])
            tokens.append(f"&{joins}")
            if facts.alarm_kind:
                tokens.append(f"#{facts.alarm_kind}")
            extra = np.array([token_id(token, 5) for token in tokens], dtype=np.int32)
            reading = Reading(
                facts, texts[i], masked[i], addresses[i], masked_addresses[i], mentions[i], address_mentions[i],
                np.concatenate([said[i], at[i], extra]), words[i], place_words[i], concepts, dangers,
                not calm and any(word in texts[i] for word in self.certain), joins,
            )  # fmt: skip
            readings.append(reading)
        return readings


def linear_scores(model: TextModel, documents: Sequence[Ints]) -> Floats:
    """Scores (documents, columns) of the linear text model."""
    out = np.empty((len(documents), model.weights.shape[1]), dtype=np.float32)
    for row, ids in zip(out, documents, strict=True):
        _score(ids, model.idf, model.rows, model.weights, model.bias, row)
    return out


@compiled
def _score(ids: Ints, idf: Floats, rows: Ints, weights: Floats, bias: Floats, out: Floats) -> None:
    unique, heavy = weigh(ids, idf)
    out[:] = bias
    for word in range(len(unique)):
        row = weights[rows[unique[word]]]
        for column in range(len(out)):
            out[column] += heavy[word] * row[column]


def matter_distribution(model: TextModel, scores: Floats, hints: Sequence[str | None]) -> Floats:
    """Calibrated chances of the headings; a confirmed hint wins outright."""
    margins = scores[:, : model.matters] * model.sharpness
    margins -= margins.max(axis=1, keepdims=True)
    chances = np.exp(margins)
    chances /= chances.sum(axis=1, keepdims=True)
    index: Mapping[str, int] = {code: i for i, code in enumerate(model.matter_codes)}
    for row, hint in enumerate(hints):
        if hint is not None and hint in index:
            chances[row] = 0.0
            chances[row, index[hint]] = 1.0
    certain: Floats = chances
    return certain


def flags(model: TextModel, scores: Floats) -> Floats:
    """Chances of FLAG_NAMES, shape (documents, flags)."""
    raw = scores[:, model.matters : model.matters + len(FLAG_NAMES)]
    return np.asarray(
        1.0 / (1.0 + np.exp(-(raw * model.flag_slopes[:, 0] + model.flag_slopes[:, 1]))), dtype=np.float32
    )


def topic_vectors(model: TextModel, scores: Floats) -> Floats:
    """Unit vectors of the wording space; zeros where nothing was learned."""
    raw = scores[:, model.matters + len(FLAG_NAMES) :]
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    return np.asarray(raw / np.maximum(norms, 1e-9), dtype=np.float32)


def channel_index(channel: str) -> int:
    """Position in CHANNELS; an unknown door counts as a citizen's message."""
    return CHANNELS.index(channel) if channel in CHANNELS else 0


def wording_flags(text: str) -> tuple[int, int, int, int]:
    """Counts of follow-up, recurrence, strong recurrence and done wording."""
    return (
        wording.count(wording.FOLLOW_UP, text),
        wording.count(wording.RECURRENCE, text),
        wording.count(wording.STRONG_RECURRENCE, text),
        wording.count(wording.DONE, text),
    )
