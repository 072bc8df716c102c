"""The sign-in page: plain HTML, no script. It does not say whether the name or the password was wrong."""

import asyncio
import time
from collections import OrderedDict
from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from huying.chassis.service import Ground, ground_of
from huying.contracts.commands import STAFF
from huying.contracts.moves import ROLE_WORDS

from . import tokens
from .session import COOKIE, Sessions

TRIES = 5
WINDOW_S = 300.0
"""Five wrong passwords in five minutes and the name waits: a guesser gets 1,440 a day, a tired person a pause."""
NAMES = 10_000
"""Names remembered at most, so that a flood of them costs no memory."""
LONGEST_NAME = 200
"""Characters of a name that are looked at: a longer one is nobody's, and a body may hold a million."""

router = APIRouter(include_in_schema=False)
Place = Annotated[Ground, Depends(ground_of)]
_one_at_a_time = asyncio.Semaphore(1)
_wrong: "OrderedDict[str, list[float]]" = OrderedDict()


@router.get("/login")
async def form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the word in the address
    """The form; straight on for who is signed in."""
    sessions: Sessions = request.app.state.sessions
    if sessions.read(request.cookies.get(COOKIE)) is not None:
        return RedirectResponse(_inside(next), 303)
    return HTMLResponse(_page(request, next))


@router.post("/login")
async def enter(request: Request, ground: Place) -> Response:
    """Sign in: 303 onward, 401 or 429 with the form."""
    fields = {name: values[0] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    name = fields.get("name", "").strip()[:LONGEST_NAME]
    password, wanted = fields.get("password", ""), fields.get("next", "/")
    async with _one_at_a_time:  # a password check takes 64 MiB: two at once would double that, and pass the limit
        if _too_often(name):
            return HTMLResponse(_page(request, wanted, name, "试错太多次，请五分钟后再试，或找管理员重设密码。"), 429)
        who = await asyncio.to_thread(ground.keys.by_password, name, password)
        if who is None:
            _note_wrong(name)
    if who is None:
        return HTMLResponse(_page(request, wanted, name, "账号或密码不对，请核对后再试。"), 401)
    if who.role not in STAFF:
        said = f"这是{ROLE_WORDS[who.role]}账号，不能登录调度台；请用工作人员的账号，或找管理员开通。"
        return HTMLResponse(_page(request, wanted, name, said), 403)
    _wrong.pop(name, None)
    sessions: Sessions = request.app.state.sessions
    answer = RedirectResponse(_inside(wanted), 303)
    secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
    life = int(sessions.life.total_seconds())
    answer.set_cookie(COOKIE, sessions.write(who), max_age=life, httponly=True, samesite="lax", secure=secure)
    return answer


@router.post("/logout")
async def leave() -> Response:
    """Sign out."""
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


def _too_often(name: str) -> bool:
    recent = [at for at in _wrong.get(name, ()) if at > time.monotonic() - WINDOW_S]
    return len(recent) >= TRIES


def _note_wrong(name: str) -> None:
    since = time.monotonic() - WINDOW_S
    _wrong[name] = [*(at for at in _wrong.get(name, ()) if at > since), time.monotonic()]
    _wrong.move_to_end(name)
    while len(_wrong) > NAMES:
        _wrong.popitem(last=False)


def _inside(wanted: str) -> str:
    """A path of ours, never another site's."""
    return wanted if wanted.startswith("/") and not wanted.startswith(("//", "/\\", "/login")) else "/"


def _page(request: Request, wanted: str, name: str = "", wrong: str = "") -> str:
    county = escape(request.app.state.names.county)
    told = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    return f"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>登录 · 呼应</title>
<link rel="icon" href="data:image/svg+xml,{tokens.ICON_URL}"><style>{tokens.PLAIN_CSS}</style></head>
<body><main><div class="brand">{tokens.ICON}<div><h1>呼应</h1><p>{county}事件调度台</p></div></div>
<form method="post" action="/login">{told}<input type="hidden" name="next" value="{escape(_inside(wanted))}">
<label for="name">账号</label><input id="name" name="name" value="{escape(name)}" autocomplete="username" required autofocus>
<label for="password">密码</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit">登录</button></form>
<p class="quiet">有呼必应 · 账号由县调度中心管理员开通</p></main></body></html>"""
