"""Every topic of the bus: what it carries, who writes it, by what it is keyed.

`ALL` is the list that provisioning, AsyncAPI and tests read; nobody spells a topic name a second time.
"""

from dataclasses import dataclass

from . import clocks, commands, incidents, notices, orders, ratings, reports, ticks
from .message import Event

MAX_MESSAGE_BYTES = 1024 * 1024
"""1 MiB a record: pictures and voice never travel on the bus."""

DLQ_MESSAGE_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
"""A parked record is its source, sealed, and headers that say why: a little more."""

PARTITIONS = 4
"""Keyed topics have as many partitions as a small county's server can use; all keyed topics have the same."""

DAY_MS = 24 * 60 * 60 * 1000
RETENTION_MS = 30 * DAY_MS
"""As long as outbox rows are kept: a broker that lost its log is filled again from them."""

DLQ_RETENTION_MS = 90 * DAY_MS
"""Parked records wait for a person, who may be on leave."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `key` is the field that orders its records; `events` are the models it carries."""

    name: str
    key: str | None
    writers: tuple[str, ...]
    events: tuple[type[Event], ...]
    description: str
    partitions: int = PARTITIONS
    max_message_bytes: int = MAX_MESSAGE_BYTES
    retention_ms: int = RETENTION_MS
    compression: str = "producer"
    """`producer`: as it was sent; `uncompressed`: the broker opens it, so that the size limit holds for what is in it."""

    @property
    def dlq(self) -> str:
        """Where its unreadable or unusable records are parked."""
        return f"{self.name}.dlq"

    def config(self) -> dict[str, str]:
        """Topic settings for the broker."""
        return {
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": str(self.retention_ms),
            "cleanup.policy": "delete",
            "compression.type": self.compression,
        }


INBOUND = Topic(
    "huying.inbound.v1",
    "publisher",
    ("other government systems",),
    (reports.ReportSubmittedV1,),
    "Reports of other systems as they come, untrusted; structured or binary CloudEvents, signed.",
    compression="uncompressed",
)
INBOUND_REJECTED = Topic(
    "huying.inbound.rejected.v1",
    "publisher",
    ("intake",),
    (reports.ReportRejectedV1,),
    "What was refused, with field and reason, for the publisher to read.",
)
REPORTS = Topic(
    "huying.reports.v1",
    "jurisdiction",
    ("intake", "hotline-bridge"),
    (reports.ReportAcceptedV1,),
    "Validated, normalised reports; one county, one key, one order.",
)
COMMANDS = Topic(
    "huying.commands.v1",
    "jurisdiction",
    ("console", "routing", "hotline-bridge", "evaluation"),
    (commands.CommandIssuedV1,),
    "What people and systems wish to happen to an incident.",
)
INCIDENTS = Topic(
    "huying.incidents.v1",
    "incident_id",
    ("routing",),
    (
        incidents.IncidentOpenedV1,
        incidents.IncidentAskedV1,
        incidents.IncidentAskAnsweredV1,
        incidents.IncidentReportJoinedV1,
        incidents.IncidentMergedV1,
        incidents.IncidentDispatchedV1,
        incidents.IncidentAcceptedV1,
        incidents.IncidentContactedV1,
        incidents.IncidentReturnedV1,
        incidents.IncidentCompletedV1,
        *orders.EVENTS,
        incidents.CommandDeclinedV1,
    ),
    "The feed: every step in an incident's life, numbered 1, 2, 3 ...",
)
CLOCKS = Topic(
    "huying.clocks.v1",
    "incident_id",
    ("sla-timer",),
    (
        clocks.ClockStartedV1,
        clocks.ClockWarnedV1,
        clocks.ClockBreachedV1,
        clocks.ClockPausedV1,
        clocks.ClockResumedV1,
        clocks.ClockExtendedV1,
        clocks.ClockStoppedV1,
    ),
    "Deadlines: started, warned, breached, stopped.",
)
NOTICES = Topic(
    "huying.notices.v1",
    "incident_id",
    ("notification",),
    (notices.NoticeDeliveredV1, notices.NoticeFailedV1, notices.NoticeAcknowledgedV1),
    "Who was told, and whether it arrived.",
)
RATINGS = Topic(
    "huying.ratings.v1",
    "incident_id",
    ("evaluation",),
    (
        ratings.RatingInvitedV1,
        ratings.IncidentRatedV1,
        ratings.CallbackDueV1,
        ratings.ReviewDueV1,
        ratings.ListPublishedV1,
        ratings.SupervisionPushedV1,
    ),
    "Ratings, call-backs, reviews, lists and supervision.",
)
TICKS = Topic(
    "huying.ticks.v1",
    None,
    ("the replay driver",),
    (ticks.TickV1,),
    "The clock of a replay; absent in production.",
    partitions=1,
)

SOURCES = (INBOUND, INBOUND_REJECTED, REPORTS, COMMANDS, INCIDENTS, CLOCKS, NOTICES, RATINGS, TICKS)


def _dlq(topic: Topic) -> Topic:
    return Topic(
        topic.dlq,
        topic.key,
        ("whoever consumes " + topic.name,),
        (),
        f"Records of {topic.name} that could not be used: encrypted, with reason and origin in the headers.",
        partitions=1,
        max_message_bytes=DLQ_MESSAGE_BYTES,
        retention_ms=DLQ_RETENTION_MS,
    )


DLQS = tuple(_dlq(topic) for topic in (INBOUND, REPORTS, COMMANDS, INCIDENTS, CLOCKS, NOTICES, RATINGS))
ALL = SOURCES + DLQS

EVENTS: dict[str, type[Event]] = {event.TYPE: event for topic in SOURCES for event in topic.events}
"""Model by CloudEvents type."""


def known_version(event_type: str) -> tuple[str, int] | None:
    """Name and version out of `cn.huying.<noun>.<past participle>.v<N>`; None for a foreign type."""
    stem, _, version = event_type.rpartition(".v")
    if not stem.startswith("cn.huying.") or not version.isdigit():
        return None
    return stem, int(version)
