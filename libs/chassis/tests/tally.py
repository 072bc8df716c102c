"""A small service for the chassis' own tests: adds numbers up per key and tells the sums."""

from collections.abc import Sequence
from typing import Any, ClassVar

from fastapi import FastAPI
from pymongo import UpdateOne

from huying.chassis.clock import Clock
from huying.chassis.message import Effects, Message, Outgoing, Stateless
from huying.chassis.mongo import Mongo
from huying.chassis.service import Ground, build
from huying.chassis.settings import ServiceSettings
from huying.contracts.message import Event
from huying.contracts.topics import Topic


class NumberGivenV1(Event):
    """A number for a key."""

    TYPE: ClassVar[str] = "cn.huying.number.given.v1"
    number: int


class SumToldV1(Event):
    """The sum so far."""

    TYPE: ClassVar[str] = "cn.huying.sum.told.v1"
    total: int


class Poison(RuntimeError):
    """What the handler does with the number 13."""


class Tally(Stateless):
    """Adds up; 13 is poison to the handler, 666 to the database."""

    def __init__(self, mongo: Mongo, clock: Clock, sums: Topic) -> None:
        self.mongo, self.clock, self.sums = mongo, clock, sums
        self.batches: list[int] = []

    async def load(self, messages: Sequence[Message]) -> dict[str, Any]:
        self.batches.append(len(messages))
        keys = sorted({message.key or "" for message in messages})
        cursor = self.mongo.collection("sums").find({"_id": {"$in": keys}})
        return {row["_id"]: row async for row in cursor}

    def fold(self, state: dict[str, Any], message: Message, now: Any) -> Effects:
        key, number = message.key or "", message.body.number
        if number == 13:
            raise Poison("thirteen")
        row = state.get(key, {"_id": key, "total": 0, "count": 0})
        total, count = row["total"] + number, row["count"] + 1
        effects = Effects(answer=total)
        bad: Any = {"$no_such_operator": 1} if number == 666 else {"$set": {"total": total, "count": count}}
        effects.write("sums", UpdateOne({"_id": key}, bad, upsert=True))
        told = SumToldV1(total=total)
        state[key] = {"_id": key, "total": total, "count": count}
        return effects.publish(Outgoing(self.sums, key, f"{key}/{count}", told, now))


def topics_of(name: str) -> tuple[Topic, Topic]:
    """Topics of one test."""
    numbers = Topic(f"{name}.numbers", "incident_id", ("test",), (NumberGivenV1,), "", partitions=2)
    return numbers, Topic(f"{name}.sums", "incident_id", ("tally",), (SumToldV1,), "", partitions=2)


def create_app(settings: ServiceSettings, name: str) -> FastAPI:
    """The tally service."""
    numbers, sums = topics_of(name)

    async def wire(ground: Ground) -> Tally:
        return Tally(ground.mongo, ground.clock, sums)

    return build(settings, wire=wire, topics=(numbers,))
