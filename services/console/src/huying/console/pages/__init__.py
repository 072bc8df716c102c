"""The pages, in NiceGUI. It is one application per process; a second console (in tests) takes its place."""

from fastapi import FastAPI
from nicegui import core, ui
from nicegui.translations import translations

from .. import tokens
from . import feed, incident, triage
from .frame import GROUND_STATE

__all__ = ["attach", "feed", "incident", "triage"]


def attach(app: FastAPI) -> None:
    """Mount the pages under `app`; both lifespans run, NiceGUI's around the chassis'."""
    translations["zh-CN"] |= {"connection_lost": "连接中断，", "trying_to_reconnect": "正在重连"}
    core.app.middleware_stack = None
    core.app.user_middleware.clear()
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
