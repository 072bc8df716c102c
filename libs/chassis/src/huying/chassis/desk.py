"""The command desk: a person's wish goes on the bus, and the HTTP call waits for routing's decision.

Used by every service that lets people command. It never decides by itself.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi.responses import JSONResponse
from pydantic import Field
from pymongo import InsertOne
from pymongo.errors import PyMongoError

from huying.contracts.commands import Action, Actor, CommandIssuedV1
from huying.contracts.identity import deterministic_id
from huying.contracts.incidents import CommandDeclinedV1, IncidentEvent
from huying.contracts.message import Instant, Value
from huying.contracts.topics import COMMANDS
from huying.contracts.wording import masked

from .message import API, Effects, Message, Outgoing
from .mongo import Mongo
from .problem import Problem
from .security import Principal, allowed
from .service import Ground, ground_of

COMMANDS_COLLECTION = "commands"
PATIENCE_S = 5.0
"""After that the answer is 202 with a status address."""
LARGEST = 2**53 - 1
"""The last whole number that every reader of JSON holds exactly."""
POLL_S = 0.05
"""How often another replica's decision is looked for; this process's own wakes at once."""


class CommandBody(Value):
    """Body of `POST /v1/incidents/{incident_id}/commands`."""

    action: Action
    expected_version: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    issued_at: Instant | None = None
    """When the person did it, if the device was offline; counts in a replay only."""


class CommandDesk:
    """Remembers who waits for which command."""

    def __init__(self, mongo: Mongo, sees: Callable[[Principal, str], Awaitable[bool]]) -> None:
        """One a service; `sees` says whether somebody is shown an incident."""
        self._mongo = mongo
        self._sees = sees
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def load(self, messages: Sequence[Message]) -> dict[str, dict[str, Any]]:
        """Rows of the batch's wishes that were had before; a batch without wishes asks nothing."""
        wishes = [message.body.command_id for message in messages if message.topic == API]
        if not wishes:
            return {}
        rows = self._mongo.collection(COMMANDS_COLLECTION).find({"_id": {"$in": wishes}})
        return {row["_id"]: row async for row in rows}

    def fold(self, known: dict[str, dict[str, Any]], command: CommandIssuedV1) -> Effects:
        """Effects of taking a wish in: it goes out with the next relay's round.

        A wish that was had before has none. The answer names the field in which it differs from the first, or is None.
        """
        asked = asked_of(command)
        if command.command_id in known:
            return Effects(answer=difference(known[command.command_id], asked))
        row = {"_id": command.command_id, "status": "pending", "incident_id": command.incident_id, "asked": asked}
        row["by"] = command.actor.id
        known[command.command_id] = row
        out = Outgoing(COMMANDS, command.jurisdiction, command.command_id, command, command.issued_at)
        return Effects().write(COMMANDS_COLLECTION, InsertOne(row)).publish(out)

    def decided(self, command_id: str, decision: dict[str, Any]) -> None:
        """Wake who waits for `command_id`."""
        waiter = self._waiting.get(command_id)
        if waiter is not None and not waiter.done():
            waiter.set_result(decision)

    async def known(self, command_id: str) -> dict[str, Any] | None:
        """The command's row: pending, done or declined."""
        row: dict[str, Any] | None = await self._mongo.collection(COMMANDS_COLLECTION).find_one({"_id": command_id})
        return row

    async def shown(self, command_id: str, who: Principal) -> dict[str, Any] | None:
        """The command's row for whoever gave it, wherever the incident went by it, and for who sees the incident."""
        row = await self.known(command_id)
        if row is None or row.get("by") == who.id or await self._sees(who, row["incident_id"]):
            return row
        return None

    async def wait(self, command_id: str) -> dict[str, Any] | None:
        """The decision, or None when it takes longer than five seconds; a look that fails says nothing of it."""
        waiter = self._waiting.setdefault(command_id, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not waiter.done():
                    await asyncio.wait({waiter}, timeout=POLL_S * 4)
                    with suppress(PyMongoError):
                        row = None if waiter.done() else await self.known(command_id)
                        if row is not None and row["status"] != "pending":
                            return row
                return waiter.result()
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(command_id, None)


def asked_of(wish: CommandBody | CommandIssuedV1) -> dict[str, str]:
    """A digest of each field that says what is wished: a person's words are not kept twice.

    The instant is none of them: a device that sends again may say anew when.
    """
    fields = {"action": wish.action.model_dump_json(), "expected_version": str(wish.expected_version)}
    return {name: sha256(text.encode()).hexdigest() for name, text in fields.items()}


def difference(row: Mapping[str, Any], asked: Mapping[str, str]) -> str | None:
    """The field in which `asked` is not what stands in `row`; None when it is the same wish."""
    first = row.get("asked", asked)  # none in a row of before, or of a command that came by the bus
    return next((name for name in asked if first.get(name) != asked[name]), None)


def decision_of(event: IncidentEvent | CommandDeclinedV1) -> dict[str, Any] | None:
    """What an event of the feed decides about a command; None when it is not about one."""
    if isinstance(event, CommandDeclinedV1):
        return {"status": "declined", **event.model_dump(mode="json", include=_DECLINED)}
    if event.command_id is None:
        return None
    return {
        "status": "done",
        "incident_id": event.incident_id,
        "incident_version": event.incident_version,
        "state": event.incident.state,
    }


OURS = {"_id", "asked", "by"}
"""Fields of a command's row that are no part of its answer."""
_DECLINED = {"incident_id", "reason", "message", "state", "legal", "current_version"}

router = APIRouter(prefix="/v1", tags=["commands"])
Ask = Annotated[Principal, Depends(allowed("unit", "dispatcher", "leader", "supervisor", "grid_worker", "system"))]


@router.post("/incidents/{incident_id}/commands", response_model=None)
async def issue(
    incident_id: Annotated[str, Path(max_length=200)],
    body: CommandBody,
    who: Ask,
    request: Request,
    ground: Annotated[Ground, Depends(ground_of)],
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> JSONResponse:
    """Wish something for an incident: 200 done, 409 declined with the legal moves, 202 when it takes longer.

    The same key again gets the same answer; with another wish under it, 409 naming the field.
    """
    if idempotency_key is None:
        raise Problem(422, "Invalid request", "Idempotency-Key: send a header that names this command once and for all")
    return await order(
        ground,
        who.actor,
        incident_id,
        body,
        deterministic_id("cm", who.id, incident_id, idempotency_key),
        trace=request.headers.get("traceparent"),
    )


async def order(
    ground: Ground, actor: Actor, incident_id: str, body: CommandBody, command_id: str, *, trace: str | None = None
) -> JSONResponse:
    """Put a command on the bus, no number of a person in its words, and answer with routing's decision.

    Raises:
        Problem: 409, another wish was given under this id.
    """
    desk: CommandDesk = ground.handler.desk
    body = body.model_copy(update={"action": masked(body.action)})
    known = await desk.known(command_id)
    if known is not None:
        _same(difference(known, asked_of(body)))
        return answer(command_id, await desk.wait(command_id) if known["status"] == "pending" else known)
    command = CommandIssuedV1(
        command_id=command_id,
        jurisdiction=ground.handler.jurisdiction,
        incident_id=incident_id,
        actor=actor,
        action=body.action,
        issued_at=ground.clock.stamp(body.issued_at),
        expected_version=body.expected_version,
    )
    waiting = asyncio.create_task(desk.wait(command_id))
    try:
        _same(await ground.submit(command, command_id, trace=trace, time=command.issued_at))
        return answer(command_id, await waiting)
    finally:
        waiting.cancel()


def _same(differs: str | None) -> None:
    if differs is not None:
        said = f"{differs}: another one was sent under this Idempotency-Key; a new wish needs a new key"
        errors = [{"field": differs, "message": "not what was sent first"}]
        raise Problem(409, "Already used", said, errors=errors, reason="identity_reused")


@router.get("/commands/{command_id}", response_model=None)
async def status(command_id: str, who: Ask, ground: Annotated[Ground, Depends(ground_of)]) -> JSONResponse:
    """What became of a command: your own, or one for an incident that you may see."""
    desk: CommandDesk = ground.handler.desk
    known = await desk.shown(command_id, who)
    if known is None:
        raise Problem(404, "Unknown command", f"No command {command_id!r} was issued here.")
    return answer(command_id, None if known["status"] == "pending" else known)


def answer(command_id: str, decision: dict[str, Any] | None) -> JSONResponse:
    """200 done, 409 declined, 202 not yet."""
    if decision is None:
        headers = {"Location": f"/v1/commands/{command_id}"}
        return JSONResponse({"command_id": command_id, "status": "pending"}, 202, headers)
    body = {key: value for key, value in json.loads(json.dumps(decision, default=str)).items() if key not in OURS}
    if body["status"] == "declined":
        more = {key: value for key, value in body.items() if key not in {"status", "message"}}
        return Problem(409, "Declined", str(body.get("message", "")), command_id=command_id, **more).response()
    return JSONResponse({"command_id": command_id, **body})
