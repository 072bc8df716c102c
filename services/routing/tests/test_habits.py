"""Evidence for sources without words: what learning counted, and whether an incident was finished when a report came."""

from datetime import timedelta

import numpy as np
from test_judgement import JUDGE, REPORTS

from huying.routing.judgement import Correlator, IncidentView
from huying.routing.judgement.evidence import FEATURES
from huying.routing.judgement.habits import HABITS, OPEN, with_habits
from huying.routing.judgement.learning.labelled import LabelledReport
from huying.routing.judgement.learning.learn import gate_of, join_rates
from huying.routing.judgement.learning.replay import Finishing, is_noted
from huying.routing.judgement.screening import channel_index

FIRST = REPORTS[0]
DAY = timedelta(days=1)


def filled() -> Correlator:
    correlator = Correlator(JUDGE)
    correlator.add_incident(IncidentView(FIRST.report_id, (FIRST,), FIRST.received_at))
    return correlator


def habit(correlator: Correlator, name: str) -> float:
    """One of HABITS of the first incident, as the same words said again at its minute would hear."""
    slots = np.array([correlator.index.slot_of[FIRST.report_id]])
    own = JUDGE.screen_with_traits([FIRST])[0][1]
    rates = np.zeros(len(JUDGE.model.text.matter_codes), dtype=np.float32)
    wide = with_habits(np.zeros((1, len(FEATURES)), dtype=np.float32), own, slots, correlator.index, rates)
    return float(wide[0, len(FEATURES) + HABITS.index(name)])


def test_an_incident_is_closed_when_its_case_was_and_not_before() -> None:
    correlator = filled()
    finishing = Finishing(correlator)
    finishing.opened(LabelledReport(FIRST, None, "march", finished_at=FIRST.received_at - DAY / 2))
    finishing.until(FIRST.received_at - DAY)
    assert habit(correlator, "finished") == OPEN
    finishing.until(FIRST.received_at)
    assert habit(correlator, "finished") == 12.0


def test_an_incident_is_known_by_the_door_that_its_first_report_came_through() -> None:
    correlator = filled()
    other = next(facts for facts in REPORTS if facts.channel != FIRST.channel)
    correlator.join(FIRST.report_id, other, JUDGE.screen([other])[0])
    assert habit(correlator, "door_theirs") == channel_index(FIRST.channel)


def test_what_a_person_merged_into_another_is_not_closed_again() -> None:
    correlator = filled()
    finishing = Finishing(correlator)
    finishing.opened(LabelledReport(FIRST, None, "march", finished_at=FIRST.received_at))
    correlator.remove(FIRST.report_id)
    finishing.until(FIRST.received_at + DAY)
    assert FIRST.report_id not in correlator.index.slot_of


def test_a_heading_that_many_call_in_has_the_higher_rate_and_one_case_proves_little() -> None:
    def case(number: int, matter: str, problem: str | None) -> LabelledReport:
        return LabelledReport(REPORTS[number], problem, "march", matter=matter)

    lamps = [case(n, "lamp", "one lamp") for n in range(60)]
    items = [case(n, "bulky", None) for n in range(60, 120)]
    rates = join_rates([*lamps, *items, case(120, "rare", "one lamp")], ("lamp", "bulky", "rare"))
    assert rates[0] > rates[2] > rates[1]


def test_a_duplicate_of_nobody_knows_what_teaches_nothing() -> None:
    blank = LabelledReport(FIRST, None, "cases")
    flagged, known = (LabelledReport(FIRST, problem, "cases", relation="duplicate") for problem in (None, "one lamp"))
    assert [is_noted(item, 12, 6) for item in (blank, flagged, known)] == [True, False, True]
    assert [is_noted(item, 13, 6) for item in (blank, flagged, known)] == [False, False, True]


def test_a_look_that_is_always_the_same_is_left_out_of_the_first_look() -> None:
    """Rare right ones among distances, and what a source without villages always says: one in a thousand must pass."""
    chance = np.random.default_rng(3)
    right = chance.random(60_000) < 0.001
    distance = (chance.normal(4, 1.1, len(right)) - 3.5 * right).astype(np.float32)
    alike = (np.abs(chance.normal(0, 0.03, len(right))) + 0.3 * right).astype(np.float32)
    same = np.ones_like(distance)
    told = np.stack([distance, alike], axis=1)
    alone = gate_of(told, right, 0.0005, 0.999)
    with_same = gate_of(np.stack([same, same, distance, same, alike], axis=1), right, 0.0005, 0.999)
    assert with_same[[0, 1, 3]].tolist() == [0, 0, 0]
    np.testing.assert_allclose(with_same[[2, 4, 5]], alone, rtol=1e-3)
    passes = told @ alone[:2] + alone[2] >= 0
    assert passes[right].mean() > 0.95
