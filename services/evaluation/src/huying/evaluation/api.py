"""The rates and the cases behind them, for whoever has a key. It computes from this service's own cases only."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from huying.chassis.problem import Problem
from huying.chassis.security import Principal, allowed
from huying.chassis.service import Ground, ground_of

from .rates import FIGURES, MARKS, SATISFIED, Period, figures
from .repository import CASES

PAGE = 200
"""Cases in one answer; `after` leads on."""
GRADES = (*SATISFIED, "dissatisfied")
LISTED = MARKS | {"satisfied", "timely_acceptance"}
"""Figures whose cases can be listed: the last two are not of cases, but of verdicts and of dispatches."""

router = APIRouter(prefix="/v1", tags=["rates"])
Ask = Annotated[Principal, Depends(allowed("unit", "dispatcher", "leader", "supervisor", "system"))]
Place = Annotated[Ground, Depends(ground_of)]
Code = Annotated[str | None, Query(max_length=64)]


@router.get("/rates")
async def rates(who: Ask, ground: Place, period: str, unit: Code = None, town: Code = None) -> dict[str, Any]:
    """The basic rates of a period, overall and by unit; each with its n and the list behind it."""
    span = _period(period)
    unit = _own(who, unit)
    rows = await ground.mongo.collection(CASES).aggregate(_pipeline(span, town)).to_list(None)
    by_unit: dict[str, dict[str, int]] = {}
    for part in ("cases", "verdicts", "taken", "held", "returns"):
        for row in rows[0][part]:
            by_unit.setdefault(row.pop("_id"), {}).update(row)
    chosen = {code: row for code, row in by_unit.items() if unit in {None, code}}
    names = {row["_id"]: row["name"] for part in ("names_now", "names") for row in rows[0][part]}
    total: dict[str, int] = {}
    for row in chosen.values():
        for key, value in row.items():
            total[key] = total.get(key, 0) + value
    asked = {"period": period, "unit": unit, "town": town}
    return {
        **asked,
        "from": span.start,
        "until": span.end,
        "overall": _with_lists(figures(total), asked),
        "units": [
            {"unit": code, "name": names.get(code, ""), "figures": _with_lists(figures(row), asked | {"unit": code})}
            for code, row in sorted(chosen.items())
        ],
    }


@router.get("/rates/incidents")
async def incidents(
    who: Ask,
    ground: Place,
    period: str,
    figure: str = "dispatched",
    counted: bool = True,
    unit: Code = None,
    town: Code = None,
    after: Code = None,
) -> dict[str, Any]:
    """The cases behind a figure: those counted, or with `counted=false` the rest of its n."""
    span, unit = _period(period), _own(who, unit)
    if figure not in LISTED:
        known = ", ".join(sorted(LISTED))
        raise Problem(
            422, "Invalid request", f"figure: {figure!r} is not one of {known}", errors=[_wrong("figure", known)]
        )
    query = {"$and": [_match(span, town), _behind(figure, counted, unit)]}
    if after is not None:
        query["$and"].append({"_id": {"$gt": after}})
    found = ground.mongo.collection(CASES).find(query, _COLUMNS).sort("_id", 1).limit(PAGE + 1)
    rows = [{"incident_id": row.pop("_id"), **row} async for row in found]
    more = rows[PAGE - 1]["incident_id"] if len(rows) > PAGE else None
    return {"period": period, "figure": figure, "counted": counted, "incidents": rows[:PAGE], "after": more}


_COLUMNS = dict.fromkeys(
    (
        "number",
        "title",
        "state",
        "matter_name",
        "town",
        "unit",
        "unit_name",
        "returned_by",
        "dispatched_at",
        "accepted_at",
        "completed_at",
        "marks",
        "grades",
    ),
    1,
)


def _behind(figure: str, counted: bool, unit: str | None) -> dict[str, Any]:
    """The cases counted for a figure, or the rest of its n; of a unit, as the figure is that unit's."""
    whose = {"unit": unit} if unit is not None else {}
    if figure == "satisfied":
        wanted = SATISFIED if counted else ("dissatisfied",)
        return {"invitations": {"$elemMatch": {"grade": {"$in": wanted}, **whose}}}
    if figure == "timely_acceptance":
        known = [{"marks": "timely_acceptance_n"}, {"marks": figure if counted else {"$ne": figure}}]
        before = {"taken": None, "$and": known, **whose}
        return {"$or": [{"taken": {"$elemMatch": {"timely": counted, **whose}}}, before]}
    if figure == "returned" and unit is not None:
        return {"returned_by": unit} if counted else {"held_by": unit, "returned_by": {"$ne": unit}}
    if counted:
        return {"marks": figure, **whose}
    base = FIGURES[figure][1] if figure in FIGURES else "dispatched"
    return {"$and": [{"marks": base}, {"marks": {"$ne": figure}}], **whose}


