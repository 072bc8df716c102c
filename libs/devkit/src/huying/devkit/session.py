"""A whole system on this machine: stack, topics, keys, seven services, from first exec to last `/readyz`.

`huying up`, `huying demo` and the bench start it here; it never touches a folder that another live run owns.
"""

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError
from rich.markup import escape

from . import installation, running
from .installation import Installation
from .stack import Ports, Stack, leftovers
from .stack.errors import StackError
from .stack.ports import free_ports, require_free
from .system import BY_NAME, ClockMode, Services

Broker = Literal["embedded", "kafka"]
Progress = Callable[[str], None]

OWNER_GRACE_S = 40.0
"""A stop waits 15 s for services and 10 s for the database; then the rest is ended by force."""

TEND_S = 0.5
"""How often what died is looked for: half the shortest back-off would be too busy, a second too slow."""
TRY_AGAIN_S = 5.0
"""A part of the stack that does not start says why, and is left alone for so long."""
FAULTS = (StackError, KafkaError, PyMongoError, OSError)
"""Of a part that is started again beside others that come and go."""


@dataclass(slots=True)
class Session:
    """A running system. `ready_s`: from the first exec to the last `/readyz` 200."""

    stack: Stack
    installation: Installation
    services: Services
    prefix: str
    ready_s: float = 0.0


@contextlib.contextmanager
def running_system(
    directory: Path,
    *,
    prefix: str,
    clock: ClockMode,
    broker: Broker = "embedded",
    ports: Ports | None = None,
    service_ports: Mapping[str, int] | None = None,
    names: Sequence[str] = tuple(BY_NAME),
    pack: Path | None = None,
    env: Mapping[str, str] | None = None,
    fresh: bool = False,
    progress: Progress = lambda _: None,
) -> Iterator[Session]:
    """Start everything, yield it when every service is ready, stop it afterwards."""
    if fresh:
        clear(directory)
    began = time.monotonic()
    stack = Stack(directory, broker=broker, mqtt="amqtt", ports=ports)
    service_ports = service_ports or {name: service.port for name, service in BY_NAME.items()}
    try:
        progress("消息总线与数据库 · broker and database")
        stack.start()
        require_free({name: service_ports[name] for name in names}, movable=False)
        made = installation.ensure(stack.directory, pack)
        progress("主题 · topics")
        running.create_topics(stack.bootstrap)
        services = Services(
            stack,
            made,
            stack.directory,
            prefix=prefix,
            clock=clock,
            broker=broker,
            ports=service_ports,
            env={**mqtt_environment(stack), **(env or {})},
        )
        try:
            progress("服务 · services")
            services.start(names)
            waiting = set(names)

            def on_ready(name: str, seconds: float) -> None:
                waiting.discard(name)
                rest = f"，等待 {', '.join(sorted(waiting))}" if waiting else ""
                progress(f"{name} 就绪 {seconds:.1f} s{rest}")

            services.wait_ready(on_ready)
            yield Session(stack, made, services, prefix, time.monotonic() - began)
        finally:
            services.stop()
    finally:
        stack.stop()


def free_service_ports() -> dict[str, int]:
    """Ports nobody listens on now, one a service."""
    return dict(zip(BY_NAME, free_ports(len(BY_NAME)), strict=True))


def mqtt_environment(stack: Stack) -> dict[str, str]:
    """Where the bridge finds the embedded MQTT broker."""
    return {"HUYING_MQTT_URL": stack.mqtt_url}


def clear(directory: Path) -> None:
    """Delete a run's folder, after ending what a killed run left there. Raises AlreadyRunningError when it is in use."""
    leftovers.clean(directory)
    shutil.rmtree(directory, ignore_errors=True)


def tend(session: Session, stop: threading.Event, tell: Callable[[str], None]) -> None:
    """Start again what died, until `stop` is set: broker, database, MQTT broker, and services with back-off.

    A broker that lost its log gets its topics, and is filled again by the services' relays.
    """
    stack, with_topics = session.stack, session.stack.cluster_id
    while not stop.wait(TEND_S):
        started: list[str] = session.services.mend()
        faults: list[Exception] = []
        for part in stack.dead:
            try:
                stack.restart(part)
                started.append(part)
            except FAULTS as error:
                faults.append(error)
        if stack.cluster_id != with_topics and stack.alive("broker"):
            try:
                running.create_topics(stack.bootstrap)
                with_topics = stack.cluster_id
            except FAULTS as error:
                faults.append(error)
        for name in started:
            tell(f"[yellow]{name} 已退出，重新启动 · died and was started again[/yellow]")
        for fault in faults:
            tell(f"[red]{escape(f'{type(fault).__name__}: {fault}')}[/red]")
        if faults:
            stop.wait(TRY_AGAIN_S)


def end_by_signal() -> None:
    """Make SIGTERM end this process as Ctrl-C does: everything it started is stopped. Only for the main thread."""

    def interrupt(number: int, frame: Any) -> None:
        del number, frame
        signal.raise_signal(signal.SIGINT)  # asyncio ends its tasks in order only for this one

    signal.signal(signal.SIGTERM, interrupt)


def until_told() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set from now on; only for the main thread, when there is nothing but waiting."""
    told = threading.Event()

    def tell(number: int, frame: Any) -> None:
        del number, frame
        told.set()

    signal.signal(signal.SIGINT, tell)
    signal.signal(signal.SIGTERM, tell)
    return told


def end(directory: Path) -> list[str]:
    """Stop what runs in `directory`: its owner first, so that nothing is restarted; the names of what was ended."""
    owners: dict[int, str] = {}
    names: list[str] = []
    for path in sorted(directory.glob(leftovers.PATTERN)):
        record = leftovers.read(path)
        if record and leftovers.alive(record):
            names.append(record.name)
            if leftovers.owned(record):
                owners[record.owner_pid] = record.owner_born
    for pid in owners:
        with contextlib.suppress(psutil.NoSuchProcess):
            owner = psutil.Process(pid)
            owner.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                owner.wait(OWNER_GRACE_S)
    leftovers.clean(directory, even_owned=True)
    return names
