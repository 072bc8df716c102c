"""Who was told what, for dispatchers; and receivers in trouble. Nobody sends a notice by HTTP.

A link that was made for one citizen is theirs: whoever may ask here could otherwise rate in their place.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

import structlog
from fastapi import APIRouter, Depends, Query

from huying.chassis.message import Document
from huying.chassis.problem import Problem
from huying.chassis.security import Principal, allowed
from huying.chassis.service import Ground, ground_of

from .delivery.receivers import Receivers
from .handlers import Notification
from .repository import ROWS
from .settings import Settings
from .wording import LINKED

log = structlog.get_logger()
router = APIRouter(prefix="/v1", tags=["notices"])
Ask = Annotated[Principal, Depends(allowed("unit", "grid_worker", "dispatcher", "leader", "supervisor", "system"))]
Steer = Annotated[Principal, Depends(allowed("dispatcher", "leader", "system"))]
Here = Annotated[Ground, Depends(ground_of)]
State = Literal["intent", "sending", "confirmed", "failed", "unknown", "expired"]

_SHOWN = ("incident_id", "at", "recipient", "role", "medium", "template", "title", "text", "state", "attempts")
WITHHELD = "（内有只给反映人的一次性链接，此处不显示）"
"""What stands here for the words of a notice that carries a citizen's link."""


@router.get("/notices")
async def notices(
    who: Ask,
    ground: Here,
    incident: Annotated[str | None, Query(max_length=200)] = None,
    state: State | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> dict[str, Any]:
    """Notices of an incident, or of a state (`unknown` and `expired` are for a person to look at); the oldest first.

    The answer's `after` asks for those that follow; null when these are the last.
    """
    if incident is None and state is None:
        raise Problem(422, "Invalid request", "Name an incident or a state: /v1/notices?incident=... or ?state=unknown")
    query: dict[str, Any] = {
        name: value for name, value in (("incident_id", incident), ("state", state)) if value is not None
    }
    kept = ground.mongo.collection(ROWS)
    if after is not None:
        last = await kept.find_one({"_id": after} | _own(who, ground), {"at": 1})
        if last is None:
            raise Problem(
                422, "Invalid request", f"after: {after!r} is no notice; give what the last answer's `after` said"
            )
        query |= {"at": {"$gte": last["at"]}, "$or": [{"at": {"$gt": last["at"]}}, {"_id": {"$gt": after}}]}
    found = kept.find(query | _own(who, ground)).sort([("at", 1), ("_id", 1)]).limit(limit + 1)
    rows = [_shown(row) async for row in found]
    return {"notices": rows[:limit], "after": rows[limit - 1]["notice_id"] if len(rows) > limit else None}


@router.get("/receivers")
async def receivers(who: Ask, ground: Here) -> dict[str, Any]:
    """Webhook receivers: failures in a row, since when one is down and when it is asked again, or is switched off."""
    del who
    rows = await _receivers(ground).all()
    return {"receivers": [{"handle": row.pop("_id"), **row} for row in rows]}


@router.post("/receivers/{handle}/enable")
async def enable(handle: str, who: Steer, ground: Here) -> dict[str, str]:
    """Ask a receiver at once that is down or was switched off."""
    if not await _receivers(ground).enable(handle):
        raise Problem(404, "Unknown receiver", f"No receiver {handle!r} was ever asked; see GET /v1/receivers.")
    log.info("a receiver is enabled", receiver=handle, by=who.id)
    return {"handle": handle, "state": "enabled"}


@router.post("/receivers/{handle}/disable")
async def disable(handle: str, who: Steer, ground: Here) -> dict[str, str]:
    """Switch a receiver off until a person enables it; its notices wait."""
    if handle not in _settings(ground).webhooks:
        raise Problem(404, "Unknown receiver", f"HUYING_WEBHOOKS has no {handle!r}.")
    await _receivers(ground).switch_off(handle, datetime.now(UTC))
    log.warning("a receiver is switched off: its notices wait", receiver=handle, by=who.id)
    return {"handle": handle, "state": "disabled"}


def _own(who: Principal, ground: Ground) -> dict[str, Any]:
    """What a key may see: a unit's what its people were told, a grid worker's what those of its town were, others all."""
    unit = who.only_unit
    if unit is None:
        return {}
    own = f"^unit:{re.escape(unit)}:"
    if who.standing == "grid_worker":
        villages = cast("Notification", ground.handler).desk.villages_of(unit)
        own = f"^village:({'|'.join(map(re.escape, villages))}):grid_worker"
    return {"recipient": {"$regex": own}}


def _shown(row: Document) -> dict[str, Any]:
    shown = {"notice_id": row["_id"], "reason": row.get("reason", ""), **{name: row[name] for name in _SHOWN}}
    return shown | ({"title": WITHHELD, "text": WITHHELD} if row["template"] in LINKED else {})


def _settings(ground: Ground) -> Settings:
    return cast("Settings", ground.settings)


def _receivers(ground: Ground) -> Receivers:
    return Receivers(ground.mongo, _settings(ground).webhook_disable_after, _settings(ground).webhook_first_pause)
