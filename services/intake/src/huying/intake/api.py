"""HTTP doors of intake: reports, the citizen's page, the vault. Every refusal says which field and what to do."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import Field

from huying.chassis.errors import Transient
from huying.chassis.problem import Problem
from huying.chassis.security import Principal, allowed
from huying.chassis.service import Ground, ground_of
from huying.contracts import identity, persons
from huying.contracts.reports import Reporter, ReporterRef, ReportSubmittedV1

from . import letters, page, repository
from .domain import acceptance, progress
from .domain.acceptance import Refused, Submitted
from .handlers import Registration, Unmasking

LONGEST_PURPOSE = 200
SHORTEST_PURPOSE = 2
"""Two characters are a purpose in Chinese (回访); one is a keystroke."""

STATUS = {"identity_reused": (409, "Already used"), "wrong_jurisdiction": (403, "Not allowed")}
"""Of refusals that are not about a field's form."""

NOT_FOUND = "没有找到这个编号的上报。请核对编号；刚刚提交的请稍后再查。"


class Identity(Reporter):
    """Body of `POST /v1/vault/identities`: a person, and what tells apart people who told no more than a name."""

    scope: Annotated[str, Field(max_length=400)] = ""


router = APIRouter(prefix="/v1", tags=["reports"])
front = APIRouter(include_in_schema=False)
OnGround = Annotated[Ground, Depends(ground_of)]
Publisher = Annotated[Principal, Depends(allowed("publisher", "system", "grid_worker", "unit", "dispatcher"))]
Confidant = Annotated[Principal, Depends(allowed("dispatcher", "leader"))]
Keeper = Annotated[Principal, Depends(allowed("publisher", "system"))]


def _json_body(model: type[Any]) -> dict[str, Any]:
    """OpenAPI's description of a body that the route reads by itself; `$id` makes its references its own."""
    schema = {"$id": f"urn:huying:{model.__name__}", **model.model_json_schema()}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/reports", status_code=202, openapi_extra=_json_body(ReportSubmittedV1), response_model=None)
async def submit(
    who: Publisher,
    request: Request,
    ground: OnGround,
    idempotency_key: Annotated[str | None, Header(description="Names this report once and for all")] = None,
) -> JSONResponse:
    """Send a report, plain or as a CloudEvent; the same identity with the same body gives the same answer."""
    del idempotency_key
    letter = letters.opened(request.headers, await request.body(), who)
    if isinstance(letter, Refused):
        raise _refusal(letter)
    body = acceptance.read(letter.data)
    if isinstance(body, Refused):
        raise _refusal(body)
    submitted = Submitted(letter.source, letter.origin_id, body, who.jurisdiction)
    decision = await ground.submit(
        submitted, letter.origin_id, trace=request.headers.get("traceparent"), time=body.received_at
    )
    if isinstance(decision, Refused):
        raise _refusal(letter.blamed(decision))
    known = decision.event if isinstance(decision, acceptance.Accepted) else decision.known
    address = f"/v1/reports/{known.tracking_number}"
    answer = {"report_id": known.report_id, "tracking_number": known.tracking_number, "status_url": address}
    return JSONResponse(answer, 202, {"Location": address})


@router.get("/reports/{tracking_number}", response_model=progress.Progress, responses={404: {}})
async def follow(tracking_number: str, request: Request, ground: OnGround) -> Response:
    """A citizen's own page: the five steps, who has it, until when. Open to whoever has the number."""
    html = "text/html" in request.headers.get("accept", "")
    number = identity.typed_number(tracking_number)
    report = await repository.find_tracked(ground.mongo, number)
    incidents = await _incidents(ground, report or {})
    if report is None:
        if html:
            return HTMLResponse(page.ask(NOT_FOUND), 404, page.HEADERS)
        raise Problem(404, "Unknown report", NOT_FOUND)
    parts = report.get("parts", {})
    ratings = await repository.find_ratings(ground.mongo, parts) if parts else {}
    shown = progress.page(report, incidents, ratings)
    if html:
        zone = ground.handler.pack.timezone
        return HTMLResponse(page.render(shown, ground.clock.now(), zone), 200, page.HEADERS)
    return JSONResponse(shown.model_dump(mode="json"), 200, {"Cache-Control": "no-store"})


@front.get("/", response_model=None)
async def find(number: str = "") -> Response:
    """Where a citizen types the tracking number, as people type it; it leads to the report's own page."""
    typed = identity.typed_number(number)
    if typed:
        return RedirectResponse(f"/v1/reports/{typed}", 303, page.HEADERS)
    if number.strip():
        return HTMLResponse(page.ask(NOT_FOUND), 404, page.HEADERS)
    return HTMLResponse(page.ask(), headers=page.HEADERS)


async def _incidents(ground: Ground, report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Progress of the report's incidents and of those that they were merged into.

    A number that nobody has costs the same read, so that time tells nothing.
    """
    found: dict[str, dict[str, Any]] = {}
    wanted = {name for links in (report.get("incidents", {}), *report.get("parts", {}).values()) for name in links}
    while True:
        rows = await repository.find_progress(ground.mongo, wanted)
        found |= rows
        wanted = {row["merged_into"] for row in rows.values() if row.get("merged_into")} - set(found)
        if not wanted:
            return found


@router.post("/vault/identities", openapi_extra=_json_body(Identity), tags=["vault"])
async def register(who: Keeper, request: Request, ground: OnGround) -> ReporterRef:
    """Keep a person's words in the vault and get the reference that everyone else uses. Repeats change nothing."""
    _of_this_county(who, ground)
    person = acceptance.read_as(Identity, await request.body())
    if isinstance(person, Refused):
        raise _refusal(person)
    if persons.told(person) is None:
        raise _invalid("reference", "nothing was told; send one of reference, name, phone, id_number")
    registration = Registration(person, f"{who.id} {person.scope}")
    ref: ReporterRef = await ground.submit(registration, f"register-{uuid.uuid4()}")
    return ref


@router.get("/vault/{ref}", tags=["vault"], response_model=None)
async def unmask(
    ref: str, who: Confidant, ground: OnGround, purpose: Annotated[str | None, Header()] = None
) -> JSONResponse:
    """Look behind a mask: `ps-...` for a person, a report's id for its unmasked words. Each look is recorded."""
    _of_this_county(who, ground)
    said = _purpose(purpose)
    found = await ground.submit(Unmasking(ref, who, said), f"unmask-{uuid.uuid4()}")
    if found is None:
        raise Problem(404, "Unknown reference", "The vault has nothing under this reference.")
    return JSONResponse({"ref": ref, **found}, 200, {"Cache-Control": "no-store"})


def _of_this_county(who: Principal, ground: Ground) -> None:
    if ground.handler is None:
        raise Transient("the service has not started yet")
    who.must_serve(ground.handler.pack.code)


def _purpose(header: str | None) -> str:
    text = letters.text_of(header or "").strip()
    if not SHORTEST_PURPOSE <= len(text) <= LONGEST_PURPOSE or not text.isprintable():
        raise _invalid("Purpose", f"say in {SHORTEST_PURPOSE} to {LONGEST_PURPOSE} characters why you need to know")
    return text


def _invalid(field: str, message: str) -> Problem:
    return Problem(422, "Invalid request", f"{field}: {message}", errors=[{"field": field, "message": message}])


def _refusal(refused: Refused) -> Problem:
    status, title = STATUS.get(refused.reason, (422, "Invalid request"))
    field = refused.field or "body"
    errors = [{"field": field, "message": refused.message}]
    return Problem(status, title, f"{field}: {refused.message}", errors=errors, reason=refused.reason)
