"""What the clocks say, for dispatchers and other systems. Reads only; nobody sets a clock by HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends

from huying.chassis.problem import Problem
from huying.chassis.security import Principal, allowed
from huying.chassis.service import Ground, ground_of

from .repository import CASES, TIMERS

router = APIRouter(prefix="/v1", tags=["clocks"])
Ask = Annotated[Principal, Depends(allowed("unit", "grid_worker", "dispatcher", "leader", "supervisor", "system"))]
Here = Annotated[Ground, Depends(ground_of)]

_SHOWN = (
    "kind",
    "clock_class",
    "unit",
    "state",
    "verdict",
    "started_at",
    "due_at",
    "breached_at",
    "stopped_at",
    "next_at",
    "provisional",
    "pack_hash",
    "origin_due_at",
    "paused_at",
    "extended",
    "explanation",
)


@router.get("/incidents/{incident_id}/clocks")
async def clocks(incident_id: str, who: Ask, ground: Here) -> dict[str, Any]:
    """The clocks of an incident, the oldest first, each with the way its deadline came about.

    A unit's key sees those of the incidents that it has, and its own of those that it had; a grid worker's those of
    its town, too.
    """
    case, unit = await ground.mongo.collection(CASES).find_one({"_id": incident_id}), who.only_unit
    query: dict[str, Any] = {"incident_id": incident_id}
    if case is not None and unit not in {None, *(case.get(name) for name in _having(who))}:
        query["unit"] = unit
        case = case if await ground.mongo.collection(TIMERS).find_one(query) else None
    if case is None:
        raise Problem(404, "Unknown incident", f"No incident {incident_id!r} has come by the feed; check the id.")
    rows = ground.mongo.collection(TIMERS).find(query).sort([("created_at", 1), ("_id", 1)])
    shown = [
        {"clock_id": row["_id"], **{name: row.get(name) for name in _SHOWN}, "steps": _steps(row)} async for row in rows
    ]
    return {"incident_id": incident_id, "unit": case["unit"], "clocks": shown}


def _having(who: Principal) -> tuple[str, ...]:
    """Which units of a case make it a matter of theirs: who has it, for a grid worker whose town it is in, too."""
    return ("unit", "town_unit") if who.standing == "grid_worker" else ("unit",)


def _steps(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [step | {"told": number < row["next_step"]} for number, step in enumerate(row["steps"])]


@router.get("/clocks")
async def counts(who: Ask, ground: Here, state: Literal["armed", "stopped"] | None = None) -> dict[str, Any]:
    """How many clocks there are, by kind, class, state, verdict and whether they were breached.

    To a unit's key those of the incidents that it has, and its own of those that it had; to a grid worker's those of
    its town, too.
    """
    match: dict[str, Any] = {} if state is None else {"state": state}
    if (unit := who.only_unit) is not None:
        has = await ground.mongo.collection(CASES).distinct("_id", {"$or": [{name: unit} for name in _having(who)]})
        match["$or"] = [{"unit": unit}, {"incident_id": {"$in": has}}]
    group = {
        "kind": "$kind",
        "clock_class": "$clock_class",
        "state": "$state",
        "verdict": "$verdict",
        "breached": {"$ne": ["$breached_at", None]},
    }
    rows = ground.mongo.collection(TIMERS).aggregate(
        [{"$match": match}, {"$group": {"_id": group, "count": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
    )
    found = [row["_id"] | {"count": row["count"]} async for row in rows]
    return {"total": sum(row["count"] for row in found), "counts": found}
