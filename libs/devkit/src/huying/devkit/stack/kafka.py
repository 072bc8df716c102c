"""Apache Kafka 4 without Docker: one node from Maven Central's jars. Refuses to install Java or Maven: it says how."""

import base64
import fcntl
import os
import re
import shutil
import string
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, for_code

from huying.chassis.broker import admin_of

from . import cluster
from .errors import DidNotStartError, ProgramMissingError, StackError
from .ports import HOST, listening
from .procs import ServiceProcess

VERSION = "4.1.1"
"""As in deploy/kafka/pom.xml; the jars are cached by it."""

JAVA_AT_LEAST = 17
"""Kafka 4's broker does not start on older ones."""

DOWNLOAD_TIMEOUT_S = 600
"""43 MB, 10 s on a good line; counties have worse ones."""

START_TIMEOUT_S = 90.0
"""4 s to listen, up to 13 s after a kill, three times that on a busy machine."""

HEAP = ("-Xmx384m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""About 313 MB resident, and a fast start: the tests restart it often and never load it for long."""


class Kafka:
    """One Apache Kafka node, broker and controller, on 127.0.0.1. Keeps its log and its cluster id."""

    name = "broker"

    def __init__(self, directory: Path, port: int, controller: int) -> None:
        self._directory = directory
        self._data = directory / "kafka" / "data"
        self._settings = directory / "kafka" / "node.properties"
        self._port = port
        self._controller = controller
        self.ports = {"broker": port, "controller": controller}
        self.cluster_id = ""
        self.process = self._new_process([])

    def start(self) -> None:
        """Fetch the jars and format the folder once, start; returns when a topic was made and a group could join."""
        java = java_program()
        class_path = f"{jars()}/*"
        self._write_settings()
        if not (self._data / "meta.properties").is_file():
            self._format(java, class_path)
        self.cluster_id = self._stored_cluster_id()
        self.process = self._new_process([java, *HEAP, "-cp", class_path, "kafka.Kafka", str(self._settings)])
        self.process.start()
        self.process.wait_until(lambda: listening(self._port), START_TIMEOUT_S, "listening")
        self.process.wait_until(self._answers, START_TIMEOUT_S, "answering for its cluster")
        self.process.wait_until(self._makes_a_topic, START_TIMEOUT_S, "able to make a topic")
        self.process.wait_until(self._coordinates, START_TIMEOUT_S, "coordinating groups")

    def _answers(self) -> bool:
        return cluster.run(cluster.cluster_id(f"{HOST}:{self._port}")) == self.cluster_id

    def _makes_a_topic(self) -> bool:
        return cluster.run(_makes_a_topic(f"{HOST}:{self._port}"))

    def _coordinates(self) -> bool:
        return cluster.run(cluster.coordinates_groups(f"{HOST}:{self._port}", "huying.stack.ready"))

    def _write_settings(self) -> None:
        self._settings.parent.mkdir(parents=True, exist_ok=True)
        template = string.Template(deploy_file("node.properties").read_text(encoding="utf-8"))
        self._settings.write_text(
            template.substitute(broker=self._port, controller=self._controller, data=self._data), encoding="utf-8"
        )

    def _format(self, java: str, class_path: str) -> None:
        # Kafka's own ids are 16 random bytes in URL-safe base64; one that begins with a dash would look like an option.
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        done = subprocess.run(
            [java, "-cp", class_path, "kafka.tools.StorageTool", "format", "-t", identity, "-c", str(self._settings)],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise DidNotStartError(f"Apache Kafka could not format {str(self._data)!r}:\n{done.stdout}{done.stderr}")

    def _stored_cluster_id(self) -> str:
        text = (self._data / "meta.properties").read_text(encoding="utf-8")
        found = re.search(r"^cluster\.id=(.+)$", text, re.MULTILINE)
        if not found:
            raise StackError(f"{str(self._data)!r} has no cluster.id in meta.properties: remove that folder")
        return found[1].strip()

    def _new_process(self, command: list[str]) -> ServiceProcess:
        return ServiceProcess(
            "kafka",
            command,
            log_path=self._directory / "kafka.log",
            pid_path=self._directory / "kafka.pid",
        )


async def _makes_a_topic(bootstrap: str) -> bool:
    name = f"huying.stack.ready.{uuid.uuid4().hex}"
    try:
        async with admin_of(bootstrap) as admin:
            answer = await admin.create_topics([NewTopic(name, 1, 1)])
            for _, code, *_ in answer.topic_errors:
                if code:
                    raise for_code(code)
            await admin.delete_topics([name])
            return True
    except KafkaError:
        return False


def java_program() -> str:
    """Java of JAVA_HOME or PATH. Raises ProgramMissingError when there is none or it is too old."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    how = "run `make system`, or install openjdk-17-jre-headless, or set JAVA_HOME"
    if found is None:
        raise ProgramMissingError(
            f"Apache Kafka needs Java {JAVA_AT_LEAST} or later and there is none "
            + (f"in JAVA_HOME={home!r}: {how}" if home else f"on PATH: {how}")
        )
    said = subprocess.run([found, "-version"], check=False, capture_output=True, text=True, timeout=60).stderr
    version = re.search(r'version "(\d+)', said)
    if version and int(version[1]) < JAVA_AT_LEAST:
        raise ProgramMissingError(f"Apache Kafka needs Java {JAVA_AT_LEAST} or later; {found!r} is {version[1]}: {how}")
    return found


def cache_directory() -> Path:
    """Where the jars are kept between runs: $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huying"


def jars() -> Path:
    """The folder with Kafka's jars, fetched by Maven at the first call.

    Raises ProgramMissingError without Maven, StackError when it fails.
    """
    folder = cache_directory() / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent / "kafka.lock"):
        if not folder.is_dir():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ProgramMissingError(
            f"Apache Kafka's jars come from Maven Central and there is no mvn on PATH: run `make system`, or install "
            f"maven, or put the jars of deploy/kafka/pom.xml into {str(folder)!r}"
        )
    # A folder beside, renamed when complete: an interrupted download must not look like a finished one.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="kafka-part-") as part:
        library = Path(part) / "lib"
        done = subprocess.run(
            [
                *(maven, "-q", "-B", "-f", str(deploy_file("pom.xml")), "dependency:copy-dependencies"),
                *(f"-DoutputDirectory={library}", "-DincludeScope=runtime"),
            ],
            check=False,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
        if done.returncode or not any(library.glob("kafka_*.jar")):
            raise StackError(
                "Maven could not fetch Apache Kafka's jars: check the network, or a mirror in ~/.m2/settings.xml. "
                f"It said:\n{(done.stdout + done.stderr)[-2000:]}"
            )
        library.rename(folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def deploy_file(name: str) -> Path:
    """deploy/kafka/NAME of this repository, seen from the working directory or from this package's source."""
    for start in (Path.cwd() / "here", Path(__file__).resolve()):
        for folder in start.parents:
            if (found := folder / "deploy" / "kafka" / name).is_file():
                return found
    raise StackError(f"deploy/kafka/{name} was not found from {str(Path.cwd())!r}: run in the Huying repository")
