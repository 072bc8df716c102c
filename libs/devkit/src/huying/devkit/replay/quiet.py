"""Whether the system is quiet: every outbox empty, every ledger at the last relayed offset, every clock at this tick.

It looks into the services' databases because only they know; it writes nothing.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import AsyncMongoClient

from huying.contracts import topics

from .target import Target

CONSUMES: Mapping[str, tuple[str, ...]] = {
    "intake": (topics.INBOUND.name, topics.INCIDENTS.name, topics.CLOCKS.name, topics.RATINGS.name),
    "hotline-bridge": (topics.INCIDENTS.name, topics.RATINGS.name),
    "routing": (topics.REPORTS.name, topics.COMMANDS.name),
    "sla-timer": (topics.INCIDENTS.name,),
    "notification": (topics.INCIDENTS.name, topics.CLOCKS.name, topics.RATINGS.name),
    "evaluation": (topics.INCIDENTS.name, topics.CLOCKS.name),
    "console": (topics.INCIDENTS.name, topics.CLOCKS.name),
}
"""Who reads what; a test compares it with each service's own list."""

DOORS = ("intake", "hotline-bridge")
"""Who takes reports in."""

POLL_S = 0.016
"""Between two looks: each takes processor from the work that it waits for (about 2 ms a service)."""

FIRST_LOOK_S = 0.03
"""Before that nobody can be done: one hop over the embedded broker takes up to 20 ms."""

LONGEST_POLL_S = 0.048
"""What takes longer is not worth a busy processor."""

PATIENCE_S = 120.0
"""Longer than the recovery of anything that a test kills; who is not quiet after that is stuck."""

UNFINISHED = ["intent", "sending"]
"""States of a notice on its way out."""


class NotQuietError(Exception):
    """The system did not become quiet; says what was still going on."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found. `ends`: last relayed offset by `<cluster>/<topic>/<partition>`."""

    busy: tuple[tuple[str, str], ...]
    """Service, and what it still does."""
    ends: Mapping[str, int] = field(default_factory=dict)
    next_due: datetime | None = None
    """When the first service does something by itself, as things stood at its last tick; None for never."""

    @property
    def who(self) -> tuple[str, ...]:
        """Services that are not done."""
        return tuple(dict.fromkeys(service for service, _ in self.busy))


