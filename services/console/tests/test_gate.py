"""Nothing without a sign-in: the gate before a plain application, and the cookie that opens it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from huying.chassis.security import KeyRing, Principal, remove_entry, write_entry
from huying.console import login
from huying.console.gate import Gate
from huying.console.login import _inside
from huying.console.session import COOKIE, Sessions

ZHANG = Principal("zhang", "dispatcher")


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """A machine's key, and Zhang's account."""
    path = tmp_path / "keys.json"
    machine = {"id": "m", "role": "system", "sha256": sha256(b"machine").hexdigest()}
    write_entry(path, machine, {"id": "zhang", "role": "dispatcher", "argon2": "one"})
    return path


@pytest.fixture
def sessions(ring: Path) -> Sessions:
    return Sessions(b"k" * 32, timedelta(hours=1), KeyRing(ring))


async def behind(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    del receive
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"behind"})


@pytest.fixture
def gate(sessions: Sessions) -> Gate:
    return Gate(behind, sessions, sessions.accounts)


async def ask(gate: Gate, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=gate)
    async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
        return await client.request(method, path, headers=headers)


def signing_in(ring: Path, sessions: Sessions) -> httpx.AsyncClient:
    """Somebody before the sign-in page."""
    app = FastAPI()
    app.include_router(login.router)
    app.state.sessions, app.state.ground = sessions, SimpleNamespace(keys=KeyRing(ring))
    app.state.names = SimpleNamespace(county="巨鹿县")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://desk")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/login"])
async def test_health_metrics_and_the_sign_in_are_open(gate: Gate, path: str) -> None:
    assert (await ask(gate, path)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/triage", "/incidents/x", "/_nicegui/x.js", "/v1/commands/x", "/openapi.json", "/login/x", "//login"]
)
async def test_everything_else_is_closed(gate: Gate, path: str) -> None:
    assert (await ask(gate, path)).status_code == 401
    page = await ask(gate, f"{path}?q=a", accept="text/html")
    assert page.status_code == 303
    assert page.headers["location"].startswith("/login?next=%2F")


async def test_a_session_opens_and_a_changed_one_does_not(gate: Gate, sessions: Sessions) -> None:
    cookie = sessions.write(ZHANG)
    assert (await ask(gate, "/", cookie=f"{COOKIE}={cookie}")).status_code == 200
    packed, _, mac = cookie.partition(".")
    strangers = replace(sessions, key=b"o" * 32).write(ZHANG)
    for wrong in (f"{packed}x.{mac}", f"{packed}.{mac[1:]}", packed, ".", "é.x", strangers, "", None):
        assert sessions.read(wrong) is None
    assert (await ask(gate, "/", cookie=f"{COOKIE}={packed}.0")).status_code == 401
    assert sessions.read(cookie) == ZHANG
    assert sessions.read(replace(sessions, life=timedelta(seconds=-1)).write(ZHANG)) is None


async def test_an_account_that_is_taken_back_or_given_another_password_has_no_session(
    gate: Gate, sessions: Sessions, ring: Path
) -> None:
    cookie = sessions.write(ZHANG)
    write_entry(ring, {"id": "zhang", "role": "dispatcher", "argon2": "another"})
    assert (await ask(gate, "/", cookie=f"{COOKIE}={cookie}")).status_code == 401
    cookie = sessions.write(ZHANG)
    assert (await ask(gate, "/", cookie=f"{COOKIE}={cookie}")).status_code == 200
    remove_entry(ring, "zhang")
    assert (await ask(gate, "/", cookie=f"{COOKIE}={cookie}")).status_code == 401
    assert sessions.read(sessions.write(ZHANG)) is None
    assert sessions.read(sessions.write(Principal("m", "system"))) is None, "a machine's key is no account"


def test_a_session_has_the_rights_that_the_account_has_now(sessions: Sessions, ring: Path) -> None:
    cookie = sessions.write(ZHANG)
    write_entry(ring, {"id": "zhang", "role": "unit", "unit": "U02", "argon2": "one"})
    assert sessions.read(cookie) == Principal("zhang", "unit", "U02")


@pytest.mark.parametrize("role", ["citizen", "system"])
async def test_who_is_no_staff_has_no_session_and_is_told_so_after_the_right_password_alone(
    ring: Path, sessions: Sessions, role: str
) -> None:
    cookie = sessions.write(ZHANG)
    write_entry(ring, {"id": "zhang", "role": role, "argon2": "one"})
    assert sessions.read(cookie) is None
    write_entry(ring, {"id": "wang", "role": role, "argon2": PasswordHasher().hash("right")})
    async with signing_in(ring, sessions) as client:
        wrong = await client.post("/login", data={"name": "wang", "password": "wrong"})
        right = await client.post("/login", data={"name": "wang", "password": "right"})
    assert (wrong.status_code, "不能登录调度台" in wrong.text) == (401, False)
    assert (right.status_code, "不能登录调度台" in right.text, "set-cookie" in right.headers) == (403, True, False)


async def test_a_machine_key_reaches_the_api_and_no_page(gate: Gate) -> None:
    assert (await ask(gate, "/v1/commands/x", authorization="Bearer machine")).status_code == 200
    assert (await ask(gate, "/v1/commands/x", authorization="Bearer other")).status_code == 401
    assert (await ask(gate, "/", authorization="Bearer machine")).status_code == 401


async def test_another_sites_page_writes_nothing_with_our_cookie(gate: Gate, sessions: Sessions) -> None:
    cookie = f"{COOKIE}={sessions.write(ZHANG)}"
    assert (await ask(gate, "/logout", "POST", cookie=cookie, origin="http://desk")).status_code == 200
    assert (await ask(gate, "/logout", "POST", cookie=cookie, origin="http://evil")).status_code == 403


@pytest.mark.parametrize(
    ("signed_in", "origin", "sent"),
    [
        (False, [], "websocket.close"),
        (True, [], "websocket.accept"),
        (True, [(b"origin", b"http://evil"), (b"host", b"desk")], "websocket.close"),
    ],
)
async def test_a_websocket_needs_a_session_and_our_own_page(
    gate: Gate, sessions: Sessions, signed_in: bool, origin: Any, sent: str
) -> None:
    headers = [(b"cookie", f"{COOKIE}={sessions.write(ZHANG)}".encode())] if signed_in else []
    headers += origin
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope: Any = {"type": "websocket", "path": "/_nicegui_ws/socket.io", "headers": headers, "query_string": b""}
    await gate(scope, receive, send)
    assert [message["type"] for message in told] == [sent]


async def test_every_answer_forbids_the_browser_other_hosts(gate: Gate) -> None:
    policy = (await ask(gate, "/login")).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "*" not in policy


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("/triage?x=1", "/triage?x=1"),
        ("//evil", "/"),
        ("/\\evil", "/"),
        ("https://evil", "/"),
        ("", "/"),
        ("/login", "/"),
    ],
)
def test_the_sign_in_leads_to_pages_of_ours_only(wanted: str, leads: str) -> None:
    assert _inside(wanted) == leads


async def test_a_flood_of_long_names_is_not_kept(ring: Path, sessions: Sessions) -> None:
    async with signing_in(ring, sessions) as client:
        for letter in "ab":
            answer = await client.post("/login", data={"name": letter * 500_000, "password": "x"})
            assert answer.status_code == 401
    assert max(map(len, login._wrong)) <= 200


async def test_who_guesses_in_parallel_is_stopped_at_the_same_count(ring: Path, sessions: Sessions) -> None:
    write_entry(ring, {"id": "zhao", "role": "dispatcher", "argon2": PasswordHasher().hash("right")})
    async with signing_in(ring, sessions) as client:

        async def tried(password: str) -> int:
            return (await client.post("/login", data={"name": "zhao", "password": password})).status_code

        guesses = [*(f"wrong {number}" for number in range(login.TRIES + 3)), "right"]
        codes = await asyncio.gather(*map(tried, guesses))
    assert codes == [401] * login.TRIES + [429] * 4
