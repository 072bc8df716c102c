"""Devices' alarms by MQTT 3.1.1, QoS 1: PUBACK goes out when the line is in the database, and not before.

It never lets a broken line stand in the way of the next one, and never gives up when the MQTT broker is away.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import structlog
from faststream import AckPolicy
from faststream.mqtt import MQTTBroker, MQTTMessage, QoS, ReconnectConfig
from pydantic import ValidationError
from zmqtt import MQTTError

from huying.chassis.decoding import describe
from huying.chassis.errors import Broken, Transient
from huying.chassis.ledger import Partition
from huying.chassis.message import Message
from huying.chassis.parking import Failure, RawRecord
from huying.chassis.problem import Problem
from huying.chassis.service import Ground

from .domain.acceptance import Refused
from .domain.alarms import Alarm
from .door import arrival_of_alarm, take_alarm, unambiguous
from .handlers import LINES, Bridge, RefusedAlarm
from .settings import Settings

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
"""A broker that restarts is back within seconds; a longer pause would only add to it."""

KEEPALIVE_S = 15
"""A dead connection is noticed within this and a half; the broker keeps what comes meanwhile."""

REFUSED_KEPT = timedelta(days=90)
"""As long as parked records of the log stay on their topic: they wait for a person, who may be on leave. Not for ever,
because a broken device may send a new one every second."""

INVALID = "invalid_data"

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def listening(ground: Ground) -> AsyncIterator[None]:
    """Listen to the county's alarms for as long as the body runs; does nothing without `mqtt_url`."""
    settings = ground.settings
    assert isinstance(settings, Settings)
    if settings.mqtt_url is None:
        yield
        return
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(Alarms(ground, settings).run())
        try:
            yield
        finally:
            task.cancel()


class Alarms:
    """The subscription of one process."""

    def __init__(self, ground: Ground, settings: Settings) -> None:
        """Nothing is connected yet."""
        assert settings.mqtt_url is not None
        self._ground = ground
        self._url = settings.mqtt_url.get_secret_value()
        self._client_id = f"{settings.database}-{settings.replica}"
        self._connected = ground.measures.gauge("mqtt_connected_connections", "1 while the MQTT broker has us")

    async def run(self) -> None:
        """Connect, listen, and connect anew, until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                worked = await self._listen()
            except (OSError, TimeoutError, MQTTError) as error:
                log.warning("MQTT is away", error=type(error).__name__, pause_s=pause)
                worked = False
            self._connected.set(0)
            await asyncio.sleep(pause)
            pause = FIRST_PAUSE_S if worked else min(pause * 2, LONGEST_PAUSE_S)

    async def _listen(self) -> bool:
        """One connection's life; returns whether it ended without a fault of ours.

        The client does not reconnect by itself: a new connection is what makes the MQTT broker deliver again what had
        no PUBACK, and the session, which is kept, loses nothing meanwhile.
        """
        over = asyncio.Event()
        failed = asyncio.Event()
        bridge: Bridge = self._ground.handler

        async def on_lost() -> None:
            over.set()

        async def on_alarms(message: MQTTMessage) -> None:
            try:
                await self._take(message.raw_message.topic, message.raw_message.payload)
                await message.ack()
            except asyncio.CancelledError:
                raise
            except BaseException:
                failed.set()
                over.set()
                raise

        broker = MQTTBroker(
            self._url,
            client_id=self._client_id,
            clean_session=False,
            version="3.1.1",
            keepalive=KEEPALIVE_S,
            reconnect=ReconnectConfig(enabled=False),
            on_connection_recovery_failed=on_lost,
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
            logger=None,
        )
        subscriber = broker.subscriber(
            f"huying/{bridge.pack.code}/alarms/+", qos=QoS.AT_LEAST_ONCE, ack_policy=AckPolicy.MANUAL
        )
        subscriber(on_alarms)
        try:
            await broker.start()
            self._connected.set(1)
            log.info("MQTT listens", client_id=self._client_id)
            await over.wait()
        finally:
            # Without this the stop would unsubscribe, and the MQTT broker would keep nothing while we are away.
            if subscriber._subscription is not None:
                await subscriber._subscription.detach()
            await broker.stop()
        return not failed.is_set()

    async def _take(self, topic: str, payload: bytes) -> None:
        """Bring every line of a message into the database, or its refusal."""
        for line in payload.splitlines():
            if line.strip():
                await self._take_line(topic, line)

    async def _take_line(self, topic: str, line: bytes) -> None:
        try:
            alarm = Alarm.model_validate_json(line)
            unambiguous(line)
        except ValidationError as error:
            await self._refuse(topic, line, Failure(INVALID, describe(error)))
            return
        except Problem as error:
            await self._refuse(topic, line, Failure(INVALID, str(error)))
            return
        pause = FIRST_PAUSE_S
        while True:
            try:
                _, decision = await take_alarm(self._ground, alarm)
            except Transient as error:
                log.warning("an alarm waits", error=str(error), pause_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            except Problem as error:
                await self._refuse(topic, line, Failure(INVALID, str(error)))
                return
            except Exception as error:  # noqa: BLE001 - as of the log's records: a fault of ours parks this line alone
                await self._refuse(topic, line, Failure.of(error))
                return
            else:
                if isinstance(decision, Refused):
                    await self._refuse(topic, line, Failure(decision.reason, f"{decision.field}: {decision.message}"))
                return

    async def _refuse(self, topic: str, line: bytes, failure: Failure) -> None:
        """Park it, so that a person sees it with `huying dlq` and can have it taken when its cause is mended."""
        log.error("alarm refused", topic=topic, reason=failure.reason, error=failure.message)
        record = RawRecord(Partition(LINES, topic[:200], 0), _number_of(line), None, line, ())
        refused = RefusedAlarm(self._ground.parking.keep(record, failure, REFUSED_KEPT))
        pause = FIRST_PAUSE_S
        while True:
            try:
                await self._ground.submit(refused, self._ground.parking.id_of(record))
            except Transient:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
            else:
                return


def _number_of(line: bytes) -> int:
    """In place of an offset, which MQTT does not have: the same line again is the same parked record."""
    return int.from_bytes(sha256(line).digest()[:8]) >> 1


def read_parked(ground: Ground, record: RawRecord) -> Message:
    """A line out of the parking, for another try.

    Raises:
        Broken: it cannot be used as it is, or not yet.
    """
    try:
        alarm = Alarm.model_validate_json(record.value)
    except ValidationError as error:
        raise Broken(INVALID, describe(error)) from error
    try:
        unambiguous(record.value)
        arrival = arrival_of_alarm(ground.handler, alarm)
    except Problem as error:
        raise Broken(INVALID, str(error)) from error
    return Message(LINES, arrival.report_id, arrival, time=arrival.body.received_at)


async def _undecoded(message: MQTTMessage) -> bytes:
    """The payload as it came: a line that is no JSON must reach us, to be refused by name."""
    return message.body if isinstance(message.body, bytes) else bytes(message.body)
