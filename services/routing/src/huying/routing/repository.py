"""Incidents, reports and dispatches in MongoDB: documents in, documents out. Decides nothing.

Collections: `incidents`, `reports` (every report and the one incident it is in), `dispatches` (one active main
dispatch per incident, by a unique index), `rulings` (the duty catalogue's versions since the pack's), `commands` (what
became of each), `fence` (one document a jurisdiction: whoever writes without having seen the last write is refused).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from pymongo import IndexModel, InsertOne, UpdateOne

from huying.chassis.desk import COMMANDS_COLLECTION, decision_of
from huying.chassis.message import Effects, Guard, Outgoing, WriteOp
from huying.chassis.mongo import Mongo
from huying.chassis.security import Principal
from huying.contracts.course import CatalogueRule, Course
from huying.contracts.identity import event_id
from huying.contracts.incidents import (
    Candidate,
    Classification,
    Dispatch,
    IncidentCompletedV1,
    IncidentDispatchedV1,
    IncidentReturnedV1,
    Reason,
    ReportRef,
)
from huying.contracts.moves import CLOSED
from huying.contracts.orders import IncidentWithdrawnV1
from huying.contracts.places import Place
from huying.contracts.topics import INCIDENTS
from huying.county import Pack

from .domain import Arrival, Decision
from .incident import PLAIN, Ask, Before, Incident
from .judgement import ReportFacts, Screening

INDEXES = {
    "incidents": [
        IndexModel([("state", 1)]),
        IndexModel([("ask.until", 1)], sparse=True),
        IndexModel([("completed_at", 1)]),
        IndexModel([("opened_at", -1)]),
    ],
    "reports": [IndexModel([("incident_id", 1)]), IndexModel([("tracking_number", 1)])],
    "dispatches": [
        IndexModel(
            [("incident_id", 1)],
            unique=True,
            partialFilterExpression={"active": True},
            name="one_active_main_dispatch",
        )
    ],
}


FACTS = tuple(each.name for each in fields(ReportFacts))
"""Flat values: copied by hand, since `asdict` copies deeply and costs a tenth of a batch."""
_FACTS_OF = attrgetter(*FACTS)


def document(incident: Incident) -> dict[str, Any]:
    """An incident as it is stored."""
    row = {
        "_id": incident.id,
        "version": incident.version,
        "number": incident.number,
        "jurisdiction": incident.jurisdiction,
        "state": incident.state,
        "classification": incident.classification.model_dump(),
        "place": incident.place.model_dump(),
        "title": incident.title,
        "opened_at": incident.opened_at,
        "last_at": incident.last_at,
        "reports": list(incident.reports),
        "channels": list(incident.channels),
        "dispatch": incident.dispatch.model_dump() if incident.dispatch else None,
        "returns": incident.returns,
        "ask": None,
        "recurrence_of": incident.recurrence_of,
        "merged_into": incident.merged_into,
        "completed_at": incident.completed_at,
        "origin_due_at": incident.origin_due_at,
        "course": None if incident.course is PLAIN else incident.course.model_dump(exclude_none=True),
        "gave": list(incident.gave),
        "before": None,
        "children": list(incident.children),
        "risen": [[report, since] for report, since in incident.risen.items()],
    }
    if incident.before:
        course, dispatch = incident.before.course, incident.before.dispatch
        row["before"] = {
            "course": course.model_dump(exclude_none=True),
            "dispatch": dispatch.model_dump() if dispatch else None,
        }
    if incident.ask:
        ask, likeliest = incident.ask, incident.ask.candidates[0]
        row["ask"] = {
            "candidate": likeliest.incident_id,
            "candidate_number": likeliest.number,
            "score": likeliest.score,
            "candidates": [one.model_dump() for one in ask.candidates],
            "until": ask.until,
            "reasons": [reason.model_dump() for reason in ask.reasons],
        }
    return row


def _alone(ask: dict[str, Any]) -> dict[str, Any]:
    """The one candidate of a question that was stored before there were several."""
    return {"incident_id": ask["candidate"], "number": ask["candidate_number"], "score": ask["score"]}


def restore(row: dict[str, Any]) -> Incident:
    """An incident out of its document."""
    ask = row["ask"]
    return Incident(
        id=row["_id"],
        version=row["version"],
        number=row["number"],
        jurisdiction=row["jurisdiction"],
        state=row["state"],
        classification=Classification.model_validate(row["classification"]),
        place=Place.model_validate(row["place"]),
        title=row["title"],
        opened_at=row["opened_at"],
        last_at=row["last_at"],
        reports=tuple(row["reports"]),
        channels=tuple(row["channels"]),
        dispatch=Dispatch.model_validate(row["dispatch"]) if row["dispatch"] else None,
        returns=row["returns"],
        ask=Ask(
            tuple(Candidate.model_validate(one) for one in ask.get("candidates") or (_alone(ask),)),
            ask["until"],
            tuple(Reason.model_validate(reason) for reason in ask["reasons"]),
        )
        if ask
        else None,
        recurrence_of=row["recurrence_of"],
        merged_into=row["merged_into"],
        completed_at=row["completed_at"],
        origin_due_at=row["origin_due_at"],
        course=_course(row),
        gave=tuple(row.get("gave", ())),
        before=_before(row.get("before")),
        children=tuple(row.get("children", ())),
        risen=dict(row.get("risen", ())),
    )


def _course(row: dict[str, Any]) -> Course:
    """Who spoke with the reporter stood on the dispatch alone before the course kept it."""
    course = Course.model_validate(row["course"]) if row.get("course") else PLAIN
    spoken = (row["dispatch"] or {}).get("contacted_at")
    return course if spoken is None or course.contacted_at else course.model_copy(update={"contacted_at": spoken})


def _before(row: dict[str, Any] | None) -> Before | None:
    if row is None:
        return None
    dispatch = row["dispatch"]
    return Before(_course(row), Dispatch.model_validate(dispatch) if dispatch else None)


ENDS = frozenset({IncidentReturnedV1.TYPE, IncidentCompletedV1.TYPE, IncidentWithdrawnV1.TYPE})
"""Events that end a main dispatch. One that is covered is completed under another's, which stays."""


