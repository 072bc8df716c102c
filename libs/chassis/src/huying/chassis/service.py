"""One call builds a service: web application, broker, database, ledger, relay, clock, health, metrics, graceful stop.

The only place where the parts are put together; nothing is connected before the application starts.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pymongo import IndexModel
from pymongo.errors import PyMongoError

from huying.contracts.topics import Topic

from . import collector, faults, parking, relay, ticks
from .broker import log_ends
from .clock import Clock, LiveClock, ReplayClock
from .decoding import Decoder
from .errors import ConfigurationError, Transient
from .ledger import OUTBOX, Ledger
from .link import Link
from .measures import Measures
from .message import API, Handler, Message
from .microbatch import MicroBatch
from .mongo import Mongo, heals
from .parking import PARKED, Parking, RawRecord
from .problem import install
from .relay import Relay
from .sealing import Sealer
from .security import KeyRing, bearer
from .settings import ServiceSettings
from .telemetry import RequestInHand, Telemetry, configure_logs, stacks_on_demand

GAUGES_S = 1.0

log = structlog.get_logger()


@dataclass(slots=True)
class Ground:
    """What a service stands on; `app.state.ground` for its routes."""

    settings: ServiceSettings
    mongo: Mongo
    clock: Clock
    measures: Measures
    telemetry: Telemetry
    keys: KeyRing
    ledger: Ledger
    parking: Parking
    link: Link
    relay: Relay
    handler: Any = None
    batch: MicroBatch | None = None
    follower: ticks.Follower | None = None
    """Who follows the replay's ticks; None in a live service."""
    ready: bool = False
    failure: str | None = None
    """Why the service stopped consuming for good."""
    end: Callable[[], None] | None = None
    """Ends the process after a fatal fault, so that it is started anew; None where the service shares one."""

    async def submit(self, body: Any, message_id: str, *, trace: str | None = None, time: Any = None) -> Any:
        """Run a request through the handler's fold in one transaction with whatever else waits.

        Returns:
            The effects' answer.

        Raises:
            Transient: the service is not ready.
            Broken: it cannot be processed; nothing was stored.
        """
        if self.batch is None:
            raise Transient("the service has not started yet")
        self.clock.now()
        return await self.batch.submit(Message(API, message_id, body, trace=trace, time=time))


Wire = Callable[[Ground], Awaitable[Handler[Any]]]
"""The service's own composition: from the ground to its handler. Called once the database answers."""
Way = Callable[[Ground, RawRecord], Message]
"""Reads what came by another way than the log; raises `Broken` when it cannot."""
Start = Callable[[Ground], Awaitable[contextlib.AbstractAsyncContextManager[None]]]


def build(
    settings: ServiceSettings,
    *,
    wire: Wire,
    topics: Sequence[Topic] = (),
    routers: Sequence[APIRouter] = (),
    indexes: dict[str, list[IndexModel]] | None = None,
    beside: Callable[[Ground], contextlib.AbstractAsyncContextManager[None]] | None = None,
    ways: Mapping[str, Way] | None = None,
    title: str = "",
) -> FastAPI:
    """A FastAPI application that is the whole service.

    Args:
        settings: of this process.
        wire: makes the handler.
        topics: what it consumes; those keyed by incident hold an incident back when a record of it is parked.
        routers: its HTTP doors.
        indexes: of its own collections.
        beside: a context manager for what runs beside the consumer, such as an MQTT client.
        ways: by name, how a record is read that came by another way than the log and was parked with `Parking.keep`.
        title: for `/openapi.json`.
    """
    configure_logs(settings.service, settings.log_level)
    faults.arm(settings.crash_at, settings.freeze_at)
    ground = _ground(settings, topics)

    def ended(task: "asyncio.Task[None]") -> None:
        """A service without its consumer is worse than none: say why and stop, so that it is started anew."""
        error = RuntimeError("it was cut off, and nobody asked for that") if task.cancelled() else task.exception()
        if error is None:
            return
        whole = error
        while isinstance(error, BaseExceptionGroup):  # the task group's own words say nothing
            error = error.exceptions[0]
        ground.failure = _why(error)
        log.critical("the service stops", error=ground.failure, exc_info=whole)
        if ground.end is not None:
            ground.end()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        if ground.end is not None:
            stacks_on_demand()
        main = asyncio.create_task(_live(ground, wire, topics, indexes or {}, beside, ways or {}))
        main.add_done_callback(ended)
        try:
            yield
        finally:
            main.remove_done_callback(ended)
            main.cancel()
            try:
                await asyncio.wait({main})
                if not main.cancelled():
                    main.result()
            finally:  # also after a fault: its spans are the last
                ground.telemetry.stop()
                ground.mongo.close()

    app = FastAPI(title=title or f"Huying {settings.service}", lifespan=lifespan, openapi_url=None)
    app.state.ground = ground
    install(app)
    app.add_middleware(RequestInHand)
    _health(app, ground)
    _described(app)
    for router in routers:
        app.include_router(router)
    return app


