"""Facts, waiting events and notices as documents, and what is decided as effects. It decides nothing.

Topics have no order between them, and two replicas may hold an incident's feed and its clocks at once. So an event
that comes before its incident is kept in `waiting` and counted in the incident's document (`held`); who opens the
incident and who keeps an event both move that document under a guard, and neither can miss the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import DeleteOne, IndexModel, InsertOne, UpdateOne

from huying.chassis.message import Document, Effects, Guard, Message, Outgoing
from huying.chassis.mongo import Mongo
from huying.contracts.notices import NoticeDeliveredV1, NoticeFailedV1
from huying.contracts.topics import EVENTS, NOTICES

from .delivery.outcome import Outcome, Outcomes
from .domain import Notice
from .facts import Facts, Told

INCIDENTS = "incidents"
WAITING = "waiting"
ROWS = "notices"
CLAIMS = "claims"
RECEIVERS = "receivers"
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
"""`next_try_at` of a notice that nobody has tried yet."""
CLAIM_KEPT_S = 24 * 60 * 60
"""Closed claims are of interest to whoever looks into yesterday's trouble, then to nobody."""
INDEXES = {
    ROWS: [
        IndexModel([("state", 1), ("medium", 1), ("handle", 1), ("next_try_at", 1)]),
        IndexModel([("incident_id", 1), ("at", 1)]),
        IndexModel([("state", 1), ("at", 1), ("_id", 1)]),
        IndexModel([("claim", 1)], sparse=True),
    ],
    WAITING: [IndexModel([("incident_id", 1)])],
    CLAIMS: [
        IndexModel([("open", 1), ("at", 1)]),
        IndexModel([("closed_at", 1)], expireAfterSeconds=CLAIM_KEPT_S),
    ],
}


@dataclass(slots=True)
class Known:
    """An incident's document as this batch knows it. `stored` is False for one that this batch inserts."""

    facts: Facts | None
    held: int
    stored: bool


def facts_of(row: Document) -> Facts | None:
    """Facts out of a document; None for one that only counts what waits."""
    if row["version"] == 0:
        return None
    fields: dict[str, Any] = {name: row[name] for name in _FACTS}
    later = {name: row[name] for name in _LATER if name in row}
    return Facts(row["_id"], reporters=tuple(Told(*pair) for pair in row["reporters"]), **fields, **later)


_FACTS = ("jurisdiction", "version", "number", "title", "matter", "place", "village", "clock_class")
_LATER = ("placed", "result", "pause_over")
"""Absent from what an earlier release wrote."""


def _document(facts: Facts) -> Document:
    row: Document = {name: getattr(facts, name) for name in _FACTS + _LATER}
    return row | {"reporters": [[told.reference, told.tracking] for told in facts.reporters]}


def know(known: Known | None, facts: Facts, effects: Effects) -> Known:
    """Write the incident's facts; what waited for them is taken by the caller."""
    row = _document(facts)
    if known is None:
        effects.write(INCIDENTS, InsertOne({"_id": facts.incident_id, "held": 0, **row}))
        return Known(facts, 0, stored=False)
    if known.facts is None and known.stored:
        expected = {"_id": facts.incident_id, "version": 0, "held": known.held}
        effects.guards.append(Guard(INCIDENTS, expected, {"$set": {**row, "held": 0}}))
    else:
        effects.write(INCIDENTS, UpdateOne({"_id": facts.incident_id}, {"$set": {**row, "held": 0}}))
    return Known(facts, 0, stored=known.stored)


def hold(known: Known | None, incident_id: str, message: Message, effects: Effects) -> Known:
    """Keep an event until its incident is known."""
    row = {"incident_id": incident_id, "type": message.body.TYPE, "data": message.body.encode(), "at": message.body.at}
    effects.write(WAITING, UpdateOne({"_id": message.id}, {"$set": row}, upsert=True))
    if known is None:
        effects.write(INCIDENTS, InsertOne({"_id": incident_id, "version": 0, "held": 1}))
        return Known(None, 1, stored=False)
    if known.stored:
        expected = {"_id": incident_id, "version": 0, "held": known.held}
        effects.guards.append(Guard(INCIDENTS, expected, {"$inc": {"held": 1}}))
    else:
        effects.write(INCIDENTS, UpdateOne({"_id": incident_id}, {"$inc": {"held": 1}}))
    return Known(None, known.held + 1, stored=known.stored)


