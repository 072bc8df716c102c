"""Evaluation on small made streams: by town, pooled over months, and what a miss shows."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from huying.devkit.cli import app
from huying.devkit.evaluate.classify import read_letters
from huying.devkit.evaluate.cli import show
from huying.devkit.evaluate.correlate import NOT_FOUND, Judged, Outcome, figures_of, links_of, worst
from huying.devkit.evaluate.folds import by_town
from huying.devkit.evaluate.living import Life, live
from huying.devkit.evaluate.shipped import shipped_judge
from huying.devkit.evaluate.sources import UnusableError, format_of, read_cases, read_county, read_messages
from huying.routing.judgement import Candidate, Reason, ReportFacts, Verdict
from huying.routing.judgement.learning.labelled import LabelledReport

ROOT = Path(__file__).parents[3]
START = datetime(2026, 1, 1, tzinfo=UTC)


def report(name: str, problem: str, town: str | None, hard: tuple[str, ...] = (), other: str = "") -> LabelledReport:
    at = START + timedelta(minutes=int(name[1:]))
    facts = ReportFacts(name, "citizen_app", at, "路灯不亮", town=town)
    confusable = (other,) if other else ()
    return LabelledReport(facts, problem, "m", town_code=town, hard=hard, confusable_with=confusable)


def month(*told: str) -> list[LabelledReport]:
    """ "problem:town" each, in order."""
    parts = [one.split(":") for one in told]
    return [report(f"r{n}", problem, town or None) for n, (problem, town) in enumerate(parts)]


def lived(
    name: str, labelled: list[LabelledReport], clusters: str, counted: list[bool] | None, asks: str = ""
) -> Judged:
    """A stream whose life was this: the number of the report that opened each one's incident; `?` was asked about."""
    ids = [f"r{number}" for number in clusters]
    bands = ["ask" if mark == "?" else "merge" for mark in asks] or ["merge"] * len(ids)
    verdicts = [
        Verdict(item.facts.report_id, "new" if own == item.facts.report_id and band == "merge" else band, own, 0.9, ())
        for item, own, band in zip(labelled, ids, bands, strict=True)
    ]
    life = Life(clusters=ids, verdicts=verdicts, seconds=1.0)
    return Judged(name, labelled, life, life, counted)


def test_a_towns_problems_are_judged_among_what_was_open_in_the_county_and_nobodys_town_counts_nowhere() -> None:
    months = [month("a:东", "b:西", "c:", "a:东"), month("d:东"), month("e:西")]
    folds = {fold.name: fold for fold in by_town(months)}
    assert set(folds) == {"东", "西"}
    assert [item.problem for item in folds["东"].learned] == ["b", "c", "e"]
    assert [[item.problem for item in stream] for stream, _ in folds["东"].streams] == [["a", "b", "c", "a"], ["d"]]
    assert [counted for _, counted in folds["东"].streams] == [[True, False, False, True], [True]]
    with pytest.raises(UnusableError, match="nobody says the town"):
        list(by_town([month("a:", "b:")]))


COUNTY = '{"id": "F1", "truth": {}}\n'


def county(**other: object) -> str:
    """A line of March, and the same one with other values."""
    told = json.loads((ROOT / "tests/data/county/reports.jsonl").read_text("utf-8").splitlines()[0])
    return "".join(json.dumps(row) + "\n" for row in (told, told | {"id": "F2"} | other))


