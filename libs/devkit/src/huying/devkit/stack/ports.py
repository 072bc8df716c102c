"""Which ports the stack listens on: fixed for `huying up`, free ones for tests. Refuses a port that someone has."""

import os
import random
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

import psutil  # type: ignore[import-untyped]

from .errors import PortInUseError, StackError

HOST = "127.0.0.1"
"""The embedded programs have no passwords or certificates, so nothing outside this machine may reach them."""

ENVIRONMENT_PREFIX = "HUYING_PORT_"
"""HUYING_PORT_BROKER=19092 moves the broker of `huying up`, and so on for each field of Ports."""

FREE_PORTS = range(20_000, 32_000)
"""Below Linux's ephemeral range (32768-60999). From inside it, a client that reconnects to a killed broker's port can
be given that very port as its own, connects to itself, and the broker cannot come back."""


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports on 127.0.0.1. `controller` is used by Apache Kafka only, `mqtt` only with an MQTT broker."""

    broker: int = 9092
    mongod: int = 27117
    mqtt: int = 1883
    controller: int = 9093

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """The fixed ports, moved by HUYING_PORT_BROKER, _MONGOD, _MQTT, _CONTROLLER. Raises StackError for no port."""
        moved: dict[str, int] = {}
        for name in asdict(cls()):
            text = environ.get(variable := ENVIRONMENT_PREFIX + name.upper())
            if text is None:
                continue
            if not text.isdecimal() or not 0 < int(text) < 65_536:
                raise StackError(f"{variable}={text!r} is not a port: give a number from 1 to 65535")
            moved[name] = int(text)
        return cls(**moved)

    @classmethod
    def free(cls) -> Self:
        """Ports nobody listens on now, for tests."""
        return cls(*free_ports(4))


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on now, outside the ephemeral range."""
    found: list[int] = []
    for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"fewer than {count} free ports in {FREE_PORTS!r}: stop some programs")


def require_free(ports: Mapping[str, int], *, movable: bool) -> None:
    """Raise PortInUseError naming port, purpose, the program that has it and the way out; `movable` by environment."""
    for name, port in ports.items():
        if _is_free(port):
            continue
        holder = _listener(port)
        who = f"{holder.name()!r} (process {holder.pid})" if holder else "a program of another user"
        stop = f"stop it (kill {holder.pid})" if holder else f"find it (as root: ss -ltnp sport = :{port})"
        move = f", or choose another port with {ENVIRONMENT_PREFIX}{name.upper()}=..." if movable else ""
        raise PortInUseError(f"port {port} for the {name} is in use by {who}: {stop}{move}")


def listening(port: int, timeout_s: float = 0.2) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: ports of connections that are just closing down (TIME_WAIT) count as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _listener(port: int) -> psutil.Process | None:
    """The process that listens there, as far as this user may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return psutil.Process(connection.pid)
    except psutil.Error:
        return None
    return None
