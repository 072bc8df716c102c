"""Compiles the engine's loops ahead of the first report: `python -m huying.routing.judgement PACK`.

Set-up and the container image run it, so that a service starts with machine code on disk.
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from huying.county import load

from . import Correlator, IncidentView, Judge, ReportFacts, load_model
from .pack import bits_of

pack = Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/county/julu")
judge = Judge(bits_of(load(pack)), load_model(pack / "model/judgement.npz"))
first = ReportFacts("first", "citizen_app", datetime(2026, 1, 1, tzinfo=UTC), "村东头路灯不亮", address="村东头")
second = replace(first, report_id="second", received_at=first.received_at + timedelta(hours=1))
correlator = Correlator(judge)
screenings = judge.screen([first, second])
correlator.add_incident(IncidentView("first", (first,), first.received_at), screenings[:1])
verdict = correlator.judge(second, screenings[1])
correlator.revise(screenings[1], verdict)
correlator.join("first", second, screenings[1])
correlator.remove("first")
assert verdict.candidates, "two reports of one lamp must have met"
