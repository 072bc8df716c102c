"""What every event model shares: frozen, tolerant of fields it does not know yet, times aware and in UTC."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside the calendar's years") from error


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, kept in UTC."""

Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:/-]+$")]
"""A short name out of a county pack or an origin system."""

Identifier = Annotated[str, Field(min_length=1, max_length=200)]
"""An identity: opaque, printable."""

Text = Annotated[str, Field(max_length=5000)]
"""Free text as people write it; every page that shows it escapes it."""


class Value(BaseModel):
    """A part of a message."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="iso8601")


class Event(Value):
    """A fact that travels on the bus. `TYPE` is its CloudEvents type; the class name ends in its version."""

    TYPE: ClassVar[str]

    def encode(self) -> bytes:
        """UTF-8 JSON without absent fields."""
        return self.model_dump_json(exclude_none=True).encode()
