"""Makes what the services need before they start: compiled judgement, MongoDB's replica set, machine keys, topics.

Refuses a pack that a service of this version would not start with, such as one without the words of a new notice.

Repeats change nothing. Judgement is compiled here and not in the image: machine code belongs to one CPU and one version
of the sources, and a volume that lives through an update hides what a new image brings.

Keys in clear stay in a folder that no service mounts; services get the ring with hashes only.
"""

import asyncio
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from huying.chassis.security import write_entry
from huying.county import load
from huying.devkit import installation, readers
from huying.devkit.stack import cluster, topics
from huying.devkit.stack.mongod import initiate

TOKENS = Path("/var/lib/huying/tokens")
RING = Path("/var/lib/huying/keys/keys.json")
PATIENCE_S = 60


def compile_judgement() -> None:
    """Machine code of judgement's loops, where this version on this CPU has none yet.

    Raises:
        SystemExit: it does not compile here, or the pack or its model does not load; its own last line says why.
    """
    try:
        subprocess.run([sys.executable, "-m", "huying.routing.judgement", os.environ["HUYING_PACK"]], check=True)
    except subprocess.CalledProcessError as failed:  # it has said why, unless a signal ended it
        raise SystemExit(str(failed) if failed.returncode < 0 else failed.returncode) from None


def check_pack() -> None:
    """Nothing, for a pack with which every service of this version starts.

    Raises:
        SystemExit: one would not, and why: an update is refused before it has exchanged anything.
    """
    faults = readers.faults(load(Path(os.environ["HUYING_PACK"])), None)
    if faults:
        raise SystemExit("\n".join(faults))


def make_replica_set() -> None:
    """A replica set of one, where the database has none; returns when there is a primary.

    Raises:
        ServerSelectionTimeoutError: no primary within pymongo's 30 s.
    """
    url = os.environ["HUYING_MONGO"]
    parsed = parse_uri(url)
    host, port = parsed["nodelist"][0]
    with MongoClient[dict[str, Any]](host, port, directConnection=True) as member:
        initiate(member, f"{host}:{port}", parsed["options"]["replicaSet"])
    with MongoClient[dict[str, Any]](url) as client:
        client.admin.command("ping")


def make_keys() -> None:
    """The installation's keys, the bridge's for the vault, and the console's first account, into the services' ring.

    What `huying keys` registered there stays.
    """
    made = installation.ensure(TOKENS, Path(os.environ["HUYING_PACK"]))
    bridge = sha256(os.environ["HUYING_VAULT_KEY"].encode()).hexdigest()
    write_entry(made.keys, {"id": installation.BRIDGE, "role": "system", "sha256": bridge})
    write_entry(made.keys, installation.first_account(made, os.environ["HUYING_CONSOLE_PASSWORD"]))
    write_entry(RING, *json.loads(made.keys.read_text("utf-8")))


async def make_topics() -> None:
    """Every topic of the contract that is not there yet.

    Raises:
        KafkaError: the broker refused one.
        TimeoutError: no broker answered in time.
    """
    kafka = os.environ["HUYING_KAFKA"]
    async with asyncio.timeout(PATIENCE_S):
        while await cluster.cluster_id(kafka) is None:  # `docker compose restart` starts everything at once
            await asyncio.sleep(1)
    await topics.create(kafka, await topics.of_the_contract(kafka))


if __name__ == "__main__":
    compile_judgement()
    check_pack()
    make_replica_set()
    make_keys()
    asyncio.run(make_topics())
