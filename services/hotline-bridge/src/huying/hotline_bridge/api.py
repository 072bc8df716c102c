"""HTTP doors of the bridge: orders of origin systems, alarms of devices, and how an order stands."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import JSONResponse

from huying.chassis.problem import Problem
from huying.chassis.security import Principal, allowed
from huying.chassis.service import Ground, ground_of
from huying.contracts.identity import LONGEST_IDENTITY

from . import repository
from .domain import alarms
from .domain.acceptance import Accepted, Arrival, Decision, Refused
from .domain.alarms import Alarm
from .door import take_alarm, take_order, unambiguous
from .handlers import Bridge

PAGE = 1_000
"""Numbers in an answer: a county has some 500 reports a day."""
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)

router = APIRouter(prefix="/v1", tags=["orders"])
Publisher = Annotated[Principal, Depends(allowed("publisher"))]
OnGround = Annotated[Ground, Depends(ground_of)]


@router.post("/origins/{origin}/orders", response_model=None)
async def post_order(
    origin: str, order: Annotated[dict[str, Any], Body()], who: Publisher, request: Request, ground: OnGround
) -> JSONResponse:
    """Take an order in the origin's own JSON: 202 accepted or known, 409 changed under its number, 422 by field."""
    _ready(ground)
    _speaks_for(who, origin, ground)
    unambiguous(await request.body())
    trace = request.headers.get("traceparent")
    arrival, decision = await take_order(ground, request.app.state.vault, origin, order, trace)
    bridge: Bridge = ground.handler
    return _answer(arrival, decision, bridge.mappings[origin].theirs)


@router.get("/origins/{origin}/orders", response_model=None)
async def list_orders(
    origin: str,
    day: Annotated[date, Query(ge=FIRST_DAY, le=LAST_DAY)],
    who: Publisher,
    ground: OnGround,
    after: Annotated[str, Query(max_length=LONGEST_IDENTITY)] = "",
) -> dict[str, Any]:
    """What was accepted of a day of the origin's clock, by when the origin received it: its count against ours.

    `numbers` in their order, a page after `after`; `next` is what to send as that, null when there are no more.
    """
    _ready(ground)
    _speaks_for(who, origin, ground)
    bridge: Bridge = ground.handler
    mapping = bridge.mappings.get(origin)
    zone = mapping.zone if mapping is not None else ZoneInfo(bridge.pack.timezone)
    since, until = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    count, numbers = await repository.find_numbers(ground.mongo, origin, since, until, after, PAGE + 1)
    more = numbers[PAGE - 1] if len(numbers) > PAGE else None
    return {"origin": origin, "day": day, "count": count, "numbers": numbers[:PAGE], "next": more}


@router.get("/origins/{origin}/orders/{number:path}", response_model=None)
async def get_order(origin: str, number: str, who: Publisher, ground: OnGround) -> dict[str, Any]:
    """How an order stands, in our words and in the origin's."""
    _ready(ground)
    _speaks_for(who, origin, ground)
    document = await repository.find_order(ground.mongo, origin, number)
    if document is None:
        raise Problem(404, "Unknown order", f"No order {number!r} of {origin!r} was accepted here.")
    return {
        "number": document["number"],
        "origin": document["origin"],
        "tracking_number": document["tracking_number"],
        "received_at": document["received_at"],
        "accepted_at": document["accepted_at"],
        "origin_due_at": document["origin_due_at"],
        "rating": document.get("rating"),
        **document["standing"],
    }


@router.post("/alarms", response_model=None)
async def post_alarm(alarm: Alarm, who: Publisher, request: Request, ground: OnGround) -> JSONResponse:
    """Take a device's line: 202 accepted or known, 409 changed under its id, 422 by field."""
    _ready(ground)
    _speaks_for(who, alarms.SOURCE, ground)
    unambiguous(await request.body())
    arrival, decision = await take_alarm(ground, alarm, request.headers.get("traceparent"))
    return _answer(arrival, decision, lambda ours: "at" if ours == "received_at" else "id")


def _speaks_for(who: Principal, origin: str, ground: Ground) -> None:
    if origin not in who.sources:
        raise Problem(403, "Not allowed", f"Your key may not speak for {origin!r}; ask for one whose sources have it.")
    who.must_serve(ground.handler.pack.code)


def _ready(ground: Ground) -> None:
    if ground.handler is None:
        raise Problem(503, "Try again", "The service is starting; try again in seconds.")


def _answer(arrival: Arrival, decision: Decision, theirs: Callable[[str], str]) -> JSONResponse:
    """`theirs` says what the sender calls a field of ours."""
    if isinstance(decision, Refused):
        field = {"field": theirs(decision.field), "ours": decision.field, "message": decision.message}
        if decision.reason == "number_reused":
            raise Problem(409, "Number used before", decision.message, errors=[field], number=arrival.origin_id)
        raise Problem(422, "Invalid order", f"{field['field']}: {decision.message}", errors=[field])
    body = {
        "number": arrival.origin_id,
        "report_id": decision.report_id,
        "tracking_number": decision.tracking_number,
        "status": "accepted",
    }
    return JSONResponse(body, 202, {"Huying-Repeated": str(not isinstance(decision, Accepted)).lower()})
