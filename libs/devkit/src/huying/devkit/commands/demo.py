"""`huying demo` and `huying replay`: a month of reports through the real doors. They never read the labels before the end."""

import asyncio
import json
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from .screen import (
    BROKER,
    DATABASE,
    AsJson,
    Kafka,
    Mongo,
    Pack,
    Prefix,
    bar,
    console,
    fail,
    refusals,
    say_json,
    spinner,
)

REPORTS = Path("tests") / "data" / "county" / "reports.jsonl"
PREFIX = "huying_demo"
FIELDS = ("id", "channel", "received_at", "text", "address", "village_code", "town", "point", "device")
"""What a line must have; an answer that is not there is null."""
SEED = 20260302
"""The month's first day."""

TailDays = Annotated[int, typer.Option(min=0, help="最后一件之后再走几天")]
Seed = Annotated[int, typer.Option(help="模拟人员的种子；同一种子，同一个月")]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The reports of a county file."""
    if not path.is_file():
        fail(f"没有文件 {str(path)!r} · no such file: give one with --reports")
    lines = []
    with path.open("rb") as stream:  # by bytes: a separator of lines within a text is none of the file's
        for number, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                lines.append(_line(text))
            except ValueError as error:
                fail(f"{path}:{number} 不是一件上报 · no report ({error}): mend the line, or take it out")
    if not lines:
        fail(f"{str(path)!r} 里没有上报 · holds no report")
    return lines


def _line(text: bytes) -> dict[str, Any]:
    """One report with all that the doors ask for.

    Raises:
        ValueError: says what is wrong.
    """
    line: dict[str, Any] = json.loads(text)
    if missing := [name for name in FIELDS if not isinstance(line, dict) or name not in line]:
        raise ValueError(f"without {', '.join(missing)}")
    if datetime.fromisoformat(str(line["received_at"])).tzinfo is None:
        raise ValueError(f"received_at {line['received_at']!r} without its offset from UTC")
    device = line["device"]
    if device is not None and not (isinstance(device, dict) and {"id", "alarm"} <= device.keys()):
        raise ValueError("a device needs id and alarm")
    return line


def demo(
    once: Annotated[bool, typer.Option("--once", help="跑完即停")] = False,
    as_json: AsJson = False,
    reports: Annotated[Path | None, typer.Option(help="县域上报文件（默认：打包的 2026 年 3 月）")] = None,
    seed: Seed = SEED,
    keep: Annotated[bool, typer.Option("--keep", help="结束后保留 .run/demo 的数据和日志")] = False,
    tail_days: TailDays = 10,
    traces: Annotated[Path | None, typer.Option(help="把每件上报的轨迹写进这个目录，用 huying trace 看")] = None,
    pack: Pack = None,
) -> None:
    """一个月的上报从真实入口进来，合成一条事件流。The main job, on a fresh stack of its own."""
    from .. import session
    from ..installation import root
    from ..replay.doors import RefusedError
    from ..replay.quiet import NotQuietError
    from ..stack import Ports, default_directory

    lines = read_lines(reports or root() / REPORTS)
    directory = default_directory("demo")
    session.end_by_signal()
    with refusals():
        with spinner("启动") as status:
            system = session.running_system(
                directory,
                prefix=PREFIX,
                clock="replay",
                ports=Ports.free(),
                service_ports=session.free_service_ports(),
                pack=pack,
                fresh=True,
                env={"HUYING_TRACES": f"file:{traces.absolute()}"} if traces else {},
                progress=status,
            )
            live = system.__enter__()
        try:
            try:
                summary = asyncio.run(_month(live, lines, seed, tail_days))
            except (RefusedError, NotQuietError) as error:
                fail(f"{error}\n日志 · logs: {str(directory / 'logs')!r}")
            summary["ready_s"] = round(live.ready_s, 1)
            if not once:
                summary["urls"] = {name: live.services.url(name) for name in live.services.names}
            if as_json:
                say_json(summary)
            else:
                from .report import show

                show(summary)
            if not once:
                from .up import show_urls

                show_urls(live)
                console().print("Ctrl-C 停止 · Ctrl-C stops it")
                session.tend(live, session.until_told(), console().print)
        finally:
            with spinner("停止"):
                system.__exit__(None, None, None)
    good = summary["invariant_violations"] == 0
    if good and not keep:
        session.clear(directory)
    if not good:
        fail(f"有不变量被破坏 · invariants are broken; data and logs stay in {str(directory)!r}")


async def _month(live: Any, lines: list[dict[str, Any]], seed: int, tail_days: int) -> dict[str, Any]:
    from ..replay.target import Target

    began = time.monotonic()
    target = Target.of(live.services)
    replayed = await _drive(target, lines, seed, tail_days, None)
    return {**await _sum_up(target, lines, time.monotonic() - began), "ticks": replayed.ticks}


async def _drive(target: Any, lines: list[dict[str, Any]], seed: int, tail_days: int, speed: float | None) -> Any:
    from datetime import timedelta

    from ..people import People
    from ..replay.driver import Driver

    driver = Driver(target, lines, People(seed), tail=timedelta(days=tail_days), speed=speed)
    with bar("回放", driver.steps()) as move:
        driver.on_progress(move)
        return await driver.run()


async def _sum_up(target: Any, lines: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    from .. import summary
    from .verify import look

    log, proof = await look(target.bootstrap, target.mongo_url, target.prefix, target.without)
    return summary.whole(log, proof, lines, seconds)


def _moves(speed: float | None) -> float | None:
    if speed is not None and speed <= 0:
        raise typer.BadParameter("大于 0 · more than 0; without it as fast as the system goes")
    return speed


def replay(
    file: Annotated[Path, typer.Argument(help="县域上报文件")],
    speed: Annotated[float | None, typer.Option(callback=_moves, help="实时的多少倍；不给则尽快")] = None,
    seed: Seed = SEED,
    nobody: Annotated[bool, typer.Option("--nobody", help="没有人办理，只放上报")] = False,
    tail_days: TailDays = 10,
    host: Annotated[str, typer.Option(envvar="HUYING_HOST", help="服务所在主机")] = "127.0.0.1",
    kafka: Kafka = BROKER,
    mongo: Mongo = DATABASE,
    prefix: Prefix = "huying_replay",
    tokens: Annotated[Path | None, typer.Option(help="tokens.json（默认 .run/up）")] = None,
    as_json: AsJson = False,
    pack: Pack = None,
) -> None:
    """把上报文件放进正在运行的系统（huying up --clock replay）。Drive a running system through a file."""
    from ..databases import require
    from ..installation import default_pack
    from ..people import People
    from ..replay.doors import RefusedError
    from ..replay.quiet import NotQuietError
    from ..replay.target import Target
    from ..stack import default_directory

    lines = read_lines(file)
    where = tokens or default_directory() / "tokens.json"
    if not where.is_file():
        fail(f"没有 {str(where)!r} · no machine keys there: start `huying up --clock replay`, or give --tokens")
    with refusals():
        target = Target.elsewhere(kafka, mongo, prefix, host, where, pack or default_pack())
        require(mongo, prefix)

    async def all_of_it() -> dict[str, Any]:
        from datetime import timedelta

        from ..replay.driver import Driver

        people = None if nobody else People(seed)
        driver = Driver(target, lines, people, tail=timedelta(days=tail_days), speed=speed)
        with bar("回放", driver.steps()) as move:
            driver.on_progress(move)
            done = await driver.run()
        return await _sum_up(target, lines, done.seconds)

    with refusals():
        try:
            summary = asyncio.run(all_of_it())
        except (RefusedError, NotQuietError) as error:
            fail(str(error))
    if as_json:
        say_json(summary)
    else:
        from .report import show

        show(summary)
    if summary["invariant_violations"]:
        raise typer.Exit(1)
