"""A service that cannot go on says why in the last line, where people look."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from huying.chassis import service
from huying.chassis.errors import ConfigurationError
from huying.chassis.service import Ground, build, serve
from huying.chassis.settings import ServiceSettings
from huying.chassis.testing import SECRET


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Database and broker are there at once."""

    async def at_once(*_: object) -> str:
        await asyncio.sleep(0)
        return "cluster"

    monkeypatch.setattr("huying.chassis.service._wait_for_database", at_once)
    monkeypatch.setattr("huying.chassis.link.Link.wait_for_cluster", at_once)


async def unanswered(ground: Ground) -> None:
    del ground
    raise ConfigurationError("some people cannot be reached:\n  li: no target for 'webhook:x'\n  wu: none either")


@pytest.mark.usefixtures("answered")
def test_a_setting_that_is_found_wrong_only_after_the_start_is_told_plainly_and_last() -> None:
    settings = ServiceSettings(service="intake", port=0, secret=SECRET)
    with pytest.raises(SystemExit) as stopped:
        serve(lambda: build(settings, wire=unanswered))  # type: ignore[arg-type]
    expected = "configuration: some people cannot be reached: li: no target for 'webhook:x'; wu: none either"
    assert stopped.value.code == expected


async def cut_off(ground: Ground) -> None:
    del ground
    raise asyncio.CancelledError


@pytest.mark.usefixtures("answered")
async def test_a_service_that_is_cut_off_by_nobody_says_so_and_ends() -> None:
    """Otherwise the process lives on and consumes nothing for ever."""
    app = build(ServiceSettings(service="intake", port=0, secret=SECRET), wire=cut_off)  # type: ignore[arg-type]
    ended = asyncio.Event()
    app.state.ground.end = ended.set
    async with app.router.lifespan_context(app):
        async with asyncio.timeout(5):
            await ended.wait()
        assert "cut off" in app.state.ground.failure


async def test_when_the_link_does_not_stop_well_neither_the_relay_nor_the_look_at_the_cluster_goes_on() -> None:
    running: list[str] = []

    async def forever(name: str) -> None:
        running.append(name)
        try:
            await asyncio.Event().wait()
        finally:
            running.remove(name)

    async def at_once(*_: object) -> None:
        await asyncio.sleep(0)

    async def badly() -> None:
        raise RuntimeError("the group has gone")

    fault = asyncio.get_running_loop().create_future()
    link = SimpleNamespace(
        subscribe=at_once,
        start=at_once,
        stop=badly,
        fault=fault,
        producer=None,
        cluster="c",
        changed_cluster=lambda: forever("look"),
    )
    relay = SimpleNamespace(run=lambda *_: forever("relay"))
    ground: Any = SimpleNamespace(batch=1, ledger=1, follower=None, link=link, relay=relay, ready=False)
    consuming = asyncio.create_task(service._consume(ground))
    while not ground.ready:
        await asyncio.sleep(0)
    fault.set_exception(ValueError("no rule for this"))
    with pytest.raises(RuntimeError, match="the group has gone"):
        await consuming
    assert running == []


@pytest.mark.usefixtures("answered")
async def test_what_a_service_holds_is_let_go_also_after_a_fault() -> None:
    """Its last spans are those of the fault."""
    app = build(ServiceSettings(service="intake", port=0, secret=SECRET), wire=unanswered)  # type: ignore[arg-type]
    ground, let_go = app.state.ground, []
    ground.telemetry = SimpleNamespace(stop=lambda: let_go.append("spans"))
    ground.mongo = SimpleNamespace(close=lambda: let_go.append("connections"))
    with pytest.raises(ConfigurationError):
        await _stopped(app)
    assert let_go == ["spans", "connections"]


async def _stopped(app: Any) -> None:
    async with app.router.lifespan_context(app):
        while app.state.ground.failure is None:
            await asyncio.sleep(0)
