"""The seven services as child processes: what one of them meets keeps nobody waiting for another."""

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from huying.devkit.stack.errors import DidNotStartError
from huying.devkit.system import Services, _Member


class Process:
    """One that never becomes ready; dead from the start or until it is stopped."""

    def __init__(self, name: str, *, dead: bool) -> None:
        self._name, self._ended = name, threading.Event()
        if dead:
            self._ended.set()

    def wait_until_ready(self, url: str, timeout_s: float) -> float:
        del url, timeout_s
        self._ended.wait(10)
        raise DidNotStartError(f"{self._name} ended")

    def stop(self) -> None:
        self._ended.set()


def test_the_first_that_ends_is_named_while_others_are_still_starting(tmp_path: Path) -> None:
    services = Services(cast("Any", None), cast("Any", None), tmp_path)
    for name in ("intake", "routing"):
        services._members[name] = _Member(cast("Any", Process(name, dead=name == "routing")), 1)
    try:
        with pytest.raises(DidNotStartError, match="routing"):
            services.wait_ready()
    finally:
        services.stop()
