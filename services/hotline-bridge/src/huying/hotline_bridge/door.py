"""From what an origin or a device sent to a decision in the database: shared by HTTP and MQTT.

It is the only place that touches a reporter's name, on its way to the vault.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from huying.chassis.problem import Problem
from huying.chassis.sealing import keyed_hash
from huying.chassis.service import Ground
from huying.contracts import members, persons, wording
from huying.contracts.members import DuplicateMember
from huying.contracts.reports import Reporter, ReporterRef
from huying.county import UnknownCode

from . import repository
from .domain import alarms
from .domain.acceptance import Arrival, Decision, Refused, arrival_of, decide, names_a_person
from .domain.alarms import Alarm
from .domain.translating import Fault, Untranslatable, translate
from .handlers import Bridge
from .vault import Vault


async def take_order(
    ground: Ground, vault: Vault, origin: str, order: Mapping[str, Any], trace: str | None = None
) -> tuple[Arrival, Decision]:
    """Take in one order of an origin.

    Raises:
        Problem: 404 for an origin without a mapping file, 422 naming their field and ours.
        Transient: the vault or the database cannot take it now; nothing was stored.
    """
    bridge: Bridge = ground.handler
    mapping = bridge.mappings.get(origin)
    if mapping is None:
        known = ", ".join(sorted(bridge.mappings))
        raise Problem(404, "Unknown origin", f"No mapping file is named {origin!r}; there are {known}.")
    try:
        translated = translate(mapping, order, bridge.pack.code)
    except Untranslatable as error:
        raise invalid(error.faults) from error
    body, reporter = translated.body, translated.body.reporter
    try:
        digest = digest_of(order, bridge.keys.body)
    except RecursionError as error:
        raise Problem(422, "Invalid order", "The order is nested too deeply to be read; send it flatter.") from error
    try:
        arrival = arrival_of(origin, translated.number, body, bridge.pack, digest)
    except UnknownCode as error:
        raise invalid([Fault(mapping.theirs(error.field), error.field, str(error))]) from error
    if not arrival.body.text:
        raise invalid([Fault(mapping.theirs("text"), "text", "has nothing readable; write what happened and where")])
    for number, attachment in enumerate(arrival.body.attachments):
        if not wording.is_plain_address(attachment.url):
            ours, told = f"attachments.{number}.url", "has blanks or control characters; percent-encode them"
            raise invalid([Fault(mapping.theirs(ours), ours, told)])
    if await repository.find_order(ground.mongo, origin, arrival.origin_id) is None:
        first = decide(None, arrival, bridge.pack, bridge.keys, ground.clock.stamp(body.received_at))
        if isinstance(first, Refused):
            return arrival, bridge.refused(arrival, first)
        arrival = replace(arrival, reporter=await _reference(bridge, vault, reporter, arrival.report_id))
    return arrival, await _decided(ground, arrival, trace)


async def _reference(bridge: Bridge, vault: Vault, reporter: Reporter | None, report_id: str) -> ReporterRef | None:
    """Who reported, as everyone may see it.

    Only an order that is let in comes here: nobody is kept for a refused one, a repeated one has its reference already.
    """
    told = persons.told(reporter)
    if told is None:
        return None
    if names_a_person(told):
        return await vault.reference(told, report_id)
    return persons.reference_of(told, report_id, bridge.keys.reporter)


async def take_alarm(ground: Ground, alarm: Alarm, trace: str | None = None) -> tuple[Arrival, Decision]:
    """Take in one line of a device.

    Raises:
        Problem: 422 for a village or a channel that the county does not have, or for what no report may hold.
        Transient: the database cannot take it now; nothing was stored.
    """
    arrival = arrival_of_alarm(ground.handler, alarm)
    return arrival, await _decided(ground, arrival, trace)


def arrival_of_alarm(bridge: Bridge, alarm: Alarm) -> Arrival:
    """A line of a device as it is decided about.

    Raises:
        Problem: 422 for a village or a channel that the county does not have, or for what no report may hold.
    """
    try:
        body = alarms.submitted(alarm, bridge.pack.code)
    except ValidationError as error:
        told = [(".".join(map(str, item["loc"])), item["msg"]) for item in error.errors(include_url=False)]
        raise invalid([Fault(field, field, message) for field, message in told]) from error
    digest = digest_of(alarm.model_dump(mode="json"), bridge.keys.body)
    try:
        return arrival_of(alarms.SOURCE, alarm.origin_id, body, bridge.pack, digest)
    except UnknownCode as error:
        raise invalid([Fault(error.field, error.field, str(error))]) from error


async def _decided(ground: Ground, arrival: Arrival, trace: str | None) -> Decision:
    decision: Decision = await ground.submit(arrival, arrival.report_id, trace=trace, time=arrival.body.received_at)
    return decision


def unambiguous(data: bytes) -> None:
    """Let JSON pass in which no object has a member twice.

    Raises:
        Problem: 422 that names the member.
    """
    try:
        members.read(data)
    except DuplicateMember as error:
        [name] = error.args
        raise invalid([Fault(name, name, members.TWICE)]) from error


def digest_of(content: Mapping[str, Any], key: bytes) -> str:
    """Equal for equal content, however it was spaced or ordered; says nothing without the key."""
    return keyed_hash(key, json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def invalid(faults: list[Fault]) -> Problem:
    """422 that names every field in their words and in ours."""
    errors = [{"field": fault.theirs, "ours": fault.ours, "message": fault.message} for fault in faults]
    first = faults[0]
    return Problem(422, "Invalid order", f"{first.theirs} ({first.ours}): {first.message}", errors=errors)
