"""`huying up` and `huying down`: the whole system on this machine. Refuses to share folder or ports with another run."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .screen import Pack, console, fail, refusals, spinner

PREFIXES = {"live": "huying", "replay": "huying_replay"}
"""A database belongs to one clock's mode, so each mode has its own."""

DETACH_PATIENCE_S = 120.0
"""Longer than the slowest start that still succeeds."""


def _traces(given: str | None) -> str | None:
    """What services are told: they run in another folder than the command."""
    if given is None or given == "otlp":
        return given
    kind, _, folder = given.partition(":")
    if kind != "file" or not folder:
        raise typer.BadParameter(f"{given!r} 不可用 · give file:DIR or otlp")
    return f"file:{Path(folder).absolute()}"


def up(
    broker: Annotated[
        Literal["embedded", "kafka"], typer.Option(help="内置总线，或 Apache Kafka（需要 Java）")
    ] = "embedded",
    clock: Annotated[Literal["live", "replay"], typer.Option(help="真实时间，或由 huying replay 驱动")] = "live",
    fresh: Annotated[bool, typer.Option("--fresh", help="先清空 .run/up 的数据、密钥和日志")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="就绪后退到后台")] = False,
    traces: Annotated[str | None, typer.Option(callback=_traces, help="file:目录 或 otlp")] = None,
    pack: Pack = None,
) -> None:
    """启动整个系统并守在前台，Ctrl-C 停止。Start the whole system."""
    from ..stack import default_directory

    directory = default_directory()
    from .. import session

    session.end_by_signal()
    if detach:
        again = [word for word in sys.argv[1:] if word != "--detach"]
        in_background(directory, [sys.executable, "-m", "huying.devkit.cli", *again])
        return
    env = {"HUYING_TRACES": traces} if traces else {}
    with refusals():
        with spinner("启动") as status:
            system = session.running_system(
                directory,
                prefix=PREFIXES[clock],
                clock=clock,
                broker=broker,
                pack=pack,
                fresh=fresh,
                env=env,
                progress=status,
            )
            live = system.__enter__()
        try:
            (directory / "ready").write_text(f"{live.ready_s:.1f}\n", encoding="utf-8")
            show_urls(live)
            screen = console()
            screen.print("Ctrl-C 停止 · Ctrl-C stops it")
            session.tend(live, session.until_told(), screen.print)
        finally:
            (directory / "ready").unlink(missing_ok=True)
            with spinner("停止"):
                system.__exit__(None, None, None)


def show_urls(live: Any) -> None:
    """Where everything answers, where its logs are, and where the console's password lies."""
    from rich.table import Table

    table = Table(title=f"呼应 Huying：就绪 {live.ready_s:.1f} s")
    for heading in ("服务", "地址"):
        table.add_column(heading, overflow="fold")
    for name in live.services.names:
        table.add_row(name, live.services.url(name))
    table.add_row("Kafka", live.stack.bootstrap)
    table.add_row("MongoDB", live.stack.mongo_url)
    table.add_row("MQTT", f"127.0.0.1:{live.stack.ports.mqtt}")
    screen = console()
    screen.print(table)
    for what, path in (
        ("各服务日志 · logs", live.services.folder / "logs"),
        ("控制台账号与密码 · console account", live.installation.password_file),
        ("机器密钥 · machine keys", live.installation.folder / "tokens.json"),
        ("MQTT 账号 · MQTT account", live.stack.mqtt_accounts),
    ):
        screen.print(f"{what}: {path}", soft_wrap=True)  # a path is no use when it is cut, nor when it is broken


def down() -> None:
    """停止 huying up 启动的一切。Stop what `huying up` started."""
    from .. import session
    from ..stack import default_directory

    with spinner("停止"):
        ended = session.end(default_directory())
    typer.echo(f"已停止：{', '.join(ended)}" if ended else "没有在运行的系统 · nothing was running", err=True)


def in_background(directory: Path, command: Sequence[str]) -> None:
    """Let `command` start the system and leave it running; what does not become ready is ended."""
    from ..stack import leftovers

    with refusals():
        leftovers.clean(directory)
        directory.mkdir(parents=True, exist_ok=True)
    ready = directory / "ready"
    ready.unlink(missing_ok=True)
    log = directory.parent / f"{directory.name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + DETACH_PATIENCE_S
    try:
        with spinner("启动"):
            while not ready.exists():
                if child.poll() is not None or time.monotonic() > until:
                    said = log.read_text("utf-8", "replace")[-3000:]
                    fail(f"没有启动成功 · it did not start; see {str(log)!r}\n{said}")
                time.sleep(0.1)
    finally:
        if not ready.exists():  # also at Ctrl-C
            child.terminate()
            child.wait()
    typer.echo(log.read_text("utf-8", "replace"), err=True)
    typer.echo("在后台运行，用 huying down 停止 · runs in the background", err=True)
