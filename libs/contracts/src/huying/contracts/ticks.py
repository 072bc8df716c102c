"""Ticks: the clock of a replay. Absent in production."""

from typing import Annotated, ClassVar

from pydantic import Field

from .message import Event, Instant


class TickV1(Event):
    """It is `instant` now, and what follows happens before `until`; ticks are numbered and never go back."""

    TYPE: ClassVar[str] = "cn.huying.tick.struck.v1"

    number: Annotated[int, Field(ge=1)]
    instant: Instant
    until: Instant
