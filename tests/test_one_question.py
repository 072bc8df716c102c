"""The question that a dispatcher is asked is the one that the evaluation measures, and so is what an answer can do."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from huying.contracts import commands as c
from huying.contracts.incidents import IncidentAskedV1
from huying.devkit.evaluate import living
from huying.devkit.evaluate.shipped import shipped_judge
from huying.devkit.evaluate.sources import read_county
from huying.routing.domain import Arrival, Scene, receive, ref_of
from huying.routing.incident import Cause
from huying.routing.judgement import Candidate, Verdict
from huying.routing.judgement.facts import ASKED_AT_MOST

sys.path.insert(0, str(Path(__file__).parents[1] / "services/routing/tests"))

from orders_bench import PACK, START, County, report, screening

MARCH = Path(__file__).parent / "data/county/reports.jsonl"


def test_a_month_asks_the_same_questions_in_the_service_and_in_the_evaluation() -> None:
    judge = shipped_judge(None, None)
    life = living.live(judge, read_county(MARCH), answered=False)
    bench = County()
    known = bench[bench.arrives()]
    asked = named = beside = 0
    for number, (verdict, screened) in enumerate(zip(life.verdicts, life.screenings, strict=True)):
        if verdict.band == "merge":
            assert verdict.question() == ()
            continue
        there = {
            one.incident_id: replace(known, id=one.incident_id, number=one.incident_id) for one in verdict.candidates
        }
        coming = report(number)
        scene = Scene(there, bench.catalogue, number="260302-00001")
        decision = receive(Arrival(coming, ref_of(coming), screened, verdict), scene, Cause(START, PACK.hash))
        questions = [event for event in decision.events if isinstance(event, IncidentAskedV1)]
        assert [[one.incident_id for one in event.candidates] for event in questions] == [
            [one.incident_id for one in question] for question in [verdict.question()] if question
        ]
        for event in questions:
            asked, named = asked + 1, named + len(event.candidates)
            assert len(event.candidates) <= ASKED_AT_MOST
            danger = event.incident.classification.danger
            assert (event.incident.state == "asked") == (not danger)
            assert danger or not screened.emergency
            beside += danger
    questions_of_life = [verdict.question() for verdict in life.verdicts]
    assert (asked, named) == (sum(map(bool, questions_of_life)), sum(map(len, questions_of_life)))
    assert min(asked - beside, beside, named - asked) > 0, "the month has questions of every kind"


class Scripted:
    """An engine that opens every report but the last, which it asks about."""

    def __init__(self, question: Verdict) -> None:
        self.question, self.removed = question, []
        self.index: Any = self
        self.slot_of: dict[str, int] = {}

    def __call__(self, judge: object) -> "Scripted":
        return self

    def screen(self, facts: Sequence[Any]) -> list[Any]:
        return [screening(0) for _ in facts]

    def judge(self, facts: Any, screened: Any) -> Verdict:
        known = facts.report_id == self.question.report_id
        return self.question if known else Verdict(facts.report_id, "new", None, 0.1, ())

    def remove(self, name: str) -> None:
        self.removed.append(name)

    def add_incident(self, *_: Any) -> None: ...
    def join(self, *_: Any) -> None: ...


@pytest.mark.parametrize("winner_open", [True, False], ids=["open", "finished"])
def test_an_answer_that_names_several_does_the_same_in_the_service_and_in_the_evaluation(
    monkeypatch: pytest.MonkeyPatch, winner_open: bool
) -> None:
    county = County()
    pieces = [county.arrives() for _ in range(3)]
    if not winner_open:
        county.done(pieces[0], c.Accept())
        county.done(pieces[0], c.Complete(text="好"))
        county.passes(timedelta(hours=1))
    asked = county.arrives("ask", pieces[0], rivals=pieces)
    answer = c.AnswerAsk(same=True, candidates=(pieces[0], pieces[2]))
    together = county.wishes(asked, answer).declined is None
    if not together:
        county.done(asked, c.AnswerAsk(same=True))
    rivals = tuple(Candidate(f"r{n}", 0.4, n > 0 or winner_open) for n in range(3))
    engine = Scripted(Verdict("r3", "ask", "r0", 0.7, (), None, rivals))
    monkeypatch.setattr(living, "Correlator", engine)
    month = [
        replace(
            item, facts=replace(item.facts, report_id=f"r{n}"), problem="other" if n == 1 else "lamp", finished_at=None
        )
        for n, item in enumerate(read_county(MARCH)[:4])
    ]
    life = living.live(engine, month, answered=True)  # type: ignore[arg-type]
    names = dict(zip(pieces, ("r0", "r1", "r2"), strict=True))
    assert life.clusters == [names[county.where[f"r{n}"]] for n in range(4)]
    assert together == winner_open == (engine.removed == ["r2"])
