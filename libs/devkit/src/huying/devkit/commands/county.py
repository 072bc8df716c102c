"""`huying county`: look a county pack over. It prints what the checker found and changes nothing."""

from pathlib import Path
from typing import Annotated

import typer

from .screen import AsJson, Model, say_json, spinner

app = typer.Typer(help="县域包 · county packs", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, although it has one command today."""


@app.command()
def check(
    directory: Annotated[Path, typer.Argument(help="如 deploy/county/julu", exists=True, file_okay=False)],
    model: Model = None,
    as_json: AsJson = False,
) -> None:
    """检查县域包，有错误则以 1 退出。Check a county pack: file, line and what to do."""
    from huying.county import check as look
    from huying.county import load

    with spinner("检查"):
        found = look(directory)
        findings = [str(one) for one in found]
        errors = sum(one.severity == "error" for one in found)
        if not errors:
            from ..readers import faults

            refused = faults(load(directory), model)
            findings += refused
            errors = len(refused)
    if as_json:
        say_json({"findings": findings, "errors": errors})
    else:
        for one in findings:
            typer.echo(one)
        typer.echo(f"{directory}: {errors} 个错误，{len(findings) - errors} 个提醒")
    if errors:
        raise typer.Exit(1)
