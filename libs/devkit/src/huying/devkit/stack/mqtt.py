"""The embedded MQTT 3.1.1 broker (amqtt) in a process of its own. Refuses anonymous clients unless told otherwise.

    python -m huying.devkit.stack.mqtt PORT (--password-file FILE | --anonymous)

The password file has a line `user:password` per account, in plain text, as
`mosquitto_passwd -U` reads it; keep it 0600. QoS 0 to 2; sessions, queued and retained messages live in memory.
"""

import argparse
import asyncio
import hmac
import logging
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import AMQTTError
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

from .accounts import accounts
from .ports import HOST


class PasswordFile(BaseAuthPlugin):  # type: ignore[misc]  # amqtt ships no types
    """Lets in who is in the file; without a file, everyone."""

    @dataclass
    class Config:
        """`password_file`: path, or None for anonymous access."""

        password_file: str | None = None

    async def authenticate(self, *, session: Session) -> bool:
        """Whether this client may connect."""
        path = self.context.config.password_file
        if path is None:
            return True
        # Read at each connect: an account can be added or withdrawn without a restart.
        known = accounts(Path(path)).get(session.username or "")
        given = session.password or ""
        if isinstance(given, bytes):
            given = given.decode("utf-8", errors="replace")
        return known is not None and hmac.compare_digest(known.encode(), given.encode())


def config(port: int, password_file: Path | None, host: str = HOST) -> BrokerConfig:
    """What amqtt is started with."""
    return BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"{host}:{port}")},
        plugins={
            f"{PasswordFile.__module__}.{PasswordFile.__qualname__}": {
                "password_file": str(password_file) if password_file else None
            }
        },
    )


async def serve(port: int, password_file: Path | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    broker = Broker(config(port, password_file))
    await broker.start()
    await ended.wait()
    await broker.shutdown()


def main(arguments: list[str]) -> int:
    """Read the arguments and serve. 0 at a clean end, 1 when the broker cannot start."""
    parser = argparse.ArgumentParser(prog="python -m huying.devkit.stack.mqtt", description=__doc__)
    parser.add_argument("port", type=int)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--password-file", type=Path, help="lines of user:password")
    who.add_argument("--anonymous", action="store_true", help="let everyone in")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        if given.password_file is not None:
            accounts(given.password_file)  # a bad file is an error now, not at the first client
        asyncio.run(serve(given.port, given.password_file))
    except (AMQTTError, OSError, ValueError):
        logging.getLogger(__name__).exception("the MQTT broker could not start")
        return 1
    return 0


if __name__ == "__main__":
    # Under its real name, since amqtt imports the password plugin by it.
    from huying.devkit.stack import mqtt

    sys.exit(mqtt.main(sys.argv[1:]))
