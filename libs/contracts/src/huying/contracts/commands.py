"""Commands: what a person or a system wishes to happen to an incident. Routing decides.

Which move is legal in which state, and for whom: `moves.MOVES`.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from .course import Words
from .message import Code, Event, Identifier, Instant, Text, Value
from .places import Place
from .reports import Attachment

Role = Literal["citizen", "grid_worker", "unit", "dispatcher", "leader", "supervisor", "system"]
STAFF: tuple[Role, ...] = ("dispatcher", "leader", "supervisor", "unit", "grid_worker")
"""Who signs in to the console: a citizen has pages of their own, and `system` is a machine."""
Units = Annotated[tuple[Code, ...], Field(min_length=1, max_length=40)]


class Actor(Value):
    """Who commands: an account or machine key, its role, and the unit it speaks for."""

    id: Identifier
    role: Role
    unit: Code | None = None

    @property
    def standing(self) -> Role:
        """The role whose rights they have: the head of a unit (单位负责人) has the unit's, never the dispatch centre's."""
        return "unit" if self.role == "leader" and self.unit is not None else self.role


class Accept(Value):
    """The unit takes the order (签收)."""

    kind: Literal["accept"] = "accept"


class Contact(Value):
    """The unit spoke with the reporter (先行联系)."""

    kind: Literal["contact"] = "contact"
    note: Text | None = None


class Return(Value):
    """The unit says that it is not its business (退回), and on what ground. The second time the dispatch centre rules.

    Routing declines a return without `basis`.
    """

    kind: Literal["return"] = "return"
    reason: Words
    basis: Annotated[str, Field(max_length=1000)] | None = None
    suggested_unit: Code | None = None


class Complete(Value):
    """The unit reports the result with text and pictures (办结).

    `with_covered` completes the incidents that this order stands for, too; without it they must be done before.
    """

    kind: Literal["complete"] = "complete"
    text: Annotated[str, Field(min_length=1, max_length=5000)]
    attachments: Annotated[tuple[Attachment, ...], Field(max_length=20)] = ()
    with_covered: bool = False


class AnswerAsk(Value):
    """A person answers (研判): is it the same problem as an incident that the question names, or as none of them?

    `candidates` says as which, by incident id; the likeliest when empty. Several are one problem and become one incident.
    """

    kind: Literal["answer_ask"] = "answer_ask"
    same: bool
    candidates: Annotated[tuple[Identifier, ...], Field(max_length=40)] = ()
    reason: Words | None = None

    @model_validator(mode="after")
    def _none_is_none(self) -> Self:
        if self.candidates and not self.same:
            raise ValueError("candidates: name them with same=true only; same=false means none of them")
        return self


class Confirm(Value):
    """A person says what it is and where (核定); what is absent stays as it was."""

    kind: Literal["confirm"] = "confirm"
    matter: Code | None = None
    clock_class: Literal["emergency", "consultation", "public_service", "other"] | None = None
    circumstances: tuple[Code, ...] | None = None
    place: Place | None = None
    reason: Words | None = None


class Assign(Value):
    """The dispatch centre gives it to another unit (改派); the catalogue stays as it is."""

    kind: Literal["assign"] = "assign"
    unit: Code
    assisting: tuple[Code, ...] = ()
    reason: Words


class Rule(Value):
    """The dispatch centre rules whose it is (裁决); the ruling becomes a version of the duty catalogue.

    `scope` is how far it holds: this village, this town, the whole county; `once` is this incident alone.
    """

    kind: Literal["rule"] = "rule"
    unit: Code
    assisting: tuple[Code, ...] = ()
    basis: Words
    scope: Literal["village", "town", "county", "once"] = "county"


class Escalate(Value):
    """It goes up a level (升级): grid, village, town, county."""

    kind: Literal["escalate"] = "escalate"
    reason: Words


class BlowWhistle(Value):
    """Calls several units to one place (吹哨); the main unit stays the one that answers for it."""

    kind: Literal["whistle"] = "whistle"
    units: Units
    meet_at: Annotated[str, Field(min_length=1, max_length=500)]
    reason: Words


class CheckIn(Value):
    """A called unit is there (报到)."""

    kind: Literal["check_in"] = "check_in"
    unit: Code | None = None
    """The actor's own when absent."""


