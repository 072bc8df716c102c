"""The MQTT brokers: who gets in, and that QoS 1 arrives, also for a subscriber who was away."""

import asyncio
import stat

import pytest
from zmqtt import QoS, create_client

from huying.devkit.stack import StackError, mqtt, mqtt_brokers
from huying.devkit.stack.mqtt_brokers import MqttBroker, accepts_client
from huying.devkit.stack.ports import HOST, free_ports


def client(broker, name, **more):
    (port,) = broker.ports.values()
    return create_client(
        HOST, port, client_id=name, username=broker.username, password=broker.password, version="3.1.1", **more
    )


class MqttConduct:
    def test_only_the_account_gets_in(self, broker):
        (port,) = broker.ports.values()
        assert accepts_client(port, broker.username, broker.password)
        assert not accepts_client(port, broker.username, "wrong")
        assert not accepts_client(port, "nobody", broker.password)
        assert not accepts_client(port, None, None)

    def test_the_url_holds_the_account(self, broker):
        (port,) = broker.ports.values()
        assert broker.url == f"mqtt://{broker.username}:{broker.password}@{HOST}:{port}"

    async def test_an_alarm_with_qos_1_arrives(self, broker, unique_name):
        async with (
            asyncio.timeout(20),
            client(broker, unique_name + "r") as reader,
            client(broker, unique_name + "w") as writer,
            reader.subscribe(f"{unique_name}/+/alarm", qos=QoS.AT_LEAST_ONCE) as alarms,
        ):
            await writer.publish(f"{unique_name}/lamp-1/alarm", b"\xe7\x81\xad", qos=QoS.AT_LEAST_ONCE)
            got = await alarms.get_message()
        assert (got.topic, bytes(got.payload)) == (f"{unique_name}/lamp-1/alarm", b"\xe7\x81\xad")
        assert got.qos == QoS.AT_LEAST_ONCE

    async def test_a_retained_message_waits_for_the_subscriber(self, broker, unique_name):
        async with client(broker, unique_name + "w") as writer:
            await writer.publish(f"{unique_name}/state", b"on", qos=QoS.AT_LEAST_ONCE, retain=True)
        async with (
            asyncio.timeout(20),
            client(broker, unique_name + "r") as reader,
            reader.subscribe(f"{unique_name}/state", qos=QoS.AT_LEAST_ONCE) as states,
        ):
            assert bytes((await states.get_message()).payload) == b"on"


@pytest.mark.wire
class TestAmqtt(MqttConduct):
    @pytest.fixture
    def broker(self, mqtt_broker):
        return mqtt_broker


@pytest.mark.mosquitto
class TestMosquitto(MqttConduct):
    @pytest.fixture
    def broker(self, mosquitto_broker):
        return mosquitto_broker


@pytest.mark.wire
def test_the_accounts_made_by_the_stack_are_for_their_owner_only(mqtt_broker):
    path = mqtt_broker._directory / "accounts"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(mqtt_broker.password) >= 16


@pytest.mark.wire
def test_an_account_can_be_added_while_the_broker_runs(tmp_path):
    passwords = tmp_path / "passwords"
    passwords.write_text("# who\nhuying:one\n")
    broker = MqttBroker(tmp_path, free_ports(1)[0], password_file=passwords)
    (port,) = broker.ports.values()
    broker.start()
    try:
        assert not accepts_client(port, "lamp", "a:b")
        passwords.write_text("huying:one\nlamp:a:b\n")
        assert accepts_client(port, "lamp", "a:b")
    finally:
        broker.process.stop()


@pytest.mark.wire
def test_anonymous_clients_get_in_only_when_told(tmp_path):
    broker = MqttBroker(tmp_path, free_ports(1)[0], anonymous=True)
    (port,) = broker.ports.values()
    broker.start()
    try:
        assert accepts_client(port, None, None)
        assert broker.url == f"mqtt://{HOST}:{port}"
    finally:
        broker.process.stop()


def test_the_program_refuses_to_start_without_a_word_about_who_gets_in(capsys):
    with pytest.raises(SystemExit) as caught:
        mqtt.main(["1883"])
    assert caught.value.code == 2
    assert "--password-file --anonymous is required" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["huying", "huying:", ":secret"])
def test_a_line_that_is_no_account_is_named(tmp_path, line):
    path = tmp_path / "passwords"
    path.write_text(f"a:b\n\n{line}\n")
    with pytest.raises(ValueError, match="line 3: expected user:password"):
        mqtt.accounts(path)


def test_a_file_and_anonymous_access_exclude_each_other(tmp_path):
    with pytest.raises(StackError, match="choose one"):
        MqttBroker(tmp_path, 1883, password_file=tmp_path / "p", anonymous=True)


def test_without_mosquitto_the_way_to_it_is_told(monkeypatch):
    monkeypatch.setattr(mqtt_brokers.shutil, "which", lambda *_, **__: None)
    with pytest.raises(mqtt_brokers.ProgramMissingError, match="make system"):
        mqtt_brokers.mosquitto_program()
