"""What lies beside an order's main line: level, pauses, extensions, supervision, whistles, families, rulings."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from .message import Code, Identifier, Instant, Value

Level = Literal["household", "grid", "village", "town", "county"]
LEVEL_ZH: Mapping[Level, str] = {"household": "户", "grid": "网格", "village": "村", "town": "乡镇", "county": "县级"}
Words = Annotated[str, Field(min_length=1, max_length=1000)]
"""Why, in a person's words."""


class Suspension(Value):
    """The order stands still (挂起) since then, at the latest until then. `state` is what it goes back to."""

    state: Literal["accepted", "contacted"]
    since: Instant
    reason: Words
    until: Instant


class ExtensionRequest(Value):
    """More time is wished for (申请延期)."""

    until: Instant
    reason: Words
    requested_at: Instant


class Supervision(Value):
    """Listed for supervision (挂牌督办)."""

    since: Instant
    reason: Words


class Whistle(Value):
    """Several units were called to one place (吹哨); `arrived` are those that reported there (报到)."""

    units: tuple[Code, ...]
    arrived: tuple[Code, ...] = ()
    reason: Words
    meet_at: str
    at: Instant


class Review(Value):
    """A joint review was convened (联席会商); it is open until its conclusion is recorded."""

    units: tuple[Code, ...]
    topic: Words
    at: Instant


class Flood(Value):
    """Flood mode (汛期模式): new incidents of these matters, in these towns (all when empty), join this family."""

    opened_at: Instant
    until: Instant
    matters: tuple[Code, ...]
    towns: tuple[Code, ...] = ()


class Course(Value):
    """Where an order stands beside its main line. Everything is absent until it happens."""

    citizen_since: Instant | None = None
    """Where the citizen's clocks start: when the earliest of its reports was accepted; the opening when absent."""
    emergency_since: Instant | None = None
    """Where an emergency's clocks start when it became one later; where the citizen's do when absent."""
    level: Level | None = None
    contacted_at: Instant | None = None
    """When a unit first spoke with the reporter: no transfer takes that back, a redo asks for it again."""
    waiting_since: Instant | None = None
    """Since when it waits for the dispatch centre's ruling."""
    suspension: Suspension | None = None
    request: ExtensionRequest | None = None
    extensions: Annotated[int, Field(ge=0)] = 0
    extended_until: Instant | None = None
    supervision: Supervision | None = None
    whistle: Whistle | None = None
    review: Review | None = None
    redone: Annotated[int, Field(ge=0)] = 0
    redone_at: Instant | None = None
    parent: Identifier | None = None
    covered_by: Identifier | None = None
    """The incident of the same family whose dispatch stands for this one, too."""
    child_count: Annotated[int, Field(ge=0)] = 0
    flood: Flood | None = None


class CatalogueRule(Value):
    """A ruling as a line of the duty catalogue: matter x place x circumstances -> main unit.

    `version` is the catalogue from this rule on. Without codes of places it holds in the whole county.
    """

    version: str
    number: Annotated[int, Field(ge=1)]
    matter: Code
    town_code: Code | None = None
    village_code: Code | None = None
    circumstances: tuple[Code, ...] = ()
    main: Code
    assisting: tuple[Code, ...] = ()
    basis: str
    incident_id: Identifier
    at: Instant


class Label(Value):
    """What a person's merge or split teaches: are these two reports one problem?"""

    one: Identifier
    other: Identifier
    same: bool
