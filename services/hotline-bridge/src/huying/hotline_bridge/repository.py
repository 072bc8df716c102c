"""Documents of the bridge: `orders`, `incidents`. Builds writes and reads; decides nothing.

No document holds a name, a number or an order's own words.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pymongo import IndexModel, InsertOne, UpdateOne

from huying.chassis.message import Effects
from huying.chassis.mongo import Mongo
from huying.contracts.reports import ReportAcceptedV1

ORDERS = "orders"
INCIDENTS = "incidents"

INDEXES: dict[str, list[IndexModel]] = {
    ORDERS: [
        IndexModel([("origin", 1), ("number", 1)], unique=True),
        IndexModel([("origin", 1), ("received_at", 1)]),
        IndexModel("incidents"),
    ],
}


def order_document(event: ReportAcceptedV1, digest: str, standing: dict[str, Any]) -> dict[str, Any]:
    """An order or alarm as it is kept: identity, times and standing, not its words."""
    return {
        "_id": event.report_id,
        "origin": event.source,
        "number": event.origin_id,
        "tracking_number": event.tracking_number,
        "digest": digest,
        "channel": event.channel,
        "received_at": event.received_at,
        "accepted_at": event.accepted_at,
        "origin_due_at": event.origin_due_at,
        "revision": 0,
        "incidents": [],
        "moves": {},
        "parts": {},
        "standing": standing,
    }


def save_order(effects: Effects, document: dict[str, Any]) -> None:
    """A new order."""
    effects.write(ORDERS, InsertOne(dict(document)))


def save_standing(effects: Effects, report_id: str, order: Mapping[str, Any], seen: int | None) -> None:
    """Where the order is now, and every incident that it and its parts ever came to.

    Args:
        effects: of the event that moved it.
        report_id: the order's.
        order: as it is from now on.
        seen: the revision that this rests on. Replicas share out incidents, not orders: when another one moved the
            order meanwhile, the filter misses, the upsert meets the same `_id`, and the chassis reads again.
    """
    told = {name: order[name] for name in ("revision", "incidents", "moves", "parts", "standing")}
    effects.write(ORDERS, UpdateOne({"_id": report_id, "revision": seen}, {"$set": told}, upsert=True))


def save_rating(effects: Effects, report_id: str, grade: str, at: datetime) -> None:
    """The citizen's verdict on the order, unless a later one is there; reports of other doors are none of ours."""
    known = [{"rating": None}, {"rating.at": {"$lte": at}}]
    effects.write(ORDERS, UpdateOne({"_id": report_id, "$or": known}, {"$set": {"rating": {"grade": grade, "at": at}}}))


def save_incident(effects: Effects, incident_id: str, fields: dict[str, Any]) -> None:
    """The incident after a step."""
    effects.write(INCIDENTS, UpdateOne({"_id": incident_id}, {"$set": dict(fields)}, upsert=True))


async def find_orders(
    mongo: Mongo, report_ids: Iterable[str], incident_ids: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Orders with these ids, and those that were ever in one of the incidents; by id."""
    wanted: list[dict[str, Any]] = []
    ids, incidents = sorted(set(report_ids)), sorted(set(incident_ids))
    if ids:
        wanted.append({"_id": {"$in": ids}})
    if incidents:
        wanted.append({"incidents": {"$in": incidents}})
    if not wanted:
        return {}
    return {row["_id"]: row async for row in mongo.collection(ORDERS).find({"$or": wanted})}


async def find_incidents(mongo: Mongo, incident_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Incidents by id."""
    ids = sorted(set(incident_ids))
    if not ids:
        return {}
    return {row["_id"]: row async for row in mongo.collection(INCIDENTS).find({"_id": {"$in": ids}})}


async def find_order(mongo: Mongo, origin: str, number: str) -> dict[str, Any] | None:
    """One order by the origin's own number."""
    row: dict[str, Any] | None = await mongo.collection(ORDERS).find_one({"origin": origin, "number": number})
    return row


async def find_numbers(
    mongo: Mongo, origin: str, since: datetime, until: datetime, after: str, most: int
) -> tuple[int, list[str]]:
    """How many orders the origin received from `since` until before `until`, and a page of their numbers."""
    orders = mongo.collection(ORDERS)
    wanted = {"origin": origin, "received_at": {"$gte": since, "$lt": until}}
    page = orders.find({**wanted, "number": {"$gt": after}}, {"number": 1}).sort("number", 1).limit(most)
    return await orders.count_documents(wanted), [row["number"] async for row in page]
