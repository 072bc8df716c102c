"""Commands: what a person or a system wishes to happen to an incident. Routing decides."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from .message import Code, Event, Identifier, Instant, Text, Value
from .reports import Attachment

Role = Literal["citizen", "grid_worker", "unit", "dispatcher", "leader", "supervisor", "system"]


class Actor(Value):
    """Who commands: an account or machine key, its role, and the unit it speaks for."""

    id: Identifier
    role: Role
    unit: Code | None = None


class Accept(Value):
    """The unit takes the order (签收)."""

    kind: Literal["accept"] = "accept"


class Contact(Value):
    """The unit spoke with the reporter (先行联系)."""

    kind: Literal["contact"] = "contact"
    note: Text | None = None


class Return(Value):
    """The unit says that it is not its business (退回)."""

    kind: Literal["return"] = "return"
    reason: Annotated[str, Field(min_length=1, max_length=1000)]
    basis: Annotated[str, Field(max_length=1000)] | None = None
    suggested_unit: Code | None = None


class Complete(Value):
    """The unit reports the result with text and pictures (办结)."""

    kind: Literal["complete"] = "complete"
    text: Annotated[str, Field(min_length=1, max_length=5000)]
    attachments: tuple[Attachment, ...] = ()


class AnswerAsk(Value):
    """A person answers: is it the same problem as the suggested incident?"""

    kind: Literal["answer_ask"] = "answer_ask"
    same: bool


Action = Annotated[Accept | Contact | Return | Complete | AnswerAsk, Field(discriminator="kind")]


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
