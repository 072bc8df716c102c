"""What `huying eval screen` measures is what the domain dispatches."""

from datetime import UTC, datetime

import pytest

from huying.contracts.incidents import Classification
from huying.county import Pack, load
from huying.devkit.evaluate import screen
from huying.devkit.evaluate.shipped import pack_dir
from huying.routing.judgement import RankedMatter, ReportFacts, Screening
from huying.routing.judgement.learning.labelled import LabelledReport

PACK = load(pack_dir(None))
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
