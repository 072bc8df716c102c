"""Lets the tests of routing share their bench."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from orders_bench import County


@pytest.fixture
def county() -> County:
    return County()
