"""What a mapping file says: where an origin's order keeps each field, in which words and times, and what it is told back.

It refuses a file that names fields we do not have, and knows no origin by name: a new one is a file, not code.
"""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from huying.chassis.errors import ConfigurationError
from huying.contracts.message import Code
from huying.contracts.places import CoordinateSystem

Target = Literal[
    "text",
    "address",
    "grid_code",
    "village_code",
    "town",
    "point.lon",
    "point.lat",
    "point.crs",
    "point.accuracy_m",
    "category_hint",
    "received_at",
    "happened_at",
    "origin_due_at",
    "on_behalf",
    "relates_to",
    "attachments",
    "reporter.reference",
    "reporter.name",
    "reporter.phone",
    "reporter.id_number",
]
"""Fields of `ReportSubmittedV1` that an order can fill."""

TIMES: frozenset[str] = frozenset({"received_at", "happened_at", "origin_due_at"})
OrderState = Literal["received", "asked", "dispatched", "accepted", "contacted", "completed", "merged"]
"""An order's states in our words: `received` until the feed tells of it, then the incident's."""

ISO = "iso8601"
"""Name of the format that `datetime.fromisoformat` reads; times without an offset are in the file's time zone."""


class TheirState(BaseModel):
    """A state as the origin knows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    code: Annotated[str, Field(min_length=1)]
    name_zh: Annotated[str, Field(min_length=1)]


class OriginMapping(BaseModel):
    """One mapping file. Paths are dotted; a number in a path is a place in a list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Code
    name_zh: Annotated[str, Field(min_length=1)]
    number: Annotated[str, Field(min_length=1)]
    """Path of the order's own number."""
    timezone: str = "Asia/Shanghai"
    time_formats: Annotated[tuple[str, ...], Field(min_length=1)] = (ISO,)
    """Tried in this order: `iso8601`, `epoch_ms`, or a strptime format. The first one is used for what goes back."""
    crs: CoordinateSystem | None = None
    """System of the points unless the order says; the channel's when absent."""
    fields: dict[Target, str]
    required: tuple[Target, ...] = ("text",)
    codes: dict[Target, dict[str, str | bool | None]] = Field(default_factory=dict)
    """Their code -> our value, null for none. A code that is not listed is refused, unless `open_codes` names the field."""
    open_codes: tuple[Target, ...] = ()
    constants: dict[Target, str | bool] = Field(default_factory=dict)
    """Values of fields that the order does not carry."""
    states: dict[OrderState, TheirState]

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is no IANA time zone; use Asia/Shanghai") from error
        return name

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "text" not in self.fields:
            raise ValueError("fields: `text` is missing; say where the order tells what happened")
        unknown = [target for target in self.required if target not in self.fields]
        if unknown:
            raise ValueError(f"required: {unknown[0]!r} is not in fields; add its path or remove it here")
        missing = [state for state in get_args(OrderState) if state not in self.states]
        if missing:
            raise ValueError(f"states: {', '.join(missing)} missing; say what the origin calls it")
        return self

    @property
    def zone(self) -> tzinfo:
        """Where the origin's clock stands."""
        return ZoneInfo(self.timezone)

    def theirs(self, ours: str) -> str:
        """Where their order has a field of ours; our own name where it has none."""
        if ours == "origin_number":
            return self.number
        return next((path for target, path in self.fields.items() if f"{ours}.".startswith(f"{target}.")), ours)

    def moment(self, value: str | int | float) -> datetime:
        """An aware time out of the origin's spelling.

        Raises:
            ValueError: it is in none of the file's formats.
        """
        for spelling in self.time_formats:
            try:
                if spelling == "epoch_ms":
                    read = datetime.fromtimestamp(float(value) / 1000, self.zone)
                elif spelling == ISO:
                    read = datetime.fromisoformat(str(value))
                else:
                    read = datetime.strptime(str(value), spelling)  # noqa: DTZ007 - its zone is the next line's
            except (ValueError, OverflowError, OSError):
                continue
            return read if read.tzinfo else read.replace(tzinfo=self.zone)
        raise ValueError(f"is no time as {' or '.join(self.time_formats)}")

    def spelled(self, moment: datetime) -> str | int:
        """A time as the origin spells it."""
        local, spelling = moment.astimezone(self.zone), self.time_formats[0]
        if spelling == "epoch_ms":
            return round(local.timestamp() * 1000)
        return local.isoformat() if spelling == ISO else local.strftime(spelling)


def read(origin: str, document: Mapping[str, Any]) -> OriginMapping:
    """The mapping of `origin`.

    Raises:
        ConfigurationError: names file, field and what to do.
    """
    try:
        return OriginMapping.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(f"mappings/{origin}.yaml: {field}: {first['msg']}") from error
