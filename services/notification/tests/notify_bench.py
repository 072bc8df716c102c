"""One notification service on the real broker and database, for the tests of what it sends."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from pymongo import MongoClient

from huying.chassis.security import write_entry
from huying.chassis.testing import SECRET
from huying.contracts.clocks import ClockEvent
from huying.contracts.envelope import CloudEvent
from huying.contracts.message import Event
from huying.contracts.ratings import RatingInvitedV1
from huying.contracts.topics import CLOCKS, INCIDENTS, RATINGS
from huying.devkit.stack import Stack
from huying.notification.main import create_app
from huying.notification.settings import Settings

JULU = Path(__file__).parents[3] / "deploy/county/julu"
KEY = {"Authorization": "Bearer test-key"}
OLD = datetime(2026, 3, 2, tzinfo=UTC)


class Bench:
    """One notification service on a database of its own."""

    def __init__(self, stack: Stack, prefix: str, folder: Path) -> None:
        self.stack, self.prefix, self.folder = stack, prefix, folder
        self.pack = folder / "julu"
        shutil.copytree(JULU, self.pack)
        self.mongo: MongoClient[dict[str, Any]] = MongoClient(stack.mongo_url, tz_aware=True)
        self.database = self.mongo[f"{prefix}_notification"]

    def by_webhook(self, handle: str, unit: str = "U02") -> None:
        """This unit's duty officer is told by webhook from now on."""
        people = self.pack / "people.csv"
        text = people.read_text("utf-8")
        people.write_text(text.replace(f"file:{unit}-duty_officer", f"webhook:{handle}"), "utf-8")

    def app(self, **more: Any) -> FastAPI:
        keys = self.folder / "keys.json"
        write_entry(keys, {"id": "desk", "role": "dispatcher", "sha256": sha256(b"test-key").hexdigest()})
        more.setdefault("notice_age", timedelta(days=36500))  # the lives are of one spring, whenever the tests run
        return create_app(
            Settings(
                port=0,
                kafka=self.stack.bootstrap,
                mongo=self.stack.mongo_url,
                database_prefix=self.prefix,
                group_prefix=self.prefix,
                pack=self.pack,
                keys=keys,
                secret=SECRET,
                outbox_dir=self.folder / "out",
                **more,
            )
        )

    async def publish(self, events: Sequence[Event]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.stack.bootstrap)
        await producer.start()
        try:
            for event in events:
                body: Any = event
                topic, name = INCIDENTS, f"{body.incident_id}/{getattr(body, 'incident_version', 0)}"
                if isinstance(event, ClockEvent):
                    topic, name = CLOCKS, f"{event.clock_id}/75"
                if isinstance(event, RatingInvitedV1):
                    topic, name = RATINGS, event.rating_id
                wrapped = CloudEvent(name, "test", event.TYPE, event.encode(), body.at)
                headers = list(wrapped.headers())
                await producer.send_and_wait(topic.name, wrapped.data, key=body.incident_id.encode(), headers=headers)
        finally:
            await producer.stop()

    def states(self, incident: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in self.database["notices"].find({"incident_id": incident}).sort("at", 1):
            found.setdefault(row["state"], []).append(row["template"])
        return found

    def settled(self, incident: str, count: int) -> bool:
        states = self.states(incident)
        return not {"intent", "sending"} & set(states) and sum(map(len, states.values())) >= count


def notice(incident: str, name: str, medium: str = "file", handle: str = "x", **more: Any) -> dict[str, Any]:
    return {
        "_id": f"{incident}-{name}",
        "state": "intent",
        "next_try_at": OLD,
        "attempts": 0,
        "at": OLD,
        "incident_id": incident,
        "jurisdiction": "130529",
        "recipient": f"unit:U02:{name}",
        "role": "duty_officer",
        "medium": medium,
        "handle": handle,
        "template": "dispatched",
        "title": "【派单】",
        "text": "路灯不亮",
        **more,
    }
