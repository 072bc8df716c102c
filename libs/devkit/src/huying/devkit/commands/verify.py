"""`huying verify`: the invariants, proved from log and databases of a running system that is quiet."""

import asyncio
from collections.abc import Collection
from typing import Annotated, Any

import typer

from .screen import BROKER, DATABASE, AsJson, Kafka, Mongo, Prefix, console, fail, refusals, say_json, spinner


async def look(bootstrap: str, mongo_url: str, prefix: str, without: Collection[str] = ()) -> tuple[Any, Any]:
    """The log, and what it proves together with the databases of the services that run here."""
    from huying.contracts.topics import SOURCES

    from .. import logbook
    from ..books import books_of
    from ..stack import cluster
    from ..verify import prove

    broker = await cluster.answering(bootstrap)
    log = await logbook.read(bootstrap, SOURCES)
    return log, prove(log, await books_of(mongo_url, prefix), broker, without)


def verify(
    as_json: AsJson = False,
    kafka: Kafka = BROKER,
    mongo: Mongo = DATABASE,
    prefix: Prefix = "huying",
    without: Annotated[
        list[str] | None, typer.Option(help="这里不运行的服务，可重复 · a service that does not run here; repeatable")
    ] = None,
) -> None:
    """读完整条日志和各库，核对不变量；有一项不为 0 则以 1 退出。Prove the invariants."""
    from ..replay.quiet import CONSUMES

    for service in without or ():
        if service not in CONSUMES:
            fail(f"没有服务 {service!r} · no such service: one of {', '.join(CONSUMES)}")
    with refusals(), spinner("核对"):
        _, proof = asyncio.run(look(kafka, mongo, prefix, without or ()))
    found = proof.as_json()
    if as_json:
        say_json(found)
    else:
        from rich.table import Table

        from ..verify import INVARIANTS

        table = Table(title="不变量 · invariants")
        for heading in ("项目", "次数", "例"):
            table.add_column(heading)
        for name in INVARIANTS:
            table.add_row(name, str(found[name]), "; ".join(found["examples"].get(name, [])[:2]))
        table.add_row("（搁置 parked）", str(found["parked"]), "huying dlq list")
        if found["closed"]:
            table.add_row("（已了结 closed）", str(found["closed"]), "huying dlq list --all")
        if unreadable := found["looked_at"].get("unreadable"):
            table.add_row("（不合契约 unreadable）", str(unreadable), "未核对 · not looked at")
        console().print(table)
    if found["invariant_violations"]:
        fail(f"{found['invariant_violations']} 处违反 · violations")
