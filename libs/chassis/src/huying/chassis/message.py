"""What goes into a handler and what comes out: messages and effects. No I/O here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne

from huying.contracts.message import Event
from huying.contracts.topics import Topic

Document = dict[str, Any]
WriteOp = InsertOne[Document] | UpdateOne | UpdateMany | ReplaceOne[Document] | DeleteOne

API = "api"
"""`Message.topic` of a request that came by HTTP."""
TIMER = "timer"
"""`Message.topic` of something that became due."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to react to: an event of the bus, a request, or something that became due."""

    topic: str
    id: str
    body: Any
    key: str | None = None
    time: datetime | None = None
    """When it happened, by its sender's word."""
    source: str = ""
    trace: str | None = None
    """W3C traceparent of its cause."""
    headers: Mapping[str, str] = field(default_factory=dict)
    value: bytes = b""
    """The data as it travelled, for signatures and parking."""
    partition: int = -1
    offset: int = -1
    """Where it lay in the log; -1 for what did not come by it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event to publish. `id` is deterministic: a repeat is the same event."""

    topic: Topic
    key: str
    id: str
    event: Event
    time: datetime
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A write that must hit exactly one document, or the whole transaction is refused as a `Conflict`."""

    collection: str
    filter: Document
    update: Document


@dataclass(slots=True)
class Effects:
    """What a message does: writes to the service's own database, events, and an answer to who asked by HTTP."""

    writes: list[tuple[str, WriteOp]] = field(default_factory=list)
    documents: dict[tuple[str, str], Callable[[], Document]] = field(default_factory=dict)
    """Whole documents by collection and `_id`, made when the batch is written: of several of one id only the last."""
    events: list[Outgoing] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    answer: Any = None

    def write(self, collection: str, *operations: WriteOp) -> "Effects":
        """Add writes to `collection`; chainable."""
        self.writes.extend((collection, operation) for operation in operations)
        return self

    def put(self, collection: str, document_id: str, make: Callable[[], Document]) -> "Effects":
        """Replace or insert a whole document; chainable. Other writes to it in the same batch come first."""
        self.documents[collection, document_id] = make
        return self

    def publish(self, *events: Outgoing) -> "Effects":
        """Add events; chainable."""
        self.events.extend(events)
        return self


S = TypeVar("S")


class Handler(Protocol[S]):
    """What a service does with its messages. One transaction for a whole batch: load, fold each, commit."""

    async def load(self, messages: Sequence[Message]) -> S:
        """Read all that this batch needs from the service's own database, in as few queries as can be."""
        ...

    def fold(self, state: S, message: Message, now: datetime) -> Effects:
        """Decide one message on `state` and bring `state` forward. Pure: no I/O, no clock.

        An exception parks this message alone, so decide completely before you change `state`.
        """
        ...

    def committed(self, state: S) -> None:
        """The batch is in the database: keep in memory what is worth keeping."""
        ...

    async def reload(self) -> None:
        """Somebody else wrote, or a transaction's fate is unknown: forget what is in memory and read again."""
        ...

    async def due(self, now: datetime) -> Sequence[Message]:
        """What became due by `now`, as messages with `topic=TIMER`; empty for most services."""
        ...

    def overdue(self, state: S, now: datetime) -> Iterable[Message]:
        """What of that has to happen before a record that is folded at `now`; asked before each, empty for most.

        Each is folded by itself before the next is asked for, so that neither it nor the record can harm the other.
        """
        ...

    async def next_due(self) -> datetime | None:
        """When the next of that falls due, as things stand; None for never. A replay passes over the time before it."""
        ...


class Stateless:
    """The parts of a `Handler` that a service without memory and timers does not need to write."""

    def committed(self, state: Any) -> None:
        """Nothing is kept in memory."""

    async def reload(self) -> None:
        """Nothing to forget."""

    async def due(self, now: datetime) -> Sequence[Message]:
        """Nothing falls due."""
        del now
        return ()

    def overdue(self, state: Any, now: datetime) -> Iterable[Message]:
        """Nothing falls due in the middle of a batch."""
        del state, now
        return ()

    async def next_due(self) -> datetime | None:
        """Nothing ever does."""
        return None
