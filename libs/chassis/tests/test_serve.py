"""A service that cannot go on says why in the last line, where people look."""

import asyncio

import pytest

from huying.chassis.errors import ConfigurationError
from huying.chassis.service import Ground, build, serve
from huying.chassis.settings import ServiceSettings
from huying.chassis.testing import SECRET


async def unanswered(ground: Ground) -> None:
    del ground
    raise ConfigurationError("some people cannot be reached:\n  li: no target for 'webhook:x'\n  wu: none either")


def test_a_setting_that_is_found_wrong_only_after_the_start_is_told_plainly_and_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def at_once(*_: object) -> None:
        await asyncio.sleep(0)

    async def nowhere(_: object) -> str:
        return "cluster"

    monkeypatch.setattr("huying.chassis.service._wait_for_database", at_once)
    monkeypatch.setattr("huying.chassis.link.Link.wait_for_cluster", nowhere)
    settings = ServiceSettings(service="intake", port=0, secret=SECRET)
    with pytest.raises(SystemExit) as stopped:
        serve(lambda: build(settings, wire=unanswered))  # type: ignore[arg-type]
    expected = "configuration: some people cannot be reached: li: no target for 'webhook:x'; wu: none either"
    assert stopped.value.code == expected
