"""One run: load and faults for a while, then quiet, then the proof."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import httpx
from pymongo import AsyncMongoClient

from huying.contracts.topics import REPORTS, SOURCES

from .. import books, logbook, verify
from ..replay.quiet import Quiet
from ..replay.target import Target
from ..session import Session
from ..stack import StackError, cluster
from .crowd import Crowd
from .faults import Breaker, Healed, faults

PER_SECOND = 4.0
"""Far below what the system can do: what is measured is healing, not load."""
ANSWER_S = 10.0
"""How long a sender waits for an answer before it asks again: a frozen service does not hang up."""
WARM_UP_S = 2.0
PATIENCE_S = 120.0
POLL_S = 0.1


async def run(
    session: Session, lines: Sequence[Mapping[str, Any]], seconds: float, seed: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Figures of one run: faults by kind, recovery, reports, and every invariant.

    Raises:
        StackError: something did not heal.
        RefusedError: a door refused a report.
        NotQuietError: the system did not come to rest.
    """
    target = Target.of(session.services)
    began, stop, healed = time.monotonic(), asyncio.Event(), list[Healed]()
    breaker = Breaker(session, target)
    async with httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as http:
        crowd = Crowd(target, http, lines)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(crowd.keep_reporting(PER_SECOND, stop))
                tasks.create_task(crowd.keep_working(stop))
                await asyncio.sleep(WARM_UP_S)
                for fault in faults(seed):
                    await asyncio.sleep(fault.pause_s)
                    if time.monotonic() - began > seconds:
                        break
                    progress(f"{fault.kind} {fault.part}")
                    healed.append(await breaker.inflict(fault))
                stop.set()
            progress("等待平静 · waiting for quiet")
            log, proof = await proof_at_rest(target)
        finally:
            await crowd.close()
            await breaker.close()
    accepted = {record.event.id for record in log[REPORTS.name] if record.event is not None}
    recoveries = [one.recovery_s for one in healed]
    return {
        "seconds": round(time.monotonic() - began, 1),
        "seed": seed,
        "faults": dict(sorted(Counter(f"{one.fault.kind} {one.fault.part}" for one in healed).items())),
        "recovery_max_s": round(max(recoveries, default=0.0), 2),
        "recovery_p50_s": round(median(recoveries), 2) if recoveries else 0.0,
        "recovered_late": {f"kill {one.fault.part}": round(one.recovery_s, 2) for one in healed if one.late},
        "sent": crowd.sent,
        "answered": len(crowd.answered),
        "accepted": len(accepted),
        "answered_and_lost": len(set(crowd.answered.values()) - accepted),
        **proof.as_json(),
    }


async def proof_at_rest(target: Target) -> tuple[dict[str, list[logbook.Record]], verify.Proof]:
    """The log and what it proves, once nothing moves any more on the broker that there is now."""
    now = await cluster.cluster_id(target.bootstrap)
    if now is None:
        raise StackError(f"no broker at {target.bootstrap!r}: see its log")
    await _noticed(target, now)
    quiet = Quiet(target, now)
    try:
        await quiet.wait(0)
    finally:
        await quiet.close()
    log = await logbook.read(target.bootstrap, SOURCES)
    return log, verify.prove(log, await books.books_of(target.mongo_url, target.prefix), now, target.without)


async def _noticed(target: Target, now: str) -> None:
    """Wait until every relay knows the broker's cluster: before, an outbox looks empty that has to be sent again."""
    until = time.monotonic() + PATIENCE_S
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(target.mongo_url)
    try:
        for service in target.services:
            rows = client[target.database(service)]["outbox"]
            while await rows.find_one({"published": {"$nin": [None, now]}}, {"_id": 1}) is not None:
                if time.monotonic() > until:
                    raise StackError(f"{service} did not notice the broker's new cluster in {PATIENCE_S:g} s")
                await asyncio.sleep(POLL_S)
    finally:
        await client.close()
