"""The seven services as child processes: started together, asked whether they are ready, restarted when they die.

Knows names, modules and ports of the services and nothing of what they do.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .installation import BRIDGE, Installation, root
from .stack import ServiceProcess, Stack

ClockMode = Literal["live", "replay"]

READY_TIMEOUT_S = 90.0
"""Seven imports on a busy two-core machine take about 20 s; four times that is a fault."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""A service that dies at once every time should fill its log slowly."""

CALM_S = 60.0
"""Who ran this long before dying is restarted at once again."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it is started. `port` is its fixed one (README)."""

    name: str
    module: str
    port: int


SERVICES = (
    Service("intake", "huying.intake", 8001),
    Service("hotline-bridge", "huying.hotline_bridge", 8002),
    Service("routing", "huying.routing", 8003),
    Service("sla-timer", "huying.sla_timer", 8004),
    Service("notification", "huying.notification", 8005),
    Service("evaluation", "huying.evaluation", 8006),
    Service("console", "huying.console", 8080),
)
BY_NAME = {service.name: service for service in SERVICES}


@dataclass(slots=True)
class _Member:
    process: ServiceProcess
    port: int
    started_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    again_at: float = 0.0


@dataclass(slots=True)
class Services:
    """Processes of services over one stack. `ports` by service name; folder holds logs and process id files."""

    stack: Stack
    installation: Installation
    folder: Path
    prefix: str = "huying"
    clock: ClockMode = "live"
    broker: Literal["embedded", "kafka"] = "embedded"
    ports: Mapping[str, int] = field(default_factory=lambda: {one.name: one.port for one in SERVICES})
    env: Mapping[str, str] = field(default_factory=dict)
    """For every service; wins over what is set here."""
    _members: dict[str, _Member] = field(default_factory=dict)

    def add(
        self, service: str, *, name: str | None = None, port: int | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Start `service` as `name` (a second replica needs one of its own); returns at once with the name."""
        called = name or service
        chosen = port or self.ports[service]
        process = ServiceProcess(
            called,
            [sys.executable, "-m", BY_NAME[service].module],
            env={**self._environment(service, chosen), **self.env, **(env or {})},
            log_path=self.folder / "logs" / f"{called}.log",
            cwd=root(),
            pid_path=self.folder / f"{called}.pid",
        )
        self._members[called] = _Member(process, chosen, time.monotonic())
        process.start()
        return called

    def start(self, names: Iterable[str] = tuple(BY_NAME)) -> None:
        """Start those; returns at once."""
        for name in names:
            self.add(name)

    def _environment(self, service: str, port: int) -> dict[str, str]:
        return {
            "PYTHONUNBUFFERED": "1",
            "HUYING_SERVICE": service,
            "HUYING_PORT": str(port),
            "HUYING_BROKER": self.broker,
            "HUYING_KAFKA": self.stack.bootstrap,
            "HUYING_MONGO": self.stack.mongo_url,
            "HUYING_DATABASE_PREFIX": self.prefix,
            "HUYING_GROUP_PREFIX": self.prefix,
            "HUYING_CLOCK": self.clock,
            "HUYING_PACK": str(self.installation.pack),
            "HUYING_KEYS": str(self.installation.keys),
            "HUYING_SECRET": self.installation.secret,
            "HUYING_OUTBOX_DIR": str(self.folder / "notices"),
            "HUYING_VAULT_URL": self.url("intake"),
            "HUYING_VAULT_KEY": self.installation.token(BRIDGE),
            "HUYING_PUBLIC_URL": self.url("evaluation"),
            "HUYING_PROGRESS_URL": self.url("intake"),
        }

    def url(self, name: str) -> str:
        """http://127.0.0.1:PORT of a service or replica."""
        port = self._members[name].port if name in self._members else self.ports[name]
        return f"http://127.0.0.1:{port}"

    @property
    def names(self) -> list[str]:
        """What was started, in order."""
        return list(self._members)

    def process(self, name: str) -> ServiceProcess:
        """Its process: pid, memory, log, kill, freeze, thaw."""
        return self._members[name].process

    def wait_ready(self, on_ready: Callable[[str, float], None] | None = None, names: Iterable[str] = ()) -> None:
        """Ask every `/readyz` in parallel until all answer 200; `on_ready(name, seconds)` per service.

        Raises DidNotStartError with the end of its log for the first that ends or takes too long. Then, and at Ctrl-C,
        it does not wait for the others: they end when they are stopped.
        """
        chosen = list(names) or self.names

        def wait(name: str) -> None:
            seconds = self.process(name).wait_until_ready(self.url(name) + "/readyz", READY_TIMEOUT_S)
            if on_ready:
                on_ready(name, seconds)

        pool = ThreadPoolExecutor(len(chosen) or 1)
        try:
            for future in as_completed([pool.submit(wait, name) for name in chosen]):
                future.result()
        finally:
            pool.shutdown(wait=False)

    def restart(self, name: str) -> None:
        """Stop it if it runs, start it again and wait until it is ready."""
        member = self._members[name]
        member.process.stop()
        self._start_again(member)
        self.wait_ready(names=[name])

    def mend(self) -> list[str]:
        """Start again what died, each with its own back-off; the names of what was started."""
        started = []
        now = time.monotonic()
        for name, member in self._members.items():
            if member.process.alive:
                continue
            if member.again_at == 0.0:
                if now - member.started_at > CALM_S:
                    member.pause_s = FIRST_PAUSE_S
                member.again_at = now + member.pause_s
                member.pause_s = min(member.pause_s * 2, LONGEST_PAUSE_S)
            elif now >= member.again_at:
                self._start_again(member)
                started.append(name)
        return started

    def _start_again(self, member: _Member) -> None:
        member.process.kill()  # buries it and what it may have left
        member.process.start()
        member.started_at, member.again_at = time.monotonic(), 0.0

    def stop(self) -> None:
        """Stop all of them at once; safe to call twice."""
        if not self._members:
            return
        with ThreadPoolExecutor(len(self._members)) as pool:
            list(pool.map(lambda member: member.process.stop(), self._members.values()))

    def resident_bytes(self) -> dict[str, int]:
        """Resident memory by name."""
        return {name: member.process.memory().rss for name, member in self._members.items()}
