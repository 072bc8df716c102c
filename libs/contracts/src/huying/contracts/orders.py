"""The order's life beyond its main line, and people's merges and splits: further events of the feed."""

from typing import ClassVar, Literal

from .course import CatalogueRule, ExtensionRequest, Flood, Label, Level
from .incidents import Classification, Dispatch, IncidentEvent, ReportRef
from .message import Code, Identifier, Instant, Text
from .places import Place


class IncidentConfirmedV1(IncidentEvent):
    """A person said what it is and where; what it was before, for learning."""

    TYPE: ClassVar[str] = "cn.huying.incident.confirmed.v1"
    before: Classification
    place_before: Place | None = None
    reason: str | None = None


class IncidentAlarmedV1(IncidentEvent):
    """Something that joined tells of a danger: the stricter class counts from now on; what it was before."""

    TYPE: ClassVar[str] = "cn.huying.incident.alarmed.v1"
    before: Classification
    reason: str


class IncidentWithdrawnV1(IncidentEvent):
    """The unit does not have it any more (撤回): it was merged, covered, assigned or ruled elsewhere."""

    TYPE: ClassVar[str] = "cn.huying.incident.withdrawn.v1"
    dispatch: Dispatch
    reason: str


class IncidentRuledV1(IncidentEvent):
    """The dispatch centre ruled whose it is; with `rule` the duty catalogue has a new version. A dispatch follows."""

    TYPE: ClassVar[str] = "cn.huying.incident.ruled.v1"
    unit: Code
    basis: str
    rule: CatalogueRule | None = None


class IncidentEscalatedV1(IncidentEvent):
    """It went up a level."""

    TYPE: ClassVar[str] = "cn.huying.incident.escalated.v1"
    from_level: Level
    to_level: Level
    reason: str


class IncidentWhistledV1(IncidentEvent):
    """Several units were called to one place."""

    TYPE: ClassVar[str] = "cn.huying.incident.whistled.v1"
    units: tuple[Code, ...]
    meet_at: str
    reason: str


class IncidentCheckedInV1(IncidentEvent):
    """A called unit is there."""

    TYPE: ClassVar[str] = "cn.huying.incident.checked-in.v1"
    unit: Code


class IncidentReviewedV1(IncidentEvent):
    """A joint review was convened, or ended with a conclusion."""

    TYPE: ClassVar[str] = "cn.huying.incident.reviewed.v1"
    units: tuple[Code, ...]
    topic: str
    conclusion: Text | None = None


class IncidentSupervisedV1(IncidentEvent):
    """Listed for supervision, or taken off the list."""

    TYPE: ClassVar[str] = "cn.huying.incident.supervised.v1"
    listed: bool
    reason: str


class IncidentSuspendedV1(IncidentEvent):
    """The order stands still; its clocks pause."""

    TYPE: ClassVar[str] = "cn.huying.incident.suspended.v1"
    reason: str
    until: Instant


class IncidentResumedV1(IncidentEvent):
    """It goes on: by a person, or because its time ran out."""

    TYPE: ClassVar[str] = "cn.huying.incident.resumed.v1"
    expired: bool = False
    reason: str | None = None


class IncidentExtensionRequestedV1(IncidentEvent):
    """The unit asks for more time."""

    TYPE: ClassVar[str] = "cn.huying.incident.extension-requested.v1"
    request: ExtensionRequest


class IncidentExtensionDecidedV1(IncidentEvent):
    """The request was granted or refused; `count` is how many were granted so far."""

    TYPE: ClassVar[str] = "cn.huying.incident.extension-decided.v1"
    request: ExtensionRequest
    granted: bool
    count: int
    reason: str | None = None


class IncidentRedoneV1(IncidentEvent):
    """The result did not stand; a dispatch follows."""

    TYPE: ClassVar[str] = "cn.huying.incident.redone.v1"
    reason: str
    count: int


class IncidentSplitV1(IncidentEvent):
    """These reports left for `into`: a person found that they tell of another problem."""

    TYPE: ClassVar[str] = "cn.huying.incident.split.v1"
    into: Identifier
    into_number: str
    reports: tuple[ReportRef, ...]
    reason: str
    undone: bool = False
    """They went back to the incident that they had been merged from."""
    labels: tuple[Label, ...] = ()


class IncidentPartedV1(IncidentEvent):
    """A report of this incident tells of a second problem: `part` opened `into`, the report itself stays here."""

    TYPE: ClassVar[str] = "cn.huying.incident.parted.v1"
    into: Identifier
    into_number: str
    part: ReportRef
    reason: str


class IncidentRestoredV1(IncidentEvent):
    """A merge was undone: it lives again, and its reports come back."""

    TYPE: ClassVar[str] = "cn.huying.incident.restored.v1"
    merged_into: Identifier
    reason: str


class IncidentGroupedV1(IncidentEvent):
    """It belongs to a family now."""

    TYPE: ClassVar[str] = "cn.huying.incident.grouped.v1"
    parent: Identifier
    parent_number: str
    reason: str | None = None


class IncidentCoveredV1(IncidentEvent):
    """Its unit has one dispatch for the whole family, that of incident `by`; none while that one is ruled upon."""

    TYPE: ClassVar[str] = "cn.huying.incident.covered.v1"
    by: Identifier
    by_number: str
    dispatch: Dispatch | None = None


class IncidentReleasedV1(IncidentEvent):
    """It stands for itself again."""

    TYPE: ClassVar[str] = "cn.huying.incident.released.v1"
    parent: Identifier
    reason: str | None = None


class IncidentFamilyChangedV1(IncidentEvent):
    """Told of the parent: children came or left."""

    TYPE: ClassVar[str] = "cn.huying.incident.family-changed.v1"
    added: tuple[Identifier, ...] = ()
    removed: tuple[Identifier, ...] = ()


class IncidentFloodOpenedV1(IncidentEvent):
    """Flood mode: new incidents of these matters join this family."""

    TYPE: ClassVar[str] = "cn.huying.incident.flood-opened.v1"
    flood: Flood
    reason: str | None = None


class IncidentFloodClosedV1(IncidentEvent):
    """Flood mode is over: by a person, with the parent's result, or because its time ran out."""

    TYPE: ClassVar[str] = "cn.huying.incident.flood-closed.v1"
    by: Literal["person", "completed", "expired"]
    reason: str | None = None


EVENTS: tuple[type[IncidentEvent], ...] = (
    IncidentConfirmedV1,
    IncidentAlarmedV1,
    IncidentWithdrawnV1,
    IncidentRuledV1,
    IncidentEscalatedV1,
    IncidentWhistledV1,
    IncidentCheckedInV1,
    IncidentReviewedV1,
    IncidentSupervisedV1,
    IncidentSuspendedV1,
    IncidentResumedV1,
    IncidentExtensionRequestedV1,
    IncidentExtensionDecidedV1,
    IncidentRedoneV1,
    IncidentSplitV1,
    IncidentPartedV1,
    IncidentRestoredV1,
    IncidentGroupedV1,
    IncidentCoveredV1,
    IncidentReleasedV1,
    IncidentFamilyChangedV1,
    IncidentFloodOpenedV1,
    IncidentFloodClosedV1,
)
