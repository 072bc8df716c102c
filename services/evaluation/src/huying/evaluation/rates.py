"""The county's basic rates: which cases count for which figure, over which period. Pure.

A rate is a mark over a wider mark: `on_time` over `on_time_n`. A case whose clock still runs is in neither, an
extension is shown apart and never mended into a rate, and silence is no satisfaction.
Source: seeds 000 and 001 (及时受理率, 先行联系率, 按时办结率, 办结率, 响应率, 满意率).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from huying.contracts.clocks import ClockKind

from .domain import Case, CaseClock

ZONE = ZoneInfo("Asia/Shanghai")
"""Months begin at the county's midnight."""

FIGURES: Mapping[str, tuple[str, str]] = {
    "first_contact": ("先行联系率", "first_contact_n"),
    "on_time": ("按时率", "on_time_n"),
    "completed": ("办结率", "dispatched"),
    "responded": ("响应率", "dispatched"),
    "redone": ("重办率", "completed_once"),
    "overdue": ("超期率", "dispatched"),
    "extended": ("延期", "dispatched"),
}
"""Figure: its name, and the mark of the cases it is a share of."""

MARKS = frozenset(
    {*FIGURES, *(base for _, base in FIGURES.values()), "returned", "rated", "unrated", "invited", "review", "callback"}
)
"""What the drill-down can list of cases."""

FINAL: frozenset[ClockKind] = frozenset({"resolution", "response"})
"""Clocks by which an answer is on time: Julu's public services have a response clock in place of a resolution."""

SATISFIED = ("satisfied", "basically_satisfied")

_PERIOD = re.compile(r"^(\d{4})(?:-(?:(0[1-9]|1[0-2])|Q([1-4])|H([12])))?$")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` until before `end`, aware UTC."""

    name: str
    start: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str) -> "Period":
        """A month `2026-03`, a quarter `2026-Q1`, a half-year `2026-H1`, or a year `2026`.

        Raises:
            ValueError: it is none of them.
        """
        found = _PERIOD.match(text)
        if found is None or not 2000 <= int(found[1]) <= 2999:
            raise ValueError(f"{text!r} is no period: write 2026-03, 2026-Q1, 2026-H1 or 2026")
        month, quarter, half = found[2], found[3], found[4]
        first, months = 1, 12
        if month:
            first, months = int(month), 1
        elif quarter:
            first, months = int(quarter) * 3 - 2, 3
        elif half:
            first, months = int(half) * 6 - 5, 6
        return cls(text, _month(int(found[1]), first), _month(int(found[1]), first + months))


def _month(year: int, month: int) -> datetime:
    return datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=ZONE).astimezone(UTC)


def marks(case: Case) -> list[str]:
    """For which figures the case counts, in a fixed order; empty before a dispatch and after a merge."""
    if case.dispatched_at is None or case.merged_into is not None:
        return []
    final = _verdict(case, FINAL)
    contact = _verdict(case, {"contact"})
    rated = sum(grades(case).values())
    completed = case.completed_at is not None
    holds = {
        "dispatched": True,
        "first_contact_n": contact is not None,
        "first_contact": contact is True,
        "on_time_n": final is not None,
        "on_time": final is True,
        "completed": completed,
        "completed_once": completed or case.redone > 0,
        "responded": completed or case.accepted_at is not None or case.contacted_at is not None,
        "returned": bool(case.returned_by),
        "redone": case.redone > 0,
        "overdue": final is False,
        "extended": any(clock.extended for clock in case.clocks.values()),
        "review": case.review_round is not None and case.review_round == case.redone,
        "callback": case.called and bool(case.unheard),
        "invited": bool(case.invitations),
        "rated": rated > 0,
        "unrated": bool(silent(case)),
    }
    return [name for name, held in holds.items() if held]


def _verdict(case: Case, kinds: frozenset[ClockKind] | set[ClockKind]) -> bool | None:
    """True in time, False late or breached, None undecided. One late clock makes it late; one that runs, open."""
    counted = [_in_time(clock) for clock in case.clocks.values() if clock.kind in kinds and clock.verdict != "void"]
    if False in counted:
        return False
    return True if counted and all(counted) else None


def _in_time(clock: CaseClock) -> bool | None:
    if clock.breached or clock.verdict == "late":
        return False
    return True if clock.verdict == "on_time" else None


def taken(case: Case) -> list[dict[str, Any]]:
    """Dispatches whose acceptance has a verdict: `unit`, and whether `timely`. Whoever was late stays so when it goes on."""
    clocks = [one for one in case.clocks.values() if one.kind == "acceptance" and one.verdict != "void"]
    return [{"unit": one.unit, "timely": _in_time(one)} for one in clocks if _in_time(one) is not None]


def grades(case: Case) -> dict[str, int]:
    """How many citizens gave which grade."""
    counted: dict[str, int] = {}
    for invitation in case.invitations:
        if invitation.grade is not None:
            counted[invitation.grade] = counted.get(invitation.grade, 0) + 1
    return counted


def silent(case: Case) -> set[str]:
    """Reports that were asked about and nothing was said of, whatever the result: a redo's new link adds none."""
    asked = {one.report_id for one in case.invitations if case.stands(one)}
    return asked - {one.report_id for one in case.invitations if one.grade is not None}


def share(count: int, n: int) -> float | None:
    """A rate to four places; None, never 0 or 1, where nothing was counted."""
    return round(count / n, 4) if n else None


def figures(row: Mapping[str, int]) -> dict[str, dict[str, object]]:
    """One line of the table: each figure with its name, count, n and rate.

    Args:
        row: counts by mark and by grade, `silent` (reports), `held` (dispatches) and `returns` (of those), `taken`
            (dispatches whose acceptance has a verdict) and `timely` (of those).
    """
    out: dict[str, dict[str, object]] = {"dispatched": {"name": "派单数", "count": row.get("dispatched", 0)}}
    out["timely_acceptance"] = _line("及时受理率", row.get("timely", 0), row.get("taken", 0))
    for figure, (name, base) in FIGURES.items():
        out[figure] = _line(name, row.get(figure, 0), row.get(base, 0))
    out["returned"] = _line("退回率", row.get("returns", 0), row.get("held", 0))
    by_grade = {grade: row.get(grade, 0) for grade in (*SATISFIED, "dissatisfied")}
    rated, satisfied = sum(by_grade.values()), sum(by_grade[grade] for grade in SATISFIED)
    out["satisfied"] = {
        **_line("满意率", satisfied, rated),
        "unrated": row.get("silent", 0),
        **{f"{grade}_count": count for grade, count in by_grade.items()},
    }
    return out


def _line(name: str, count: int, n: int) -> dict[str, object]:
    return {"name": name, "count": count, "n": n, "rate": share(count, n)}
