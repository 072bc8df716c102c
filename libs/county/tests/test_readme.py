"""The README's example runs, and the findings it quotes are the checker's own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from huying.county import check

ROOT = Path(__file__).parents[3]
README = (ROOT / "libs" / "county" / "README.md").read_text("utf-8")


def test_the_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert len(names["workers"]) == 1  # type: ignore[arg-type]
    assert "第1个工作日：02-14 周六（春节调休上班）" in capsys.readouterr().out


def test_the_findings_it_quotes_are_real(copy: Path, edit: Callable[[str, str, str], int]) -> None:
    edit("duties.csv", "M05,any,U03,town", "M05,any,U77,town")
    edit("correlation.yaml", "ask_threshold: 0.5", "ask_threshold: 0.95")
    units = copy / "units.csv"
    quoted = re.findall(r"^julu/.*$", README, re.MULTILINE)
    found = {str(finding) for finding in check(copy)}
    units.write_bytes(units.read_text("utf-8").encode("gb18030"))
    found |= {str(finding) for finding in check(copy)}
    assert len(quoted) == 3
    assert set(quoted) <= found, sorted(found)
