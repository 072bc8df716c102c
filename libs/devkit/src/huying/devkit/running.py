"""One service or all seven on a given stack, for tests: started, asked, killed, frozen, restarted.

Refuses to be shared between tests: a `System` has its own database prefix, groups, ports and folder.

Topics are those of the contract, so two systems on one stack read one log. Where that matters, take `fresh_stack`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from . import installation
from .stack import Stack
from .stack.ports import free_ports
from .system import BY_NAME, ClockMode, Services


class System:
    """Services over `stack`, with every database called `<prefix>_...`, logs and keys under `stack.directory/prefix`."""

    def __init__(
        self,
        stack: Stack,
        prefix: str,
        *,
        clock: ClockMode = "replay",
        services: Sequence[str] = tuple(BY_NAME),
        broker: Literal["embedded", "kafka"] = "embedded",
        env: Mapping[str, str] | None = None,
        pack: Path | None = None,
    ) -> None:
        self.stack = stack
        self.prefix = prefix
        self._wanted = tuple(services)
        folder = stack.directory / prefix
        self.installation = installation.ensure(folder, pack)
        names = tuple(BY_NAME)
        self.services = Services(
            stack,
            self.installation,
            folder,
            prefix=prefix,
            clock=clock,
            broker=broker,
            ports=dict(zip(names, free_ports(len(names)), strict=True)),
            env=env or {},
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> Self:
        """Make the topics, start the services and wait until each is ready."""
        create_topics(self.stack.bootstrap)
        self.services.start(self._wanted)
        if wait:
            self.services.wait_ready()
        return self

    def url(self, service: str) -> str:
        """http://127.0.0.1:PORT."""
        return self.services.url(service)

    def key(self, key_id: str) -> str:
        """A machine key in clear: `dispatcher`, `system`, `door`, `unit-U02` ..."""
        return self.installation.token(key_id)

    def headers(self, key_id: str) -> dict[str, str]:
        """`Authorization` for that key."""
        return {"Authorization": f"Bearer {self.key(key_id)}"}

    def replica(self, service: str, name: str, **env: str) -> str:
        """A further process of `service` under a name of its own; it is waited for."""
        number = name.rpartition("-")[2]
        called = self.services.add(service, name=name, port=free_ports(1)[0], env={"HUYING_REPLICA": number, **env})
        self.services.wait_ready(names=[called])
        return called

    def kill(self, name: str) -> None:
        """SIGKILL, as a power cut."""
        self.services.process(name).kill()

    def freeze(self, name: str) -> None:
        """SIGSTOP."""
        self.services.process(name).freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.services.process(name).thaw()

    def restart(self, name: str) -> None:
        """Start it again on the same port and wait until it is ready."""
        self.services.restart(name)

    def stop(self) -> None:
        """Stop every service; the stack stays."""
        self.services.stop()


def create_topics(bootstrap: str) -> None:
    """Make the topics of the contract that are missing."""
    from .stack import cluster, topics

    cluster.run(topics.create(bootstrap, cluster.run(topics.of_the_contract(bootstrap))))