def effects_of(decision: Decision) -> Effects:
    """Writes and events of a decision."""
    effects = Effects()
    for event in decision.events:
        effects.events.append(
            Outgoing(INCIDENTS, event.incident_id, event_id(event.incident_id, event.incident_version), event, event.at)
        )
        dispatch: Dispatch | None = getattr(event, "dispatch", None)
        if event.TYPE == IncidentDispatchedV1.TYPE and dispatch is not None:
            row = {
                "_id": dispatch.dispatch_id,
                "incident_id": event.incident_id,
                "unit": dispatch.unit,
                "active": True,
                "at": event.at,
            }
            effects.write("dispatches", InsertOne(row))
        elif event.TYPE in ENDS:
            assert dispatch is not None
            own = {"_id": dispatch.dispatch_id, "incident_id": event.incident_id}
            effects.write("dispatches", UpdateOne(own, {"$set": {"active": False}}))
    for incident in decision.incidents.values():
        effects.put("incidents", incident.id, partial(document, incident))
    for report in decision.moved.values():
        effects.write("reports", _moved(report, dict(decision.joins)[report.report_id]))
    if decision.rule is not None:
        row = {"_id": decision.rule.number, **decision.rule.model_dump()}
        effects.write("rulings", InsertOne(row))
    answer = answer_of(decision)
    if answer is not None:
        effects.write(COMMANDS_COLLECTION, _decided(*answer))
    if decision.declined is not None:
        declined = decision.declined
        effects.events.append(
            Outgoing(INCIDENTS, declined.incident_id, f"declined/{declined.command_id}", declined, declined.at)
        )
    return effects


def answer_of(decision: Decision) -> tuple[str, dict[str, Any]] | None:
    """What became of the command, by the last step of the incident that it was for; None without a command."""
    told = [event for event in decision.events if event.incident_id == decision.commanded]
    event = decision.declined or (told[-1] if told else None)
    if event is None or event.command_id is None:
        return None
    return event.command_id, decision_of(event) or {}


def _decided(command_id: str, decision: dict[str, Any] | None) -> UpdateOne:
    return UpdateOne({"_id": command_id}, {"$set": decision or {}}, upsert=True)


def report_row(arrival: Arrival, facts: ReportFacts, incident: str, at: datetime) -> InsertOne[dict[str, Any]]:
    """A report with what it was taken for, the incident that it is in and why."""
    verdict = arrival.verdict
    decision = {"band": verdict.band, "score": verdict.score, "candidate": verdict.incident_id}
    row = _row(arrival.ref, facts, arrival.screening, incident, decision, at)
    return InsertOne(row | {"origin_id": arrival.report.origin_id})


def _row(
    ref: ReportRef, facts: ReportFacts, screening: Screening, incident: str, decision: dict[str, Any], at: datetime
) -> dict[str, Any]:
    top = screening.matters[0]
    return {
        "_id": ref.report_id,
        "incident_id": incident,
        "tracking_number": ref.tracking_number,
        "ref": ref.model_dump(),
        "facts": dict(zip(FACTS, _FACTS_OF(facts), strict=True)),
        "screening": {
            "matter": top.code,
            "confidence": round(top.confidence, 3),
            "emergency": screening.emergency,
        },
        "decision": decision,
        "decided_at": at,
    }


def _moved(report: ReportRef, incident: str) -> UpdateOne:
    """A report that is in another incident now."""
    return UpdateOne({"_id": report.report_id}, {"$set": {"incident_id": incident, "ref.moves": report.moves}})


