"""Sends what was intended, a loop a way out, and hands the outcomes to the handler. Wall time and ids are its own.

It holds nothing in memory that the database does not have: killed at any point, the next one goes on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import structlog
from prometheus_client import Gauge
from pymongo.errors import PyMongoError

from huying.chassis import faults
from huying.chassis.errors import Broken, Transient
from huying.chassis.mongo import heals
from huying.chassis.service import Ground

from ..settings import Settings
from . import file, webhook
from .age import Age, expired
from .claims import Claims, Way
from .outcome import Outcome, Outcomes, Parcel
from .receivers import Receivers

POLL_S = 1.0
"""How long a loop waits for a wake-up: retries do not wake it."""
IDLE_POLL_S = 15.0
"""The same for handles without a target: there can only be notices of an earlier configuration."""
PAUSE_S = 0.5

log = structlog.get_logger()


class Worker:
    """The delivery of one replica."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened before `beside`."""
        self._settings = settings
        self._outbox = file.Outbox(settings.outbox_dir)
        handles = tuple(settings.webhooks)
        ways = [Way("file"), *(Way("webhook", handle) for handle in handles), Way("webhook", beside=handles)]
        self._awake = {way: asyncio.Event() for way in ways}
        self._patience = webhook.Patience(settings.webhook_attempts, settings.webhook_first_pause)

    def wake(self) -> None:
        """There is something to send."""
        for way, awake in self._awake.items():
            if _served(way):
                awake.set()

    @contextlib.asynccontextmanager
    async def beside(self, ground: Ground) -> AsyncIterator[None]:
        """Run as long as the body does."""
        timeout = self._settings.webhook_timeout.total_seconds()
        limits = httpx.Limits(max_connections=None)  # each receiver has its own: one that hangs takes nobody's
        down = ground.measures.gauge("receiver_down", "1 while a webhook receiver's notices wait", "handle")
        async with httpx.AsyncClient(timeout=timeout, limits=limits) as client, asyncio.TaskGroup() as tasks:
            loops = [tasks.create_task(self._run(ground, way, client, down)) for way in self._awake]
            try:
                yield
            finally:
                for loop in loops:
                    loop.cancel()

    async def _run(self, ground: Ground, way: Way, client: httpx.AsyncClient, down: Gauge) -> None:
        settings = self._settings
        claims = Claims(ground.mongo, way, f"{settings.service}-{settings.replica}", settings.claim_lease)
        look_at, lease_s, first = 0.0, settings.claim_lease.total_seconds(), True
        poll_s = POLL_S if _served(way) else IDLE_POLL_S
        loop = asyncio.get_running_loop()
        while True:
            self._awake[way].clear()
            try:
                if loop.time() >= look_at:
                    await self._resume(ground, claims, way.medium, client, first=first)
                    await self._expire(ground, claims, way.medium)
                    look_at, first = loop.time() + lease_s / 2, False
                claim = _new_claim(way.medium)
                parcels = await self._take(ground, claims, way, claim, down)
                if parcels:
                    await self._send(ground, way.medium, claim, parcels, client)
                    continue
            except PyMongoError as error:
                log.warning("delivery waits for the database", error=str(heals(error)))
                look_at, first = 0.0, True  # what we claimed is nobody's now
                await asyncio.sleep(PAUSE_S)
                continue
            except (Transient, Broken) as error:
                log.warning("delivery could not settle a claim; it is taken up again later", error=str(error))
                look_at, first = 0.0, True
                await asyncio.sleep(PAUSE_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll_s):  # wait_for may swallow a cancellation in Python 3.11
                    await self._awake[way].wait()

    async def _take(self, ground: Ground, claims: Claims, way: Way, claim: str, down: Gauge) -> list[Parcel]:
        """What may be sent now: all that is due, or of a receiver that is down one notice after a pause."""
        age = self._age(ground)
        if way.medium == "file":
            return await claims.take(claim, _now(), self._settings.delivery_batch, age)
        if way.handle is not None:
            standing = await self._receivers(ground).standing(way.handle, _now())
            down.labels(way.handle).set(standing.down)
            if standing.ask == "none":
                return []
            if standing.ask == "one":  # each in its turn: it may be one notice that the receiver cannot bear
                return await claims.take(claim, _now(), 1, age, first="next_try_at")
        return await claims.take(claim, _now(), self._settings.webhook_concurrency, age)

    def _receivers(self, ground: Ground) -> Receivers:
        return Receivers(ground.mongo, self._settings.webhook_disable_after, self._settings.webhook_first_pause)

    async def _resume(
        self, ground: Ground, claims: Claims, medium: str, client: httpx.AsyncClient, *, first: bool
    ) -> None:
        """Take up what a dead sender left."""
        for old in await claims.stale(_now(), first):
            claim = _new_claim(medium)
            await self._send(ground, medium, claim, await claims.take_over(old, claim, _now()), client)
        for old in await claims.orphans():
            claim = _new_claim(medium)
            await self._send(ground, medium, claim, await claims.adopt(old, claim, _now()), client)

    async def _expire(self, ground: Ground, claims: Claims, medium: str) -> None:
        """Let go what waited past its time, also for a receiver that is down: nothing floods it when it is back."""
        age = self._age(ground)
        while age is not None:
            claim = _new_claim(medium)
            parcels = await claims.take_past(age, claim, _now(), self._settings.delivery_batch)
            if not parcels:
                return
            await ground.submit(Outcomes(claim, _now(), tuple(map(expired, parcels))), f"settle/{claim}")

    def _age(self, ground: Ground) -> Age | None:
        """The most that a notice may have now; None while a replay's clock has not struck."""
        try:
            return Age(ground.clock.now(), self._settings.notice_age)
        except Transient:
            return None

    async def _send(
        self, ground: Ground, medium: str, claim: str, parcels: list[Parcel], client: httpx.AsyncClient
    ) -> None:
        late = [parcel for parcel in parcels if parcel.expiring]
        timely = [parcel for parcel in parcels if not parcel.expiring]
        results = await (self._append(timely) if medium == "file" else self._post(ground, timely, client))
        results += map(expired, late)
        faults.point(f"after-sending-{medium}")
        await ground.submit(Outcomes(claim, _now(), tuple(results)), f"settle/{claim}")

    async def _append(self, parcels: list[Parcel]) -> list[Outcome]:
        if not parcels:
            return []
        try:
            return await asyncio.to_thread(self._outbox.append, parcels)
        except OSError as error:
            log.error("notices cannot be written to files", error=str(error), folder=str(self._settings.outbox_dir))
            return [self._patience.again(parcel, f"os_error_{error.errno}", _now()) for parcel in parcels]
        except Exception as error:  # noqa: BLE001 - whatever is wrong with these, the others are sent
            log.error("notices could not be written", error=repr(error), notices=[one.notice_id for one in parcels])
            return [self._patience.again(parcel, _fault(error), _now(), unsure=True) for parcel in parcels]

    async def _post(self, ground: Ground, parcels: list[Parcel], client: httpx.AsyncClient) -> list[Outcome]:
        receivers = self._receivers(ground)
        handles = {parcel.handle for parcel in parcels}
        off = {handle for handle in handles if (await receivers.standing(handle, _now())).off}
        found = await asyncio.gather(*(self._post_one(parcel, off, client) for parcel in parcels))
        by_handle: dict[str, list[str | None]] = {}
        for parcel, answer in zip(parcels, found, strict=True):
            if isinstance(answer, webhook.Answer):
                by_handle.setdefault(parcel.handle, []).append(answer.reason if answer.counts else None)
        counts = {handle: await receivers.note(handle, answers, _now()) for handle, answers in by_handle.items()}
        return [
            answer
            if isinstance(answer, Outcome)
            else self._patience.outcome(
                parcel, answer, self._settings.webhooks[parcel.handle].takes_ids, _now(), counts=counts[parcel.handle]
            )
            for parcel, answer in zip(parcels, found, strict=True)
        ]

    async def _post_one(self, parcel: Parcel, off: set[str], client: httpx.AsyncClient) -> webhook.Answer | Outcome:
        """What the receiver answered; the outcome where it was not asked."""
        target = self._settings.webhooks.get(parcel.handle)
        if target is None:
            return Outcome(parcel.notice_id, "failed", "no_target")
        if parcel.resumed and not target.takes_ids:
            return Outcome(parcel.notice_id, "unknown", "sender_died")
        if parcel.handle in off:
            return self._patience.again(parcel, "switched_off", _now(), counts=False)
        try:
            return await webhook.post(client, target, parcel, _now())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this one, the others are sent
            log.error("a notice could not be posted", error=repr(error), notice=parcel.notice_id)
            return webhook.Answer("unanswered", _fault(error))


def _served(way: Way) -> bool:
    return way.medium == "file" or way.handle is not None


def _fault(error: Exception) -> str:
    return f"fault: {type(error).__name__}"


def _now() -> datetime:
    """Wall time: leases, back-off and timestamps of requests never follow a replay's clock."""
    return datetime.now(UTC)


def _new_claim(medium: str) -> str:
    return f"{medium}-{uuid4().hex}"
