"""Broker, database and MQTT broker of one folder, started and stopped together. Refuses to share folder or ports."""

import os
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from . import leftovers
from . import ports as port_rules
from .errors import StackError
from .kafka import Kafka
from .mongod import Mongod
from .mqtt_brokers import MqttBroker, MqttKind
from .ports import HOST, Ports
from .procs import ServiceProcess
from .tansu import Tansu

BrokerKind = Literal["embedded", "kafka"]
PartName = Literal["broker", "mongod", "mqtt"]


class Part(Protocol):
    """One program of the stack: its ports by purpose, its process, and a start that returns when it is ready."""

    @property
    def ports(self) -> dict[str, int]:
        """By purpose."""

    @property
    def process(self) -> ServiceProcess:
        """A new one per start."""

    def start(self) -> None:
        """Returns when it is ready."""


class Stack:
    """Everything under the services, as child processes with data and logs under `directory`.

    All calls are synchronous and may be given to `asyncio.to_thread`. The children die with this process, also when it
    is killed. `ports` are the fixed ones of `huying up` (movable by HUYING_PORT_...) unless given; tests give
    `Ports.free()`.
    """

    def __init__(
        self,
        directory: Path,
        broker: BrokerKind = "embedded",
        mqtt: MqttKind | None = None,
        ports: Ports | None = None,
        *,
        mqtt_password_file: Path | None = None,
        mqtt_anonymous: bool = False,
    ) -> None:
        self.directory = directory.absolute()
        self.ports = ports or Ports.from_environment()
        self._broker: Tansu | Kafka = (
            Tansu(self.directory, self.ports.broker)
            if broker == "embedded"
            else Kafka(self.directory, self.ports.broker, self.ports.controller)
        )
        self._mongod = Mongod(self.directory, self.ports.mongod)
        self._mqtt = (
            MqttBroker(
                self.directory, self.ports.mqtt, mqtt, password_file=mqtt_password_file, anonymous=mqtt_anonymous
            )
            if mqtt
            else None
        )
        self._parts: dict[PartName, Part] = {"broker": self._broker, "mongod": self._mongod}
        if self._mqtt:
            self._parts["mqtt"] = self._mqtt

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> list[str]:
        """Start everything; returns when all of it is ready, with the names of leftovers that were ended first.

        Raises AlreadyRunningError, PortInUseError, ProgramMissingError or DidNotStartError; then nothing is left.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        ended = leftovers.clean(self.directory)
        needed = {name: port for part in self._parts.values() for name, port in part.ports.items()}
        port_rules.require_free(needed, movable=True)
        started = False
        try:
            for part in self._parts.values():
                part.start()
            started = True
        finally:
            if not started:  # also at Ctrl-C
                self.stop()
        return ended

    def stop(self) -> None:
        """Stop everything, the database last; safe to call twice."""
        for name in ("mqtt", "broker", "mongod"):
            if part := self._parts.get(name):
                part.process.stop()

    def kill(self, name: PartName) -> None:
        """SIGKILL, as a power cut; returns when it is gone."""
        self._part(name).process.kill()

    def freeze(self, name: PartName) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._part(name).process.freeze()

    def thaw(self, name: PartName) -> None:
        """SIGCONT."""
        self._part(name).process.thaw()

    def restart(self, name: PartName) -> None:
        """Stop it if it runs, start it on the same ports and wait until it is ready.

        tansu comes back empty with a new cluster id; Apache Kafka and mongod keep their data; MQTT sessions are gone
        (amqtt) or kept (mosquitto, after a clean stop).
        """
        part = self._part(name)
        part.process.stop()
        part.start()

    def mend(self) -> list[PartName]:
        """Thaw what is frozen, start what is dead, for the next test; the names of what it touched."""
        touched: list[PartName] = []
        for name, part in self._parts.items():
            if part.process.frozen:
                part.process.thaw()
                touched.append(name)
            elif not part.process.alive:
                part.start()
                touched.append(name)
        return touched

    @property
    def dead(self) -> list[PartName]:
        """Parts that do not run."""
        return [name for name, part in self._parts.items() if not part.process.alive]

    def alive(self, name: PartName) -> bool:
        """Whether it runs (a frozen one does)."""
        return self._part(name).process.alive

    def process(self, name: PartName) -> ServiceProcess:
        """Its process: pid, memory, log."""
        return self._part(name).process

    @property
    def bootstrap(self) -> str:
        """127.0.0.1:PORT of the broker."""
        return f"{HOST}:{self.ports.broker}"

    @property
    def cluster_id(self) -> str:
        """The broker's cluster id; empty before the first start, new after each start of tansu."""
        return self._broker.cluster_id

    @property
    def mongo_url(self) -> str:
        """mongodb://... of the replica set's one node, without a database; good for transactions."""
        return self._mongod.url

    @property
    def mqtt_url(self) -> str:
        """mqtt://user:password@127.0.0.1:PORT. Raises StackError for a stack without MQTT."""
        return self._mqtt_broker.url

    @property
    def mqtt_account(self) -> tuple[str, str] | None:
        """User name and password for clients that do not read them from a URL; None for anonymous access."""
        broker = self._mqtt_broker
        return (broker.username, broker.password or "") if broker.username else None

    @property
    def mqtt_accounts(self) -> Path | None:
        """The file of its accounts; None for anonymous access."""
        return self._mqtt_broker.accounts_file

    @property
    def broker_pid(self) -> int:
        """Raises StackError when it does not run; so do the next two."""
        return self._broker.process.pid

    @property
    def mongod_pid(self) -> int:
        """Process id of mongod."""
        return self._mongod.process.pid

    @property
    def mqtt_pid(self) -> int:
        """Process id of the MQTT broker."""
        return self._mqtt_broker.process.pid

    @property
    def _mqtt_broker(self) -> MqttBroker:
        if self._mqtt is None:
            raise StackError("this stack has no MQTT broker: make it with mqtt='amqtt' or mqtt='mosquitto'")
        return self._mqtt

    def _part(self, name: PartName) -> Part:
        if name not in self._parts:
            raise StackError(f"this stack has no {name!r}: it has {', '.join(self._parts)}")
        return self._parts[name]


def default_directory(name: str = "up") -> Path:
    """.run/NAME of the working directory, or of HUYING_RUN."""
    return Path(os.environ.get("HUYING_RUN", ".run")) / name
