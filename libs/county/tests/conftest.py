"""Julu's pack, and copies of it to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from huying.county import Pack, load

JULU = Path(__file__).parents[3] / "deploy" / "county" / "julu"

TUNED = {
    "correlation.yaml": """\
defaults:
  window_days: 14
  merge_threshold: 0.85
  ask_threshold: 0.5
  ask_hold_minutes: 30
matters:
  M12: {window_days: 7}
  M15: {window_days: 90}
  M23: {window_days: 120}
""",
    "screening.yaml": """\
confirm_below: 0.55
emergency_words: [着火]
emergency_patterns:
  - "电线.{0,12}(垂落|耷拉)"
""",
    "synonyms.txt": "停水 没水\n漏水 跑水 冒水\n",
}
"""Files that are tuned on data: tests of the checker have their own, so that tuning breaks none."""


@pytest.fixture(scope="session")
def julu() -> Pack:
    return load(JULU)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A pack that may be damaged."""
    folder = Path(shutil.copytree(JULU, tmp_path / "julu"))
    for file, text in TUNED.items():
        (folder / file).write_text(text, "utf-8")
    return folder


@pytest.fixture
def edit(copy: Path) -> Callable[[str, str, str], int]:
    """Replace a text that stands once in a file of the copy; gives the line on which it stood."""

    def replace(file: str, old: str, new: str) -> int:
        path = copy / file
        text = path.read_text("utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), "utf-8")
        return text[: text.index(old)].count("\n") + 1

    return replace
