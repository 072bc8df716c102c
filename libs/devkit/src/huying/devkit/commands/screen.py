"""How the commands speak: people read standard error, programs read JSON on standard output. It decides nothing."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

Pack = Annotated[
    Path | None, typer.Option("--pack", envvar="HUYING_PACK", help="县域包（默认巨鹿）· the county's pack")
]


def _address(given: str) -> str:
    """host:port, or several with commas between: the client takes what is none of these for a host, or fails on it."""
    for one in given.split(","):
        host, _, port = one.strip().rpartition(":")
        if not host or not port.isdecimal():
            raise typer.BadParameter(f"{one!r} 不是 host:port · is not host:port, such as {BROKER}")
    return given


Kafka = Annotated[
    str, typer.Option("--kafka", envvar="HUYING_KAFKA", callback=_address, help="总线地址 · broker, host:port")
]
Mongo = Annotated[str, typer.Option("--mongo", envvar="HUYING_MONGO", help="数据库地址 · MongoDB's URL")]


def _learned(context: typer.Context, option: typer.CallbackParam, given: Path | None) -> Path | None:
    """What is named on the line has to be there; where the installation learns to, nothing may have been learned yet."""
    where = context.get_parameter_source(str(option.name))
    return None if where and where.name == "ENVIRONMENT" and given and not given.exists() else given


Model = Annotated[
    Path | None,
    typer.Option(
        "--model", envvar="HUYING_MODEL", callback=_learned, help="现用的模型（默认包内的）· the model that judges"
    ),
]
Prefix = Annotated[
    str,
    typer.Option(
        "--prefix", envvar="HUYING_DATABASE_PREFIX", help="各库名的前缀 · what its databases' names begin with"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="标准输出只有一个 JSON 对象 · JSON on stdout")]
BROKER = "127.0.0.1:9092"
DATABASE = "mongodb://127.0.0.1:27117/?directConnection=true"
"""Both as `huying up` starts them."""


def console() -> Any:
    """Rich's console on standard error."""
    from rich.console import Console

    return Console(stderr=True)


def say_json(value: Any) -> None:
    """One JSON object on standard output; instants in ISO 8601, as everywhere else."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and end."""
    typer.secho(message, err=True, fg="red")
    raise typer.Exit(code)


@contextmanager
def refusals() -> Iterator[None]:
    """Expected faults become one sentence and exit code 1; anything else keeps its stack."""
    from aiokafka.errors import KafkaError
    from pymongo.errors import PyMongoError

    from huying.chassis.broker import MissingTopicsError
    from huying.chassis.errors import ConfigurationError
    from huying.county import PackError

    from ..stack import StackError

    try:
        yield
    except (StackError, ConfigurationError, PackError) as error:
        fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        fail(
            f"文件或目录不能用 · {str(error.filename)!r}: {error.strerror}; whose is it? HUYING_RUN names another folder"
        )
    except MissingTopicsError as error:
        fail(f"总线上缺少主题 · {error}: run `huying topics create`")
    except KafkaError as error:
        fail(f"总线没有回答 · the broker does not answer: {error}; start it with `huying up` or give --kafka")
    except PyMongoError as error:
        why = str(error).partition(", Timeout:")[0].partition(" (configured")[0]  # without the client's own settings
        fail(f"数据库没有回答 · the database does not answer: {why}; start it with `huying up` or give --mongo")


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
