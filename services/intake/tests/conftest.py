"""What intake's tests share: Julu's pack, keys, a way to make reports, and a database of dictionaries."""

import copy
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import InsertOne, UpdateOne

sys.path.insert(0, str(Path(__file__).parent))

from intake_bench import NOW

from huying.chassis.clock import FixedClock
from huying.chassis.measures import Measures
from huying.chassis.message import Effects, Message, Outgoing
from huying.chassis.sealing import Sealer
from huying.chassis.security import KeyRing
from huying.chassis.testing import SECRET
from huying.contracts.reports import ReportSubmittedV1
from huying.county import Pack, load
from huying.intake.domain.acceptance import Keys
from huying.intake.handlers import Intake
from huying.intake.keys import keys_of
from huying.intake.repository import Vault

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def pack() -> Pack:
    return load(ROOT / "deploy" / "county" / "julu")


@pytest.fixture(scope="session")
def keys() -> Keys:
    return keys_of(SECRET)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def report() -> Callable[..., ReportSubmittedV1]:
    def make(**changes: Any) -> ReportSubmittedV1:
        told = {"jurisdiction": "130529", "channel": "citizen_app", "text": "北街北头垃圾点满溢，两桶外堆放约1方。"}
        return ReportSubmittedV1.model_validate(told | changes)

    return make


class Collection:
    """A collection of dictionaries that knows the few operators intake uses."""

    def __init__(self) -> None:
        self.rows: dict[Any, dict[str, Any]] = {}

    def find(self, wanted: dict[str, Any], _fields: Any = None) -> AsyncIterator[dict[str, Any]]:
        async def found() -> AsyncIterator[dict[str, Any]]:
            for name in wanted["_id"]["$in"]:
                if name in self.rows:
                    yield copy.deepcopy(self.rows[name])

        return found()

    def apply(self, operation: Any) -> None:
        if isinstance(operation, InsertOne):
            document = operation._doc
            assert document["_id"] not in self.rows, "duplicate key"
            self.rows[document["_id"]] = copy.deepcopy(document)
            return
        assert isinstance(operation, UpdateOne)
        name = operation._filter["_id"]
        new = name not in self.rows
        row = self.rows.setdefault(name, {"_id": name})
        for operator, fields in operation._doc.items():
            for path, value in fields.items():
                *parents, last = path.split(".")
                target = row
                for parent in parents:
                    target = target.setdefault(parent, {})
                if operator == "$set" or (operator == "$setOnInsert" and new):
                    target[last] = value
                elif operator == "$max":
                    target[last] = max(value, target.get(last, value))


class Documents:
    """A database of dictionaries; `take` is a commit."""

    def __init__(self) -> None:
        self.collections: dict[str, Collection] = {}
        self.events: list[Outgoing] = []

    def collection(self, name: str) -> Collection:
        return self.collections.setdefault(name, Collection())

    def rows(self, name: str) -> dict[Any, dict[str, Any]]:
        return self.collection(name).rows

    def take(self, effects: Effects) -> None:
        for name, operation in effects.writes:
            self.collection(name).apply(operation)
        self.events += effects.events


class Door:
    """An intake on a database of dictionaries."""

    def __init__(self, pack: Pack, keys: Keys, ring: Path, clock: Any) -> None:
        self.documents = Documents()
        self.measures = Measures("intake")
        self.clock = clock
        self.intake = Intake(
            mongo=self.documents,  # type: ignore[arg-type]
            clock=clock,
            ring=KeyRing(ring),
            measures=self.measures,
            pack=pack,
            keys=keys,
            vault=Vault(Sealer(SECRET, "vault"), b"spelling"),
        )

    async def batch(self, *messages: Message) -> list[Any]:
        """Fold messages as one batch, commit, and return the answers."""
        state = await self.intake.load(messages)
        done = [self.intake.fold(state, message, self.clock.stamp(message.time)) for message in messages]
        for effects in done:
            self.documents.take(effects)
        self.intake.committed(state)
        return [effects.answer for effects in done]


@pytest.fixture
def make_door(pack: Pack, keys: Keys, tmp_path: Path) -> Callable[..., Door]:
    def make(clock: Any = None) -> Door:
        return Door(pack, keys, tmp_path / "keys.json", clock or FixedClock(NOW))

    return make


@pytest.fixture
def door(make_door: Callable[..., Door]) -> Door:
    return make_door()
