"""Makes the lives and the shelf importable for the tests of this folder; Julu's rules."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sla_bench import Bench

from huying.county import Pack, load
from huying.sla_timer.clocks import Rulebook

JULU = Path(__file__).parents[3] / "deploy/county/julu"


@pytest.fixture(scope="session")
def julu() -> Pack:
    return load(JULU)


@pytest.fixture(scope="session")
def rules(julu: Pack) -> Rulebook:
    policies = {(policy.kind, policy.clock_class): policy for policy in julu.clocks.policies}
    return Rulebook(julu.hash, policies, julu.calendar, julu.county.dispatch_centre)


@pytest.fixture
def bench(rules: Rulebook) -> Bench:
    return Bench(rules)
