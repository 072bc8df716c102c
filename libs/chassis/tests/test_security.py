"""Who is let in where: a publisher's key reports, and neither reads the county nor commands."""

from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from huying.chassis import desk, problem
from huying.chassis.errors import Transient
from huying.chassis.security import KeyRing, Principal, write_entry

COMMAND = "/v1/incidents/in-1/commands"
REDO = {"action": {"kind": "redo", "reason": "x"}}


@pytest.fixture
def client(tmp_path: Path) -> httpx.AsyncClient:
    """The command desk behind a ring with a publisher's key and a key of the installation itself."""
    ring = tmp_path / "keys.json"
    for name, more in (("weather", {"sources": ["weather/julu"]}), ("machine", {})):
        write_entry(ring, {"id": name, "role": "system", "sha256": sha256(name.encode()).hexdigest(), **more})
    app = FastAPI()
    app.state.ground = SimpleNamespace(keys=KeyRing(ring), clock=None, handler=None)
    app.include_router(desk.router)
    problem.install(app)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk")


def as_(who: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {who}"}


async def test_a_publisher_commands_nothing_and_asks_after_no_command(client: httpx.AsyncClient) -> None:
    refused = await client.post(COMMAND, json=REDO, headers={**as_("weather"), "Idempotency-Key": "1"})
    assert (refused.status_code, refused.json()["title"]) == (403, "Not allowed")
    assert "your key's role is publisher" in refused.json()["detail"]
    asked = await client.get("/v1/commands/cm-1", headers=as_("weather"))
    assert asked.status_code == 403


async def test_a_machine_of_the_installation_reaches_the_desk(client: httpx.AsyncClient) -> None:
    answer = await client.post(COMMAND, json=REDO, headers=as_("machine"))
    assert answer.status_code == 422, "let in; the header that names the command is missing"


async def test_while_the_ring_cannot_be_read_nobody_is_let_in_and_nothing_is_refused_for_good(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    ring = tmp_path / "keys.json"
    whole = ring.read_text("utf-8")
    ring.write_text(whole[:-9], "utf-8")
    answers = [await client.post(COMMAND, json=REDO, headers=as_(who)) for who in ("machine", "stranger")]
    assert [answer.status_code for answer in answers] == [503, 503]
    ring.write_text(f"{whole}\n", "utf-8")
    answers = [await client.post(COMMAND, json=REDO, headers=as_(who)) for who in ("machine", "stranger")]
    assert [answer.status_code for answer in answers] == [422, 401]


async def test_a_header_in_another_alphabet_is_no_key(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/commands/cm-1", headers=[(b"authorization", b"B\xe9arer machine")])
    assert answer.status_code == 401


async def test_a_command_for_what_can_be_no_incident_is_refused(client: httpx.AsyncClient) -> None:
    headers = {**as_("machine"), "Idempotency-Key": "1"}
    answer = await client.post(f"/v1/incidents/{'a' * 300}/commands", json=REDO, headers=headers)
    assert (answer.status_code, "incident_id" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("told", "standing"),
    [
        ({"role": "system", "sources": ("weather/julu",)}, "publisher"),
        ({"role": "system"}, "system"),
        ({"role": "dispatcher", "sources": ("desk",)}, "dispatcher"),
        ({"role": "leader", "unit": "U02"}, "unit"),
    ],
)
def test_only_a_machine_with_sources_stands_as_publisher(told: dict[str, Any], standing: str) -> None:
    assert Principal("x", **told).standing == standing


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        pytest.param({"id": "weather", "role": "system", "public_key": "no base64"}, "public_key", id="no base64"),
        pytest.param({"id": "weather", "role": "system", "public_key": "AAAA"}, "public_key", id="too short"),
        pytest.param({"id": "weather", "role": "system", "public_key": 7}, "public_key", id="no text"),
        pytest.param({"id": "weather", "role": "king", "sha256": "00"}, "role", id="no such role"),
    ],
)
def test_a_ring_with_an_entry_that_is_none_names_file_entry_and_field(
    tmp_path: Path, entry: dict[str, Any], field: str
) -> None:
    ring = tmp_path / "keys.json"
    write_entry(ring, entry)
    with pytest.raises(Transient, match=f"keys.json: {field} of 'weather'.*`huying keys`"):
        KeyRing(ring).by_token("any")
