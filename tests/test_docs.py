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
ANCHORED = re.compile(r"\]\((?!https?:)([^)#]*)#([^)]+)\)")
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r'^(?:<a id="([^"]+)"></a>\n\n)?## (.+)$', re.MULTILINE)
CHINESE = sorted(ROOT.glob("docs/**/*.zh-CN.md"))


def sections(text: str) -> list[str]:
    """Anchors of a page's sections in their order: the one that stands before a heading, else the heading's own."""
    prose = BLOCK.sub("", text)
    return [named or re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for named, title in HEADING.findall(prose)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_link_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    missing = [name for name in PATH.findall(text) if not (ROOT / name).exists() and not (page.parent / name).exists()]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_section_that_a_page_links_to_exists(page: Path) -> None:
    for link, section in ANCHORED.findall(page.read_text("utf-8")):
        assert section in sections(((page.parent / link) if link else page).read_text("utf-8")), f"{link}#{section}"


@pytest.mark.parametrize("page", CHINESE, ids=lambda page: str(page.relative_to(ROOT)))
def test_both_editions_of_a_page_have_the_same_sections_anchors_and_blocks(page: Path) -> None:
    twin = page.with_name(page.name.replace(".zh-CN.md", ".md"))
    chinese, english = page.read_text("utf-8"), twin.read_text("utf-8")
    assert sections(chinese) == sections(english)
    assert BLOCK.findall(chinese) == BLOCK.findall(english)
    assert chinese.count("\n| ") == english.count("\n| ")
    for text, other in ((chinese, twin), (english, page)):
        assert f"]({other.name})" in text[:200], "each links to the other in its first lines"


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
    assert commands(english) == commands(chinese)


def commands(text: str) -> list[str]:
    """The blocks of a page without what is translated in them: remarks, and the drawing."""
    return [re.sub(r" +# .*", "", block) for block in BLOCK.findall(text) if "┐" not in block]


def test_every_command_that_the_readmes_name_is_there() -> None:
    named = set(re.findall(r"`huying ([a-z]+)", (ROOT / "README.md").read_text("utf-8")))
    huying = Path(sys.executable).with_name("huying")
    shown = subprocess.run([huying, "--help"], capture_output=True, text=True, check=True).stdout
    assert named <= set(re.findall(r"[a-z]+", shown))
