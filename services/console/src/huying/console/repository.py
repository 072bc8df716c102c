"""The console's own projections: how they are written, and the questions the pages ask of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from unicodedata import normalize

from pymongo import UpdateOne

from huying.chassis.message import Document
from huying.chassis.mongo import Mongo
from huying.contracts.identity import typed_number
from huying.contracts.incidents import ReportRef
from huying.contracts.wording import clean_line

from .domain import Clock, Line, Own, derived
from .words import OPEN_STATES

FEED, HISTORY, REPORTS = "feed", "history", "reports"

STATE_FILTERS: Mapping[str, tuple[str, Document]] = {
    "open": ("在办", {"state": {"$in": list(OPEN_STATES)}}),
    "asked": ("待研判", {"ask.until": {"$exists": True}}),
    "dispatched": ("待签收", {"state": "dispatched"}),
    "working": ("处置中", {"state": {"$in": ["accepted", "contacted", "suspended", "covered"]}}),
    "adjudicating": ("待裁决", {"state": "adjudicating"}),
    "requested": ("延期待批", {"state": {"$in": list(OPEN_STATES)}, "view.course.request": {"$exists": True}}),
    "supervised": ("督办", {"state": {"$in": list(OPEN_STATES)}, "view.course.supervision": {"$exists": True}}),
    "overdue": ("超期", {}),
    "urgent": ("紧急", {"pinned": True}),
    "completed": ("已办结", {"state": "completed"}),
}
"""Chips of the feed; `overdue` needs the time and is completed in `filter_of`. All but the last are of open incidents."""


def save_card(incident_id: str, changed: Document) -> UpdateOne:
    """The feed's part of an incident; the clocks' part is not touched."""
    return UpdateOne({"_id": incident_id}, {"$set": changed}, upsert=True)


def save_clock(incident_id: str, clock_id: str, clock: Clock, clocks: Mapping[str, Clock]) -> UpdateOne:
    """One clock of an incident and what follows from all of them; the feed's part is not touched."""
    return UpdateOne({"_id": incident_id}, {"$set": {f"clocks.{clock_id}": clock, **derived(clocks)}}, upsert=True)


def save_line(line: Line) -> UpdateOne:
    """A line of the history; the same one again changes nothing."""
    return UpdateOne({"_id": line.id}, {"$setOnInsert": {k: v for k, v in asdict(line).items() if k != "id"}}, True)


def save_report(incident_id: str, report: ReportRef, at: datetime) -> UpdateOne:
    """A report belongs to the incident that spoke of it last."""
    document = report.model_dump(exclude_none=True) | {"incident_id": incident_id, "joined": at, "left": False}
    return UpdateOne({"_id": f"{incident_id}/{report.report_id}"}, {"$set": document}, upsert=True)


def drop_report(incident_id: str, report_id: str) -> UpdateOne:
    """A report that left for another incident."""
    return UpdateOne({"_id": f"{incident_id}/{report_id}"}, {"$set": {"left": True}})


