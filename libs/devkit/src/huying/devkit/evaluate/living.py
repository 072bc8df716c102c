"""Lives a labelled stream through the engine, report by report, as the routing service would.

Refuses to show the engine an answer before its verdict; two lives are led: one in which nobody answers a
question, one in which every question is answered rightly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from huying.routing.judgement import Correlator, IncidentView, Judge, Reason, Screening, Verdict
from huying.routing.judgement.learning.labelled import LabelledReport
from huying.routing.judgement.learning.replay import Finishing

SCREENED_AT_ONCE = 200


@dataclass(slots=True)
class Life:
    """What became of each report, in order of arrival."""

    clusters: list[str] = field(default_factory=list)
    """Incident of each report."""
    verdicts: list[Verdict] = field(default_factory=list)
    screenings: list[Screening] = field(default_factory=list)
    seconds: float = 0.0
    judged_seconds: float = 0.0
    right: dict[int, tuple[str, float, tuple[Reason, ...]] | None] = field(default_factory=dict)
    """Of reports that did not join though their problem was known, by number: the likeliest incident that holds some of
    it, with its chance and evidence; None when the search found none of them."""


def live(
    judge: Judge,
    labelled: Sequence[LabelledReport],
    *,
    answered: bool,
    explained: bool = False,
    tick: Callable[[int], None] = lambda _: None,
) -> Life:
    """One life of the stream; with `answered`, a person answers each question from the labels.

    A question is the service's own (`Verdict.question`), and so is what an answer can do: the person says which of the
    incidents named are the same problem; several become one, unless the first is finished. A report without a label is
    answered "none of them". With `explained`, misses are noted with the evidence of the incident that they belong to.
    """
    correlator = Correlator(judge)
    life = Life()
    problem_of: dict[str, str | None] = {}
    held: dict[str, list[int]] = {}
    homes: dict[str, set[str]] = {}
    finishing = Finishing(correlator)
    begun = perf_counter()
    for start in range(0, len(labelled), SCREENED_AT_ONCE):
        batch = labelled[start : start + SCREENED_AT_ONCE]
        screenings = judge.screen([item.facts for item in batch])
        life.screenings += screenings
        for item, screening in zip(batch, screenings, strict=True):
            finishing.until(item.facts.received_at)
            before = perf_counter()
            verdict = correlator.judge(item.facts, screening)
            life.judged_seconds += perf_counter() - before
            chosen = verdict.incident_id if verdict.band == "merge" else None
            if explained and chosen is None and item.problem in homes:
                known = correlator.likeliest(item.facts, screening, homes[item.problem])
                life.right[len(life.clusters)] = known
            shown = verdict.question()
            if answered and item.problem is not None:
                same = [one for one in shown if problem_of[one.incident_id] == item.problem]
                chosen = same[0].incident_id if same else chosen
                for other in same[1:] if same and same[0].open else ():
                    correlator.remove(other.incident_id)
                    for number in held.pop(other.incident_id):
                        correlator.join(same[0].incident_id, labelled[number].facts, life.screenings[number])
                        life.clusters[number] = same[0].incident_id
                        held[same[0].incident_id].append(number)
            if chosen is None:
                chosen = item.facts.report_id
                view = IncidentView(chosen, (item.facts,), item.facts.received_at)
                correlator.add_incident(view, (screening,))
                problem_of[chosen] = item.problem
                held[chosen] = []
                finishing.opened(item)
            else:
                correlator.join(chosen, item.facts, screening)
            if item.problem is not None:
                homes.setdefault(item.problem, set()).add(chosen)
            held[chosen].append(len(life.clusters))
            life.clusters.append(chosen)
            life.verdicts.append(verdict)
            tick(1)
    life.seconds = perf_counter() - begun
    return life