MESSAGES = "msg_id,user,time,title,detail,place,incident_group,incident_level,organiser_modified\n"
CASES = "case_enquiry_id,source,open_dt,closed_dt,type,neighborhood,longitude,latitude,is_dup,parent_case_id\n"
UNUSABLE = [
    (("eval", "correlate"), {"a.csv": MESSAGES, "b.csv": CASES}, "messages"),
    (("eval", "correlate"), {"a.csv": "msg_id,incident_group\n1,a\n"}, "organiser_modified"),
    (("eval", "correlate"), {"a.csv": MESSAGES + "m9,u,yesterday,t,d,p,,,\n"}, "'m9'"),
    (("eval", "correlate"), {"a.csv": MESSAGES + "m9\n"}, "'m9'"),
    (("eval", "correlate"), {"a.csv": "case_enquiry_id,parent_case_id\n1,a\n"}, "neighborhood"),
    (("eval", "correlate"), {"a.csv": CASES + "c7,s,2026-01-01 08:00,,t,n,east,,0,\n"}, "'c7'"),
    (("eval", "correlate"), {"a.csv": MESSAGES}, "holds no report"),
    (("eval", "correlate"), {"a.csv": MESSAGES + 2 * "m9,u,2026-01-01,t,d,p,,,\n"}, "a.csv:3 ('m9')"),
    (("eval", "correlate"), {"a.csv": CASES + 2 * "c7,s,2026-01-01 08:00,,t,n,1,1,0,\n"}, "a.csv:3 ('c7')"),
    (("eval", "correlate"), {"a.csv": CASES + "c7,s,2026-01-01 08:00,,t,n,1,nan,0,\n"}, "lat nan"),
    (("eval", "correlate"), {"a.csv": CASES + "c7,s,2026-01-01 08:00,,t,n,1,9e9,0,\n"}, "no place on earth"),
    (("eval", "correlate"), {"a.jsonl": county(id="D0001")}, "a.jsonl:2: has the id 'D0001'"),
    (
        ("eval", "correlate"),
        {"a.jsonl": county(received_at="2026-03-02T08:10:01")},
        "a.jsonl:2: cannot be read (received_at",
    ),
    (("eval", "screen"), {"a.jsonl": county(text=None)}, "text"),
    (("eval", "screen"), {"a.jsonl": county(text=3)}, "text"),
    (("eval", "screen"), {"a.jsonl": county(reporter=["r1"])}, "reporter"),
    (("eval", "screen"), {"a.jsonl": county(point={"lon": float("nan"), "lat": 37.2, "crs": "gcj02"})}, "point.lon"),
    (("eval", "screen"), {"a.jsonl": county(point={"lon": 115.0, "lat": 37.2})}, "point.crs"),
    (("eval", "screen"), {"a.jsonl": county() + "\n"}, "a.jsonl:3"),
    (("eval", "screen"), {"a.jsonl": COUNTY}, "a.jsonl:1"),
    (("eval", "screen"), {"a.jsonl": b"\xff\xfe"}, "UTF-8"),
    (("eval", "correlate"), {"a.csv.gz": MESSAGES}, "a.csv.gz"),
    (("eval", "classify", "--cv", "2"), {"a.csv": "text,label\n"}, "no labelled letter"),
    (("eval", "classify", "--cv", "2"), {"a.csv": "words,label\na,x\n"}, "column text"),
    (("eval", "classify", "--cv", "2"), {"a.csv": "text\na\n"}, "label"),
    (("eval", "classify", "--cv", "2"), {"a.csv": "text,label\na,x\nb,\n"}, "more letters"),
    (("eval", "classify", "--cv", "3"), {"a.csv": "text,label\nab,x\nac,x\nad,y\nae,y\n"}, "more letters"),
    (("eval", "classify", "--cv", "2"), {"a.csv": "text,label\na,x\nb,x\nc,y\nd,y\n"}, "no character"),
]


