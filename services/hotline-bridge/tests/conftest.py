"""The county's pack, its mappings, and an order of every origin."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from huying import county
from huying.hotline_bridge.domain import mapping

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE))  # makes feeds.py importable


@pytest.fixture(scope="session")
def pack() -> county.Pack:
    return county.load(ROOT / "deploy/county/julu")


@pytest.fixture(scope="session")
def mappings(pack: county.Pack) -> dict[str, mapping.OriginMapping]:
    return {origin: mapping.read(origin, document) for origin, document in pack.mappings.items()}


@pytest.fixture(scope="session")
def orders() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text("utf-8")) for path in (HERE / "orders").glob("*.json")}


@pytest.fixture(scope="session")
def county_reports() -> list[dict[str, Any]]:
    lines = (ROOT / "tests/data/county/reports.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]
