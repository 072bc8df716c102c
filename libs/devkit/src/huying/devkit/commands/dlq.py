"""`huying dlq`: parked records. A replay is an order; the service itself takes the record up again within a second.

What nobody can mend is closed: it is kept, and waits for nobody any more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .screen import DATABASE, AsJson, Mongo, Prefix, console, fail, refusals, say_json, spinner

app = typer.Typer(help="搁置的记录 · parked records", no_args_is_help=True)
ParkedId = Annotated[str, typer.Argument(help="pk-...，见 huying dlq list")]
SecretFile = Annotated[Path | None, typer.Option(help="密钥文件（默认 .run/up/secret；或环境变量 HUYING_SECRET）")]


def _run(mongo: str, prefix: str, secret: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    from ..databases import require
    from ..dlq import Lot

    async def all_of_it() -> Any:
        lot = Lot(mongo, prefix, secret)
        try:
            return await work(lot)
        finally:
            lot.close()

    with refusals(), spinner("查找"):
        require(mongo, prefix)
        return asyncio.run(all_of_it())


def _secret(file: Path | None) -> str:
    import os

    from ..stack import default_directory

    given = os.environ.get("HUYING_SECRET")
    if file is None and given:
        return given
    path = file or default_directory() / "secret"
    if not path.is_file():
        fail(f"没有 {str(path)!r} · no secret there: give --secret-file or HUYING_SECRET")
    return path.read_text("utf-8").strip()


@app.command("list")
def list_(
    mongo: Mongo = DATABASE,
    prefix: Prefix = "huying",
    as_json: AsJson = False,
    everything: Annotated[bool, typer.Option("--all", help="也列出已了结的 · closed ones, too")] = False,
) -> None:
    """列出搁置的记录和总线拒收的事件。List what is parked or waits behind it, and events that the broker refuses."""
    from huying.chassis.parking import CLOSED, HELD_STATES

    states = [*HELD_STATES, CLOSED] if everything else HELD_STATES
    rows = _run(mongo, prefix, "", lambda lot: lot.list(states))
    if as_json:
        say_json(rows)
        return
    from rich.table import Table

    table = Table(title=f"搁置 {len(rows)} 条")
    table.add_column("ID", no_wrap=True)  # whole and in one line however narrow it gets: the next command wants it
    for heading in ("服务", "状态", "位置", "原因", "说明"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        where = f"{row['topic']}/{row['partition']}/{row['offset']}"
        said = row.get("message", "")[:120]
        if row["state"] == CLOSED:
            said = f"{row['closed_by']}：{row['closed_reason']}"
        table.add_row(row["id"], row["service"], row["state"], where, row.get("reason", "在后面等"), said)
    console().print(table)


@app.command()
def show(
    parked_id: ParkedId,
    raw: Annotated[bool, typer.Option("--raw", help="不遮盖电话和证件号")] = False,
    secret_file: SecretFile = None,
    mongo: Mongo = DATABASE,
    prefix: Prefix = "huying",
) -> None:
    """解密并显示一条。Decrypt one and show it, numbers of persons masked."""
    found = _run(mongo, prefix, _secret(secret_file), lambda lot: lot.show(parked_id, raw=raw))
    if found is None:
        fail(f"没有 {parked_id!r} · no such record: see `huying dlq list`")
    say_json(found)


@app.command()
def replay(parked_id: ParkedId, mongo: Mongo = DATABASE, prefix: Prefix = "huying") -> None:
    """让它的服务重新处理，其后等待的依次放行。Order its replay, and of what waits behind it."""
    service = _run(mongo, prefix, "", lambda lot: lot.replay(parked_id))
    if service is None:
        fail(f"{parked_id!r} 没有搁置 · is not parked: see `huying dlq list`")
    typer.echo(f"{service} 将重新处理 {parked_id}", err=True)


@app.command()
def close(
    parked_id: ParkedId,
    reason: Annotated[str, typer.Option(help="为何不再处理，随记录保存 · why, kept with the record")],
    by: Annotated[str | None, typer.Option(help="谁决定的（默认：登录用户）· who decided")] = None,
    release: Annotated[
        bool, typer.Option("--release", help="它挡住的后续记录跳过它，依次放行 · let go what it holds back")
    ] = False,
    mongo: Mongo = DATABASE,
    prefix: Prefix = "huying",
) -> None:
    """了结一条无法处理的记录：保留，不再计入搁置。Give up one that nobody can mend: it is kept, and counted no more."""
    from getpass import getuser

    if not reason.strip():
        fail("要写明理由 · say why with --reason")
    found = _run(
        mongo, prefix, "", lambda lot: lot.give_up(parked_id, by or getuser(), reason.strip(), release=release)
    )
    if found is None:
        fail(f"{parked_id!r} 没有搁置 · is not parked: see `huying dlq list`")
    if not found.done:
        fail(
            f"它挡住 {found.hold} 的后续记录，现有 {found.waiting} 条在等 · it holds back the later records of its key, "
            f"{found.waiting} by now: {found.service} would go on without it. Replay it if you can, or add --release"
        )
    typer.echo(f"{found.service} 已了结 {parked_id}，放行 {found.waiting} 条 · closed", err=True)
