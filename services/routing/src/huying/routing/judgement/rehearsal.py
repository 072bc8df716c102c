"""Two reports of one lamp, judged on an index of their own: all loops are machine code before the first true report.

Refuses to leave anything behind, and to depend on what was learned: every incident is looked at.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .correlator import Correlator
from .facts import IncidentView, ReportFacts, Verdict
from .judge import Judge
from .retrieval import open_gate

FIRST = ReportFacts("first", "citizen_app", datetime(2026, 1, 1, tzinfo=UTC), "村东头路灯不亮", address="村东头")
SECOND = replace(FIRST, report_id="second", received_at=FIRST.received_at + timedelta(minutes=1), lon=115.0, lat=37.2)
"""With a point, which the first lacks: both ways of searching are gone."""


def rehearse(judge: Judge) -> Verdict:
    """Half a second where the code is on disk, half a minute where it must be compiled. Gives what the second led to."""
    own = copy(judge)
    own.model = replace(judge.model, gate=open_gate())
    correlator = Correlator(own)
    screenings = own.screen([FIRST, SECOND])
    correlator.add_incident(IncidentView("first", (FIRST,), FIRST.received_at), screenings[:1])
    verdict = correlator.judge(SECOND, screenings[1])
    correlator.revise(screenings[1], verdict)
    correlator.join("first", SECOND, screenings[1])
    correlator.remove("first")
    return verdict
