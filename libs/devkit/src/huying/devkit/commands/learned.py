"""`huying eval`, `huying learn`, `huying bench correlate`: mounted from `devkit.evaluate.cli`, imported when called.

They need scikit-learn and the judgement engine, which no other command should wait for.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from .screen import fail

MODULE = "huying.devkit.evaluate.cli"
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _mounted(name: str) -> Any:
    """The command `name` of the module: a Typer app called `<name>_app`, or a command of its `app`."""
    module = import_module(MODULE)
    own = getattr(module, f"{name}_app", None)
    if own is not None:
        return typer.main.get_command(own)
    whole = typer.main.get_command(module.app)
    found = getattr(whole, "commands", {}).get(name)
    if found is None:
        fail(f"{MODULE} has no {name!r}: define `{name}_app` there")
    return found


def mount(app: typer.Typer, name: str, text: str, *, under: str = "huying") -> None:
    """Add `name` to `app`, passing everything after it on; nothing where the module is not installed."""
    if not (Path(__file__).parents[1] / "evaluate" / "cli.py").is_file():
        return

    @app.command(name, help=text, context_settings=PASS_ON, add_help_option=False)
    def passed_on(context: typer.Context) -> None:
        _mounted(name).main(args=list(context.args), prog_name=f"{under} {name}")
