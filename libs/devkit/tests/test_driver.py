"""The driver asks who it is about to drive, before the first report goes in."""

from pathlib import Path

import httpx
import pytest

from huying.devkit.replay.driver import require_replay
from huying.devkit.replay.target import Target
from huying.devkit.stack import StackError

URLS = {name: f"http://{name}.test" for name in ("intake", "routing", "console")}
TARGET = Target("broker:1", "mongodb://database", "huying", URLS, {}, Path(), services=("intake", "routing"))


def answering(**clocks: str | None) -> httpx.AsyncClient:
    """Services by their clock; None: it does not answer, empty: it is not ready."""

    def answer(request: httpx.Request) -> httpx.Response:
        clock = clocks[request.url.host.removesuffix(".test")]
        if clock is None:
            raise httpx.ConnectError("refused", request=request)
        if not clock:
            return httpx.Response(503, json={"title": "the database is away"})
        return httpx.Response(200, json={"status": "ready", "clock": clock})

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_services_on_the_replays_clock_are_driven_whatever_others_do() -> None:
    async with answering(intake="replay", routing="replay", console=None) as http:
        await require_replay(TARGET, http)


@pytest.mark.parametrize(
    ("routing", "said"), [("live", "live clock"), (None, "does not answer"), ("", "the database is away")]
)
async def test_a_system_that_is_not_a_replays_gets_no_report(routing: str | None, said: str) -> None:
    async with answering(intake="replay", routing=routing) as http:
        with pytest.raises(StackError, match=said) as refused:
            await require_replay(TARGET, http)
    assert "routing" in str(refused.value)
    assert "huying up --clock replay" in str(refused.value)


@pytest.mark.parametrize("page", [b"<html>log in</html>", b"[]", b"\xff"])
async def test_another_program_on_a_services_port_is_named(page: bytes) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=page))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(StackError, match=r"intake at http://intake\.test is not ready"):
            await require_replay(TARGET, http)
