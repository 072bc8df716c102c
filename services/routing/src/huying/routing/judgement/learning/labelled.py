"""A report with the answers that people gave: what learning and judging by figures read.

Refuses to guess answers: what nobody said stays None and is left out where it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..facts import ReportFacts


@dataclass(frozen=True, slots=True)
class LabelledReport:
    """One report and the truth about it. `period` groups reports that must not be split in validation."""

    facts: ReportFacts
    problem: str | None
    period: str
    matter: str | None = None
    clock: str | None = None
    main_unit: str | None = None
    relation: str | None = None
    recurrence_of: str | None = None
    second_matter: str | None = None
    hard: tuple[str, ...] = ()
    confusable_with: tuple[str, ...] = ()
    town_code: str | None = None
    parent: str | None = None
    """The report that the source says it repeats, where it says so one by one; `problem` holds all that hang together."""
    finished_at: datetime | None = None
    """When its problem was done with, where the source says and the report was the first of it."""

    @property
    def of_unknown_problem(self) -> bool:
        """Whether somebody marked it as a duplicate and did not say of what: it is no stranger, and nothing is right."""
        return self.problem is None and self.relation == "duplicate"
