"""The judgement engine: what stands beside a report in its batch, in the index or in an undone batch changes nothing."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huying.county import load, to_wgs84
from huying.routing.judgement import (
    Candidate,
    Correlator,
    IncidentView,
    Judge,
    ReportFacts,
    Screening,
    Verdict,
    load_model,
    rehearse,
)
from huying.routing.judgement.bands import band_of, limits_for
from huying.routing.judgement.emergency import danger_words
from huying.routing.judgement.evidence import PLACES, F, Workbench, evidence, margins
from huying.routing.judgement.index import COLUMN
from huying.routing.judgement.learning.texts import with_sketch
from huying.routing.judgement.model import ModelUnreadableError, untrained_text
from huying.routing.judgement.pack import bits_of
from huying.routing.judgement.retrieval import LOOKS, Found, first_looks, retrieve
from huying.routing.judgement.scorer import Scorer
from huying.routing.judgement.screening import linear_scores, topic_vectors
from huying.routing.judgement.text import BUCKETS, grams_of, weigh
from huying.routing.judgement.traits import IDS_AT, LATE_AT, NUMBERS_AT, TOPIC_AT, WEIGHTS_AT, WORDS, remember_words

ROOT = Path(__file__).parents[3]
JULU = ROOT / "deploy/county/julu"
JUDGE = Judge(bits_of(load(JULU)), load_model(JULU / "model/judgement.npz"))


def facts(row: dict) -> ReportFacts:
    point, device = row["point"], row["device"] or {}
    lon, lat = to_wgs84(point["lon"], point["lat"], point["crs"]) if point else (None, None)
    return ReportFacts(
        report_id=row["id"],
        channel=row["channel"],
        received_at=datetime.fromisoformat(row["received_at"]),
        text=row["text"],
        address=row["address"],
        village_code=row["village_code"],
        town=row["town"],
        lon=lon,
        lat=lat,
        device_id=device.get("id"),
        alarm_kind=device.get("alarm"),
        alarm_state=device.get("state"),
        reporter=row["reporter"],
    )


LINES = (ROOT / "tests/data/county/reports.jsonl").read_text("utf-8").splitlines()
REPORTS = [facts(json.loads(line)) for line in LINES[:160]]


def live(correlator: Correlator, reports: list[ReportFacts], at_once: int) -> list[Verdict]:
    """Screen so many at once, then judge and take in one by one."""
    verdicts = []
    for begin in range(0, len(reports), at_once):
        batch = reports[begin : begin + at_once]
        for report, screening in zip(batch, correlator.engine.screen(batch), strict=True):
            verdict = correlator.judge(report, screening)
            verdicts.append(verdict)
            take_in(correlator, report, screening, verdict)
    return verdicts


def judged(correlator: Correlator, reports: list[ReportFacts]) -> list[Verdict]:
    """Verdicts against the index as it stands: none of the reports is seen by the others."""
    screenings = correlator.engine.screen(reports)
    return [correlator.judge(report, screening) for report, screening in zip(reports, screenings, strict=True)]


def take_in(correlator: Correlator, report: ReportFacts, screening: Screening, verdict: Verdict) -> None:
    if verdict.band == "merge":
        correlator.join(verdict.incident_id, report, screening)
    else:
        view = IncidentView(report.report_id, (report,), report.received_at)
        correlator.add_incident(view, (screening,))


@pytest.fixture(scope="module")
def lived() -> tuple[Correlator, list[Verdict]]:
    correlator = Correlator(JUDGE)
    return correlator, live(correlator, REPORTS[:120], 120)


@pytest.mark.parametrize("at_once", [1, 7])
def test_decisions_do_not_depend_on_what_else_is_in_the_batch(lived, at_once):
    assert live(Correlator(JUDGE), REPORTS[:120], at_once) == lived[1]


def test_a_batch_thrown_away_leaves_no_trace(lived):
    correlator, _ = lived
    rest = REPORTS[120:]
    before = judged(correlator, rest)
    with correlator.fork() as overlay:
        changed = live(overlay, rest, 10)
        overlay.close(REPORTS[0].report_id, rest[0].received_at)
    assert any(verdict.band == "merge" for verdict in changed)
    assert judged(correlator, rest) == before


def test_an_index_rebuilt_from_stored_facts_judges_alike(lived):
    correlator, verdicts = lived
    members: dict[str, list[ReportFacts]] = {}
    for report, verdict in zip(REPORTS, verdicts, strict=False):
        members.setdefault(verdict.incident_id if verdict.band == "merge" else report.report_id, []).append(report)
    again = Correlator(JUDGE)
    again.add_incidents(IncidentView(key, tuple(own), own[0].received_at) for key, own in members.items())
    rest = REPORTS[120:]
    bands = [(v.band, v.incident_id) for v in judged(correlator, rest)]
    assert {band for band, _ in bands} >= {"merge", "new"}
    assert [(v.band, v.incident_id) for v in judged(again, rest)] == bands


LAMP = replace(
    next(r for r in REPORTS if r.channel == "grid_worker" and r.village_code and r.lon is not None),
    report_id="lamp",
    text="学校门口路灯不亮，晚上看不见",
    address="学校门口",
)


def after_completion(text: str, days: float) -> tuple[Verdict, bool]:
    """A second report from the same spot, so many days after the first was closed; and whether it is an emergency."""
    correlator = Correlator(JUDGE)
    correlator.add_incident(IncidentView("lamp", (LAMP,), LAMP.received_at))
    correlator.close("lamp", LAMP.received_at + timedelta(hours=20))
    second = replace(LAMP, report_id="second", text=text, received_at=LAMP.received_at + timedelta(hours=20, days=days))
    [screening] = JUDGE.screen([second])
    return correlator.judge(second, screening), screening.emergency


def test_one_more_voice_joins_a_finished_incident_and_its_return_opens_a_linked_one():
    joined, _ = after_completion("学校门口路灯不亮，晚上看不见路", 0.3)
    assert (joined.band, joined.incident_id) == ("merge", "lamp")
    late, _ = after_completion("学校门口路灯不亮，晚上看不见路", 14)
    assert (late.band, late.recurrence_of) == ("new", "lamp")
    again, _ = after_completion("学校门口路灯修好没几天又坏了，又不亮了", 4)
    assert (again.band, again.recurrence_of) == ("new", "lamp")


def test_an_emergency_never_waits_for_an_answer():
    policy = JUDGE.pack.correlation
    for code in (matter.code for matter in JUDGE.pack.matters):
        limits = limits_for(policy, code)
        for score in np.linspace(0, 1, 41):
            assert band_of(float(score), limits, emergency=True, device_match=False) in {"merge", "new"}


@pytest.mark.parametrize(
    "text",
    [
        "厨房煤气味很大，像是漏气",
        "变压器着火了冒浓烟",
        "电线断了垂到地上冒火花",
        "孩子走丢了找不到",
        "桥洞积水有人被困车里",
        "戏台跟前那个灯杆麻手",
    ],
)
def test_danger_words_alone_raise_the_alarm(text):
    report = replace(LAMP, report_id="danger", text=text)
    assert JUDGE.screen([report])[0].emergency


@pytest.mark.parametrize(
    ("text", "danger"),
    [
        ("来电人询问低保何时发放", False),
        ("戏台跟前那根灯杆电人", True),
        ("老人着了急，问几时修好", False),
        ("六楼阳台着了，窗帘呼呼的", True),
        ("村东干线光缆被挖断，网络不通", False),
    ],
)
def test_a_danger_word_is_not_seen_inside_an_everyday_one(text, danger):
    assert bool(danger_words(text, JUDGE.reader.more_danger)) is danger


def test_danger_is_passed_on_by_an_incident_that_a_report_may_belong_to():
    fire = replace(LAMP, report_id="fire", text="学校门口变压器着火了，冒浓烟，火苗蹿一人高")
    dark = replace(LAMP, report_id="dark", text="学校门口又黑了，晚上看不见")
    correlator = Correlator(JUDGE)
    correlator.add_incident(IncidentView("fire", (fire,), fire.received_at))
    [screening] = JUDGE.screen([dark])
    verdict = Verdict("dark", "new", None, 0.2, (), None, (Candidate("fire", 0.2, True),))
    assert not screening.emergency
    assert correlator.revise(screening, verdict).emergency
    far = verdict._replace(score=0.0, candidates=(Candidate("fire", 0.0, True),))
    assert not correlator.revise(screening, far).emergency


def test_trees_written_as_masks_say_what_the_learned_ones_say():
    ensemble = pytest.importorskip("sklearn.ensemble")
    from huying.routing.judgement.learning.trees import fit_trees

    generator = np.random.default_rng(0)
    rows = generator.normal(size=(600, 7)).astype(np.float32)
    rows[generator.random(rows.shape) < 0.2] = np.nan
    rows[:, 4] = np.where(rows[:, 4] > 0, np.float32(1), np.nan)
    truths = (np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]) > 0.1) | np.isnan(rows[:, 2])
    truths ^= np.isnan(rows[:, 4]) & (generator.random(600) < 0.8)
    settings = {"max_iter": 20, "max_leaf_nodes": 15, "early_stopping": False, "random_state": 0, "max_features": 1.0}
    settings |= {"learning_rate": 0.1, "min_samples_leaf": 12, "l2_regularization": 4.0}
    machine = ensemble.HistGradientBoostingClassifier(**settings).fit(rows, truths)
    odds = Scorer(fit_trees(rows, truths, **settings)).log_odds(rows)
    assert np.allclose(odds, machine.decision_function(rows), atol=1e-3)


@settings(max_examples=60)
@given(st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9, float("nan")]), min_size=1, max_size=8))
def test_a_margin_is_the_lead_over_the_best_of_the_others(values):
    found = margins(np.array(values, dtype=np.float32))
    for at, value in enumerate(values):
        others = [v for i, v in enumerate(values) if i != at and not np.isnan(v)]
        if np.isnan(value) or not others:
            assert np.isnan(found[at])
        else:
            assert found[at] == pytest.approx(value - max(others))


@given(st.lists(st.text(max_size=12), max_size=6))
def test_texts_hash_alike_alone_and_together(texts):
    together = grams_of(texts, (1, 2, 3))
    assert [own.tolist() for own in together] == [grams_of([text], (1, 2, 3))[0].tolist() for text in texts]


def test_a_file_that_is_no_model_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "judgement.npz"
    path.write_bytes(b"no model")
    with pytest.raises(ModelUnreadableError, match="huying learn"):
        load_model(path)


def test_a_model_that_learned_on_other_evidence_judges_nothing():
    features = [*JUDGE.model.description["features"][1:], "new"]
    other = replace(JUDGE.model, description={**JUDGE.model.description, "features": features})
    with pytest.raises(ValueError, match="learn again"):
        rehearse(Judge(JUDGE.pack, other))


def test_reports_of_years_gone_by_are_judged_like_those_of_today() -> None:
    correlator = Correlator(JUDGE)
    first = replace(REPORTS[0], received_at=REPORTS[0].received_at.replace(year=2011))
    correlator.add_incident(IncidentView(first.report_id, (first,), first.received_at))
    row = correlator.index.rows[correlator.index.slot(first.report_id)]
    assert row[COLUMN["last_at"]] == row[COLUMN["first_at"]] < 0


def test_a_sketch_of_a_letter_tells_how_alike_two_letters_are_even_in_words_never_learned() -> None:
    model = with_sketch(untrained_text(("any",)), 512)
    letters = ["兰亭湾畔小区违规开餐厅，油烟扰民", "兰亭湾畔小区违规开餐饮，没有人管", "东六路下穿高速何时通车"]
    documents = grams_of(letters, (1, 2))
    one, near, far = topic_vectors(model, linear_scores(model, documents))
    dense = np.zeros((3, BUCKETS))
    for row, ids in enumerate(documents):
        unique, weights = weigh(ids, model.idf)
        dense[row, unique] = weights
    assert one @ near == pytest.approx(dense[0] @ dense[1], abs=0.15)
    assert one @ far == pytest.approx(dense[0] @ dense[2], abs=0.15)


def test_the_same_words_of_two_towns_meet_only_where_the_pack_lets_towns_meet() -> None:
    one = REPORTS[0]
    pack = JUDGE.pack
    names = list(pack.gazetteer.towns.values())
    told = [replace(one, report_id=f"copy-{i}", town=town, village_code=None, address=None, lon=None, lat=None,
                    text="小区门口的路灯坏了半个月没人修") for i, town in enumerate([names[0], names[0], names[1], None])]  # fmt: skip
    met = []
    for apart in (False, True):
        judge = Judge(replace(pack, correlation=replace(pack.correlation, towns_apart=apart)), JUDGE.model)
        correlator = Correlator(judge)
        first, *others = judge.screen(told)
        correlator.add_incident(IncidentView("letter", (told[0],), told[0].received_at), [first])
        met.append([len(correlator.candidates(correlator.traits(report, screening)).slots)
                    for report, screening in zip(told[1:], others, strict=True)])  # fmt: skip
    assert met == [[1, 1, 1], [1, 0, 1]]


@given(st.text(alphabet="甲乙丙丁", min_size=1, max_size=30))
def test_a_word_stands_where_it_is_first_read(text):
    packed = np.empty(TOPIC_AT, dtype=np.float32)
    [grams] = grams_of([text], (1, 2, 3))
    remember_words(grams, grams[:0], len(text), np.ones(BUCKETS, dtype=np.float32), packed)
    late = dict(zip(packed[IDS_AT:WEIGHTS_AT].tolist(), packed[LATE_AT:NUMBERS_AT].tolist(), strict=True))
    for size in (1, 2, 3):
        for at in range(len(text) - size + 1):
            [[gram]] = grams_of([text[at : at + size]], (size,))
            if gram in late:
                assert round(late[gram] * len(text)) == text.find(text[at : at + size])


GATES = st.lists(st.floats(-4, 4, width=32), min_size=len(LOOKS) + 1, max_size=len(LOOKS) + 1)


def test_what_the_search_drops_early_is_not_among_the_best(lived):
    index, windows = lived[0].index, np.full(64, 20, dtype=np.float32)
    reports = [screening.traits for screening in JUDGE.screen(REPORTS[120:])]
    near = [first_looks(traits, index, windows) for traits in reports]

    @settings(max_examples=60)
    @given(GATES, st.integers(0, 8))
    def drops_early(weights, kept):
        gate = np.array(weights, dtype=np.float32)
        for traits, (slots, looks) in zip(reports, near, strict=True):
            terms = np.column_stack([np.full(len(slots), gate[-1]), looks * gate[:-1]])
            hopes = terms.cumsum(axis=1, dtype=np.float64)[:, -1]
            order = [place for place in np.lexsort((slots, -hopes)) if hopes[place] >= 0]
            best = sorted(slots[order[:kept]].tolist())
            assert retrieve(traits, index, windows, gate, kept).slots.tolist() == best
            assert not index.flags.any()
            assert not index.votes.any()

    drops_early()


@pytest.mark.parametrize("first", [0, PLACES - 1])
def test_words_that_fall_into_one_place_are_told_apart(first):
    correlator = Correlator(JUDGE)
    traits = JUDGE.screen(REPORTS[:1])[0].traits
    number = np.arange(WORDS)
    traits.packed[IDS_AT:WEIGHTS_AT] = (first + PLACES * number + number * PLACES // BUCKETS) % BUCKETS
    traits.packed[WEIGHTS_AT : WEIGHTS_AT + WORDS] = WORDS**-0.5
    slot = correlator.index.put("same", (traits,))
    bench = Workbench(JUDGE.rare)
    assert evidence(traits, Found(np.array([slot]), np.zeros(1, dtype=np.int8), 0), correlator.index, bench)[
        0, F["text_best"]
    ] == pytest.approx(1.0, abs=1e-5)
    assert not bench.places.any()


COMPILED_ANEW = """
import sys
from test_judgement import JUDGE, REPORTS, Correlator, live
from huying.routing.judgement import rehearse


def loops():
    parts = [part for name, part in sys.modules.items() if name.startswith("huying.routing.judgement.")]
    found = {value for part in parts for value in vars(part).values() if hasattr(value, "signatures")}
    return {f"{one.py_func.__module__}.{one.py_func.__name__}": len(one.signatures) for one in found}


rehearse(JUDGE)
before = loops()
live(Correlator(JUDGE), REPORTS, 40)
print({name: count for name, count in loops().items() if count != before.get(name)})
"""


def test_after_a_rehearsal_nothing_is_left_to_compile():
    ran = subprocess.run(
        [sys.executable, "-c", COMPILED_ANEW], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "{}"


def test_a_rehearsal_gets_as_far_with_a_model_that_finds_everything_hopeless():
    hopeless = replace(JUDGE.model, gate=np.append(np.zeros(len(LOOKS), dtype=np.float32), np.float32(-1)))
    for model in (JUDGE.model, hopeless):
        assert rehearse(Judge(JUDGE.pack, model)).candidates


def test_judgement_leaves_scipys_linear_algebra_alone_and_usable():
    lines = "import sys, huying.routing.judgement", "assert 'scipy.linalg' not in sys.modules", "import scipy.linalg"
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
