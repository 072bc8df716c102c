"""Nothing without a sign-in: stands before every route, page, asset and websocket of the console.

Open are health, metrics and the sign-in page itself. Machine keys reach `/v1` and `/openapi.json` only.
"""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from huying.chassis.problem import Problem
from huying.chassis.security import KeyRing, Principal

from .session import COOKIE, Sessions

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/login"})
READS = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from another host, ever. NiceGUI's page compiles its templates in the browser, hence inline and eval."""


class Gate:
    """Lets in who is signed in."""

    def __init__(self, app: ASGIApp, sessions: Sessions, keys: KeyRing) -> None:
        """Wrap `app`."""
        self._app, self._sessions, self._keys = app, sessions, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse before anything behind has seen the request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out.setdefault("Content-Security-Policy", POLICY)
                out.setdefault("X-Content-Type-Options", "nosniff")
                out.setdefault("Referrer-Policy", "same-origin")
            await send(message)

        if path in OPEN or self._by_key(path, headers):
            await self._app(scope, receive, guarded)
        elif self.who(headers) is None:
            await self._refuse(scope, receive, send)
        elif not _own_origin(scope, headers):
            await self._foreign(scope, receive, send)
        else:
            await self._app(scope, receive, guarded)

    def who(self, headers: Headers) -> Principal | None:
        """Whose session the request carries."""
        return self._sessions.read(cookie_of(headers))

    def _by_key(self, path: str, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not (path.startswith("/v1/") or path == "/openapi.json"):
            return False
        return self._keys.by_token(token.strip()) is not None

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4401, "reason": "sign in at /login"})
            return
        if scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            wanted = scope["path"] + (f"?{query}" if query else "")
            await RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)(scope, receive, send)
            return
        problem = Problem(401, "Who are you?", "Sign in at /login, or send `Authorization: Bearer <key>` to /v1.")
        await problem.response()(scope, receive, send)

    async def _foreign(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": "another site's page"})
            return
        problem = Problem(403, "Not from here", "The request came from another site's page; open the console itself.")
        await problem.response()(scope, receive, send)


def cookie_of(headers: Headers) -> str | None:
    """The session cookie's value."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _own_origin(scope: Scope, headers: Headers) -> bool:
    """Whether a write or a websocket comes from a page of ours: a cookie alone does not say who wanted it."""
    origin = headers.get("origin")
    if origin is None or (scope["type"] == "http" and scope["method"] in READS):
        return True
    return urlsplit(origin).netloc == headers.get("host")
