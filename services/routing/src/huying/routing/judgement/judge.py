"""The engine's first half: reads a batch of reports and screens them; keeps the traits that evidence needs.

Refuses to remember: the same facts give the same screening, whatever came before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .facts import Matter, PackBits, PlaceGuess, RankedMatter, ReportFacts, Screening
from .model import JudgementModel
from .screening import (
    GRAMS_KEPT,
    PLACE_GRAMS_KEPT,
    Floats,
    Reader,
    Reading,
    channel_index,
    flags,
    linear_scores,
    matter_distribution,
    topic_vectors,
    wording_flags,
)
from .text import gram_ids, weigh
from .traits import Traits

NEAR_VILLAGE_M = 900.0
"""A point this close to a centre may mean the village: problems lie up to 0.7 km from theirs."""
SECOND_MATTER_FROM = 0.08
"""Chance from which a second heading counts as a second problem, given wording that joins two."""


@dataclass(slots=True)
class PlaceFix:
    """Where a report is, as far as it says."""

    village: int
    sure: float
    mentioned: tuple[int, ...]
    town: int
    x: float
    y: float
    source: str


class Judge:
    """Screens reports with one pack and one model; pure and reusable."""

    def __init__(self, pack: PackBits, model: JudgementModel) -> None:
        self.pack = pack
        self.model = model
        self.reader = Reader(pack)
        self.places = self.reader.places
        self.matters: tuple[Matter, ...] = pack.matters
        known = {m.code: m for m in pack.matters}
        self._matters_of_model = [known.get(code) for code in model.text.matter_codes]

    def screen(self, reports: Sequence[ReportFacts]) -> list[Screening]:
        """Screen a batch, in order (0.1-0.2 ms a report)."""
        return [screening for screening, _ in self.screen_with_traits(reports)]

    def screen_with_traits(self, reports: Sequence[ReportFacts]) -> list[tuple[Screening, Traits]]:
        """Screen a batch and give the traits that the index keeps."""
        if not reports:
            return []
        readings = [self.reader.read(facts) for facts in reports]
        return self.interpret(readings, linear_scores(self.model.text, [reading.ids for reading in readings]))

    def interpret(self, readings: Sequence[Reading], scores: Floats) -> list[tuple[Screening, Traits]]:
        """Screenings of readings from given text scores (learning gives scores made without the report)."""
        model = self.model.text
        matters = matter_distribution(model, scores, [reading.facts.matter_hint for reading in readings])
        chances = flags(model, scores)
        topics = topic_vectors(model, scores)
        return [self._one(reading, matters[i], chances[i], topics[i]) for i, reading in enumerate(readings)]

    def _one(self, reading: Reading, matters: Floats, chances: Floats, topic: Floats) -> tuple[Screening, Traits]:
        facts = reading.facts
        fix = self.locate(reading)
        follow, recur, strong, done, joins = wording_flags(reading.masked)
        emergency = float(chances[0])
        is_emergency = self.is_emergency(emergency, reading.dangers)
        traits = Traits(
            report_id=facts.report_id,
            at=facts.received_at.timestamp() / 3600.0,
            channel=channel_index(facts.channel),
            x=fix.x,
            y=fix.y,
            village=fix.village,
            village_sure=fix.sure,
            mentioned=fix.mentioned,
            town=fix.town,
            matters=matters.astype(np.float32),
            topic=topic,
            **self._words(reading),
            reporter=facts.reporter,
            device=f"{facts.device_id}/{facts.alarm_kind}" if facts.device_id else None,
            device_id=facts.device_id,
            cleared=facts.alarm_state == "cleared",
            follow_up=float(chances[1]) + (0.2 * follow),
            recurrence=float(chances[2]) + 0.1 * recur + 0.3 * strong,
            done=float(done),
            emergency=emergency,
            length=len(reading.text),
            has_address=bool(reading.address),
        )
        screening = Screening(
            report_id=facts.report_id,
            matters=(),
            clock="",
            emergency=is_emergency,
            emergency_confidence=emergency,
            urgency="normal",
            places=self._guesses(fix),
            circumstances=self._circumstances(reading),
            follow_up=traits.follow_up >= 0.5,
            recurrence=traits.recurrence >= 0.5,
            second_matter=None,
            needs_person=False,
            emergency_words=tuple(word for _, word in reading.dangers),
            joins_two=joins > 0,
            traits=traits,
        )
        return self.revised(screening, matters, emergency), traits

    def is_emergency(self, chance: float, dangers: Sequence[object]) -> bool:
        """Recall first: a small chance is enough, and a danger word makes a smaller one enough."""
        policy = self.pack.screening
        return chance >= (policy.emergency_from_with_word if dangers else policy.emergency_from)

    def revised(self, screening: Screening, matters: Floats, emergency: float) -> Screening:
        """A screening with other chances: headings, clock, urgency and the need of a person follow."""
        order = np.argsort(-matters, kind="stable")[:5]
        ranked = tuple(RankedMatter(self.model.text.matter_codes[i], float(matters[i])) for i in order)
        is_emergency = screening.emergency or self.is_emergency(emergency, screening.emergency_words)
        second = ranked[1] if len(ranked) > 1 and screening.joins_two else None
        return replace(
            screening,
            matters=ranked,
            clock=self._clock(int(order[0]), emergency >= self.pack.screening.emergency_clock_from),
            emergency=is_emergency,
            emergency_confidence=emergency,
            urgency=self._urgency(is_emergency, int(order[0]), screening),
            second_matter=second if second and second.confidence >= SECOND_MATTER_FROM else None,
            needs_person=ranked[0].confidence < self.pack.screening.confirm_below,
        )

    def _words(self, reading: Reading) -> dict[str, Any]:
        idf = self.model.text.idf
        ids, weights = weigh(gram_ids(reading.masked, (1, 2, 3)), idf, GRAMS_KEPT)
        place_ids, place_weights = weigh(gram_ids(reading.masked_address, (1, 2, 3)), idf, PLACE_GRAMS_KEPT)
        spot = self.places.spot(reading.masked_address, reading.masked)
        return {
            "gram_ids": ids,
            "gram_weights": weights,
            "place_ids": place_ids,
            "place_weights": place_weights,
            "concepts": sum(1 << (c % 128) for c in reading.concepts),
            "landmarks": spot.landmarks,
            "sides": spot.sides,
            "numbers": spot.numbers,
        }

    def locate(self, reading: Reading) -> PlaceFix:
        """Village, town and point of a report, from what was given, said or measured, in that order."""
        facts, places = reading.facts, self.places
        x = y = math.nan
        if facts.lon is not None and facts.lat is not None:
            x, y = places.project(facts.lon, facts.lat)
        town = places.town(facts.town)
        if town < 0:
            said = places.towns_in(reading.address) or places.towns_in(reading.text)
            town = said[0] if len(said) == 1 else -1
        mentioned: list[int] = []
        best: tuple[int, float, str] = (-1, 0.0, "none")
        for source, mentions, sure in (
            ("address", reading.address_mentions, 0.95),
            ("text", reading.mentions, 0.85),
        ):
            for mention in mentions:
                chosen = self._disambiguate(mention.villages, town, x, y)
                mentioned += chosen
                if mention.generic:
                    continue
                if best[0] < 0 and chosen:
                    best = (chosen[0], sure if len(chosen) == 1 else sure / len(chosen), source)
        given = places.index_of_code.get(facts.village_code or "", -1)
        if given >= 0:
            best = (given, 1.0, "given")
        elif best[0] < 0 and not math.isnan(x):
            nearest, distance = places.nearest(x, y)
            if nearest >= 0 and distance < NEAR_VILLAGE_M:
                best = (nearest, 0.6 * (1.0 - distance / (2 * NEAR_VILLAGE_M)), "point")
        elif best[0] < 0 and mentioned:
            best = (mentioned[0], 0.4, "text")
        if town < 0 and best[0] >= 0 and best[1] >= 0.5:
            town = int(places.town_of_village[best[0]])
        return PlaceFix(best[0], best[1], tuple(dict.fromkeys(mentioned)), town, x, y, best[2])

    def _disambiguate(self, villages: tuple[int, ...], town: int, x: float, y: float) -> list[int]:
        if len(villages) == 1:
            return list(villages)
        in_town = [v for v in villages if self.places.town_of_village[v] == town]
        chosen = in_town or list(villages)
        if len(chosen) > 1 and not math.isnan(x):
            distances = self.places.distances(np.array(chosen, dtype=np.int32), x, y)
            near = [v for v, d in zip(chosen, distances, strict=True) if d < 3 * NEAR_VILLAGE_M]
            chosen = near or chosen
        return chosen

    def _clock(self, top: int, emergency: bool) -> str:
        matter = self._matters_of_model[top] if top < len(self._matters_of_model) else None
        if emergency:
            return "emergency"
        return matter.clock if matter else "other"

    def _urgency(
        self, emergency: bool, top: int, screening: Screening
    ) -> Literal["emergency", "high", "normal", "low"]:
        if emergency:
            return "emergency"
        if screening.follow_up or screening.recurrence:
            return "high"
        return "low" if self._clock(top, False) == "consultation" else "normal"

    def _guesses(self, fix: PlaceFix) -> tuple[PlaceGuess, ...]:
        guesses: list[PlaceGuess] = []
        others = [v for v in fix.mentioned if v != fix.village]
        for village, sure, source in [(fix.village, fix.sure, fix.source)] + [(v, 0.3, "text") for v in others]:
            if village < 0:
                continue
            record = self.places.villages[village]
            guesses.append(PlaceGuess(record.code, record.town_code, record.name, round(sure, 3), source))
        if not guesses and fix.town >= 0:
            code = self.places.town_codes[fix.town]
            guesses.append(PlaceGuess(None, code, self.pack.gazetteer.towns[code], 0.9, "town"))
        return tuple(guesses)

    def _circumstances(self, reading: Reading) -> tuple[str, ...]:
        found = [code for code, patterns in self.reader.circumstances if any(word in reading.text for word in patterns)]
        return tuple(found)