class JointReview(Value):
    """Convenes a joint review (联席会商), or records its conclusion when there is one."""

    kind: Literal["joint_review"] = "joint_review"
    units: tuple[Code, ...] = ()
    topic: Words | None = None
    conclusion: Text | None = None


class Supervise(Value):
    """Lists it for supervision (挂牌督办)."""

    kind: Literal["supervise"] = "supervise"
    reason: Words


class LiftSupervision(Value):
    """Takes it off the list (摘牌)."""

    kind: Literal["lift_supervision"] = "lift_supervision"
    reason: Words


class Suspend(Value):
    """The order stands still for a reason (挂起), at the latest until then; its clocks pause."""

    kind: Literal["suspend"] = "suspend"
    reason: Words
    until: Instant


class Resume(Value):
    """It goes on (恢复)."""

    kind: Literal["resume"] = "resume"
    reason: Words | None = None


class RequestExtension(Value):
    """The unit asks for more time (申请延期)."""

    kind: Literal["request_extension"] = "request_extension"
    until: Instant
    reason: Words


class ApproveExtension(Value):
    """Granted (批准延期); counted and visible."""

    kind: Literal["approve_extension"] = "approve_extension"
    reason: Words | None = None


class RefuseExtension(Value):
    """Not granted (不予延期)."""

    kind: Literal["refuse_extension"] = "refuse_extension"
    reason: Words


class Redo(Value):
    """The result does not stand (重办)."""

    kind: Literal["redo"] = "redo"
    reason: Words


class Group(Value):
    """Takes incidents of one event under this one (并入群体事件): each stays visible, one dispatch a unit."""

    kind: Literal["group"] = "group"
    children: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=200)]
    reason: Words | None = None


class Release(Value):
    """Takes this incident out of its family (移出群体事件)."""

    kind: Literal["release"] = "release"
    reason: Words | None = None


class OpenFlood(Value):
    """Flood mode with this incident as the parent (开启汛期模式); it ends by itself."""

    kind: Literal["open_flood"] = "open_flood"
    until: Instant
    matters: Annotated[tuple[Code, ...], Field(max_length=40)] = ()
    """This incident's own matter when empty."""
    towns: Annotated[tuple[Code, ...], Field(max_length=40)] = ()
    reason: Words | None = None


class CloseFlood(Value):
    """Flood mode ends before its time (结束汛期模式)."""

    kind: Literal["close_flood"] = "close_flood"
    reason: Words | None = None


class Merge(Value):
    """This incident is the same as `into` (合并)."""

    kind: Literal["merge"] = "merge"
    into: Identifier
    reason: Words


class Split(Value):
    """These reports tell of another problem (拆分): they get an incident of their own."""

    kind: Literal["split"] = "split"
    reports: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=200)]
    reason: Words


class PartReport(Value):
    """One report tells of two problems (分件): this piece of its words gets an incident of its own, the report stays.

    It is what first screening says of the piece, where the incident is, unless a person says otherwise.
    """

    kind: Literal["part_report"] = "part_report"
    report: Identifier
    text: Annotated[str, Field(min_length=1, max_length=5000)]
    matter: Code | None = None
    place: Place | None = None
    reason: Words


class UndoMerge(Value):
    """This merged incident was another problem after all (撤销合并)."""

    kind: Literal["undo_merge"] = "undo_merge"
    reason: Words


Action = Annotated[
    Accept
    | Contact
    | Return
    | Complete
    | AnswerAsk
    | Confirm
    | Assign
    | Rule
    | Escalate
    | BlowWhistle
    | CheckIn
    | JointReview
    | Supervise
    | LiftSupervision
    | Suspend
    | Resume
    | RequestExtension
    | ApproveExtension
    | RefuseExtension
    | Redo
    | Group
    | Release
    | OpenFlood
    | CloseFlood
    | Merge
    | Split
    | PartReport
    | UndoMerge,
    Field(discriminator="kind"),
]


class CommandIssuedV1(Event):
    """A wish. The same `command_id` is decided once; `expected_version` guards against acting on old news."""

    TYPE: ClassVar[str] = "cn.huying.command.issued.v1"

    command_id: Identifier
    jurisdiction: Code
    incident_id: Identifier
    actor: Actor
    action: Action
    issued_at: Instant
    expected_version: Annotated[int, Field(ge=1)] | None = None
