"""Measures correlation alone: decisions per second, memory, and what ten times the incidents cost.

Refuses to count screening in (it runs for the whole batch before) and to measure on an empty index.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from huying.routing.judgement import Correlator, IncidentView, Judge, PackBits, ReportFacts, rehearse

from .shipped import shipped_judge

START = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = 13_000
"""Open at one time in Julu (seed 001)."""
REPORTS_A_DAY = 450
"""A county's (requirements.md): 13,000 open incidents are a month of them."""
BATCH = 500
"""As many as a service takes at once."""
SPOTS = ("村东头", "学校门口", "卫生院旁", "机井边", "小卖部跟前", "十字街", "西头", "桥头", "北门", "老粮站")


def made_reports(pack: PackBits, count: int, prefix: str, begin: datetime, days: float) -> Iterator[ReportFacts]:
    """Reports spread evenly over villages, spots, the headings' examples and time; the same on every run."""
    words = [example for matter in pack.matters for example in matter.examples]
    villages = [v for v in pack.gazetteer.villages if v.lon is not None and v.lat is not None]
    for number in range(count):
        village = villages[(number * 7919) % len(villages)]
        east, north = ((number * 104729) % 997) / 997 - 0.5, ((number * 1299709) % 991) / 991 - 0.5
        spot, word = SPOTS[(number * 31) % len(SPOTS)], words[(number * 17 + number // 97) % len(words)]
        yield ReportFacts(
            report_id=f"{prefix}{number}",
            channel=("citizen_app", "hotline_12345", "grid_worker", "qr_code")[number % 4],
            received_at=begin + timedelta(days=days * number / count),
            text=f"{spot}{word}，{number % 13 + 1}天了，{number % 41}号院跟前",
            address=f"{village.name}{spot}" if number % 3 else None,
            village_code=village.code if number % 4 else None,
            town=pack.gazetteer.towns[village.town_code],
            lon=(village.lon or 0.0) + 0.012 * east if number % 5 else None,
            lat=(village.lat or 0.0) + 0.012 * north if number % 5 else None,
            reporter=f"r{number % (count // 2 + 1)}",
        )


def filled(judge: Judge, incidents: int, progress: Callable[[str], None]) -> Correlator:
    """An index with so many open incidents: a month of a county's, or as many more at the same time."""
    progress(f"{incidents} open incidents")
    correlator = Correlator(judge)
    for batch in batched(made_reports(judge.pack, incidents, "i", START, days_of(incidents))):
        correlator.add_incidents([IncidentView(facts.report_id, (facts,), facts.received_at) for facts in batch])
    return correlator


def days_of(incidents: int) -> float:
    """Days in which so many come; more than a county's come in the same days."""
    return min(incidents, OPEN) / REPORTS_A_DAY


def batched(reports: Iterator[ReportFacts]) -> Iterator[list[ReportFacts]]:
    """As a service takes them."""
    while batch := list(islice(reports, BATCH)):
        yield batch


def seconds_of(correlator: Correlator, batch: list[ReportFacts]) -> float:
    """How long a batch's decisions take."""
    screened = correlator.engine.screen(batch)
    begun = perf_counter()
    for report, screening in zip(batch, screened, strict=True):
        correlator.judge(report, screening)
    return perf_counter() - begun


def figures_of(incidents: int, rebuilt: float, seconds: float, decisions: int) -> dict[str, float]:
    """One index size: seconds to rebuild, decisions a second, peak resident memory in MB."""
    return {
        "incidents": incidents,
        "rebuild_s": round(rebuilt, 2),
        "decisions_per_s": round(decisions / seconds),
        "us_per_decision": round(1e6 * seconds / decisions, 1),
        "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def bench(
    pack: Path | None, model: Path | None, incidents: int, decisions: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """The index as large as the county's, and ten times that.

    Each is timed by itself; what ten times the incidents cost is the middle one of the ratios of batches that the two
    decide by turns, so that an hour in which the machine is slow is slow for both.
    """
    judge = shipped_judge(pack, model)
    rehearse(judge)  # as a service does before its first report
    figures, sizes, indexes = {}, (incidents, 10 * incidents), []
    for name, size in zip(("county", "ten_times"), sizes, strict=True):
        begun = perf_counter()
        indexes.append(filled(judge, size, progress))
        rebuilt = perf_counter() - begun
        progress(f"{decisions} decisions")
        seconds = sum(seconds_of(indexes[-1], batch) for batch in batched(coming(judge.pack, decisions, "r", size)))
        figures[name] = figures_of(size, rebuilt, seconds, decisions)
    progress("by turns")
    turns = zip(*(batched(coming(judge.pack, decisions, "t", size)) for size in sizes), strict=True)
    ratios = [seconds_of(indexes[1], large) / seconds_of(indexes[0], small) for small, large in turns]
    return figures | {"cost_ratio": round(median(ratios), 2)}


def coming(pack: PackBits, count: int, prefix: str, incidents: int) -> Iterator[ReportFacts]:
    """Reports of the half day after an index was filled."""
    return made_reports(pack, count, prefix, START + timedelta(days=days_of(incidents)), 0.5)