class Quiet:
    """The barrier of one replay. `cluster` is the broker's id now."""

    def __init__(self, target: Target, cluster: str) -> None:
        self._target = target
        self.cluster = cluster
        self._services = target.services
        self._client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(target.mongo_url, tz_aware=True)
        self._known: dict[str, dict[str, Any]] = {}
        self._slowest = self._services[-1]
        self.ends: Mapping[str, int] = {}
        self.next_due: datetime | None = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _database(self, service: str) -> Any:
        return self._client[self._target.database(service)]

    async def look(self, tick: int, services: tuple[str, ...] | None = None) -> Look:
        """One look at the databases of `services` (all when absent), one query each; of the others it knows the last."""
        chosen = self._services if services is None else services
        rows = await asyncio.gather(*(self._rows(service) for service in chosen))
        self._known.update(zip(chosen, rows, strict=True))
        ends: dict[str, int] = {}
        for known in self._known.values():
            for name, at in known["relayed"].items():
                ends[name] = max(at, ends.get(name, -1))
        busy: list[tuple[str, str]] = []
        for service, known in self._known.items():
            if known["tick"] < tick:
                busy.append((service, f"at tick {known['tick']} of {tick}"))
            if known["unpublished"]:
                busy.append((service, "outbox"))
            if known["notices"]:
                busy.append((service, "notices on their way"))
            for name, end in ends.items():
                if _topic(name) in CONSUMES[service] and known["positions"].get(name, -1) < end:
                    busy.append((service, f"{name} at {known['positions'].get(name)} of {end}"))
        dues = [known["next_due"] for known in self._known.values() if known["next_due"] is not None]
        return Look(tuple(busy), ends, min(dues, default=None))

    async def _rows(self, service: str) -> dict[str, Any]:
        mine = {"$match": {"_id": {"$regex": f"^{self.cluster}/"}}}
        notices: list[dict[str, Any]] = []
        if service == "notification":
            notices = [_with("notices", "notices", [{"$match": {"state": {"$in": UNFINISHED}}}, {"$limit": 1}])]
        # In this order, so that one look is enough: what a service consumed left its notices and its outbox rows in the
        # same transaction, a notice leaves an outbox row when it is done, and `relayed` is written before a row is
        # marked. Whatever is missed by one query has moved on to where a later one sees it.
        pipeline: list[dict[str, Any]] = [
            {"$match": {"_id": "clock"}},
            {"$project": {"what": "tick", "at": "$number", "next_due": 1}},
            _with("positions", "positions", [mine]),
            *notices,
            _with("outbox", "unpublished", [{"$match": {"published": None}}, {"$limit": 1}]),
            _with("relayed", "relayed", [mine]),
        ]
        rows: dict[str, Any] = {"tick": 0, "next_due": None, "unpublished": False, "notices": False}
        rows |= {"positions": {}, "relayed": {}}
        cursor = await self._database(service)["meta"].aggregate(pipeline)
        async for row in cursor:
            what = row["what"]
            if what == "tick":
                rows["tick"], rows["next_due"] = row["at"], row.get("next_due")
            elif what in {"positions", "relayed"}:
                rows[what][row["_id"]] = row["at"]
            else:
                rows[what] = True
        return rows

    async def wait(self, tick: int) -> None:
        """Wait until a look at everything finds nothing going on; call it when what was sent in is answered.

        In between they are asked one by one, first the one that was the last to be done before: a look at all costs
        as much as the work that it waits for.

        Raises:
            NotQuietError: it never was; says what was going on last.
        """
        until = time.monotonic() + PATIENCE_S
        late = [self._slowest]
        pause = POLL_S
        await asyncio.sleep(FIRST_LOOK_S)
        while True:
            look = await self.look(tick, tuple(late[-1:]) or None)
            if late and late[-1] not in look.who:
                self._slowest = late.pop()
                continue
            if not late and not look.busy:
                self.ends, self.next_due = look.ends, look.next_due
                return
            if time.monotonic() > until:
                doing = "; ".join(f"{service}: {what}" for service, what in look.busy[:8])
                raise NotQuietError(
                    f"not quiet in {PATIENCE_S:g} s at tick {tick}: {doing}. Look at that service's log, and at "
                    "`huying dlq list`"
                )
            late = late or list(look.who)
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, LONGEST_POLL_S)

    async def wait_ticked(self, tick: int) -> None:
        """Wait until every service has seen the tick and done what it made due; its consequences may be under way.

        Raises:
            NotQuietError: a service does not follow.
        """
        behind = set(self._services)
        await asyncio.sleep(FIRST_LOOK_S)
        until = time.monotonic() + PATIENCE_S
        while behind:
            names = sorted(behind)
            rows = await asyncio.gather(*(self._database(name)["meta"].find_one({"_id": "clock"}) for name in names))
            behind = {name for name, row in zip(names, rows, strict=True) if row is None or row["number"] < tick}
            if behind and time.monotonic() > until:
                raise NotQuietError(f"{', '.join(names)} did not see tick {tick} in {PATIENCE_S:g} s: see its log")
            await asyncio.sleep(POLL_S if behind else 0)

    async def wait_decided(self, tick: int) -> None:
        """Wait until what the doors took is decided and on the feed; other services may still be reading it.

        Enough for people to act in the same hour: a consumer gives the same result for every interleaving of topics.

        Raises:
            NotQuietError: it never was.
        """
        until = time.monotonic() + PATIENCE_S
        doors = await asyncio.gather(*(self._rows(service) for service in DOORS))  # what they took is in the log
        while True:
            routing = await self._rows("routing")
            ends: dict[str, int] = {}
            for rows in (*doors, routing):
                for name, at in rows["relayed"].items():
                    ends[name] = max(at, ends.get(name, -1))
            late = any(
                _topic(name) in CONSUMES["routing"] and routing["positions"].get(name, -1) < end
                for name, end in ends.items()
            )
            if not late and not routing["unpublished"]:
                self.ends = {**self.ends, **ends}
                return
            if time.monotonic() > until:
                raise NotQuietError(f"routing has not decided in {PATIENCE_S:g} s at tick {tick}: see its log")
            await asyncio.sleep(POLL_S)

    async def wait_published(self, service: str) -> None:
        """Wait until a service's outbox is empty: what it was given is in the log.

        Raises:
            NotQuietError: its outbox stays full.
        """
        until = time.monotonic() + PATIENCE_S
        rows = self._database(service)["outbox"]
        while await rows.find_one({"published": None}, {"_id": 1}) is not None:
            if time.monotonic() > until:
                raise NotQuietError(f"{service} does not publish: is the broker up? See its log")
            await asyncio.sleep(POLL_S)

    async def clock(self) -> tuple[int, Any]:
        """Highest tick that any service has seen, and its instant; (0, None) before the first."""
        number, instant = 0, None
        for service in self._services:
            row = await self._database(service)["meta"].find_one({"_id": "clock"})
            if row and row["number"] > number:
                number, instant = row["number"], row["instant"]
        return number, instant


def _topic(position: str) -> str:
    return position.split("/")[1]


def _with(collection: str, what: str, stages: list[dict[str, Any]]) -> dict[str, Any]:
    shape = {"$project": {"what": what, "at": 1}}
    return {"$unionWith": {"coll": collection, "pipeline": [*stages, shape]}}
