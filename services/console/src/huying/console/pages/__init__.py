"""The pages, in NiceGUI. It is one application per process; a second console (in tests) takes its place."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from nicegui import core, ui
from nicegui.translations import translations

from huying.chassis.problem import Problem

from .. import tokens
from . import feed, incident, triage
from .frame import GROUND_STATE

__all__ = ["attach", "feed", "incident", "triage"]


def attach(app: FastAPI) -> None:
    """Mount the pages under `app`; both lifespans run, NiceGUI's around the chassis'."""
    translations["zh-CN"] |= {"connection_lost": "连接中断，", "trying_to_reconnect": "正在重连"}
    core.app.middleware_stack = None
    core.app.user_middleware.clear()
    core.app.add_exception_handler(404, _nothing_here)
    ui.run_with(
        app,
        title="呼应",
        favicon=tokens.ICON,
        language="zh-CN",
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,
        reconnect_timeout=10.0,
    )
    setattr(core.app.state, GROUND_STATE, app)


async def _nothing_here(request: Request, _: Exception) -> Response:
    """An address that is no page: said to people in their words, to a machine as every refusal is."""
    if request.url.path.startswith("/v1/"):
        return Problem(404, "Not found", "There is no such address; GET /openapi.json has them all.").response()
    return HTMLResponse(
        f"""<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>没有这个页面 · 呼应</title>
<link rel="icon" href="data:image/svg+xml,{tokens.ICON_URL}"><style>{tokens.PLAIN_CSS}</style></head>
<body><main><div class="brand">{tokens.ICON}<div><h1>没有这个页面</h1><p>网址可能抄错了。</p></div></div>
<p><a href="/">回到实时页，在那里搜索</a></p></main></body></html>""",
        404,
    )
