"""What `huying eval screen` measures is what the domain dispatches."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from huying.contracts.incidents import Classification
from huying.county import Pack, load
from huying.devkit.cli import app
from huying.devkit.evaluate import screen
from huying.devkit.evaluate.shipped import pack_dir, shipped_judge
from huying.routing.judgement import RankedMatter, ReportFacts, Screening
from huying.routing.judgement.learning.labelled import LabelledReport

PACK = load(pack_dir(None))
JUDGE = shipped_judge(None, None)
FACTS = ReportFacts("r1", "citizen_app", datetime(2026, 3, 2, tzinfo=UTC), "路灯杆子上好像有电")
LAMP = RankedMatter("M02", 0.9)
ALARM = Screening("r1", (LAMP,), "public_service", True, 0.1, "emergency", (), (), False, False, None, False)


def clock_accuracy(labelled: str) -> float:
    item = LabelledReport(FACTS, None, "2026-03", matter="M02", clock=labelled, main_unit="U02")
    return screen.screening_figures(PACK, [item], [ALARM])["clock_class_accuracy"]


def test_an_unsure_alarm_counts_by_its_matters_clock() -> None:
    assert clock_accuracy("public_service") == 1.0
    assert clock_accuracy("emergency") == 0.0


def test_the_clock_is_the_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    def alarmed(screening: Screening, pack: Pack) -> Classification:
        return Classification(matter="M02", matter_name="路灯", clock_class="emergency", confidence=0.9)

    monkeypatch.setattr(screen, "classify", alarmed)
    assert clock_accuracy("emergency") == 1.0


def test_a_label_that_a_report_has_not_is_nobodys_miss() -> None:
    labelled = LabelledReport(FACTS, None, "2026-03", matter="M02", clock="public_service", main_unit="U02")
    bare = replace(labelled, matter=None, clock=None, main_unit=None)
    both, one = (
        screen.screening_figures(PACK, items, [ALARM] * len(items)) for items in ([labelled, bare], [labelled])
    )
    assert both == one
    assert (one["top1"], one["clock_class_accuracy"]) == (1.0, 1.0)


def test_a_stream_without_an_emergency_takes_nothing_from_the_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = replace(ALARM, emergency=False, clock="public_service")
    calm = LabelledReport(FACTS, None, "2026-03", matter="M02", clock="public_service", main_unit="U02")
    danger = replace(calm, clock="emergency")
    assert screen.screening_figures(PACK, [calm], [quiet])["emergency_recall"] is None
    lived = {"calm": [quiet], "hit": [ALARM], "missed": [quiet]}
    streams = {"calm": [calm], "hit": [danger], "missed": [danger]}

    def recall(*names: str) -> float:
        told = iter(names)
        monkeypatch.setattr(screen, "in_context", lambda judge, labelled: 2 * (lived[next(told)],))
        figures = screen.judged(PACK, JUDGE, [(streams[name], None) for name in names])
        assert figures["emergency_recall"] == figures["emergency_recall_text_alone"]
        return figures["emergency_recall"]

    assert recall("calm", "hit") == 1.0
    assert recall("calm", "hit", "hit", "missed") == pytest.approx(2 / 3)


@pytest.mark.parametrize("words", [(), ("--cv", "months"), ("--cv", "towns")])
def test_a_file_without_a_report_is_refused_instead_of_judged_with_zeros(tmp_path: Path, words: tuple[str]) -> None:
    files = [tmp_path / name for name in ("one.jsonl", "other.jsonl")]
    for file in files:
        file.touch()
    answer = CliRunner().invoke(app, ["eval", "screen", *map(str, files), *words])
    assert (answer.exit_code, "one.jsonl" in answer.stderr, "holds no report" in answer.stderr) == (1, True, True)
    assert answer.stdout == ""
