"""Documents that rot are worse than none: what they name must exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("libs/*/README.md"),
        *ROOT.glob("services/*/README.md"),
    ]
)
PATH = re.compile(r"`((?:services|libs|deploy|tests|docs)/[A-Za-z0-9_./-]+)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)\)")
TARGET = re.compile(r"`?make ([a-z-]+)`?")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_link_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists() and not (page.parent / name).exists()]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not missing


def test_every_make_target_that_the_readme_names_exists() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = set(re.findall(r"^\s*(?:\x1b\[1m)?([a-z-]+)", listed, re.MULTILINE))
    named = set(TARGET.findall((ROOT / "README.md").read_text("utf-8")))
    assert {"demo", "test"} <= named
    assert named <= targets


def test_both_readmes_have_the_same_sections() -> None:
    english, chinese = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
    assert english.count("\n## ") == chinese.count("\n## ")
    assert english.count("\n| ") == chinese.count("\n| ")


def test_every_command_that_the_readmes_name_is_there() -> None:
    named = set(re.findall(r"`huying ([a-z]+)", (ROOT / "README.md").read_text("utf-8")))
    huying = Path(sys.executable).with_name("huying")
    shown = subprocess.run([huying, "--help"], capture_output=True, text=True, check=True).stdout
    assert named <= set(re.findall(r"[a-z]+", shown))
