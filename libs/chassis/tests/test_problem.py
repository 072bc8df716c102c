"""What a route answers when something fails under it: always problem+json, never a stack."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError
from structlog.testing import capture_logs

from huying.chassis import problem
from huying.chassis.errors import Broken, Transient


def failing(error: Exception, *, through: bool = False) -> httpx.AsyncClient:
    """A service whose only route meets `error`; `through`: what reaches its server is raised here as well."""
    app = FastAPI()
    problem.install(app)

    @app.get("/read")
    async def read() -> None:
        raise error

    transport = httpx.ASGITransport(app, raise_app_exceptions=through)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServerSelectionTimeoutError("mongodb-of-the-county:27017"), 503),
        (PyMongoError("mongodb-of-the-county"), 503),
        (Transient("mongodb-of-the-county"), 503),
        (Broken("handler_error", "mongodb-of-the-county"), 500),
        (ZeroDivisionError("mongodb-of-the-county"), 500),
    ],
)
async def test_a_fault_under_a_route_is_a_problem_without_its_details(error: Exception, status: int) -> None:
    async with failing(error) as client:
        answer = await client.get("/read")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert "mongodb-of-the-county" not in answer.text


@pytest.mark.parametrize(
    ("kind", "body", "field", "says"),
    [
        ("application/x-www-form-urlencoded", b'{"alarm": "tilt"}', "body", "Content-Type: application/json"),
        ("application/json", b'{"alarm": tilt}', "body", "character 10"),
        ("application/json", b'["tilt"]', "body", "JSON object"),
        ("application/json", b'{"alarm": 1}', "alarm", "string"),
        ("application/json", '{"alarm": "倾斜"}'.encode("gbk"), "body", "UTF-8"),
        ("application/json", b"[" * 100_000, "body", "nest"),
        ("application/json", b'{"alarm": ' + b"1" * 5_000 + b"}", "body", "numbers"),
    ],
)
async def test_a_body_that_cannot_be_used_is_told_what_to_send(kind: str, body: bytes, field: str, says: str) -> None:
    class Line(BaseModel):
        alarm: str

    app = FastAPI()
    problem.install(app)

    @app.post("/lines")
    async def take(line: Line) -> None:
        del line

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.post("/lines", content=body, headers={"content-type": kind})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, field)
    assert says in error["message"]
    assert says in answer.json()["detail"]


async def test_a_body_over_the_limit_is_told_so_also_when_it_comes_in_pieces() -> None:
    app = FastAPI()
    problem.install(app)

    @app.post("/lines")
    async def take(line: dict[str, str]) -> None:
        del line

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b" " * (problem.MAX_BODY_BYTES // 2)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.post("/lines", content=pieces(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["title"]) == (413, "Too large")
    assert "send pictures as links" in answer.json()["detail"]


async def test_an_absent_database_is_one_line_in_the_log_and_no_stack() -> None:
    with capture_logs() as logs:
        async with failing(ServerSelectionTimeoutError("server " * 1000)) as client:
            await client.get("/read")
    [line] = logs
    assert line["log_level"] == "warning"
    assert line["error"].startswith("ServerSelectionTimeoutError: server")
    assert len(line["error"]) <= problem.LONGEST_CAUSE
    assert "exc_info" not in line


async def test_a_fault_that_nobody_foresaw_still_reaches_the_server_which_logs_its_stack() -> None:
    async with failing(ZeroDivisionError("ours"), through=True) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/read")