def _why(error: BaseException) -> str:
    """A fault in a line, for people: what is wrong with a setting needs no class's name."""
    kind = "configuration" if isinstance(error, ConfigurationError) else type(error).__name__
    said = "; ".join(line.strip() for line in str(error).splitlines())
    return f"{kind}: {said}".replace(":; ", ": ")


def _ground(settings: ServiceSettings, topics: Sequence[Topic]) -> Ground:
    mongo = Mongo(settings.mongo, settings.database)
    measures = Measures(settings.service)
    secret = settings.secret.get_secret_value()
    return Ground(
        settings=settings,
        mongo=mongo,
        clock=LiveClock() if settings.clock == "live" else ReplayClock(),
        measures=measures,
        telemetry=Telemetry(settings.service, settings.traces),
        keys=KeyRing(settings.keys),
        ledger=Ledger(mongo),
        parking=Parking(mongo, settings.service, Sealer(secret, "parked")),
        link=Link(settings, topics, measures),
        relay=Relay(
            mongo, measures, f"{settings.service}-{settings.replica}", settings.lease, partial(log_ends, settings.kafka)
        ),
    )


async def _live(
    ground: Ground,
    wire: Wire,
    topics: Sequence[Topic],
    indexes: dict[str, list[IndexModel]],
    beside: Callable[[Ground], contextlib.AbstractAsyncContextManager[None]] | None,
    ways: Mapping[str, Way],
) -> None:
    """From the first ping to the last commit."""
    await _wait_for_database(ground, indexes)
    ground.link.cluster = await ground.link.wait_for_cluster()
    ground.handler = await wire(ground)
    batch = MicroBatch(
        service=ground.settings.service,
        handler=ground.handler,
        ledger=ground.ledger,
        parking=ground.parking,
        decoder=Decoder(topics, {name: partial(read, ground) for name, read in ways.items()}),
        clock=ground.clock,
        measures=ground.measures,
        telemetry=ground.telemetry,
        requests=ground.settings.paced_records,
        holding=frozenset(topic.name for topic in topics if topic.key == "incident_id"),
    )
    batch.on_rows = ground.relay.wake
    await batch.learn()  # a database that goes away once more now is waited for as ever after
    if ground.end is not None:
        collector.spare()
    ground.batch = batch
    if isinstance(ground.clock, ReplayClock):
        ground.follower = ticks.Follower(ground.mongo, ground.clock, batch)
    side = beside(ground) if beside else contextlib.nullcontext()
    async with side, asyncio.TaskGroup() as tasks:
        tasks.create_task(_strike(ground))
        tasks.create_task(_watch(ground))
        first = True
        while True:
            if not first:
                ground.link = Link(ground.settings, topics, ground.measures)
                ground.link.cluster = await ground.link.wait_for_cluster()
            first = False
            await _consume(ground)


