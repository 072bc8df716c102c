"""`huying chaos`: load on a system of its own while its parts are killed and frozen, on either broker.

It exits 0 only if all invariants hold and records flowed again within seconds of every restart.
"""

import asyncio
from typing import Annotated, Literal

import typer

from .demo import REPORTS, read_lines
from .screen import AsJson, console, fail, refusals, say_json, spinner

PREFIX = "huying_chaos"


def chaos(
    seconds: Annotated[float, typer.Option(min=1, help="扰动多久（秒）")] = 60.0,
    seed: Annotated[int, typer.Option(help="同一种子，同一串故障")] = 1,
    broker: Annotated[
        Literal["embedded", "kafka"], typer.Option(help="内置总线，或 Apache Kafka（需要 Java）")
    ] = "embedded",
    as_json: AsJson = False,
) -> None:
    """在负载下杀死、冻结服务、数据库和总线，然后核对。Kill and freeze parts under load, then prove."""
    from .. import session
    from ..chaos import run
    from ..chaos.faults import RECOVERY_S
    from ..installation import root
    from ..replay.doors import RefusedError
    from ..replay.quiet import NotQuietError
    from ..stack import Ports, default_directory

    lines = read_lines(root() / REPORTS)
    directory = default_directory("chaos")
    session.end_by_signal()
    with (
        refusals(),
        spinner("扰动") as status,
        session.running_system(
            directory,
            prefix=PREFIX,
            clock="live",
            broker=broker,
            ports=Ports.free(),
            service_ports=session.free_service_ports(),
            fresh=True,
            progress=status,
        ) as live,
    ):
        try:
            figures = asyncio.run(run(live, lines, seconds, seed, status))
        except (RefusedError, NotQuietError) as error:
            fail(f"{error}\n日志 · logs: {str(directory / 'logs')!r}")
    if as_json:
        say_json(figures)
    else:
        from rich.table import Table

        table = Table(title="呼应 Huying：扰动", show_header=False)
        for name, value in figures.items():
            shown = ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
            table.add_row(name, str(shown))
        console().print(table)
    wrong = figures["invariant_violations"] + figures["answered_and_lost"] + figures["parked"]
    late = figures["recovered_late"]
    if wrong or late:
        fail(
            f"{wrong} 处违反 · violations; {len(late)} 次恢复超过 {RECOVERY_S:g} 秒 · recoveries took longer; "
            f"data and logs stay in {str(directory)!r}"
        )
    session.clear(directory)
