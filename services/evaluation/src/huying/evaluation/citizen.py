"""The citizen's page behind a one-time link: three faces, one tap. Open to whoever holds the link, but not to staff."""

import json
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import ValidationError

from huying.chassis.problem import Problem
from huying.chassis.service import Ground, ground_of
from huying.contracts.identity import deterministic_id
from huying.contracts.message import Instant, Text, Value
from huying.contracts.ratings import Grade

from . import pages, repository
from .domain import Case, Invitation
from .handlers import Verdict
from .repository import CASES
from .tickets import Ticket, Tickets

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""No script, no frame, and the link itself goes to nobody else's log."""

REFUSALS: dict[str, tuple[int, str, str]] = {
    "unknown": (404, "没有这个评价链接", "链接不完整或不是本系统发出的，请从短信里重新打开。"),
    "used": (409, "已经评价过了", "每个链接只能评价一次，您的评价已经记录。想补充请拨打12345。"),
    "expired": (410, "评价已截止", "链接已过期。仍想反映意见，请拨打12345。"),
    "renewed": (410, "请用新的评价链接", "这件事后来重新办理了，新的评价链接已另发给您，请从最近的通知里打开。"),
    "moved": (
        410,
        "请用新的评价链接",
        "您反映的事已转到另一件里办理，办好后会另发评价链接给您，请从最近的通知里打开。",
    ),
    "staff": (403, "工作人员不能评价", "评价只由群众本人作出，请不要带工作账号打开此链接。"),
    "invalid": (422, "请选择一项", "请在满意、基本满意、不满意中选一项；意见不超过5000字。"),
}

router = APIRouter(tags=["citizen"])
Place = Annotated[Ground, Depends(ground_of)]


class RatingBody(Value):
    """Body of `POST /r/{token}`; `rated_at` counts in a replay only."""

    grade: Grade
    comment: Text | None = None
    rated_at: Instant | None = None


@router.get("/r/{token}", response_model=None)
async def page(token: str, request: Request, ground: Place) -> Response:
    """The three faces."""
    found, refusal = await _look(token, request, ground)
    if refusal is None and found is not None:
        invitation = found[1]
        if invitation.grade is not None:
            refusal = "used"
        elif not found[0].stands(invitation):
            refusal = "moved"
        elif ground.clock.now() >= invitation.expires_at:
            refusal = _ended(*found)
    if refusal is not None or found is None:
        return _refuse(request, refusal or "unknown")
    return HTMLResponse(pages.ask(*found), headers=HEADERS)


@router.get("/", include_in_schema=False, response_model=None)
@router.get("/r", include_in_schema=False, response_model=None)
@router.get("/r/", include_in_schema=False, response_model=None)
async def cut(request: Request) -> Response:
    """A link that was cut short in copying: a person reads what to do."""
    return _refuse(request, "unknown")


@router.post("/r/{token}", response_model=None)
async def give(token: str, request: Request, ground: Place) -> Response:
    """Take the verdict, once: 200, or 403, 404, 409, 410, 422 as page or problem+json."""
    found, refusal = await _look(token, request, ground)
    if refusal is not None or found is None:
        return _refuse(request, refusal or "unknown")
    case, invitation = found
    try:
        body = RatingBody.model_validate(await _read(request))
    except (ValidationError, ValueError, RecursionError):  # the last: a body of nothing but brackets
        return _refuse(request, "invalid")
    verdict = Verdict(
        rating_id=invitation.rating_id, grade=body.grade, comment=body.comment or None, rated_at=body.rated_at
    )
    answer = await ground.submit(
        verdict,
        deterministic_id("vd", invitation.rating_id),
        trace=request.headers.get("traceparent"),
        time=body.rated_at,
    )
    if answer != "rated":
        return _refuse(request, _ended(case, invitation) if answer == "expired" else answer)
    if _is_json(request):
        return JSONResponse({"status": "rated", "rating_id": invitation.rating_id, "grade": body.grade})
    return HTMLResponse(pages.thanks(case, body.grade), headers=HEADERS)


async def _look(token: str, request: Request, ground: Ground) -> tuple[tuple[Case, Invitation] | None, str | None]:
    """The case and invitation behind the link, or why not."""
    if "authorization" in request.headers:
        return None, "staff"
    tickets: Tickets = request.app.state.tickets
    ticket: Ticket | None = tickets.read(token)
    if ticket is None:
        return None, "unknown"
    row = await ground.mongo.collection(CASES).find_one({"invitations.rating_id": ticket.rating_id})
    case = repository.read(row) if row else None
    invitation = case.invitation(ticket.rating_id) if case else None
    if case is None or invitation is None:
        return None, "unknown"
    return (case, invitation), None


def _ended(case: Case, invitation: Invitation) -> str:
    """Why a link is too old: its time is up, or its reporter has one to the result of a redo."""
    newer = (one for one in case.invitations if one.report_id == invitation.report_id)
    return "renewed" if any(one.round > invitation.round for one in newer) else "expired"


async def _read(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if _is_json(request):
        body = json.loads(raw)
        return body if isinstance(body, dict) else {}
    fields = parse_qs(raw.decode(), max_num_fields=20)
    # a form counts a line's end as one
    return {name: values[0].replace("\r\n", "\n") for name, values in fields.items()}


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/json")


def _refuse(request: Request, reason: str) -> Response:
    status, title, detail = REFUSALS[reason]
    if _is_json(request) or "application/json" in request.headers.get("accept", ""):
        return Problem(status, title, detail, reason=reason).response()
    return HTMLResponse(pages.told(title, detail), status, HEADERS)
