"""What `huying up` does about what dies under it, when that does not go well at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaTimeoutError

from huying.devkit import running, session
from huying.devkit.stack import Stack, cluster, topics
from huying.devkit.stack.errors import DidNotStartError

pytestmark = pytest.mark.wire


class Few:
    """Services of which one dies once."""

    died = True

    def mend(self) -> list[str]:
        died, self.died = self.died, False
        return ["intake"] if died else []


def tend(stack: Stack, until: Callable[[], bool]) -> list[str]:
    """Tend until that; what was told."""
    told: list[str] = []
    enough = threading.Event()
    live = cast("session.Session", SimpleNamespace(stack=stack, services=Few()))
    with ThreadPoolExecutor(1) as pool:
        tending = pool.submit(session.tend, live, enough, told.append)
        for _ in range(600):
            if until() or tending.done():
                break
            enough.wait(0.1)
        enough.set()
        tending.result()
    assert until()
    return told


def test_topics_that_could_not_be_made_at_once_are_made_later(
    fresh_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack, make, tries = fresh_stack(), running.create_topics, 0
    make(stack.bootstrap)

    def slow(bootstrap: str) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise KafkaTimeoutError("the broker is busy")
        make(bootstrap)

    monkeypatch.setattr(running, "create_topics", slow)
    monkeypatch.setattr(session, "TRY_AGAIN_S", 0.1)
    stack.kill("broker")
    told = tend(stack, lambda: tries == 2)
    wanted = cluster.run(topics.of_the_contract(stack.bootstrap))
    assert cluster.run(topics.check(stack.bootstrap, wanted)) == []
    assert [line for line in told if "the broker is busy" in line]


def test_a_part_that_does_not_start_is_tried_again_and_keeps_nobody_else_down(
    fresh_stack: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = fresh_stack()
    restart, tries = Stack.restart, 0

    def unlucky(own: Stack, name: Any) -> None:
        nonlocal tries
        if name == "broker" and (tries := tries + 1) < 3:
            raise DidNotStartError("no room on the disk")
        restart(own, name)

    monkeypatch.setattr(Stack, "restart", unlucky)
    monkeypatch.setattr(session, "TRY_AGAIN_S", 0.1)
    stack.kill("broker")
    stack.kill("mongod")
    told = tend(stack, lambda: stack.dead == [])
    named = [line.partition("]")[2].split()[0] for line in told if "[yellow]" in line]
    assert sorted(named) == ["broker", "intake", "mongod"]
    assert named.index("mongod") < named.index("broker")
