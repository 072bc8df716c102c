"""The stack as a whole: ready when it says so, gone when it should be, and back after being killed."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest
from pymongo import MongoClient

from huying.devkit.stack import AlreadyRunningError, PortInUseError, Ports, Stack, StackError
from huying.devkit.stack.ports import HOST, listening

pytestmark = pytest.mark.wire


def until(condition, timeout_s=20.0):
    """Poll a condition of another process; there is nothing to be notified by."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        threading.Event().wait(0.01)


def test_everything_is_ready_within_seconds_and_gone_after_stop(tmp_path):
    stack = Stack(tmp_path / "run", mqtt="amqtt", ports=Ports.free())
    began = time.monotonic()
    with stack:
        assert time.monotonic() - began < 20
        pids = [stack.broker_pid, stack.mongod_pid, stack.mqtt_pid]
        assert stack.bootstrap == f"{HOST}:{stack.ports.broker}"
        assert len({*pids}) == 3
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not any(listening(port) for port in (stack.ports.broker, stack.ports.mongod, stack.ports.mqtt))
    assert not list((tmp_path / "run").glob("*.pid"))
    stack.stop()


def test_a_taken_port_stops_the_start_and_leaves_nothing_running(tmp_path):
    ports = Ports.free()
    with socket.socket() as other:
        other.bind((HOST, ports.mongod))
        other.listen()
        with pytest.raises(
            PortInUseError, match=f"port {ports.mongod} for the mongod is in use by .*HUYING_PORT_MONGOD="
        ):
            Stack(tmp_path, ports=ports).start()
    assert not listening(ports.broker)
    assert not list(tmp_path.glob("*.pid"))


def test_a_part_that_fails_takes_the_started_ones_with_it(tmp_path):
    (tmp_path / "mongod").write_text("a file where mongod wants its folder")
    ports = Ports.free()
    with pytest.raises(FileExistsError):
        Stack(tmp_path, ports=ports).start()
    assert not listening(ports.broker)
    assert not list(tmp_path.glob("*.pid"))


def test_two_stacks_in_one_folder_are_refused(tmp_path):
    with Stack(tmp_path, ports=Ports.free()) as first:
        with pytest.raises(AlreadyRunningError, match="huying down"):
            Stack(tmp_path, ports=Ports.free()).start()
        assert first.alive("broker")
        assert first.alive("mongod")


def test_a_killed_owner_leaves_nothing_and_the_next_start_finds_the_data(tmp_path):
    ports = Ports.free()
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import signal
                from pathlib import Path
                from pymongo import MongoClient
                from huying.devkit.stack import Ports, Stack
                stack = Stack(Path({str(tmp_path)!r}), ports={ports!r})
                stack.start()
                with MongoClient(stack.mongo_url) as client:
                    client.killed.rows.insert_one({{"_id": 1}})
                print(stack.broker_pid, stack.mongod_pid, flush=True)
                signal.pause()
                """
            ),
        ],
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        children = [int(word) for word in owner.stdout.readline().split()]
        assert len(children) == 2
        os.kill(owner.pid, signal.SIGKILL)
    for pid in children:
        until(lambda pid=pid: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    assert len(list(tmp_path.glob("*.pid"))) == 2
    # On other ports: the replica set follows.
    with Stack(tmp_path, ports=Ports.free()) as again, MongoClient(again.mongo_url) as client:
        assert client.killed.rows.count_documents({}) == 1


def test_tansu_restarts_empty_under_a_new_cluster_id_and_mongod_keeps_its_data(fresh_stack):
    stack = fresh_stack()
    first = stack.cluster_id
    bootstrap, mongo_url, mongod_pid = stack.bootstrap, stack.mongo_url, stack.mongod_pid
    with MongoClient(mongo_url) as client:
        client.kept.rows.insert_one({"_id": 1})
    stack.kill("broker")
    assert not stack.alive("broker")
    with pytest.raises(StackError, match="not running"):
        _ = stack.broker_pid
    stack.restart("broker")
    stack.kill("mongod")
    stack.restart("mongod")
    assert stack.cluster_id != first
    assert (stack.bootstrap, stack.mongo_url) == (bootstrap, mongo_url)
    assert stack.mongod_pid != mongod_pid
    with MongoClient(mongo_url) as client:
        assert client.kept.rows.count_documents({}) == 1


def test_mend_thaws_and_starts_what_a_test_left(fresh_stack):
    stack = fresh_stack()
    stack.freeze("mongod")
    stack.kill("broker")
    assert stack.mend() == ["broker", "mongod"]
    assert stack.mend() == []
    with MongoClient(stack.mongo_url, serverSelectionTimeoutMS=5_000) as client:
        assert client.admin.command("ping")["ok"] == 1


def test_the_database_ends_stale_transactions_in_seconds_and_keeps_a_small_cache(embedded_stack):
    with MongoClient(embedded_stack.mongo_url) as client:
        assert (
            client.admin.command("getParameter", transactionLifetimeLimitSeconds=1)["transactionLifetimeLimitSeconds"]
            == 5
        )
        status = client.admin.command("serverStatus")
        assert status["wiredTiger"]["cache"]["maximum bytes configured"] == 256 * 1024**2


def test_a_transaction_writes_all_or_nothing(embedded_stack, mongo_database):
    with MongoClient(embedded_stack.mongo_url) as client:
        database = client[f"{mongo_database}_t"]
        database.create_collection("a")
        with client.start_session() as session:
            session.start_transaction()
            database.a.insert_one({"_id": 1}, session=session)
            session.abort_transaction()
            assert database.a.count_documents({}) == 0
            with session.start_transaction():
                database.a.insert_one({"_id": 1}, session=session)
        assert database.a.count_documents({}) == 1


def test_a_part_that_the_stack_lacks_is_named(tmp_path):
    stack = Stack(tmp_path, ports=Ports.free())
    with pytest.raises(StackError, match="no 'mqtt': it has broker, mongod"):
        stack.kill("mqtt")
    with pytest.raises(StackError, match="mqtt='amqtt'"):
        _ = stack.mqtt_url
