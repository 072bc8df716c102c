"""`huying learn`: a model goes live judged, an unfit one stays out, and the one before comes back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from huying.devkit.cli import app
from huying.devkit.evaluate.figures import due_pairs
from huying.devkit.evaluate.going_live import JUDGING_PAIRS, go_live, months_of, taught_without
from huying.devkit.evaluate.shipped import pack_bits
from huying.devkit.evaluate.sources import in_order, read_county
from huying.routing.judgement import load_model, save_model
from huying.routing.judgement.learning import learn as learn_model

ROOT = Path(__file__).parents[3]
HISTORY = ROOT / "tests/data/county/history"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "deploy/county/julu", tmp_path / "julu"))


def learn(pack: Path, *arguments: str) -> tuple[int, dict]:
    result = CliRunner().invoke(app, ["learn", "--pack", str(pack), "--json", *arguments])
    found = json.loads(result.stdout) if result.stdout.startswith("{") else {}
    return result.exit_code, found


def part_of(month: str, lines: int, tmp_path: Path) -> Path:
    """The first lines of a month: enough to learn something from in seconds."""
    text = (HISTORY / f"{month}.jsonl").read_text("utf-8").splitlines(keepends=True)[:lines]
    path = tmp_path / f"{month}.jsonl"
    path.write_text("".join(text), "utf-8")
    return path


@pytest.mark.parametrize("command", [("learn", "--from"), ("eval", "screen", "--cv", "months"), ("eval", "correlate")])
def test_a_file_named_twice_is_refused_since_it_would_judge_what_it_taught(command, tmp_path):
    file = part_of("2025-10", 150, tmp_path)
    (tmp_path / "again.jsonl").symlink_to(file)
    again = [f"{tmp_path}/again.jsonl"] if command[0] == "eval" else ["--from", f"{tmp_path}/again.jsonl"]
    result = CliRunner().invoke(app, [*command, str(file), *again])
    assert (result.exit_code, "named twice" in result.stderr, "again.jsonl" in result.stderr) == (1, True, True)


def test_a_copy_of_a_month_cannot_judge_it(pack, tmp_path):
    file = part_of("2025-10", 150, tmp_path)
    shutil.copy(file, tmp_path / "copy.jsonl")
    code, found = learn(pack, "--from", str(tmp_path))
    assert (code, found["live"], "two labelled months" in found["verdict"]) == (1, False, True)


def test_a_twin_learns_no_correction_of_the_month_that_it_is_judged_on(tmp_path):
    whole = months_of([part_of(month, 150, tmp_path) for month in ("2025-10", "2025-11")])
    october, november = (one.labelled for one in whole)
    same = replace(october[0], period="feed-2025-11")
    corrected = [replace(october[1], facts=replace(october[1].facts, report_id="rp-1"), period="feed-2025-10")]
    corrected += [replace(november[0], facts=replace(november[0].facts, report_id="rp-2"), period="feed-2025-11")]
    months = [*whole, *months_of([], [*corrected, same])]
    assert taught_without(months, 0) == [*november, corrected[1]], "neither October's feed nor its report elsewhere"
    assert taught_without(months, 1) == [*october, corrected[0]]


def unlabelled(path: Path, kept: int = 0) -> Path:
    """The month with the problems of its first `kept` reports alone."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for row in rows[kept:]:
        row["truth"]["problem"] = None
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def test_months_that_do_not_say_which_reports_are_one_problem_let_no_model_go_live(pack, tmp_path):
    shipped = version(pack)
    unlabelled(part_of("2025-10", 150, tmp_path))
    unlabelled(part_of("2025-11", 150, tmp_path))
    code, found = learn(pack, "--from", str(tmp_path))
    assert (code, found["live"], version(pack)) == (1, False, shipped)
    assert "nothing to judge it on (at most 0 pairs" in found["verdict"]
    assert f"at least {JUDGING_PAIRS}" in found["verdict"]
    assert "merge_precision" not in found


def test_a_month_with_few_pairs_judges_nothing_and_the_others_do(pack, tmp_path):
    october = read_county(part_of("2025-10", 150, tmp_path))
    unlabelled(part_of("2025-11", 150, tmp_path), kept=20)
    _, found = learn(pack, "--from", str(tmp_path))
    assert found["due_pairs"] == due_pairs([item.problem for item in october]), "October's alone"


def test_corrections_that_only_confirm_what_reports_are_about_judge_no_model(pack, tmp_path):
    reports = read_county(part_of("2025-10", 150, tmp_path))
    confirmed = [
        replace(item, problem=f"feed/{number}", period=f"feed-2025-{10 + number % 2}")
        for number, item in enumerate(reports)
    ]
    found = go_live(months_of([], confirmed), pack, None, False, lambda _: None)
    assert (found["live"], "nothing to judge it on" in found["verdict"]) == (False, True)


def version(pack: Path) -> str:
    return load_model(pack / "model/judgement.npz").version


@pytest.mark.timeout(400)
def test_learning_swaps_the_model_and_rolling_back_brings_the_old_one(pack, tmp_path):
    shipped = version(pack)
    files = [part_of(month, 150, tmp_path) for month in ("2025-10", "2025-11")]
    sources = [argument for file in files for argument in ("--from", str(file))]
    code, refused = learn(pack, *sources)
    assert {"merge_precision", "merge_recall"} <= refused.keys()
    assert (code, refused["live"]) in {(0, True), (1, False)}
    if not refused["live"]:
        assert version(pack) == shipped
        code, _ = learn(pack, *sources, "--anyway")
        assert code == 0
    fresh = version(pack)
    assert fresh != shipped
    assert load_model(pack / "model/judgement.npz").description["judged_on"] == ["2025-10.jsonl", "2025-11.jsonl"]
    code, back = learn(pack, "--rollback")
    assert (code, back["version"]) == (0, shipped)
    assert version(pack) == shipped
    learn(pack, "--rollback")
    assert version(pack) == fresh


def test_there_is_nothing_to_roll_back_to_at_first(pack):
    code, _ = learn(pack, "--rollback")
    assert code != 0


def test_a_model_that_routing_would_refuse_does_not_come_back(pack):
    live = pack / "model/judgement.npz"
    shipped = load_model(live)
    strange = replace(shipped.text, matter_codes=("X99", *shipped.text.matter_codes[1:]))
    save_model(replace(shipped, text=strange), live.with_name("judgement.previous.npz"))
    result = CliRunner().invoke(app, ["learn", "--pack", str(pack), "--rollback"])
    assert (result.exit_code, "X99" in result.stderr) == (1, True), result.stdout
    assert version(pack) == shipped.version


def test_months_are_lived_again_by_engines_that_did_not_learn_from_them(pack, tmp_path):
    months = [read_county(part_of(month, 120, tmp_path)) for month in ("2025-07", "2025-10", "2025-11", "2025-12")]
    looks = learn_model([item for month in months for item in month], pack_bits(pack), max_iter=20).second_looks
    true, lived = looks[looks[:, 3] == 0], looks[looks[:, 3] == 1]
    assert len(lived) > 200
    assert lived[:, 1].mean() <= true[:, 1].mean()


def test_files_are_taken_in_order_of_time_whatever_the_command_line_says():
    names = ["2026-02", "2025-04", "2025-11"]
    taken = in_order([HISTORY / f"{name}.jsonl" for name in names], read_county)
    assert [path.stem for path, _ in taken] == sorted(names)
    assert all(labelled == read_county(path) for path, labelled in taken)
