"""The database. The only file that knows motor, so that its successor can take its place here.

Decision: docs/decisions/2026-11-23-motor-behind-one-file.md.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import IndexModel, WriteConcern
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WTimeoutError,
)

from .errors import Transient

MAJORITY = WriteConcern(w="majority", j=True)
FAST = WriteConcern(w=1)
"""For what may be repeated after a crash: marks of the relay, ticks seen."""

IN_FLIGHT_S = 30.0
"""Longer than any operation: until then a client that was replaced stays open for those who still use it."""

COMMIT_ATTEMPTS = 5
"""A commit whose outcome is unknown is asked again this often before the ledger is read instead."""

TRANSIENT_CODES = frozenset(
    {6, 7, 24, 50, 89, 91, 112, 189, 225, 246, 251, 262, 290, 10107, 11600, 11602, 13435, 13436}
)
"""Server errors that heal: host or network, no primary, write conflict, interrupted, no such transaction, time-out."""

OTHER_OPTIONS = 85
"""Server error: an index of this name is there with other options."""

HEALING = (ConnectionFailure, NetworkTimeout, ExecutionTimeout, WaitQueueTimeoutError, WTimeoutError)


class Mongo:
    """One service's own database."""

    def __init__(self, url: str, database: str) -> None:
        """Connect lazily; nothing is opened until the first operation."""
        self.name = database
        self._url = url
        self._replaced: list[Any] = []
        self._connect()

    def _connect(self) -> None:
        self._client: Any = AsyncIOMotorClient(
            self._url,
            tz_aware=True,
            w="majority",
            journal=True,
            serverSelectionTimeoutMS=3000,
            connectTimeoutMS=3000,
            socketTimeoutMS=20000,
            appname=self.name,
        )
        self._database = self._client[self.name]
        self._collections: dict[tuple[str, bool], Any] = {}
        """Made once: making one takes motor as long as a short query."""

    def collection(self, name: str) -> Any:
        """A collection with majority writes."""
        return self._collection(name, fast=False)

    def fast(self, name: str) -> Any:
        """A collection whose writes are not waited for to be replicated."""
        return self._collection(name, fast=True)

    def _collection(self, name: str, *, fast: bool) -> Any:
        known = self._collections.get((name, fast))
        if known is None:
            known = self._database.get_collection(name, write_concern=FAST if fast else None)
            self._collections[name, fast] = known
        return known

    async def ping(self) -> None:
        """Ask for the primary.

        Raises:
            Transient: there is none now.
        """
        try:
            await self._client.admin.command("ping")
        except PyMongoError as error:
            raise translate(error) from error

    async def ensure_indexes(self, collection: str, indexes: Sequence[IndexModel]) -> None:
        """Create what is missing; where documents are to go after another time than before, that holds from now on."""
        if not indexes:
            return
        try:
            await self._database[collection].create_indexes(list(indexes))
        except OperationFailure as error:
            kept = [one.document for one in indexes if "expireAfterSeconds" in one.document]
            if error.code != OTHER_OPTIONS or not kept:
                raise
            for one in kept:
                changed = {"keyPattern": one["key"], "expireAfterSeconds": one["expireAfterSeconds"]}
                await self._database.command("collMod", collection, index=changed)
            await self._database[collection].create_indexes(list(indexes))

    @asynccontextmanager
    async def transaction(self, concern: WriteConcern = MAJORITY) -> AsyncIterator[Any]:
        """A transaction that commits, as `concern` says, when the body ends and aborts when it raises.

        Yields:
            The session to pass to every operation.

        Raises:
            Transient: it may heal; whether the commit happened may be unknown, so read the ledger again.
            Exception: what the body or the server raised for good, after the abort.
        """
        try:
            async with await self._client.start_session() as session:
                session.start_transaction(write_concern=concern)
                try:
                    yield session
                except BaseException:
                    if session.in_transaction:
                        with suppress(PyMongoError):  # the server aborts it by itself after its lifetime
                            await session.abort_transaction()
                    raise
                await _commit(session)
        except ConfigurationError as error:
            # Connections made while the server was starting believe for good that it has no sessions.
            self._replaced.append(self._client)
            asyncio.get_running_loop().call_later(IN_FLIGHT_S, self._client.close)
            self._connect()
            raise Transient(f"{error}; connecting anew") from error
        except PyMongoError as error:
            raise translate(error) from error

    async def drop(self) -> None:
        """Delete the database: tests only."""
        await self._client.drop_database(self.name)

    def close(self) -> None:
        """Close all connections."""
        for client in (*self._replaced, self._client):
            client.close()


async def _commit(session: Any) -> None:
    for attempt in range(1, COMMIT_ATTEMPTS + 1):
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult") or attempt == COMMIT_ATTEMPTS:
                raise


def translate(error: Exception) -> Exception:
    """`Transient` for what may heal, the error itself for what will not."""
    if not isinstance(error, PyMongoError):
        return error
    if error.has_error_label("TransientTransactionError") or error.has_error_label("UnknownTransactionCommitResult"):
        return Transient(f"{type(error).__name__}: {error}")
    if isinstance(error, HEALING):
        return Transient(f"{type(error).__name__}: {error}")
    if isinstance(error, OperationFailure) and error.code in TRANSIENT_CODES:
        return Transient(f"{type(error).__name__} {error.code}: {error}")
    return error


def heals(error: Exception) -> Transient:
    """The fault as `Transient`.

    Raises:
        Exception: the error itself, when it will not heal.
    """
    fate = translate(error)
    if isinstance(fate, Transient):
        return fate
    raise error
