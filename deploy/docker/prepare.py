"""Makes what the services need before they start: machine keys, the console's account, topics. Repeats change nothing.

Keys in clear stay in a folder that no service mounts; services get the ring with hashes only.
"""

import asyncio
import os
from hashlib import sha256
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from huying.chassis.security import write_entry
from huying.contracts.topics import ALL
from huying.devkit import installation

TOKENS = Path("/var/lib/huying/tokens")
RING = Path("/var/lib/huying/keys/keys.json")


def make_keys() -> None:
    """The installation's keys, the bridge's for the vault, and the console's first account."""
    made = installation.ensure(TOKENS)
    bridge = sha256(os.environ["HUYING_VAULT_KEY"].encode()).hexdigest()
    write_entry(made.keys, {"id": installation.BRIDGE, "role": "system", "sha256": bridge})
    account = installation.account_entry("dispatcher", os.environ["HUYING_CONSOLE_PASSWORD"], "dispatcher")
    write_entry(made.keys, account)
    fresh = RING.with_suffix(".new")
    installation.write_private(fresh, made.keys.read_text("utf-8"))
    fresh.replace(RING)


async def make_topics() -> None:
    """Every topic of the contract that is not there yet.

    Raises:
        SystemExit: the broker refused one.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=os.environ["HUYING_KAFKA"])
    await admin.start()
    try:
        there = set(await admin.list_topics())
        wanted = [
            NewTopic(topic.name, topic.partitions, 1, topic_configs=topic.config())
            for topic in ALL
            if topic.name not in there
        ]
        answer = await admin.create_topics(wanted) if wanted else None
    finally:
        await admin.close()
    refused = [error for error in answer.topic_errors if error[1] != 0] if answer else []
    if refused:
        raise SystemExit(f"topics refused by the broker: {refused}")


if __name__ == "__main__":
    make_keys()
    asyncio.run(make_topics())
