"""Runs the whole bench on stacks of its own and gathers the figures. Compares like with like, in one run."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import session
from ..installation import default_pack, root
from ..replay.target import Target
from ..session import running_system
from ..stack import Ports
from . import latency, load, throughput

END_TO_END_REPORTS = 1500
LATENCY_RATE = 50.0
LATENCY_S = 20.0
"""A thousand reports: the 99th percentile stands on ten of them."""

MB = 1024 * 1024
PREFIX = "huying_bench"


def run(directory: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """All figures of issue 3's bench; takes about two minutes."""
    figures: dict[str, Any] = {"cpus": os.cpu_count()}
    figures |= _routing(directory / "routing", progress)
    figures |= _whole(directory / "whole", progress)
    session.clear(directory)
    return figures


def _routing(directory: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    from huying.county import load as load_pack

    pack = load_pack(default_pack())
    reports = [load.accepted(line, pack) for line in load.lines(root())]
    with running_system(
        directory,
        prefix=PREFIX,
        clock="live",
        ports=Ports.free(),
        service_ports=session.free_service_ports(),
        names=(),
        fresh=True,
        progress=progress,
    ) as live:
        url, broker = live.stack.mongo_url, live.stack.bootstrap
        progress(f"{len(reports)} 件上报进日志")
        asyncio.run(load.publish(broker, reports))
        progress("routing")
        live.services.start(("routing",))
        try:
            ours = asyncio.run(throughput.routing_seconds(url, f"{PREFIX}_routing", len(reports)))
        except throughput.TooSlowError:
            os.kill(live.services.process("routing").pid, signal.SIGUSR1)  # where it stands goes to its log
            raise
        live.services.stop()
        progress("裸循环 · the bare loop")
        own = f"{PREFIX}_routing"
        work = asyncio.run(throughput.works(url, own))
        bare = asyncio.run(throughput.bare_seconds(broker, url, f"{PREFIX}_bare", own, work))
    return {
        "reports": len(reports),
        "routing_reports_per_s": round(len(reports) / ours),
        "bare_loop_per_s": round(len(work) / bare),
        "routing_ratio": round((len(reports) / ours) / (len(work) / bare), 3),
    }


def _whole(directory: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    from huying.county import load as load_pack

    pack = load_pack(default_pack())
    lines = load.lines(root())
    with running_system(
        directory,
        prefix=PREFIX,
        clock="live",
        ports=Ports.free(),
        service_ports=session.free_service_ports(),
        fresh=True,
        progress=progress,
    ) as live:
        target = Target.of(live.services)
        bodies = load.bodies(lines, pack)
        progress(f"{LATENCY_RATE:g} 件/秒，{LATENCY_S:g} 秒")
        waits = asyncio.run(latency.latencies(target, bodies, LATENCY_RATE, LATENCY_S))
        progress("从头到尾 · end to end")
        through = asyncio.run(latency.throughput(target, bodies, END_TO_END_REPORTS))
        services = sum(live.services.resident_bytes().values())
        stack = live.stack.process("broker").memory().rss + live.stack.process("mongod").memory().rss
        ready_s = live.ready_s
    return {
        "end_to_end_reports_per_s": round(through),
        "dispatch_p50_ms": _percentile(waits, 0.50),
        "dispatch_p99_ms": _percentile(waits, 0.99),
        "dispatched_measured": len(waits),
        "resident_mb": round(services / MB),
        "stack_mb": round((services + stack) / MB),
        "ready_s": round(ready_s, 1),
    }


def _percentile(ordered: list[float], share: float) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 1)