def release(message_id: str, effects: Effects) -> None:
    """An event that waited is decided."""
    effects.write(WAITING, DeleteOne({"_id": message_id}))


def intend(notices: Sequence[Notice], effects: Effects) -> None:
    """Write notices as intents; one that is known already stays as it is."""
    for notice in notices:
        row = {
            "state": "intent",
            "next_try_at": AT_ONCE,
            "attempts": 0,
            "at": notice.at,
            "incident_id": notice.incident_id,
            "jurisdiction": notice.jurisdiction,
            "recipient": notice.recipient.id,
            "role": notice.recipient.role,
            "medium": notice.recipient.medium,
            "handle": notice.recipient.handle,
            "template": notice.template,
            "title": notice.title,
            "text": notice.text,
        } | ({"until": notice.until} if notice.until is not None else {})
        effects.write(ROWS, UpdateOne({"_id": notice.id}, {"$setOnInsert": row}, upsert=True))


def settle(outcomes: Outcomes, rows: dict[str, Document], now: datetime, effects: Effects) -> None:
    """What became of claimed notices; the claim is closed under a guard, so that nobody who lost it can speak."""
    closed = {"$set": {"open": False, "closed_at": outcomes.finished_at}}
    effects.guards.append(Guard(CLAIMS, {"_id": outcomes.claim, "open": True}, closed))
    for outcome in outcomes.results:
        row = rows[outcome.notice_id]
        attempts = row["attempts"] + outcome.counts
        change: Document = {"state": outcome.state, "attempts": attempts, "reason": outcome.reason}
        if outcome.state == "intent":
            change["next_try_at"] = outcome.next_try_at
            if outcome.unsure or row.get("resumed"):
                change["unsure"] = True
        else:
            change["finished_at"] = outcomes.finished_at
            effects.publish(_published(row, outcome, max(now, row["at"])))
        operation = UpdateOne({"_id": outcome.notice_id}, {"$set": change, "$unset": _OF_A_CLAIM})
        effects.write(ROWS, operation)


_OF_A_CLAIM = {"claim": "", "resumed": "", "expiring": ""}


def _published(row: Document, outcome: Outcome, at: datetime) -> Outgoing:
    facts = {
        "notice_id": row["_id"],
        "incident_id": row["incident_id"],
        "jurisdiction": row["jurisdiction"],
        "at": at,
        "recipient": row["recipient"],
        "role": row["role"],
        "template": row["template"],
        "medium": row["medium"],
    }
    event: NoticeDeliveredV1 | NoticeFailedV1
    if outcome.state == "confirmed":
        event = NoticeDeliveredV1.model_validate(facts)
    else:
        unknown = outcome.state == "unknown" or (outcome.state == "expired" and row.get("unsure", False))
        event = NoticeFailedV1.model_validate(facts | {"reason": outcome.reason, "unknown": unknown})
    return Outgoing(NOTICES, row["incident_id"], f"{row['_id']}/{outcome.state}", event, at)


class Repository:
    """What the handler asks the service's own database."""

    def __init__(self, mongo: Mongo) -> None:
        """One a service."""
        self._mongo = mongo

    async def known(self, incidents: Sequence[str]) -> dict[str, Known]:
        """Documents of incidents; unknown ones are absent."""
        rows = self._mongo.collection(INCIDENTS).find({"_id": {"$in": list(incidents)}})
        return {row["_id"]: Known(facts_of(row), row["held"], stored=True) async for row in rows}

    async def waiting(self, incidents: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Incident to event id to the event that waits for it, in the order in which they happened."""
        found: dict[str, dict[str, Any]] = {}
        rows = self._mongo.collection(WAITING).find({"incident_id": {"$in": list(incidents)}})
        async for row in rows.sort([("at", 1), ("_id", 1)]):
            event = EVENTS[row["type"]].model_validate_json(row["data"])
            found.setdefault(row["incident_id"], {})[row["_id"]] = event
        return found

    async def claimed(self, claims: Sequence[str]) -> dict[str, dict[str, Document]]:
        """Open claim to its notices that are being sent, by id."""
        still = self._mongo.collection(CLAIMS).find({"_id": {"$in": list(claims)}, "open": True}, {"_id": 1})
        found: dict[str, dict[str, Document]] = {claim["_id"]: {} async for claim in still}
        rows = self._mongo.collection(ROWS).find({"claim": {"$in": list(found)}, "state": "sending"})
        async for row in rows:
            found[row["claim"]][row["_id"]] = row
        return found