def mark_parted(incident_id: str, report_id: str) -> UpdateOne:
    """A piece of a report has an incident of its own."""
    return UpdateOne({"_id": f"{incident_id}/{report_id}"}, {"$set": {"parted": True}})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants to see, as it stands in the address."""

    state: str = ""
    town: str = ""
    unit: str = ""
    q: str = ""
    more: int = 0

    def address(self, **changes: Any) -> str:
        """The address of this view, with some of it changed."""
        from urllib.parse import urlencode

        chosen = {k: v for k, v in (asdict(self) | changes).items() if v}
        return "/?" + urlencode(chosen) if chosen else "/"


@dataclass(slots=True)
class Shown:
    """The rows of a view, how many there are in all, the counts that the chips carry, and every danger by its id."""

    rows: list[Document] = field(default_factory=list)
    total: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    urgent: dict[str, str] = field(default_factory=dict)
    """Numbers of the open dangers that this person may see, whatever they filter by."""


@dataclass(slots=True)
class Asked:
    """Open questions, how many there are in all, and how many of them hold a dispatch back."""

    rows: list[Document] = field(default_factory=list)
    total: int = 0
    holding: int = 0


SOUGHT = (
    *("number", "view.title", "view.classification.matter_name", "view.dispatch.unit_name"),
    *("where", "view.place.town", "view.place.village", "view.place.address"),
)
"""What a search looks in. `where` is the place as it is shown; a row from before it was kept has the parts alone."""


def filter_of(wish: Wish, now: datetime, own: Own | None = None, told: Sequence[str] = ()) -> Document:
    """A wish as a query. Merged incidents show only on their own page; `told` are those with a report of that number."""
    chosen = _overdue(now) if wish.state == "overdue" else STATE_FILTERS.get(wish.state, ("", {}))[1]
    parts = [] if "state" in chosen else [{"version": {"$gte": 1}, "state": {"$ne": "merged"}}]
    if chosen:
        parts.append(chosen)
    if wish.town:
        parts.append({"town_code": wish.town})
    if own is not None:
        theirs = ("unit", "view.dispatch.assisting", "view.course.whistle.units")  # as `domain.takes_part` has it
        town: list[Document] = [{"town_code": own.town}] if own.town else []
        parts.append({"$or": [*({name: own.unit} for name in theirs), *town]})
    elif wish.unit:
        parts.append({"unit": wish.unit})
    if sought := clean_line(wish.q):
        words = dict.fromkeys(SOUGHT, sought[:100]) | {"number": normalize("NFKC", sought[:100])}
        found: list[Document] = [{name: {"$regex": re.escape(said), "$options": "i"}} for name, said in words.items()]
        parts.append({"$or": [*found, {"_id": {"$in": list(told)}}]})
    return {"$and": parts}


def _overdue(now: datetime) -> Document:
    return {"state": {"$in": list(OPEN_STATES)}, "final_due_at": {"$lt": now}}


PAGE = 200
"""Rows before one asks for more: what a person scrolls at most."""


class Board:
    """Reads for the pages."""

    def __init__(self, mongo: Mongo) -> None:
        """Reads of one database."""
        self._feed, self._history = mongo.collection(FEED), mongo.collection(HISTORY)
        self._reports = mongo.collection(REPORTS)

    async def shown(self, wish: Wish, now: datetime, own: Own | None = None) -> Shown:
        """The incidents that answer a wish, emergencies first, and the counts of all chips.

        The newest come first; for those who see their own, what is due first, and what is done after it.
        """
        told = await self._told(clean_line(wish.q))
        most = PAGE * (1 + wish.more)
        if own is None or wish.state == "completed":
            rows = await self._newest(filter_of(wish, now, own, told), most)
        else:
            rows = await self._due(filter_of(replace(wish, state=wish.state or "open"), now, own, told), most)
            if not wish.state and len(rows) < most:
                done = filter_of(replace(wish, state="completed"), now, own, told)
                rows += await self._newest(done, most - len(rows))
        counts = await self._counts(wish, now, own, told)
        dangers = self._feed.find(filter_of(Wish(state="urgent"), now, own), {"number": 1})
        urgent = {one["_id"]: one["number"] async for one in dangers}
        return Shown(rows, counts.get(wish.state or "all", len(rows)), counts, urgent)

    async def _newest(self, query: Document, most: int) -> list[Document]:
        cursor = self._feed.find(query, _ROW).sort([("pinned", -1), ("opened_at", -1), ("_id", 1)])
        return list(await cursor.limit(most).to_list(None))

    async def _due(self, query: Document, most: int) -> list[Document]:
        """By deadline; what has none that runs comes last."""
        due = {"due": {"$ifNull": ["$final_due_at", datetime.max.replace(tzinfo=UTC)]}}
        order = {"pinned": -1, "due": 1, "opened_at": -1, "_id": 1}
        steps: list[Document] = [
            {"$match": query},
            {"$set": due},
            {"$sort": order},
            {"$limit": most},
            {"$project": _ROW},
        ]
        return list(await self._feed.aggregate(steps).to_list(None))

    async def _counts(self, wish: Wish, now: datetime, own: Own | None, told: Sequence[str]) -> dict[str, int]:
        """Incidents of each chip, and `all`. Only open ones are read: the completed grow for ever, and are counted."""
        view = Wish(town=wish.town, unit=wish.unit, q=wish.q)
        facets: Document = {
            name: [{"$match": _overdue(now) if name == "overdue" else chosen}, {"$count": "n"}]
            for name, (_, chosen) in STATE_FILTERS.items()
            if name != "completed"
        }
        still_open = filter_of(replace(view, state="open"), now, own, told)
        [found] = await self._feed.aggregate([{"$match": still_open}, {"$facet": facets}]).to_list(None)
        counts = {name: (hits[0]["n"] if hits else 0) for name, hits in found.items()}
        counts["completed"] = await self._feed.count_documents(
            filter_of(replace(view, state="completed"), now, own, told)
        )
        return {**counts, "all": counts["open"] + counts["completed"]}

    async def _told(self, said: str) -> list[str]:
        """Incidents with a report that has this number: the citizen's, as they type it, or that of its origin."""
        if not said:
            return []
        numbers = [{"tracking_number": typed_number(said) or said}, {"origin_number": said}]
        return list(await self._reports.distinct("incident_id", {"$or": numbers, "left": False}))

    async def asks(self, sought: str = "", more: int = 0) -> Asked:
        """Open questions, the one that runs out first on top; the one that is sought is there, however far behind."""
        cursor = self._feed.find(_ASKED).sort([("ask.until", 1), ("_id", 1)])
        rows = await cursor.limit(PAGE * (1 + more)).to_list(None)
        if len(rows) < PAGE:
            return Asked(rows, len(rows), sum(one["state"] == "asked" for one in rows))
        if sought not in {one["_id"] for one in rows}:
            rows += await self._feed.find({"_id": sought, **_ASKED}).to_list(None)
        holding = await self._feed.count_documents({**_ASKED, "state": "asked"})
        return Asked(rows, await self._feed.count_documents(_ASKED), holding)

    async def incident(self, incident_id: str) -> Document | None:
        """An incident with its clocks."""
        found: Document | None = await self._feed.find_one({"_id": incident_id, "version": {"$gte": 1}})
        return found

    async def by_number(self, number: str) -> str | None:
        """The incident that people call so."""
        row = await self._feed.find_one({"number": number, "version": {"$gte": 1}}, {"_id": 1})
        return row["_id"] if row else None

    async def children(self, incident_id: str) -> list[Document]:
        """The incidents of a family, the newest first."""
        return list(
            await self._feed.find({"parent": incident_id}, _ROW).sort("opened_at", -1).limit(PAGE).to_list(None)
        )

    async def history(self, incident_id: str) -> list[Document]:
        """Its lines, newest first."""
        cursor = self._history.find({"incident_id": incident_id}).sort([("at", -1), ("order", -1), ("_id", -1)])
        return list(await cursor.to_list(None))

    async def reports(self, incident_id: str) -> list[Document]:
        """Its reports in the order in which they came."""
        cursor = self._reports.find({"incident_id": incident_id, "left": {"$ne": True}}).sort(
            [("received_at", 1), ("_id", 1)]
        )
        return list(await cursor.to_list(None))


_ASKED: Document = {"ask.until": {"$exists": True}}
_ROW = {
    "number": 1,
    "version": 1,
    "state": 1,
    "view": 1,
    "lead": 1,
    "ask.until": 1,
    "extended": 1,
    "pinned": 1,
    "unit": 1,
    "town_code": 1,
    "opened_at": 1,
    "at": 1,
}
