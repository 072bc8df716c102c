"""What the tests of the doors and of the page share."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from huying.chassis.message import API, Message
from huying.contracts.reports import ReportSubmittedV1
from huying.intake.domain.acceptance import Submitted

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
Make = Callable[..., ReportSubmittedV1]
MakeDoor = Callable[..., Any]


def asked(body: ReportSubmittedV1, origin_id: str = "k1") -> Message:
    return Message(API, origin_id, Submitted("gov/park", origin_id, body), time=body.received_at)
