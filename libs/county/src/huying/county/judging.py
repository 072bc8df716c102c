"""The county's choices for judging reports: when two are one, when to ask; refuses thresholds out of order."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from huying.county.records import Record


class CorrelationRule(Record):
    """Bands for one matter. A score of at least `merge_threshold` merges, of at least `ask_threshold` asks.

    `window_days` since the incident's last report; `ask_hold_minutes` is how long an unanswered question may hold dispatch.
    """

    window_days: float = Field(gt=0)
    merge_threshold: float = Field(ge=0, le=1)
    ask_threshold: float = Field(ge=0, le=1)
    ask_hold_minutes: int = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ask_threshold > self.merge_threshold:
            raise ValueError(
                f"threshold out of order: ask_threshold {self.ask_threshold!r} is above merge_threshold "
                f"{self.merge_threshold!r}; lower the first or raise the second"
            )
        return self


class Correlation(Record):
    """Rules by matter, completed from the defaults when the pack is read."""

    defaults: CorrelationRule
    matters: dict[str, CorrelationRule] = Field(default_factory=dict)

    def rule(self, matter: str | None) -> CorrelationRule:
        """The rule of a matter; the defaults when it has none of its own."""
        return self.matters.get(matter or "", self.defaults)


class Screening(Record):
    """First screening of free text: below `confirm_below` a person confirms; emergency words need none.

    `emergency_words` are plain substrings, `emergency_patterns` regular expressions for pairs of words;
    `certain_words` raise the alarm whatever the model thinks; `calm_words` take any hit back (a drill, a question about
    a leak). After completion a report that matches one of `settled_patterns` (thanks, a question about the result) and
    none of `doubt_patterns` leaves the result as it is; any other has the order done again.
    """

    confirm_below: float = Field(ge=0, le=1)
    emergency_words: tuple[str, ...] = ()
    emergency_patterns: tuple[str, ...] = ()
    certain_words: tuple[str, ...] = ()
    calm_words: tuple[str, ...] = ()
    settled_patterns: tuple[str, ...] = ()
    doubt_patterns: tuple[str, ...] = ()

    @field_validator("emergency_words", "emergency_patterns", "calm_words", "settled_patterns", "doubt_patterns")
    @classmethod
    def _say_something(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if any(not word.strip() for word in words):
            raise ValueError("an empty entry would hit every report; strike it")
        return words

    @field_validator("certain_words")
    @classmethod
    def _leave_no_doubt(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        short = [word for word in words if len(word.strip()) < 2]
        if short:
            raise ValueError(f"{short!r}: one character leaves doubt; write at least two")
        return words

    @field_validator("emergency_patterns", "settled_patterns", "doubt_patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"pattern {pattern!r} is no regular expression ({error}); correct it") from error
        return patterns
