"""What routing tells by HTTP: incidents, their reports, and the open questions. Commands come by the desk."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from huying.chassis.problem import Problem
from huying.chassis.security import Principal, allowed
from huying.chassis.service import Ground, ground_of

from .repository import seen_by

router = APIRouter(prefix="/v1", tags=["incidents"])
Reader = Annotated[Principal, Depends(allowed("unit", "dispatcher", "leader", "supervisor", "grid_worker", "system"))]
On = Annotated[Ground, Depends(ground_of)]
MOST = 200
"""Longer lists are paged by `before`."""


def _seen_by(who: Principal, ground: Ground) -> dict[str, Any]:
    return seen_by(who, ground.handler.memory.catalogue.pack)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    row["incident_id"] = row.pop("_id")
    return row


@router.get("/asks")
async def asks(who: Reader, ground: On, limit: Annotated[int, Query(ge=1, le=MOST)] = 50) -> dict[str, Any]:
    """Open questions, the one that runs out first on top: is it the same problem as one of `ask.candidates`?

    `holds`: its dispatch waits for the answer. A danger's never does; the question stands beside it.
    """
    query = {"ask.until": {"$exists": True}} | _seen_by(who, ground)
    cursor = ground.mongo.collection("incidents").find(query).sort("ask.until", 1)
    return {"asks": [_shown(row) | {"holds": row["state"] == "asked"} async for row in cursor.limit(limit)]}


@router.get("/incidents")
async def incidents(
    who: Reader,
    ground: On,
    state: str | None = None,
    unit: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> dict[str, Any]:
    """Incidents, newest first; a unit's key sees those that are a matter of its unit, a grid worker's those of its town, too."""
    query = _seen_by(who, ground)
    if state is not None:
        query["state"] = state
    if unit is not None:
        query["dispatch.unit"] = unit
    cursor = ground.mongo.collection("incidents").find(query).sort("opened_at", -1).limit(limit)
    return {"incidents": [_shown(row) async for row in cursor]}


@router.get("/incidents/{incident_id}")
async def incident(incident_id: str, who: Reader, ground: On) -> dict[str, Any]:
    """One incident with its reports and why they are in it."""
    row = await ground.mongo.collection("incidents").find_one({"_id": incident_id} | _seen_by(who, ground))
    if row is None:
        raise Problem(404, "Unknown incident", f"No incident {incident_id!r}; look it up with GET /v1/incidents.")
    reports = ground.mongo.collection("reports").find({"incident_id": incident_id}, {"facts": 0}).sort("decided_at", 1)
    shown = _shown(row)
    shown["report_details"] = [{**report, "report_id": report.pop("_id")} async for report in reports]
    return shown


@router.get("/catalogue")
async def catalogue(who: Reader, ground: On) -> dict[str, Any]:
    """The duty catalogue's version now, and the rulings that made it, the latest first."""
    del who
    known = ground.handler.memory.catalogue
    rulings = [rule.model_dump(mode="json", exclude_none=True) for rule in reversed(known.rulings)]
    return {"version": known.version, "listed": known.pack.county.catalogue_version, "rulings": rulings}


@router.get("/model")
async def model(who: Reader, ground: On) -> dict[str, Any]:
    """The model that judges now, what it went live on, and why the file at hand is another, if it is."""
    del who
    known = ground.handler.model
    told = {key: known.description[key] for key in ("figures", "judged_on") if key in known.description}
    return {"version": known.version, "refused": ground.handler.models.refused, **told}
