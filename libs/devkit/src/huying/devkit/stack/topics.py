"""Make and check topics. Refuses to change or delete an existing one: differences are returned, a person decides.

tansu answers a metadata request for an unknown topic by making it (4 partitions), so nothing here asks for a name
before it is in the list of names. It stores settings and gives them back, but enforces none of them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, TopicAlreadyExistsError, for_code

from huying.chassis.broker import admin_of
from huying.contracts.topics import ALL

EMBEDDED_PARTITIONS = 1
"""On the embedded broker every replica reads all; tansu looks into partition after partition at every fetch, also of a
system that does nothing (docs/decisions, embedded stack)."""
TIMEOUT_MS = 10_000
"""Making all topics takes a busy Apache Kafka longer than an answer about them."""

LOOK_AGAIN_S = 0.05

TopicSpec = tuple[str, int, Mapping[str, str]]
"""Name, number of partitions, settings such as {"max.message.bytes": "1048576"}."""


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What `create` did. `settings_enforced` is False on the embedded broker: limits and retention are only stored."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    settings_enforced: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as wanted. `what` is "topic", "partitions" or a setting's name; `actual` None: missing."""

    topic: str
    what: str
    wanted: str
    actual: str | None

    def __str__(self) -> str:
        return f"{self.topic}: {self.what} is {self.actual!r}, wanted {self.wanted!r}"


async def of_the_contract(bootstrap: str) -> list[TopicSpec]:
    """Every topic of the bus as this broker should have it."""
    async with admin_of(bootstrap, TIMEOUT_MS) as admin:
        shared = await _acts_on_settings(admin)
    return [(topic.name, topic.partitions if shared else EMBEDDED_PARTITIONS, topic.config()) for topic in ALL]


async def create(bootstrap: str, topics: Iterable[TopicSpec], *, replication_factor: int = 1) -> Provisioned:
    """Make the topics that are missing; they are there for everybody when it returns.

    Raises:
        KafkaError: aiokafka's for the first that the broker refuses.
        TimeoutError: the broker took them and does not show them.
    """
    wanted = list(topics)
    async with admin_of(bootstrap, TIMEOUT_MS) as admin:
        present = set(await admin.list_topics())
        missing = [
            NewTopic(name, partitions, replication_factor, topic_configs=dict(settings))
            for name, partitions, settings in wanted
            if name not in present
        ]
        created: list[str] = []
        if missing:
            answer = await admin.create_topics(missing)
            for name, code, *message in answer.topic_errors:
                error = for_code(code)
                if not code:
                    created.append(name)
                elif error is not TopicAlreadyExistsError:  # another replica was faster: that is what we wanted
                    raise error(f"topic {name!r} was refused: {message[0] if message else error.__name__}")
        async with asyncio.timeout(TIMEOUT_MS / 1000):  # a busy Apache Kafka answers before its own metadata know them
            while not set(created) <= set(await admin.list_topics()):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(LOOK_AGAIN_S)
        enforced = await _acts_on_settings(admin)
    existing = tuple(name for name, _, _ in wanted if name not in created)
    return Provisioned(tuple(created), existing, enforced)


async def check(bootstrap: str, topics: Iterable[TopicSpec]) -> list[Difference]:
    """How the broker's topics differ from `topics`; empty when they do not. More partitions than wanted differ too."""
    wanted = list(topics)
    differences: list[Difference] = []
    async with admin_of(bootstrap, TIMEOUT_MS) as admin:
        present = set(await admin.list_topics())
        differences += [Difference(name, "topic", "present", None) for name, _, _ in wanted if name not in present]
        there = [spec for spec in wanted if spec[0] in present]
        if not there:
            return differences
        described = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics([s[0] for s in there])}
        settings = await _settings(admin, [name for name, _, _ in there])
        for name, partitions, config in there:
            if described[name] != partitions:
                differences.append(Difference(name, "partitions", str(partitions), str(described[name])))
            differences += [
                Difference(name, setting, value, settings[name].get(setting))
                for setting, value in config.items()
                if settings[name].get(setting) != value
            ]
    return differences


async def _settings(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for _, _, _, name, entries in answer.resources
    }


async def _acts_on_settings(admin: Any) -> bool:
    """A broker that has no request for changing settings (tansu) does not act on them either."""
    try:
        await admin.alter_configs([])
    except IncompatibleBrokerVersion:
        return False
    return True
