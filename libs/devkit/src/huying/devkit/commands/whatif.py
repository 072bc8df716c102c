"""`huying whatif`: what would have gone elsewhere under another pack, from the log of a running system."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from huying.contracts.course import LEVEL_ZH

from .screen import BROKER, AsJson, Kafka, Model, console, fail, refusals, say_json, spinner

LISTED = 40
"""Lines on the screen; `--json` has all."""


def whatif(
    pack: Annotated[Path, typer.Option("--pack", help="要试的县域包")],
    since: Annotated[str, typer.Option(help="从哪天起，如 2026-03-01")],
    current: Annotated[
        Path | None, typer.Option("--current", envvar="HUYING_PACK", help="现行县域包；默认随程序的那一份")
    ] = None,
    learned: Model = None,
    as_json: AsJson = False,
    kafka: Kafka = BROKER,
) -> None:
    """换一份规则，重放日志：哪些事件会派到别处、换配合单位或起始层级。What would have gone elsewhere under another pack.

    并案照当时的结果，不重放。Which reports are one problem is not replayed.
    """
    with refusals(), spinner("重放"):
        answer = asyncio.run(_ask(kafka, pack, current, learned, since))
    if as_json:
        say_json({"pack": str(pack), "since": since, **answer.as_json()})
        return
    from rich.table import Table

    from ..whatif import NOT_REPLAYED

    elsewhere = sum(one.elsewhere for one in answer.changed)
    table = Table(
        title=f"改用 {pack} 后，{answer.looked_at} 件中有 {elsewhere} 件会派到别处，"
        f"{len(answer.changed) - elsewhere} 件只换配合单位或起始层级"
    )
    for heading in ("事件", "事项", "地点", "主责", "配合", "起始层级", "理由"):
        table.add_column(heading)
    for one in answer.changed[:LISTED]:
        table.add_row(
            one.number,
            one.matter,
            one.place,
            _change(one.old_name, one.new_name),
            _change("、".join(sorted(one.old_assisting)) or "无", "、".join(sorted(one.new_assisting)) or "无"),
            _change(LEVEL_ZH[one.old_level], LEVEL_ZH[one.new_level]),
            one.reason,
        )
    console().print(table)
    if len(answer.changed) > LISTED:
        console().print(f"另有 {len(answer.changed) - LISTED} 件，用 --json 看全部")
    console().print(f"未重放：{'、'.join(NOT_REPLAYED)}")


def _change(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


async def _ask(bootstrap: str, path: Path, current: Path | None, learned: Path | None, since: str) -> Any:
    from zoneinfo import ZoneInfo

    from huying.contracts.topics import INCIDENTS, REPORTS
    from huying.county import load

    from .. import installation, logbook
    from ..stack import cluster
    from ..whatif import what_if

    old, new = load(current or installation.default_pack()), load(path)
    try:
        start = datetime.fromisoformat(since)
    except ValueError:
        fail(f"--since {since!r} 不是日期；写成 2026-03-01 或 2026-03-01T08:00")
    start = (start if start.tzinfo else start.replace(tzinfo=ZoneInfo(new.timezone))).astimezone(UTC)
    await cluster.answering(bootstrap)
    log = await logbook.read(bootstrap, (REPORTS, INCIDENTS))
    return what_if(log, *rules_of(old, new, learned), start)


def rules_of(old: Any, new: Any, learned: Path | None) -> tuple[Any, Any]:
    """Both packs; where they read texts differently, texts are read again: by the live model, and by the new pack's own.

    A model that routing would refuse under the pack is refused here: its headings would be nobody's.
    """
    from huying.routing.judgement import model_file
    from huying.routing.judgement.model import ModelUnreadableError
    from huying.routing.judgement.pack import bits_of
    from huying.routing.models import Models

    from ..whatif import Rules

    if bits_of(old) == bits_of(new):
        return Rules(old), Rules(new)
    model, own = learned or model_file(old.path), model_file(new.path)
    try:
        judges = Models(old, learned).judge(model), Models(new, None).judge(own if own.exists() else model)
    except ModelUnreadableError as error:
        fail(f"模型不能用 · {error}; `huying learn --pack DIR --from FILE...` makes one")
    return Rules(old, judges[0]), Rules(new, judges[1])
