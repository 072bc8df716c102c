"""Refusals as RFC 9457 problem+json: what happened, which field, what to do. No stack, no input echoed."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import Broken, Transient

MAX_BODY_BYTES = 1024 * 1024
"""A report is text; pictures are fetched from where the publisher keeps them."""

UNREADABLE = "cannot be read; send JSON in UTF-8 with nesting and numbers of a usual size"
NO_OBJECT = "send a JSON object, with the header Content-Type: application/json"
LONGEST_CAUSE = 500
"""The database's client tells of every server that it knows, at length."""

log = structlog.get_logger()


class Problem(Exception):
    """A refusal. `errors` names fields; `extra` adds members of the problem."""

    def __init__(
        self, status: int, title: str, detail: str, *, errors: list[dict[str, str]] | None = None, **extra: Any
    ) -> None:
        """`title` is the kind of problem, `detail` this occurrence and what to do."""
        super().__init__(detail)
        self.status = status
        self.body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        if errors:
            self.body["errors"] = errors
        self.body.update(extra)

    def response(self) -> JSONResponse:
        """As it travels."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return JSONResponse(self.body, self.status, headers, "application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every refusal of `app` as problem+json, and refuse bodies that are too large."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return error.response()

    async def on_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = [_blamed(item) for item in error.errors()]
        first = errors[0] if errors else {"field": "", "message": ""}
        detail = f"{first['field']}: {first['message']}"
        return Problem(422, "Invalid request", detail, errors=errors).response()

    async def on_http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if isinstance(error.__cause__, Problem):  # of `BodyLimit`: whatever ends its reading is a bad body to FastAPI
            return error.__cause__.response()
        if error.status_code == 400:
            errors = [{"field": "body", "message": UNREADABLE}]
            return Problem(422, "Invalid request", f"body: {UNREADABLE}", errors=errors).response()
        return Problem(error.status_code, "Refused", str(error.detail)).response()

    async def on_transient(_: Request, error: Exception) -> JSONResponse:
        log.warning("request refused for now", error=f"{type(error).__name__}: {error}"[:LONGEST_CAUSE])
        return Problem(503, "Try again", "A part that this needs is not there now; try again in seconds.").response()

    async def on_broken(_: Request, error: Exception) -> JSONResponse:
        log.error("request failed", error=str(error))
        return Problem(500, "Not processed", "Nothing was stored; the log of the service has the reason.").response()

    async def on_fault(_: Request, error: Exception) -> JSONResponse:
        """A fault that nobody foresaw. Its stack is not logged here: the server does it, once, after this answer."""
        del error
        return Problem(500, "Not processed", "A fault of this service; its log has the reason.").response()

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Transient, on_transient)
    app.add_exception_handler(PyMongoError, on_transient)  # of a route that reads by itself
    app.add_exception_handler(Broken, on_broken)
    app.add_exception_handler(Exception, on_fault)
    app.add_middleware(BodyLimit)


def _blamed(item: dict[str, Any]) -> dict[str, str]:
    """The field at fault; `body` where the whole is no JSON object, or was not said to be one."""
    if item["loc"] == ("body",):
        return {"field": "body", "message": NO_OBJECT}
    if item["type"] == "json_invalid":
        return {"field": "body", "message": f"no JSON from character {item['loc'][-1]} on"}
    return {"field": ".".join(str(part) for part in item["loc"] if part != "body"), "message": item["msg"]}


class BodyLimit:
    """Refuses a body over the limit as soon as it is known, whatever its Content-Length says."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = 0
        problem = Problem(413, "Too large", f"The body may have {MAX_BODY_BYTES} bytes; send pictures as links.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            await problem.response()(scope, receive, send)
            return

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY_BYTES:
                raise problem
            return message

        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except Problem as error:
            if started:
                raise
            await error.response()(scope, receive, send)
