"""What goes into a judgement and what comes out of it: plain values, nothing else.

Refuses to read files, clocks or packs: whoever calls the engine hands over facts in these shapes.
Coordinates are WGS-84 degrees (converted at the door), times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from .traits import Traits

RECURRENCE_AFTER_DAYS = 10.0
"""Seed data and the county's rule: the same trouble after more than ten quiet days is a new one."""
Band = Literal["merge", "ask", "new"]
"""What happens to a report: joins an incident, waits for a person's answer, opens an incident."""


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """One report as far as judgement needs it.

    `town` is the town's name or code as given by the door; `village_code` the 12-digit national code;
    `device_id`, `alarm_kind` and `alarm_state` ("raised" or "cleared") only for IoT.
    `reporter` is the vault's reference: equal references mean the same person.
    """

    report_id: str
    channel: str
    received_at: datetime
    text: str
    address: str | None = None
    village_code: str | None = None
    town: str | None = None
    lon: float | None = None
    lat: float | None = None
    accuracy_m: float | None = None
    device_id: str | None = None
    device_kind: str | None = None
    alarm_kind: str | None = None
    alarm_state: str | None = None
    reporter: str | None = None
    matter_hint: str | None = None


class RankedMatter(NamedTuple):
    """One heading and the calibrated chance that it is the right one."""

    code: str
    confidence: float


@dataclass(frozen=True, slots=True)
class PlaceGuess:
    """A village (or, when `village_code` is None, a town) the report may mean, and what says so.

    `source` is one of `given`, `address`, `text`, `point`, `town`.
    """

    village_code: str | None
    town_code: str | None
    name_zh: str
    confidence: float
    source: str


@dataclass(slots=True)
class Screening:
    """First screening of one report: what it is about, how urgent, and where. Treated as immutable."""

    report_id: str
    matters: tuple[RankedMatter, ...]
    clock: str
    emergency: bool
    emergency_confidence: float
    urgency: Literal["emergency", "high", "normal", "low"]
    places: tuple[PlaceGuess, ...]
    circumstances: tuple[str, ...]
    follow_up: bool
    recurrence: bool
    second_matter: RankedMatter | None
    needs_person: bool
    emergency_words: tuple[str, ...] = ()
    joins_two: bool = False
    """Wording that joins a second problem to the first."""
    traits: Traits | None = field(default=None, repr=False, compare=False)
    """What evidence is computed from; not stored, made again from the facts when missing."""

    @property
    def matter(self) -> str:
        """Code of the most likely heading."""
        return self.matters[0].code


class Reason(NamedTuple):
    """One piece of evidence, in words a dispatcher understands; `weight` > 0 speaks for a merge."""

    code: str
    weight: float
    text_zh: str


class Candidate(NamedTuple):
    """One incident that was considered, with its calibrated score (0..1)."""

    incident_id: str
    score: float
    open: bool


ASKED_AT_MOST = 3
"""Incidents that a question names: what a person compares at one look."""
ASKED_FROM = 0.02
"""Further incidents less likely than this are not put before a person."""


class Verdict(NamedTuple):
    """The engine's answer for one report.

    `incident_id` is the incident to join (merge) or to ask about (ask), None for new;
    `recurrence_of` is the finished incident that this one is a return of.
    """

    report_id: str
    band: Band
    incident_id: str | None
    score: float
    reasons: tuple[Reason, ...]
    recurrence_of: str | None = None
    candidates: tuple[Candidate, ...] = ()
    ask_meanwhile: str | None = None
    """For an emergency that is opened at once: the incident a person should compare it with while units move."""

    def question(self) -> tuple[Candidate, ...]:
        """The incidents that a person is asked about: the winner, then the next likely open ones; none without a question.

        What the service asks and what the evaluation counts as asked.
        """
        first = self.incident_id if self.band == "ask" else self.ask_meanwhile
        if first is None:
            return ()
        known = {one.incident_id: one for one in self.candidates}
        winner = Candidate(first, self.score, known[first].open if first in known else True)
        rest = (one for one in self.candidates if one.open and one.incident_id != first and one.score >= ASKED_FROM)
        return (winner, *rest)[:ASKED_AT_MOST]


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident as the index needs it, with the facts of its reports in order of arrival.

    `closed_at` is None while open.
    """

    incident_id: str
    reports: tuple[ReportFacts, ...]
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Matter:
    """One heading of the county's list."""

    code: str
    name_zh: str
    class_zh: str
    clock: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Village:
    """One village or community; `lon`/`lat` are None where the pack knows no centre."""

    code: str
    name: str
    town_code: str
    lon: float | None = None
    lat: float | None = None


@dataclass(frozen=True, slots=True)
class Gazetteer:
    """Places of one county."""

    towns: Mapping[str, str]
    """Town code to name."""
    villages: tuple[Village, ...]
    landmark_nouns: tuple[str, ...] = ()
    """Words that name a landmark (学校, 卫生院, 机井 ...), longest first is not required."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one matter: at or above `merge` a score joins, at or above `ask` a person decides.

    `window_days` is how long after its last report an incident goes on attracting reports.
    """

    merge: float
    ask: float
    window_days: float = 60.0


@dataclass(frozen=True, slots=True)
class CorrelationPolicy:
    """What the pack's correlation.yaml says about bands and windows."""

    default: Limits
    by_matter: Mapping[str, Limits] = field(default_factory=dict)
    recurrence_after_days: float = RECURRENCE_AFTER_DAYS
    looked_at: int = 8
    """Incidents looked at in full at most; the right one is among them in 99 % of the county's months. Where nothing but
    place and time finds them (no words, no villages), more stand in the way."""
    towns_apart: bool = False
    """Whether reports that name two towns are never one problem. Not in a county, where a trouble crosses a border and
    people name the wrong town; but of letters copied from one estate to another, the town is what tells them apart."""


@dataclass(frozen=True, slots=True)
class ScreeningPolicy:
    """What the pack's screening.yaml and its circumstances say."""

    confirm_below: float = 0.5
    """A person confirms the heading when its confidence is lower."""
    emergency_from: float = 0.06
    """Recall first: this small a chance already raises the alarm, and the report waits for nobody. In months
    not learned from it finds 99 % of the emergencies; one alarm in two or three is real."""
    emergency_from_with_word: float = 0.03
    """And this one when the text names a danger."""
    emergency_clock_from: float = 0.3
    """From this chance the emergency clock starts by itself; below it, when a person confirms the alarm."""
    emergency_patterns: tuple[str, ...] = ()
    certain_words: tuple[str, ...] = ()
    """Words that raise the alarm whatever the model thinks."""
    calm_words: tuple[str, ...] = ()
    """Words that take a danger word back: a drill, a question how to prevent it."""
    circumstances: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Circumstance code to the words that give it away."""


@dataclass(frozen=True, slots=True)
class PackBits:
    """The part of a county pack that judgement reads."""

    gazetteer: Gazetteer
    matters: tuple[Matter, ...]
    correlation: CorrelationPolicy
    screening: ScreeningPolicy
    synonyms: tuple[tuple[str, ...], ...] = ()
    """Groups of words that mean the same; the first is the group's name."""
