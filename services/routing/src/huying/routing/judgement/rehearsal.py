"""Two reports of one lamp, judged on an index of their own: all loops are machine code before the first true report.

Refuses to leave anything behind.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .correlator import Correlator
from .facts import IncidentView, ReportFacts
from .judge import Judge

FIRST = ReportFacts("first", "citizen_app", datetime(2026, 1, 1, tzinfo=UTC), "村东头路灯不亮", address="村东头")
SECOND = replace(FIRST, report_id="second", received_at=FIRST.received_at + timedelta(hours=1))


def rehearse(judge: Judge) -> None:
    """Half a second where the code is on disk, half a minute where it must be compiled."""
    correlator = Correlator(judge)
    screenings = judge.screen([FIRST, SECOND])
    correlator.add_incident(IncidentView("first", (FIRST,), FIRST.received_at), screenings[:1])
    verdict = correlator.judge(SECOND, screenings[1])
    correlator.revise(screenings[1], verdict)
    correlator.join("first", SECOND, screenings[1])
    correlator.remove("first")
    assert verdict.candidates, "two reports of one lamp must have met"
