"""One message on its way through a batch, and what a batch adds up to. It decides nothing: the micro-batch does."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .ledger import OutboxRow, Partition
from .message import Document, Guard, Message, WriteOp
from .parking import Failure, RawRecord, Stored


@dataclass(slots=True)
class Item:
    """One message on its way.

    `record` where it came by the log, `waiter` where somebody waits for its answer, `stored` where it comes out of
    the parking; none of them for a message that fell due.
    """

    message: Message | None
    record: RawRecord | None = None
    failure: Failure | None = None
    waiter: "asyncio.Future[Any] | None" = None
    stored: Stored | None = None
    overdue: tuple[Message, ...] = ()
    """What was folded before it, since it had to happen first."""

    @property
    def raw(self) -> RawRecord | None:
        """The bytes, wherever they came from."""
        return self.stored.record if self.stored else self.record

    @property
    def trace(self) -> str | None:
        """W3C traceparent of its cause, also of a record that could not be decoded."""
        if self.message is not None:
            return self.message.trace
        header = self.raw.header("traceparent") if self.raw else None
        return header.decode("ascii", "replace") if header else None

    def answer(self, told: Any) -> None:
        """Tell whoever waits for it, once."""
        if self.waiter is None or self.waiter.done():
            return
        if isinstance(told, Exception):
            self.waiter.set_exception(told)
        else:
            self.waiter.set_result(told)


@dataclass(slots=True)
class Batch:
    """What one batch adds up to."""

    held: dict[str, int]
    advance: dict[Partition, int] = field(default_factory=dict)
    stamps: dict[Partition, int | None] = field(default_factory=dict)
    writes: list[tuple[str, WriteOp]] = field(default_factory=list)
    documents: dict[tuple[str, str], Callable[[], Document]] = field(default_factory=dict)
    guards: list[Guard] = field(default_factory=list)
    rows: list[OutboxRow] = field(default_factory=list)
    answers: list[tuple[Item, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    blocked: set[str] = field(default_factory=set)
    aside: list[tuple[Message, Failure]] = field(default_factory=list)


def nowhere_left(items: Sequence[Item]) -> bool:
    """Whether it is one record of the log on its way to the parking: the ledger must not move past it otherwise."""
    return len(items) == 1 and items[0].record is not None and items[0].failure is not None