def _match(span: Period, town: str | None) -> dict[str, Any]:
    match: dict[str, Any] = {"dispatched_at": {"$gte": span.start, "$lt": span.end}, "marks": "dispatched"}
    return match | ({"town_code": town} if town is not None else {})


def _pipeline(span: Period, town: str | None) -> list[dict[str, Any]]:
    """Counts by mark, grade and unit, in one pass over the period's cases.

    A verdict is of the unit of its result, an acceptance and a return of the unit whose dispatch it was.
    """
    counts: dict[str, Any] = {mark: {"$sum": {"$cond": [{"$in": [mark, "$marks"]}, 1, 0]}} for mark in sorted(MARKS)}
    counts |= {"silent": {"$sum": {"$ifNull": ["$silent", {"$size": {"$filter": _UNSAID}}]}}}
    verdicts = {grade: {"$sum": {"$cond": [{"$eq": ["$invitations.grade", grade]}, 1, 0]}} for grade in GRADES}
    return [
        {"$match": _match(span, town)},
        {
            "$facet": {
                "cases": [{"$group": {"_id": "$unit", **counts}}],
                "verdicts": [{"$unwind": "$invitations"}, {"$group": {"_id": "$invitations.unit", **verdicts}}],
                "taken": [
                    {"$project": {"taken": {"$ifNull": ["$taken", _TAKEN_BEFORE]}}},
                    {"$unwind": "$taken"},
                    {"$group": {"_id": "$taken.unit", **_TAKEN}},
                ],
                "held": [{"$unwind": "$held_by"}, {"$group": {"_id": "$held_by", "held": {"$sum": 1}}}],
                "returns": [{"$unwind": "$returned_by"}, {"$group": {"_id": "$returned_by", "returns": {"$sum": 1}}}],
                "names_now": [{"$group": {"_id": "$unit", "name": {"$last": "$unit_name"}}}],
                "names": [
                    {"$project": {"of": {"$objectToArray": "$unit_names"}}},
                    {"$unwind": "$of"},
                    {"$group": {"_id": "$of.k", "name": {"$last": "$of.v"}}},
                ],
            }
        },
    ]


_TAKEN: dict[str, Any] = {"taken": {"$sum": 1}, "timely": {"$sum": {"$cond": ["$taken.timely", 1, 0]}}}
_TAKEN_BEFORE: dict[str, Any] = {
    "$cond": [
        {"$in": ["timely_acceptance_n", "$marks"]},
        [{"unit": "$unit", "timely": {"$in": ["timely_acceptance", "$marks"]}}],
        [],
    ]
}
"""Of a case that was written before acceptances were counted by dispatch."""
_UNSAID = {"input": "$invitations", "cond": {"$eq": ["$$this.grade", None]}}
"""For a case that was written before `silent` was counted."""


def _with_lists(table: dict[str, dict[str, object]], asked: dict[str, str | None]) -> dict[str, dict[str, object]]:
    """Every count opens its list."""
    chosen = "&".join(f"{key}={value}" for key, value in asked.items() if value is not None)
    for figure, line in table.items():
        line["list"] = f"/v1/rates/incidents?{chosen}&figure={figure}"
    return table


def _period(text: str) -> Period:
    try:
        return Period.parse(text)
    except ValueError as error:
        raise Problem(422, "Invalid request", f"period: {error}", errors=[_wrong("period", str(error))]) from error


def _own(who: Principal, unit: str | None) -> str | None:
    """A unit's key sees its own unit."""
    if (own := who.only_unit) is None:
        return unit
    if unit not in {None, own}:
        raise Problem(403, "Not allowed", f"Your key speaks for {own!r}; ask without `unit` or with your own.")
    return own


def _wrong(name: str, message: str) -> dict[str, str]:
    return {"field": name, "message": message}