@pytest.mark.parametrize(("command", "files", "named"), UNUSABLE)
def test_a_file_that_cannot_be_judged_is_answered_with_a_sentence_that_names_what_is_wrong(
    command: tuple[str, ...], files: dict[str, str | bytes], named: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    answer = CliRunner().invoke(app, [*command, *(str(tmp_path / name) for name in files)])
    assert isinstance(answer.exception, SystemExit), answer.exception
    assert (answer.exit_code, named in answer.stderr, "a." in answer.stderr or "give" in answer.stderr) == (
        1,
        True,
        True,
    )


@pytest.mark.parametrize("words", [("--train", "nope.csv", "--test", "nope.csv"), ("nope.csv", "--cv", "2")])
def test_a_file_of_letters_that_is_not_there_is_a_usage_error(words: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(app, ["eval", "classify", *words])
    assert (answer.exit_code, "nope.csv" in answer.stderr) == (2, True)


def test_a_letter_without_a_label_is_left_out_and_no_class_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text("text,label\n路灯 不亮,灯\n停水了,\n没人管, \n水管 漏了,水\n", "utf-8")
    assert read_letters(file) == (["路灯不亮", "水管漏了"], ["灯", "水"])


def test_a_time_that_names_its_zone_keeps_it(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(CASES + "c7,s,2026-01-01T08:00:00+08:00,2026-01-02 08:00,t,n,,,0,\n", "utf-8")
    case = read_cases(file)[0]
    assert (case.facts.received_at, case.finished_at) == (START, START + timedelta(hours=32))


def test_a_file_that_excel_has_saved_is_read_like_any_other(tmp_path: Path) -> None:
    row = "m1,u,2026-01-01,t,d,p,g,,\n"
    for name, text in {"plain": MESSAGES + row, "excel": "\ufeff" + MESSAGES + row}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text(text, "utf-8")
    assert format_of(tmp_path / "excel/a.csv") == "messages"
    assert read_messages(tmp_path / "excel/a.csv") == read_messages(tmp_path / "plain/a.csv") != []


def test_a_towns_months_are_counted_together_before_the_mean_over_towns() -> None:
    small = month("a:东", "a:东")
    big = month("b:东", "b:东", "b:东", "c:东")
    west = month("d:西", "d:西")
    streams = [
        lived("东", small, "01", [True] * 2),  # 0 of 1 pair found
        lived("东", big, "0000", [True] * 4),  # 3 of 3 found, 3 wrong
        lived("西", west, "00", [True] * 2),
    ]
    figures = figures_of(Outcome("county", streams))
    assert [part["name"] for part in figures["parts"]] == ["东", "西"]
    assert figures["parts"][0]["merge_recall"] == pytest.approx(3 / 4)
    assert figures["parts"][0]["merge_precision"] == pytest.approx(3 / 6)
    assert figures["merge_recall"] == pytest.approx((3 / 4 + 1) / 2)
    assert figures["reports"] == 8
    assert set(figures["baselines"])
    assert all(row["merge_recall"] <= 1 for row in figures["baselines"].values())


def test_what_nobody_labelled_has_no_figure_and_takes_no_part_in_the_mean(capsys: pytest.CaptureFixture[str]) -> None:
    unlabelled = [replace(item, problem=None) for item in month(":东", ":东")]
    alone = figures_of(Outcome("county", [lived("东", unlabelled, "00", None)]))
    assert (alone["due_pairs"], alone["joined_pairs"], alone["reports"]) == (0, 0, 2)
    judged = ("merge_precision", "merge_recall", "merge_ask_recall", "bcubed_precision", "group_recall", "links_joined")
    assert {alone[key] for key in judged} == {None}
    assert alone["baselines"]["tfidf_and_place"]["merge_precision"] is None
    show(alone, False, "figures", alone["baselines"])
    row = next(line for line in capsys.readouterr().out.splitlines() if "merge_recall" in line)
    assert (row.count("—"), "1" in row) == (3, False), "the engine and two plain methods"
    half = lived("西", month("a:西", "a:西", "a:西"), "001", None)
    both = figures_of(Outcome("county", [lived("东", unlabelled, "00", None), half]))
    assert (both["merge_precision"], both["merge_recall"], both["reports"]) == (1.0, pytest.approx(1 / 3), 5)


def test_files_with_the_same_names_for_reports_and_problems_do_not_run_together() -> None:
    once = lived("东", month("a:东", "a:东"), "00", [True] * 2)
    figures = figures_of(Outcome("county", [once, once]))
    assert (figures["merge_precision"], figures["merge_recall"], figures["reports"]) == (1.0, 1.0, 4)


def test_joins_and_questions_of_reports_that_do_not_count_are_nobodys_figure_but_a_wrong_pair_with_one_is() -> None:
    labelled = month("a:东", "b:西", "b:西", "a:东", "c:西")
    labelled[3] = replace(labelled[3], hard=("a",), confusable_with=("c",))
    labelled[4] = replace(labelled[4], hard=("a",), confusable_with=("a",))
    counted = [item.town_code == "东" for item in labelled]
    wrong = figures_of(Outcome("county", [lived("东", labelled, "01210", counted, "..??.")]))
    assert wrong["asked_share"] == pytest.approx(1 / 2), "two counted reports, one of two questions was about one"
    assert wrong["merge_recall"] == 0.0
    assert wrong["merge_precision"] == 0.0, "r4 stands with r0, r3 with r1: wrong, and each has one that counts"
    assert wrong["hard_cases"]["a"]["reports"] == 1
    right = figures_of(Outcome("county", [lived("东", labelled, "01204", counted)]))
    assert (right["merge_precision"], right["merge_recall"], right["asked_share"]) == (1.0, 1.0, 0.0)


def test_a_miss_shows_the_incident_that_was_missed_and_says_when_nobody_looked_at_it() -> None:
    labelled = month("a:东", "b:东", "a:东", "b:东", "a:西")
    stream = lived("东", labelled, "01234", [True] * 4 + [False])
    strangers = (Candidate("r1", 0.6, True), Candidate("r0", 0.2, True))
    life = stream.alone
    life.verdicts[2:] = [
        Verdict(f"r{number}", "new", None, 0.6, (Reason("near", 1.0, "位置相近"),), candidates=strangers)
        for number in (2, 3, 4)
    ]
    life.right = {2: ("r0", 0.2, (Reason("far", -1.0, "位置相距"),)), 3: None, 4: None}
    found = {case["report"]: case for case in worst(stream, 5)}
    assert set(found) == {"r2", "r3"}, "what does not count is nobody's miss"
    assert (found["r2"]["incident"], found["r2"]["score"], found["r2"]["reasons"]) == ("r0", 0.2, ["位置相距（-1.0）"])
    assert (found["r3"]["incident"], found["r3"]["score"], found["r3"]["reasons"]) == ("r1", 0.0, [NOT_FOUND])


def test_the_engine_tells_of_a_miss_what_it_thought_of_the_right_incident() -> None:
    labelled = read_county(ROOT / "tests/data/county/reports.jsonl")[:160]
    life = live(shipped_judge(None, None), labelled, answered=False, explained=True)
    problem = {item.facts.report_id: item.problem for item in labelled}
    missed = [
        number
        for number, (item, verdict) in enumerate(zip(labelled, life.verdicts, strict=True))
        if verdict.band != "merge" and item.problem in {earlier.problem for earlier in labelled[:number]}
    ]
    assert sorted(life.right) == missed != []
    found = [(life.verdicts[number], right) for number, right in life.right.items() if right is not None]
    assert found
    for verdict, (incident, chance, reasons) in found:
        here = [n for n, cluster in enumerate(life.clusters) if cluster == incident]
        assert problem[verdict.report_id] in {labelled[n].problem for n in here}
        assert reasons
        told = {one.incident_id: one.score for one in verdict.candidates}
        assert incident not in told or chance == pytest.approx(told[incident], abs=1e-3)


def test_cases_that_hang_together_by_their_parents_are_one_problem_and_each_link_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    row = "{},s,2026-01-01 0{}:00,,t,n,,,{},{}\n"
    rows = [("early", 1, 1, "root"), ("root", 2, 0, ""), ("child", 3, 1, "root"), ("grandchild", 4, 1, "child")]
    rows += [
        ("ring", 5, 1, "gnir"),
        ("gnir", 6, 1, "ring"),
        ("alone", 7, 1, ""),
        ("one", 8, 1, "lost"),
        ("two", 9, 1, "lost"),
    ]
    file.write_text(CASES + "".join(row.format(*each) for each in rows), "utf-8")
    cases = read_cases(file)
    assert [case.problem for case in cases] == ["root"] * 4 + ["gnir"] * 2 + [None] + ["lost"] * 2
    assert [(cases[a].facts.report_id, cases[b].facts.report_id) for a, b in links_of(cases)] == [
        ("early", "root"),
        ("child", "root"),
        ("grandchild", "child"),
        ("ring", "gnir"),
        ("gnir", "ring"),
        ("two", "one"),
    ]
