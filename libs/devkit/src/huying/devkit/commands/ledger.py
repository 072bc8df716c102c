"""`huying ledger`: what a person does when a topic was made anew. It touches one topic of one service at a time."""

import asyncio
from typing import Annotated, Any

import typer

from .screen import fail
from .verify import MONGO

app = typer.Typer(help="账本 · ledger", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, although it has one command today."""


@app.command()
def forget(
    topic: Annotated[str, typer.Option(help="如 huying.reports.v1")],
    service: Annotated[str, typer.Option(help="如 routing")],
    mongo: Annotated[str, typer.Option("--mongo", envvar="HUYING_MONGO")] = MONGO,
    prefix: Annotated[str, typer.Option(envvar="HUYING_DATABASE_PREFIX")] = "huying",
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
) -> None:
    """忘掉一个主题的位置：重建的主题从头读，已处理过的由身份识别。Read a topic that was made anew from its start."""
    from huying.contracts.topics import SOURCES

    from ..system import BY_NAME

    if topic not in {one.name for one in SOURCES}:
        fail(f"没有主题 {topic!r} · no such topic: one of {', '.join(one.name for one in SOURCES)}")
    if service not in BY_NAME:
        fail(f"没有服务 {service!r} · no such service: one of {', '.join(BY_NAME)}")
    if not yes:
        typer.confirm(f"{service} 将从头读 {topic}，请先停掉该服务。继续？", abort=True, err=True)
    count = asyncio.run(_forget(mongo, f"{prefix}_{service.replace('-', '_')}", topic))
    typer.echo(f"{service}: 忘掉 {topic} 的 {count} 个位置；现在重新启动它", err=True)


async def _forget(mongo: str, database: str, topic: str) -> int:
    import re

    from pymongo import AsyncMongoClient

    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo)
    async with client:
        result = await client[database]["positions"].delete_many({"_id": {"$regex": f"/{re.escape(topic)}/[0-9]+$"}})
    return result.deleted_count
