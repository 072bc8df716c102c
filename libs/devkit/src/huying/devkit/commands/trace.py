"""`huying trace`: one report's way through all services, as text. Needs span files (HUYING_TRACES=file:DIR)."""

from pathlib import Path
from typing import Annotated

import typer

from .screen import fail


def trace(
    report_id: Annotated[str, typer.Argument(help="rp-...，或入口的 Idempotency-Key")],
    traces: Annotated[Path | None, typer.Option(help="span 文件所在目录（默认 .run/up/traces）")] = None,
) -> None:
    """打印一件上报经过各服务的轨迹。Print the spans of one report's trace as a tree."""
    from .. import tracing
    from ..stack import default_directory

    folder = traces or default_directory() / "traces"
    if not folder.is_dir():
        fail(f"没有 {str(folder)!r} · no span files there: start with `huying up --traces file:{folder}`")
    found = tracing.of_report(tracing.read(folder), report_id)
    if not found:
        fail(f"{str(folder)!r} 里没有 {report_id!r} · no trace of it there")
    for number, one in enumerate(found):
        if number:
            typer.echo("")
        typer.echo(f"trace {one[0]['trace']}")
        for line in tracing.tree(one):
            typer.echo(line)
