"""A line of a county reports file goes in by the door of its channel, as that channel sends it. Never by a back door.

Citizens' pages and the grid app use intake; origin systems send orders in their own JSON, devices their alarms, to the
bridge. Sending again is harmless: each line has an identity of its own.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx

from ..installation import DOOR, ORIGINS
from .target import Target

INTAKE = "intake"
BRIDGE = "hotline-bridge"
OF_INTAKE = frozenset({"citizen_app", "qr_code", "grid_worker"})
DEVICES = "iot"

PATIENCE_S = 120.0
"""How long a door may be shut: longer than a restart of anything behind it."""
PAUSE_S = 0.1
TOO_LATE = frozenset({500, 502, 503, 504})
"""Answers that may become others: the service starts, or lost its database for a moment."""


class RefusedError(Exception):
    """A door said no; says which line and why."""


class Doors:
    """The way in."""

    def __init__(self, target: Target, http: httpx.AsyncClient) -> None:
        self._target = target
        self._http = http
        self._mappings: dict[str, Any] = {}
        self._jurisdiction = ""

    def open(self) -> None:
        """Read the pack: the county's code and the mapping files."""
        from huying.county import load
        from huying.hotline_bridge.domain import mapping

        pack = load(self._target.pack)
        self._jurisdiction = pack.code
        self._mappings = {origin: mapping.read(origin, document) for origin, document in pack.mappings.items()}

    def of(self, line: Mapping[str, Any]) -> str:
        """The service whose door a line's channel uses."""
        return INTAKE if line["channel"] in OF_INTAKE else BRIDGE

    async def send(self, line: Mapping[str, Any]) -> tuple[str, str]:
        """Send one line; the service that took it, and the report's id.

        Raises:
            RefusedError: the door's answer is no.
            KeyError: the channel has no door.
        """
        service, path, headers, body = self._request(line)
        answer = await post(self._http, self._target.urls[service] + path, body, headers)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise RefusedError(f"{line['id']} ({line['channel']}) by {path}: {answer.status_code} {answer.text[:500]}")
        return service, answer.json()["report_id"]

    def _request(self, line: Mapping[str, Any]) -> tuple[str, str, dict[str, str], dict[str, Any]]:
        channel = line["channel"]
        if self.of(line) == INTAKE:
            headers = {**self._target.headers(DOOR), "Idempotency-Key": line["id"]}
            return INTAKE, "/v1/reports", headers, self.submitted(line)
        headers = self._target.headers(ORIGINS)
        if channel == DEVICES:
            return BRIDGE, "/v1/alarms", headers, alarm(line)
        if channel not in self._mappings:
            known = ", ".join(sorted(self._mappings)) or "none"
            raise RefusedError(
                f"{line['id']}: channel {channel!r} has no mapping file in {str(self._target.pack)!r} (there are: "
                f"{known}); add mappings/{channel}.yaml"
            )
        from huying.hotline_bridge.domain.translating import order_of_report

        return BRIDGE, f"/v1/origins/{channel}/orders", headers, order_of_report(self._mappings[channel], line)

    def submitted(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Body of `POST /v1/reports`."""
        body = {
            key: line[key] for key in ("channel", "received_at", "text", "address", "village_code", "town", "point")
        }
        body["jurisdiction"] = self._jurisdiction
        if line.get("reporter"):
            body["reporter"] = {"reference": line["reporter"]}
        return {key: value for key, value in body.items() if value is not None}


def alarm(line: Mapping[str, Any]) -> dict[str, Any]:
    """Body of `POST /v1/alarms`."""
    device = line["device"]
    body = {
        "id": line["id"],
        "device": device["id"],
        "kind": device.get("kind"),
        "alarm": device["alarm"],
        "state": device.get("state", "raised"),
        "at": line["received_at"],
        **{key: line.get(key) for key in ("text", "address", "village_code", "town", "point")},
    }
    return {key: value for key, value in body.items() if value is not None}


async def post(
    http: httpx.AsyncClient, url: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> httpx.Response:
    """Send until an answer comes that will not change: whoever is behind the door may be restarting.

    Raises:
        RefusedError: nobody answers.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = await http.post(url, json=body, headers=dict(headers))
            if answer.status_code not in TOO_LATE:
                return answer
            last = f"{answer.status_code} {answer.text[:200]}"
        except httpx.TransportError as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > until:
            raise RefusedError(f"{url} does not answer for {PATIENCE_S:g} s ({last}): is the service up?")
        await asyncio.sleep(PAUSE_S)


def received_at(line: Mapping[str, Any]) -> datetime:
    """When the channel received it."""
    return datetime.fromisoformat(line["received_at"])
