"""Clock policies: how long each class of matter may take and who is warned; refuses to read a clock.

Source: the clocks the seeds fix (Julu: emergencies 2 h, questions the same day, public service answered
in 2 working days, everything else resolved in 7).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from huying.county.records import Record

ClockKind = Literal["acceptance", "contact", "response", "resolution", "adjudication"]
ClockClass = Literal["emergency", "consultation", "public_service", "other"]
ClockUnit = Literal["minutes", "hours", "working_minutes", "working_hours", "working_days", "same_day"]

ELAPSED_UNITS: frozenset[str] = frozenset({"minutes", "hours"})
"""Units that run day and night; the others stand still outside working time."""
UNIT_ZH: dict[str, str] = {
    "minutes": "分钟",
    "hours": "小时",
    "working_minutes": "分钟（工作时间）",
    "working_hours": "小时（工作时间）",
    "working_days": "个工作日",
    "same_day": "当天",
}
"""How a citizen and a unit read the unit."""


class WarningStep(Record):
    """At `percent` of the time used up, holders of these roles are told."""

    percent: int = Field(gt=0, le=100)
    roles: tuple[str, ...] = Field(min_length=1)


class ClockPolicy(Record):
    """One clock of one class. `amount` counts `unit`s and is 1 for `same_day`.

    `every_after_breach_hours` repeats the telling after a breach: hours by the wall for a clock that
    ignores the calendar, working hours for the others; None tells once.
    """

    kind: ClockKind
    clock_class: ClockClass
    amount: int = Field(default=1, gt=0)
    unit: ClockUnit
    warnings: tuple[WarningStep, ...] = ()
    every_after_breach_hours: int | None = Field(default=None, gt=0)
    breach_roles: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _steps_in_order(self) -> Self:
        if self.unit == "same_day" and self.amount != 1:
            raise ValueError(f"amount {self.amount!r} with unit same_day; leave amount out")
        percents = [step.percent for step in self.warnings]
        if percents != sorted(set(percents)):
            raise ValueError(f"warning steps out of order: {percents}; list each percent once, lowest first")
        return self

    @property
    def ignores_calendar(self) -> bool:
        """Whether nights, weekends and holidays count."""
        return self.unit in ELAPSED_UNITS

    @property
    def warn_at(self) -> tuple[int, ...]:
        """Percents of the time at which somebody is told, lowest first."""
        return tuple(step.percent for step in self.warnings)

    def roles_at(self, percent: int) -> tuple[str, ...]:
        """Roles told at this step; empty when the policy has no such step."""
        return next((step.roles for step in self.warnings if step.percent == percent), ())

    @property
    def limit_zh(self) -> str:
        """The limit as people say it: 2小时, 7个工作日, 当天."""
        return UNIT_ZH[self.unit] if self.unit == "same_day" else f"{self.amount}{UNIT_ZH[self.unit]}"
