"""The engine's first half: reads a batch of reports and screens them; keeps the traits that evidence needs.

Refuses to remember: the same facts give the same screening, whatever came before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .facts import Matter, PackBits, PlaceGuess, RankedMatter, ReportFacts, Screening
from .index import bit_words
from .model import JudgementModel
from .screening import (
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
from .traits import EPOCH_HOURS, HEAD, NO_NUMBERS, NUMBERS_AT, TOPIC_AT, Traits, number_ids, remember_words

NEAR_VILLAGE_M = 900.0
"""A point this close to a centre may mean the village: problems lie up to 0.7 km from theirs."""
SECOND_MATTER_FROM = 0.08
"""Chance from which a second heading counts as a second problem, given wording that joins two."""
COMMON_IDF = 3.0
"""Words found in more than about one report in eight say nothing about the spot."""


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
        self._centres: list[list[float]] = self.places.centres_by_number.tolist()
        self.matters: tuple[Matter, ...] = pack.matters
        self.rare: Floats = np.maximum(model.text.idf - np.float32(COMMON_IDF), np.float32(0))
        known = {m.code: m for m in pack.matters}
        self._matters_of_model = [known.get(code) for code in model.text.matter_codes]

    def screen(self, reports: Sequence[ReportFacts]) -> list[Screening]:
        """Screen a batch, in order (0.1-0.2 ms a report)."""
        return [screening for screening, _ in self.screen_with_traits(reports)]

    def screen_with_traits(self, reports: Sequence[ReportFacts]) -> list[tuple[Screening, Traits]]:
        """Screen a batch and give the traits that the index keeps."""
        if not reports:
            return []
        readings = self.reader.read(reports)
        return self.interpret(readings, linear_scores(self.model.text, [reading.ids for reading in readings]))

    def interpret(self, readings: Sequence[Reading], scores: Floats) -> list[tuple[Screening, Traits]]:
        """Screenings of readings from given text scores (learning gives scores made without the report)."""
        model = self.model.text
        matters = matter_distribution(model, scores, [reading.facts.matter_hint for reading in readings])
        chances = flags(model, scores).tolist()
        topics = topic_vectors(model, scores)
        return [self._one(reading, matters[i], chances[i], topics[i]) for i, reading in enumerate(readings)]

    def _one(
        self, reading: Reading, matters: Floats, chances: Sequence[float], topic: Floats
    ) -> tuple[Screening, Traits]:
        facts = reading.facts
        fix = self.locate(reading)
        asks, again, strong, done = wording_flags(reading.masked)
        emergency = max(chances[0], self.pack.screening.emergency_from if reading.certain else 0.0)
        follow, recur = chances[1] + 0.2 * asks, chances[2] + 0.1 * again + 0.3 * strong
        spot = self.places.spot(f"{reading.masked_address}\n{reading.masked}")
        concepts = sum(1 << (c % 128) for c in reading.concepts)
        second, likeliest = matters.argsort(kind="stable")[-2:].tolist() if len(matters) > 1 else (0, 0)
        at = facts.received_at.timestamp() / 3600.0 - EPOCH_HOURS
        channel = channel_index(facts.channel)
        packed = np.empty(TOPIC_AT + len(topic), dtype=np.float32)
        packed[: len(HEAD)] = (
            fix.x, fix.y, at, *self._centres[fix.village], fix.sure if fix.village >= 0 else math.nan, fix.town if fix.town >= 0 else math.nan,
            spot.landmarks.bit_count() or math.nan, concepts.bit_count() or math.nan, 0.0 if spot.sides else math.nan,
            (fix.village < 0) + 2 * math.isnan(fix.x) + 4 * (fix.town < 0), matters[likeliest],
            follow, recur, done, emergency,
            channel, len(reading.text), bool(reading.address), bool(facts.device_id), facts.alarm_state == "cleared",
            chances[3],
        )  # fmt: skip
        packed[NUMBERS_AT:TOPIC_AT] = number_ids(spot.numbers) if spot.numbers else NO_NUMBERS
        packed[TOPIC_AT:] = topic
        words = remember_words(reading.words, reading.place_words, len(reading.masked), self.model.text.idf, packed)
        traits = Traits(
            report_id=facts.report_id,
            packed=packed,
            at=at,
            x=fix.x,
            y=fix.y,
            village=fix.village,
            village_sure=fix.sure,
            mentioned=fix.mentioned,
            town=fix.town,
            matters=matters.astype(np.float32),
            likely=(likeliest, second),
            words=words,
            bits=bit_words(spot.landmarks, concepts, spot.sides),
            channel=channel,
            reporter=facts.reporter,
            device=f"{facts.device_id}/{facts.alarm_kind}" if facts.device_id else None,
            device_id=facts.device_id,
            cleared=facts.alarm_state == "cleared",
            follow_up=follow,
            recurrence=recur,
            emergency=emergency,
        )
        dangers = tuple(word for _, word in reading.dangers)
        screening = Screening(
            report_id=facts.report_id,
            places=self._guesses(fix),
            circumstances=self.reader.circumstances(reading.text),
            follow_up=follow >= 0.5,
            recurrence=recur >= 0.5,
            emergency_words=dangers,
            joins_two=reading.joins > 0,
            traits=traits,
            **self._outcome(
                matters, emergency, self.is_emergency(emergency, dangers), reading.joins > 0, max(follow, recur) >= 0.5
            ),
        )
        return screening, traits

    def is_emergency(self, chance: float, dangers: Sequence[object]) -> bool:
        """Recall first: a small chance is enough, and a danger word makes a smaller one enough."""
        policy = self.pack.screening
        return chance >= (policy.emergency_from_with_word if dangers else policy.emergency_from)

    def revised(self, screening: Screening, matters: Floats, emergency: float) -> Screening:
        """A screening with other chances: headings, clock, urgency and the need of a person follow."""
        alarm = screening.emergency or self.is_emergency(emergency, screening.emergency_words)
        pressing = screening.follow_up or screening.recurrence
        return replace(screening, **self._outcome(matters, emergency, alarm, screening.joins_two, pressing))

    def _outcome(
        self, matters: Floats, emergency: float, alarm: bool, joins_two: bool, pressing: bool
    ) -> dict[str, Any]:
        order = (-matters).argsort(kind="stable")[:5].tolist()
        codes, chances = self.model.text.matter_codes, matters.tolist()
        ranked = tuple([RankedMatter(codes[i], chances[i]) for i in order])
        second = ranked[1] if len(ranked) > 1 and joins_two else None
        policy = self.pack.screening
        return {
            "matters": ranked,
            "clock": self._clock(order[0], emergency >= policy.emergency_clock_from),
            "emergency": alarm,
            "emergency_confidence": emergency,
            "urgency": self._urgency(alarm, order[0], pressing),
            "second_matter": second if second and second.confidence >= SECOND_MATTER_FROM else None,
            "needs_person": ranked[0].confidence < policy.confirm_below,
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

    def _urgency(self, emergency: bool, top: int, pressing: bool) -> str:
        if emergency:
            return "emergency"
        if pressing:
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
