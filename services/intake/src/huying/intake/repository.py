"""Documents of intake: `reports`, `progress`, `vault`, `unmaskings`. Builds writes and reads; decides nothing.

Names and numbers of people are in `vault` only, and sealed there.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pymongo import IndexModel, InsertOne, UpdateOne

from huying.chassis.message import Effects
from huying.chassis.mongo import Mongo
from huying.chassis.sealing import Sealer, keyed_hash
from huying.contracts.identity import deterministic_id
from huying.contracts.incidents import ReportRef
from huying.contracts.reports import Reporter

from .domain.acceptance import Accepted, Known

REPORTS = "reports"
PROGRESS = "progress"
VAULT = "vault"
UNMASKINGS = "unmaskings"

INDEXES: dict[str, list[IndexModel]] = {
    REPORTS: [
        IndexModel(
            [("tracking_number", 1)], unique=True, partialFilterExpression={"tracking_number": {"$type": "string"}}
        )
    ],
    UNMASKINGS: [IndexModel([("ref", 1), ("at", 1)])],
}

HASH_CHARS = 24
"""Tells the spellings of one person apart inside one document."""


class Vault:
    """Sealed words of people, and the key that tells spellings apart."""

    def __init__(self, sealer: Sealer, key: bytes) -> None:
        """Both of the installation."""
        self._sealer = sealer
        self._key = key

    def keep_person(self, effects: Effects, ref: str, reporter: Reporter, now: datetime) -> None:
        """Keep what a person told of themselves; every spelling once, none overwritten."""
        words = reporter.model_dump_json(exclude_none=True)
        spelling = keyed_hash(self._key, words)[:HASH_CHARS]
        change = {
            "$set": {f"told.{spelling}": self._sealer.seal(words.encode())},
            "$setOnInsert": {"kind": "person", "first_at": now},
        }
        effects.write(VAULT, UpdateOne({"_id": ref}, change, upsert=True))

    def keep_words(self, effects: Effects, report_id: str, words: Mapping[str, str], now: datetime) -> None:
        """Keep free text as it was told."""
        sealed = self._sealer.seal(json.dumps(words, ensure_ascii=False).encode())
        change = {"$set": {"told.words": sealed}, "$setOnInsert": {"kind": "words", "first_at": now}}
        effects.write(VAULT, UpdateOne({"_id": report_id}, change, upsert=True))

    def person(self, document: Mapping[str, Any] | None) -> tuple[Reporter, ...]:
        """Every spelling of a document's person, and whoever shares a telephone; none when it is no person's."""
        if document is None or document["kind"] != "person":
            return ()
        return tuple(map(Reporter.model_validate, self.open(document)))

    def open(self, document: Mapping[str, Any]) -> list[dict[str, str]]:
        """What was told, each spelling one entry."""
        return [json.loads(self._sealer.open(sealed)) for _, sealed in sorted(document["told"].items())]


def save_report(effects: Effects, accepted: Accepted) -> None:
    """The report as intake keeps it: identity and times, not its words."""
    event = accepted.event
    document = {
        "_id": event.report_id,
        "source": event.source,
        "origin_id": event.origin_id,
        "body_hash": accepted.body_hash,
        "tracking_number": event.tracking_number,
        "channel": event.channel,
        "received_at": event.received_at,
        "accepted_at": event.accepted_at,
        "reporter": event.reporter.ref if event.reporter else None,
    }
    effects.write(REPORTS, InsertOne(document))


def link_report(effects: Effects, report: ReportRef, incident_id: str) -> None:
    """The feed says which incident a report is in; reports of other doors become known by this.

    A part of a report stands with the report: one tracking number shows both.
    """
    told = {
        "tracking_number": report.tracking_number,
        "source": report.source,
        "channel": report.channel,
        "received_at": report.received_at,
        "accepted_at": report.accepted_at,
    }
    place = f"parts.{report.report_id}" if report.part_of else "incidents"
    change = {"$set": told, "$max": {f"{place}.{incident_id}": report.moves}}
    effects.write(REPORTS, UpdateOne({"_id": report.part_of or report.report_id}, change, upsert=True))


def save_rating(effects: Effects, report_id: str, grade: str, at: datetime) -> None:
    """The citizen's verdict on the report."""
    change = {"$set": {"rating": {"grade": grade, "at": at}}}
    effects.write(REPORTS, UpdateOne({"_id": report_id}, change, upsert=True))


def save_progress(effects: Effects, incident_id: str, fields: Mapping[str, Any]) -> None:
    """The incident after a step; clocks of the same document are other fields and stay."""
    effects.write(PROGRESS, UpdateOne({"_id": incident_id}, {"$set": dict(fields)}, upsert=True))


def clock_key(clock_id: str) -> str:
    """A clock's name as a field of a document: free of dots and dollars."""
    return deterministic_id("ck", clock_id)


def save_clock(effects: Effects, incident_id: str, key: str, clock: Mapping[str, Any]) -> None:
    """One clock of an incident."""
    change = {"$set": {f"clocks.{key}": dict(clock)}}
    effects.write(PROGRESS, UpdateOne({"_id": incident_id}, change, upsert=True))


def save_unmasking(
    effects: Effects, unmasking_id: str, ref: str, who: str, role: str, purpose: str, at: datetime
) -> None:
    """Who looked behind the mask, and why."""
    row = {"_id": unmasking_id, "ref": ref, "who": who, "role": role, "purpose": purpose, "at": at}
    effects.write(UNMASKINGS, InsertOne(row))


async def find_known(mongo: Mongo, report_ids: Iterable[str]) -> dict[str, Known]:
    """What was accepted under these report ids."""
    found: dict[str, Known] = {}
    wanted = {"_id": {"$in": sorted(set(report_ids))}}
    async for row in mongo.collection(REPORTS).find(wanted, {"tracking_number": 1, "body_hash": 1}):
        if "tracking_number" in row:
            found[row["_id"]] = Known(row["_id"], row["tracking_number"], row.get("body_hash"))
    return found


async def find_progress(mongo: Mongo, incident_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Progress by incident id."""
    wanted = {"_id": {"$in": sorted(set(incident_ids))}}
    return {row["_id"]: row async for row in mongo.collection(PROGRESS).find(wanted)}


async def find_vault(mongo: Mongo, refs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Vault documents by reference."""
    wanted = {"_id": {"$in": sorted(set(refs))}}
    return {row["_id"]: row async for row in mongo.collection(VAULT).find(wanted)}


async def find_ratings(mongo: Mongo, report_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The citizen's verdicts on these reports, as far as there are any."""
    wanted = {"_id": {"$in": sorted(report_ids)}}
    return {row["_id"]: row["rating"] async for row in mongo.collection(REPORTS).find(wanted) if "rating" in row}


async def find_tracked(mongo: Mongo, tracking_number: str) -> dict[str, Any] | None:
    """The report with this tracking number."""
    wanted = {"$eq": tracking_number, "$type": "string"}  # the type, too: without it the partial index is not used
    row: dict[str, Any] | None = await mongo.collection(REPORTS).find_one({"tracking_number": wanted})
    return row
