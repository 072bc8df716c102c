"""Proposes how to split a message that tells of two problems; a person decides.

Refuses to split for length or for follow-up wording alone: both halves must be about different headings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .facts import ReportFacts, Screening
from .judge import Judge

JOINT = re.compile(
    r"[，。；;,、\s]*(?:另外|另称|另有|另反映|另一|同时(?:反映)?|还有(?:就是|个)?|一并(?:反映|处理)?|顺便|再就是|再一个|二是|②|2[.、])[，：:]?"
)
"""Words with which people add a second problem."""
SHORTEST = 5
"""Characters that a problem takes at least."""
SURE_ENOUGH = 0.2
"""Product of both headings' chances from which a split is proposed."""


@dataclass(frozen=True, slots=True)
class Part:
    """One half of a message: its words and their screening."""

    text: str
    screening: Screening


def parts(judge: Judge, report: ReportFacts) -> tuple[Part, ...]:
    """The two halves in order, or nothing when the message is about one problem."""
    cuts = [hit.span() for hit in JOINT.finditer(report.text)]
    halves = [(report.text[:begin].strip(), report.text[end:].strip()) for begin, end in cuts]
    halves = [(first, second) for first, second in halves if min(len(first), len(second)) >= SHORTEST]
    if not halves:
        return ()
    screened = judge.screen([replace(report, text=text, matter_hint=None) for pair in halves for text in pair])
    pairs = list(zip(screened[::2], screened[1::2], strict=True))
    best = max(range(len(pairs)), key=lambda number: _apart(pairs[number]))
    if _apart(pairs[best]) < SURE_ENOUGH:
        return ()
    return tuple(Part(text, screening) for text, screening in zip(halves[best], pairs[best], strict=True))


def _apart(pair: Sequence[Screening]) -> float:
    """Chance that the halves are about the two different headings they seem to be about; 0 when it is one."""
    first, second = (screening.matters[0] for screening in pair)
    return first.confidence * second.confidence if first.code != second.code else 0.0
