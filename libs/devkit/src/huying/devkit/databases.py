"""The services' databases in MongoDB, as tools beside the services find them. It reads names and changes nothing."""

from typing import Any

from pymongo import AsyncMongoClient, MongoClient

from .stack import StackError
from .system import BY_NAME

PATIENCE_MS = 3000
"""A database nearby answers in milliseconds; who types a command should not wait pymongo's 30 s for one that is away."""

Client = AsyncMongoClient[dict[str, Any]]


def client_of(mongo_url: str) -> Client:
    """A client for somebody who waits for the answer; aware of time zones."""
    return AsyncMongoClient(mongo_url, tz_aware=True, serverSelectionTimeoutMS=PATIENCE_MS)


def name_of(prefix: str, service: str) -> str:
    """Name of a service's database."""
    return f"{prefix}_{service.replace('-', '_')}"


def require(mongo_url: str, prefix: str) -> None:
    """Refuse a prefix that none of the databases has: an empty answer would look like a good one.

    Raises:
        StackError: names the prefixes that there are.
        PyMongoError: the database does not answer.
    """
    with MongoClient[dict[str, Any]](mongo_url, serverSelectionTimeoutMS=PATIENCE_MS) as client:
        there = set(client.list_database_names())
    if there & {name_of(prefix, service) for service in BY_NAME}:
        return
    ending = name_of("", "routing")
    known = sorted(name.removesuffix(ending) for name in there if name.endswith(ending))
    instead = (
        f"there are those of {', '.join(known)}: give --prefix" if known else "start the services, or give --mongo"
    )
    raise StackError(f"没有 {prefix!r} 的库 · no service's database begins with {prefix!r}; {instead}")
