"""How the commands speak: people read standard error, programs read JSON on standard output. It decides nothing."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

Pack = Annotated[
    Path | None, typer.Option("--pack", envvar="HUYING_PACK", help="县域包（默认巨鹿）· the county's pack")
]
Kafka = Annotated[str, typer.Option("--kafka", envvar="HUYING_KAFKA", help="总线地址 · broker, host:port")]
Mongo = Annotated[str, typer.Option("--mongo", envvar="HUYING_MONGO", help="数据库地址 · MongoDB's URL")]
Prefix = Annotated[
    str,
    typer.Option(
        "--prefix", envvar="HUYING_DATABASE_PREFIX", help="各库名的前缀 · what its databases' names begin with"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="标准输出只有一个 JSON 对象 · JSON on stdout")]
BROKER = "127.0.0.1:9092"
DATABASE = "mongodb://127.0.0.1:27117/?replicaSet=rs0&directConnection=true"
"""Both as `huying up` starts them."""


def console() -> Any:
    """Rich's console on standard error."""
    from rich.console import Console

    return Console(stderr=True)


def say_json(value: Any) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")
    sys.stdout.flush()


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and end."""
    typer.secho(message, err=True, fg="red")
    raise typer.Exit(code)


@contextmanager
def refusals() -> Iterator[None]:
    """Expected faults become one sentence and exit code 1; anything else keeps its stack."""
    from huying.chassis.errors import ConfigurationError
    from huying.county import PackError

    from ..stack import StackError

    try:
        yield
    except (StackError, ConfigurationError, PackError) as error:
        fail(str(error))


@contextmanager
def spinner(title: str) -> Iterator[Any]:
    """A line that turns while something takes longer than two seconds; yields a function that changes its text."""
    screen = console()
    with screen.status(title) as status:
        yield lambda text: status.update(f"{title}：{text}")


@contextmanager
def bar(title: str, total: int) -> Iterator[Any]:
    """A progress bar; yields `move(done, text)`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done, text=title: progress.update(task, completed=done, description=text)