def part_rows(
    whole: ReportRef, part: ReportRef, facts: ReportFacts, screening: Screening, incident: str, at: datetime
) -> list[WriteOp]:
    """A part as a report of its own, and its report that knows which of its words have gone."""
    decision = {"band": "new", "score": 1.0, "candidate": None}
    row = _row(part, facts, screening, incident, decision, at) | {"part_of": whole.report_id}
    return [InsertOne(row), UpdateOne({"_id": whole.report_id}, {"$set": {"ref.parted": list(whole.parted or ())}})]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many there were, ever: incidents opened, reports merged into a known one, reports taken out again."""

    opened: int = 0
    merged: int = 0
    reversed: int = 0

    def document(self) -> dict[str, int]:
        """As it stands in the fence."""
        return {"opened": self.opened, "merged": self.merged, "reversed": self.reversed}


def seen_by(who: Principal, pack: Pack) -> dict[str, Any]:
    """A query: a unit sees what it has, where it assists, and where it was called to; all others see everything.

    A grid worker sees what the unit of their town does, and all that is in the town: where they may act.
    """
    unit = who.only_unit
    if unit is None:
        return {}
    seen: list[dict[str, Any]] = [
        {place: unit} for place in ("dispatch.unit", "dispatch.assisting", "course.whistle.units")
    ]
    if who.standing == "grid_worker":
        seen.append({"place.town_code": {"$in": pack.towns_of(unit)}})
    return {"$or": seen}


class Repository:
    """Reads of routing's own database."""

    def __init__(self, mongo: Mongo, jurisdiction: str) -> None:
        """For one county."""
        self._mongo = mongo
        self._jurisdiction = jurisdiction

    async def fence(self) -> tuple[int, Tally]:
        """Epoch and tally so far; made when absent."""
        fences = self._mongo.collection("fence")
        start = {"$setOnInsert": {"epoch": 0, **Tally().document()}}
        await fences.update_one({"_id": self._jurisdiction}, start, upsert=True)
        row = await fences.find_one({"_id": self._jurisdiction})
        return row["epoch"], Tally(row["opened"], row.get("merged", 0), row.get("reversed", 0))

    def advance(self, epoch: int, change: dict[str, Any]) -> Guard:
        """Refuse this transaction if another replica has written since `epoch`.

        `change` is read when the transaction is written, so a later message of the batch may still add to it.
        """
        return Guard("fence", {"_id": self._jurisdiction, "epoch": epoch}, change)

    async def rulings(self) -> tuple[CatalogueRule, ...]:
        """The rulings made so far, in order."""
        cursor = self._mongo.collection("rulings").find().sort("_id", 1)
        return tuple([CatalogueRule.model_validate(row) async for row in cursor])

    async def remembered(self, since: datetime | None) -> list[Incident]:
        """Incidents that are not finished, those whose last step was not before `since`, and their parents, by number."""
        finished = {"state": {"$in": sorted(CLOSED)}, "last_at": {"$lt": since}} if since else None
        query = {"$nor": [finished]} if finished else {}
        found = [restore(row) async for row in self._mongo.collection("incidents").find(query)]
        parents = {one.course.parent for one in found if one.course.parent} - {one.id for one in found}
        return sorted([*found, *await self.incidents(parents)], key=lambda one: one.number)

    async def incidents(self, ids: Iterable[str]) -> list[Incident]:
        """Incidents by id."""
        return [restore(row) async for row in self._mongo.collection("incidents").find({"_id": {"$in": list(ids)}})]

    async def facts(self, incidents: Sequence[str]) -> dict[str, ReportFacts]:
        """Facts of the reports of `incidents`, by report id."""
        cursor = self._mongo.collection("reports").find({"incident_id": {"$in": list(incidents)}}, {"facts": 1})
        return {row["_id"]: ReportFacts(**row["facts"]) async for row in cursor}

    async def known_reports(self, ids: Sequence[str]) -> set[str]:
        """Which of `ids` were decided already."""
        return {
            row["_id"] async for row in self._mongo.collection("reports").find({"_id": {"$in": list(ids)}}, {"_id": 1})
        }

    async def refs(self, incidents: Sequence[str]) -> dict[str, ReportRef]:
        """Reports of `incidents` as the feed names them."""
        cursor = self._mongo.collection("reports").find({"incident_id": {"$in": list(incidents)}}, {"ref": 1})
        return {row["_id"]: ReportRef.model_validate(row["ref"]) async for row in cursor}

    async def incidents_of_tracking(self, tracking: Sequence[str]) -> dict[str, dict[str, str]]:
        """Tracking number to its report's incident by report id, before those of the report's parts."""
        found: dict[str, dict[str, str]] = {}
        cursor = self._mongo.collection("reports").find({"tracking_number": {"$in": list(tracking)}})
        async for row in cursor.sort([("part_of", 1), ("_id", 1)]):
            found.setdefault(row["tracking_number"], {})[row["_id"]] = row["incident_id"]
        return found

    async def is_shown(self, incident_id: str, seen: Mapping[str, Any]) -> bool:
        """Whether the incident is among those that `seen_by` lets somebody see."""
        found = await self._mongo.collection("incidents").find_one({"_id": incident_id, **seen}, {"_id": 1})
        return found is not None

    async def decided(self, command_ids: Sequence[str]) -> set[str]:
        """Which commands were decided already."""
        query = {"_id": {"$in": list(command_ids)}, "status": {"$ne": "pending"}}
        return {row["_id"] async for row in self._mongo.collection(COMMANDS_COLLECTION).find(query, {"_id": 1})}
