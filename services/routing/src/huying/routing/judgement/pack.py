"""Takes from a county pack what judgement needs; refuses to read files itself."""

from __future__ import annotations

import re

from huying.county import Pack

from .facts import CorrelationPolicy, Gazetteer, Limits, Matter, PackBits, ScreeningPolicy, Village


def bits_of(pack: Pack) -> PackBits:
    """The engine's view of a checked pack."""
    rules = pack.correlation
    default = Limits(rules.defaults.merge_threshold, rules.defaults.ask_threshold, rules.defaults.window_days)
    words = pack.screening.emergency_words
    return PackBits(
        gazetteer=Gazetteer(
            towns={town.code: town.name_zh for town in pack.towns},
            villages=tuple(Village(v.code, v.name_zh, v.town, v.lon, v.lat) for v in pack.villages),
            landmark_nouns=pack.landmarks,
        ),
        matters=tuple(Matter(m.code, m.name_zh, m.class_zh, m.clock, m.examples_zh) for m in pack.matters),
        correlation=CorrelationPolicy(
            default=default,
            by_matter={
                code: Limits(rule.merge_threshold, rule.ask_threshold, rule.window_days)
                for code, rule in rules.matters.items()
            },
        ),
        screening=ScreeningPolicy(
            confirm_below=pack.screening.confirm_below,
            emergency_patterns=(*map(re.escape, words), *pack.screening.emergency_patterns),
            certain_words=pack.screening.certain_words,
            calm_words=pack.screening.calm_words,
            circumstances={c.code: c.words for c in pack.county.circumstances},
        ),
        synonyms=pack.synonyms,
    )
