"""Parked records of every service: listed, shown, ordered to be replayed, closed.

It releases nothing itself: their service does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from huying.chassis.ledger import OUTBOX
from huying.chassis.mongo import Mongo
from huying.chassis.parking import HELD_STATES, PARKED, Parking
from huying.chassis.relay import REFUSED
from huying.chassis.sealing import Sealer
from huying.contracts.wording import mask_numbers

from .databases import name_of
from .system import SERVICES

COLUMNS = dict.fromkeys(
    (
        *("state", "topic", "partition", "offset", "reason", "message", "parked_at", "attempts", "hold", "bytes"),
        *("closed_at", "closed_by", "closed_reason"),
    ),
    1,
)

REFUSED_COLUMNS: dict[str, Any] = dict.fromkeys(("event", "topic", "refusal", "written_at"), 1) | {
    "bytes": {"$binarySize": "$value"}
}
"""Never the value: it is what the broker found too large."""


def _refused(service: str, row: dict[str, Any]) -> dict[str, Any]:
    """An event that never reached the log: its place is the one in the outbox."""
    return {
        "service": service,
        "id": row["event"],
        "state": REFUSED,
        "topic": row["topic"],
        "partition": "outbox",
        "offset": row["_id"],
        "reason": "refused_by_broker",
        "message": row["refusal"],
        "parked_at": row["written_at"],
        "bytes": row["bytes"],
    }


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of an order to close a record."""

    service: str
    hold: str | None
    """Topic and key whose later records it holds back."""
    waiting: int
    """How many of them there are."""
    done: bool
    """False where they would have been let go, and nobody said so."""


class Lot:
    """The parkings of one installation. `secret` opens them; without it only the list can be read."""

    def __init__(self, mongo_url: str, prefix: str, secret: str = "") -> None:
        sealer = Sealer(secret, "parked")
        self._parkings: dict[str, tuple[Mongo, Parking]] = {}
        for service in SERVICES:
            mongo = Mongo(mongo_url, name_of(prefix, service.name))
            self._parkings[service.name] = (mongo, Parking(mongo, service.name, sealer))

    async def list(self, states: Iterable[str] = tuple(HELD_STATES)) -> list[dict[str, Any]]:
        """Every record in one of `states`, and events that a broker refuses, the oldest first, without their content."""
        found: list[dict[str, Any]] = []
        for service, (mongo, _) in self._parkings.items():
            rows = mongo.collection(PARKED).find({"state": {"$in": list(states)}}, COLUMNS)
            found.extend([{"service": service, "id": row.pop("_id"), **row} async for row in rows])
            refused = mongo.collection(OUTBOX).find({"published": REFUSED}, REFUSED_COLUMNS)
            found.extend([_refused(service, row) async for row in refused])
        return sorted(found, key=lambda row: row["parked_at"])

    async def show(self, parked_id: str, *, raw: bool = False) -> dict[str, Any] | None:
        """A record with its content; numbers of persons are masked unless `raw`. None when there is no such record.

        Raises:
            ConfigurationError: another secret sealed it.
        """
        for service, (mongo, parking) in self._parkings.items():
            row = await mongo.collection(PARKED).find_one({"_id": parked_id})
            if row is None:
                continue
            record = parking.restore(row)
            hide = (lambda text: text) if raw else mask_numbers
            facts = {name: row.get(name) for name in (*COLUMNS, "stack", "cut", "released_at")}
            return {
                "service": service,
                "id": parked_id,
                **facts,
                "key": record.key.decode("utf-8", "replace") if record.key is not None else None,
                "headers": {name: hide(value.decode("utf-8", "replace")) for name, value in record.headers},
                "value": hide(record.value.decode("utf-8", "replace")),
            }
        return None

    async def replay(self, parked_id: str) -> str | None:
        """Order the replay: the service that will do it; None when no such record is parked."""
        for service, (_, parking) in self._parkings.items():
            if await parking.request(parked_id):
                return service
        return None

    async def give_up(self, parked_id: str, by: str, reason: str, *, release: bool) -> Closing | None:
        """Close a record; one that holds others back only with `release`. None when no such record is parked."""
        for service, (mongo, parking) in self._parkings.items():
            rows = mongo.collection(PARKED)
            row = await rows.find_one({"_id": parked_id, "state": "parked"}, {"hold": 1})
            if row is None:
                continue
            hold = row["hold"]
            waiting = 0 if hold is None else await rows.count_documents({"state": "waiting", "hold": hold})
            if hold is not None and not release:
                return Closing(service, hold, waiting, done=False)
            if await parking.close(parked_id, by, reason):
                return Closing(service, hold, waiting, done=True)
        return None

    def close(self) -> None:
        """Close the connections."""
        for mongo, _ in self._parkings.values():
            mongo.close()
