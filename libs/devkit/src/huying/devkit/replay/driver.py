"""Drives a system through a file of reports, hour by hour, on the replay's clock. The only publisher of ticks.

A step: the tick, seen by all; the hour's reports one after another, each waited for until it is in the log; when they are
decided, what people do in that hour, all at once; quiet. So every run sees the same order, and makes the same decisions.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from huying.contracts import topics
from huying.contracts.envelope import CloudEvent
from huying.contracts.ticks import TickV1

from ..people import Deed, People
from ..stack import StackError, cluster
from .doors import Doors, post, received_at
from .feed import Feed
from .quiet import Quiet
from .target import Target

HOUR = timedelta(hours=1)
"""A 2-hour clock needs no finer tick, since events carry their own instants."""

TAIL = timedelta(days=10)
"""After the last report: seven working days and a weekend, so that every clock ends or breaches."""

SOURCE = "huying/replay-driver"
START = "`huying up --clock replay`"
NEVER = datetime.max.replace(tzinfo=UTC)
OK = frozenset({200, 202})
DECLINED = 409
"""A person was late: the order went elsewhere. Nothing is wrong."""

Line = Mapping[str, Any]
Progress = Callable[[int, str], None]


@dataclass(slots=True)
class Replayed:
    """What the driver did. `reports`: line id to report id."""

    reports: dict[str, str] = field(default_factory=dict)
    ticks: int = 0
    commands: int = 0
    declined: int = 0
    ratings: int = 0
    seconds: float = 0.0
    ended_at: datetime | None = None


class Driver:
    """One replay. `people` None: nobody acts."""

    def __init__(
        self,
        target: Target,
        lines: Sequence[Line],
        people: People | None,
        *,
        tail: timedelta = TAIL,
        speed: float | None = None,
    ) -> None:
        """`speed`: times real time; as fast as the system goes when absent."""
        self._target = target
        self._lines = sorted(lines, key=received_at)
        self._people = people
        self._tail = tail
        self._speed = speed
        self._progress: Progress = lambda _done, _text: None
        self.done = Replayed()

    def on_progress(self, progress: Progress) -> None:
        """Call `progress(steps done, text)` after every step."""
        self._progress = progress

    def steps(self) -> int:
        """How many hours there are."""
        first, last = _hour(received_at(self._lines[0])), _hour(received_at(self._lines[-1]))
        return round((last + HOUR + self._tail - first) / HOUR)

    async def run(self) -> Replayed:
        """Drive it to the end. Raises NotQuietError or RefusedError when the system does not follow."""
        began = time.monotonic()
        broker = await cluster.answering(self._target.bootstrap)
        producer = AIOKafkaProducer(bootstrap_servers=self._target.bootstrap, acks="all")
        feed = Feed(self._target.bootstrap, (topics.INCIDENTS, topics.RATINGS))
        quiet = Quiet(self._target, broker)
        await producer.start()
        await feed.start()
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
                await require_replay(self._target, http)
                doors = Doors(self._target, http)
                doors.open()
                await _Run(self, producer, feed, quiet, doors, http).all()
        finally:
            await feed.stop()
            await producer.stop()
            await quiet.close()
        self.done.seconds = time.monotonic() - began
        return self.done


async def require_replay(target: Target, http: httpx.AsyncClient) -> None:
    """Refuse a system that lives by the clock of the day: there, the file's reports would be true ones.

    Raises:
        StackError: names the service.
    """
    for service in target.services:
        url = target.urls[service]
        try:
            answer = await http.get(f"{url}/readyz")
        except httpx.TransportError as error:
            raise StackError(f"{service} does not answer at {url}: start the system with {START}") from error
        clock = _clock_told(answer)
        if clock != "replay":
            why = f"runs by the {clock} clock" if clock else f"is not ready ({answer.text[:200]})"
            raise StackError(f"{service} at {url} {why}: a replay needs a system started with {START}")


def _clock_told(answer: httpx.Response) -> str | None:
    """None of a service that is not ready, or of another program on its port."""
    try:
        told = answer.json()
    except ValueError:
        return None
    return told.get("clock") if answer.is_success and isinstance(told, dict) else None


@dataclass(slots=True)
class _Run:
    driver: Driver
    producer: AIOKafkaProducer
    feed: Feed
    quiet: Quiet
    doors: Doors
    http: httpx.AsyncClient
    number: int = 0
    instant: datetime | None = None

    async def all(self) -> None:
        driver, lines = self.driver, self.driver._lines
        self.number, self.instant = await self.quiet.clock()
        look = await self.quiet.look(self.number)
        self.quiet.ends, self.quiet.next_due = look.ends, look.next_due
        await self._hear()  # a replay that goes on: what happened before
        hour = _hour(received_at(lines[0]))
        last = _hour(received_at(lines[-1]))
        at = steps = 0
        while hour <= last + driver._tail:
            until = hour + HOUR
            mine = []
            while at < len(lines) and received_at(lines[at]) < until:
                mine.append(lines[at])
                at += 1
            began, before = time.monotonic(), self.quiet.ends
            await self._step(hour, until, mine)
            if not mine and self.quiet.ends == before:
                coming = lines[at] if at < len(lines) else None
                until = min(max(until, self._next_hour(coming)), last + driver._tail + HOUR)
            hours = round((until - hour) / HOUR)
            steps += hours
            local = hour.astimezone().strftime("%m-%d %H:00")
            driver._progress(steps, f"{local} · {len(driver.done.reports)} 件上报 · {driver.done.commands} 次办理")
            if driver._speed:
                await asyncio.sleep(max(0.0, hours * HOUR.total_seconds() / driver._speed - (time.monotonic() - began)))
            hour = until
        driver.done.ended_at = hour

    def _next_hour(self, coming: Line | None) -> datetime:
        """The next hour in which something happens, when in the last one nothing did: all the rest is as it was."""
        people = self.driver._people
        deed = people.next_at if people is not None else None
        hours = [_hour(at) for at in (deed, received_at(coming) if coming is not None else None) if at is not None]
        due = self.quiet.next_due
        if due is not None:
            hours.append(_hour(due) if _hour(due) == due else _hour(due) + HOUR)  # the first tick that finds it due
        return min(hours, default=NEVER)

    async def _step(self, hour: datetime, until: datetime, lines: list[Line]) -> None:
        people = self.driver._people
        next_deed = people.next_at if people is not None else None
        idle = not lines and (next_deed is None or next_deed >= until)
        ticked = self.instant is None or hour > self.instant
        if ticked:
            await self._tick(hour, until)
        if ticked and not idle:
            await self.quiet.wait_ticked(self.number)
        door = None
        for line in lines:
            if door is not None and door != self.doors.of(line):
                await self.quiet.wait_published(door)  # one door's log keeps its order by itself, two doors' does not
            door, report = await self.doors.send(line)
            self.driver.done.reports[line["id"]] = report
        if door is not None:
            await self.quiet.wait_published(door)
        if lines:
            await self.quiet.wait_decided(self.number)
            await self._hear()
        deeds = people.due(until) if people is not None else []
        if deeds:
            await asyncio.gather(*(self._do(deed) for deed in deeds))
        if ticked or lines or deeds:
            await self.quiet.wait(self.number)
            await self._hear()

    async def _tick(self, hour: datetime, until: datetime) -> None:
        self.number, self.instant = self.number + 1, hour
        tick = TickV1(number=self.number, instant=hour, until=until)
        event = CloudEvent(f"tick/{self.number}", SOURCE, TickV1.TYPE, tick.encode(), time=hour)
        await self.producer.send_and_wait(topics.TICKS.name, event.data, headers=list(event.headers()), partition=0)
        self.driver.done.ticks += 1

    async def _hear(self) -> None:
        events = await self.feed.read(self.quiet.cluster, self.quiet.ends)
        if self.driver._people is not None:
            self.driver._people.hear(events)

    async def _do(self, deed: Deed) -> None:
        target, done = self.driver._target, self.driver.done
        if deed.path:
            url = target.urls["evaluation"] + deed.path
            answer = await post(self.http, url, dict(deed.body), {})
            done.ratings += answer.status_code in OK
            done.declined += answer.status_code not in OK
            return
        url = f"{target.urls['routing']}/v1/incidents/{deed.incident_id}/commands"
        headers = {**target.headers(f"unit-{deed.unit}"), "Idempotency-Key": deed.key}
        answer = await post(self.http, url, {"action": dict(deed.body), "issued_at": deed.at.isoformat()}, headers)
        if answer.status_code in OK:
            done.commands += 1
        elif answer.status_code == DECLINED:
            done.declined += 1
        else:
            answer.raise_for_status()


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
