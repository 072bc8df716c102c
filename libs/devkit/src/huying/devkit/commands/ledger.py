"""`huying ledger`: what a person does when a topic was made anew, or the broker lost its whole log."""

import asyncio
import time
from typing import Annotated

import typer

from .screen import BROKER, DATABASE, Kafka, Mongo, Prefix, fail, refusals, spinner

MEMBERS_LINGER_S = 15.0
"""A static member that was stopped stays in its group until its session ends."""

app = typer.Typer(help="账本 · ledger", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """A group, although it has one command today."""


@app.command()
def forget(
    topic: Annotated[str | None, typer.Option(help="如 huying.reports.v1；不给则全部 · all when left out")] = None,
    service: Annotated[str | None, typer.Option(help="如 routing；不给则全部 · all when left out")] = None,
    mongo: Mongo = DATABASE,
    kafka: Kafka = BROKER,
    prefix: Prefix = "huying",
    group_prefix: Annotated[
        str,
        typer.Option(envvar="HUYING_GROUP_PREFIX", help="消费组名的前缀 · what its consumer groups' names begin with"),
    ] = "huying",
    yes: Annotated[bool, typer.Option("--yes", help="不再询问")] = False,
) -> None:
    """忘掉主题的位置：重建的主题从头读，已处理过的由身份识别。Read topics that were made anew from their start."""
    from huying.contracts.topics import SOURCES

    from ..databases import name_of, require
    from ..replay.quiet import CONSUMES
    from ..stack import cluster

    if topic is not None and topic not in {one.name for one in SOURCES}:
        fail(f"没有主题 {topic!r} · no such topic: one of {', '.join(one.name for one in SOURCES)}")
    if service is not None and service not in CONSUMES:
        fail(f"没有服务 {service!r} · no such service: one of {', '.join(CONSUMES)}")
    readings = [
        (reader, name)
        for reader, names in CONSUMES.items()
        for name in sorted(names)
        if service in (None, reader) and topic in (None, name)
    ]
    if not readings:
        fail(f"{service} 不读 {topic} · does not consume it; it reads {', '.join(sorted(CONSUMES[service or '']))}")
    if not yes:
        asked = f"{service or '全部服务'} 将从头读 {topic or '全部主题'}，请先停掉{'该' if service else '它们的'}服务。继续？"
        typer.confirm(asked, abort=True, err=True)
    with refusals(), spinner("查找"):
        cluster.run(cluster.answering(kafka))
        require(mongo, prefix)
    for reader, name in readings:
        with refusals(), spinner(f"{reader} {name}"):
            count = cluster.run(forget_topic(mongo, kafka, name_of(prefix, reader), f"{group_prefix}.{reader}", name))
        typer.echo(f"{reader}: 忘掉 {name} 的 {count} 个位置；现在重新启动它", err=True)


async def forget_topic(mongo: str, kafka: str, database: str, group: str, topic: str) -> int:
    """From where a service reads on: the ledger's positions; first the offsets that the broker shows of its group.

    Raises:
        StackError: the group still has members; nothing was forgotten.
    """
    import re

    from ..databases import client_of

    await _rewind(kafka, group, topic)
    async with client_of(mongo) as client:
        result = await client[database]["positions"].delete_many({"_id": {"$regex": f"/{re.escape(topic)}/[0-9]+$"}})
    return result.deleted_count


async def _rewind(kafka: str, group: str, topic: str) -> None:
    from aiokafka import AIOKafkaConsumer
    from aiokafka.errors import KafkaError

    from huying.chassis.broker import partitions_of

    from ..stack import StackError

    partitions = await partitions_of(kafka, [topic])
    until = time.monotonic() + MEMBERS_LINGER_S
    async with AIOKafkaConsumer(bootstrap_servers=kafka, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(partitions)
        while True:
            try:
                await consumer.commit(dict.fromkeys(partitions, 0))  # where the log begins later, the broker says so
                return
            except KafkaError as error:
                if time.monotonic() > until:
                    raise StackError(
                        f"总线不放手 · the broker does not let go of {group} after {MEMBERS_LINGER_S:g} s: {error}; "
                        "stop the service first"
                    ) from error
                await asyncio.sleep(0.5)