async def _wait_for_database(ground: Ground, indexes: dict[str, list[IndexModel]]) -> None:
    pause = 0.05
    while True:
        try:
            await ground.mongo.ping()
            await ground.mongo.ensure_indexes(OUTBOX, relay.indexes(ground.settings.retention))
            await ground.mongo.ensure_indexes(PARKED, parking.INDEXES)
            for name, wanted in indexes.items():
                await ground.mongo.ensure_indexes(name, wanted)
            await ticks.claim_mode(ground.mongo, ground.clock)
        except (Transient, PyMongoError) as error:
            log.info("waiting for the database", error=str(heals(error) if isinstance(error, PyMongoError) else error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)
        else:
            return


async def _consume(ground: Ground) -> None:
    """Consume and publish on one cluster, until the broker answers as another one, or went away while it was met."""
    assert ground.batch is not None
    link = ground.link
    await link.subscribe(ground.batch, ground.ledger, ground.follower)
    publishing = asyncio.create_task(ground.relay.run(link.producer, link.cluster))
    changed = asyncio.create_task(link.changed_cluster())
    try:
        try:
            await link.start()
        except (KafkaError, OSError) as error:
            if not getattr(error, "retriable", True):
                raise
            log.warning("the broker went away while connecting; trying again", error=f"{type(error).__name__}: {error}")
            return
        ground.ready = True
        assert link.fault is not None
        ends: set[asyncio.Future[Any]] = {publishing, changed, link.fault}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for ended in (publishing, link.fault):
            if ended.done():
                ended.result()
        log.warning("the broker is another cluster now", was=link.cluster, found=changed.result())
    finally:
        ground.ready = False
        try:
            await link.stop()
        finally:  # also when that is cut off itself
            for task in (publishing, changed):
                task.cancel()
            await asyncio.gather(publishing, changed, return_exceptions=True)


async def _strike(ground: Ground) -> None:
    assert ground.batch is not None
    if ground.follower is not None:
        await ticks.run_replay(ground.settings, ground.follower, ground.batch)
    else:
        await ticks.run_live(ground.batch)


async def _watch(ground: Ground) -> None:
    """Gauges that nobody sets in passing."""
    while True:
        with contextlib.suppress(PyMongoError):
            ground.measures.parked_now.set(await ground.parking.count())
            ground.measures.outbox_refused.set(await ground.relay.count_refused())
        await asyncio.sleep(GAUGES_S)


def _health(app: FastAPI, ground: Ground) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive", "service": ground.settings.service}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        missing = await _missing(ground)
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, 503)
        return JSONResponse({"status": "ready", "service": ground.settings.service, "clock": ground.clock.mode})

    @app.get("/metrics", include_in_schema=False)
    async def metrics(_: Request) -> Response:
        return Response(generate_latest(ground.measures.registry), media_type=CONTENT_TYPE_LATEST)


def _described(app: FastAPI) -> None:
    """The schema, for whoever has a key: FastAPI's own route would tell everybody what there is to ask for."""

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> JSONResponse:
        bearer(request)
        return JSONResponse(app.openapi())


async def _missing(ground: Ground) -> list[str]:
    if ground.failure:
        return [f"stopped: {ground.failure}"]
    missing = []
    try:
        await ground.mongo.ping()
    except (Transient, PyMongoError) as error:
        missing.append(f"mongodb: {error}"[:200])
    if not ground.ready:
        missing.append("kafka: not connected")
    elif ground.link.missing:
        missing.append(ground.link.missing)
    if not ground.relay.healthy:
        missing.append("kafka: publishing fails")
    if ground.batch is None or not ground.batch.healthy:
        missing.append("mongodb: transactions fail")
    return missing


def serve(create_app: Callable[[], FastAPI]) -> None:
    """Run the service until it is told to stop; for `python -m huying.<service>`.

    Raises:
        SystemExit: its settings are wrong, or a fault stopped it.
    """
    import uvicorn
    from pydantic import ValidationError

    try:
        app = create_app()
    except (ConfigurationError, ValidationError) as error:
        raise SystemExit(f"configuration: {error}") from error
    ground: Ground = app.state.ground
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=ground.settings.host,
            port=ground.settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=30,
        )
    )

    def end() -> None:
        server.should_exit = True

    ground.end = end
    server.run()
    if ground.failure or not server.started:
        # Once more, plain and last, below the stack and the server's farewell: there people look (operations.md).
        raise SystemExit(ground.failure or 1)


async def ground_of(request: Request) -> Ground:
    """The ground, as a FastAPI dependency; a coroutine, since FastAPI runs a function in a thread."""
    ground: Ground = request.app.state.ground
    return ground
