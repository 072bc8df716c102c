"""Ports of the stack: fixed, moved, free, and taken by somebody else."""

import os
import socket
from pathlib import Path

import pytest

from huying.devkit.stack import PortInUseError, Ports, StackError
from huying.devkit.stack.ports import HOST, free_ports, listening, require_free


def test_the_fixed_ports_can_be_moved_one_by_one():
    moved = Ports.from_environment({"HUYING_PORT_BROKER": "19092"})
    assert moved == Ports(broker=19092)
    assert Ports.from_environment({}) == Ports(broker=9092, mongod=27117, mqtt=1883, controller=9093)


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "neun", "9092.0"])
def test_a_port_that_is_none_is_refused_by_the_variables_name(text):
    with pytest.raises(StackError, match="HUYING_PORT_MQTT="):
        Ports.from_environment({"HUYING_PORT_MQTT": text})


def test_free_ports_differ_and_lie_below_the_ephemeral_range():
    ports = free_ports(20)
    lowest, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert len(set(ports)) == 20
    assert max(ports) < max(lowest, 32_768)


def test_a_port_in_use_is_named_with_its_program_and_the_way_out():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        assert listening(port)
        with pytest.raises(PortInUseError) as caught:
            require_free({"broker": port}, movable=True)
    text = str(caught.value)
    assert f"port {port} for the broker is in use by" in text
    assert f"process {os.getpid()}" in text
    assert "HUYING_PORT_BROKER=" in text
    require_free({"broker": port}, movable=True)
