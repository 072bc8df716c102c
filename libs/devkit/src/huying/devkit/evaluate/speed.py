"""Measures correlation alone: decisions per second, memory, and what ten times the incidents cost.

Refuses to count screening in (it runs for the whole batch before) and to measure on an empty index.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
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


def measure(judge: Judge, incidents: int, decisions: int, progress: Callable[[str], None]) -> dict[str, float]:
    """One index size: seconds to rebuild, decisions a second, peak resident memory in MB."""
    correlator = Correlator(judge)
    days = incidents / REPORTS_A_DAY if incidents <= OPEN else OPEN / REPORTS_A_DAY
    progress(f"{incidents} open incidents")
    begun = perf_counter()
    made = made_reports(judge.pack, incidents, "i", START, days)
    while batch := list(islice(made, BATCH)):
        correlator.add_incidents([IncidentView(facts.report_id, (facts,), facts.received_at) for facts in batch])
    rebuilt = perf_counter() - begun
    reports = made_reports(judge.pack, decisions, "r", START + timedelta(days=days), 0.5)
    progress(f"{decisions} decisions")
    seconds = 0.0
    while batch := list(islice(reports, BATCH)):
        screened = judge.screen(batch)
        begun = perf_counter()
        for report, screening in zip(batch, screened, strict=True):
            correlator.judge(report, screening)
        seconds += perf_counter() - begun
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
    """The index as large as the county's, and ten times that."""
    judge = shipped_judge(pack, model)
    rehearse(judge)  # as a service does before its first report
    small = measure(judge, incidents, decisions, progress)
    large = measure(judge, 10 * incidents, decisions, progress)
    return {
        "county": small,
        "ten_times": large,
        "cost_ratio": round(large["us_per_decision"] / small["us_per_decision"], 2),
    }
