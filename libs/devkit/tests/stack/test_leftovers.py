"""Process id files: what a killed run left is ended, what lives with an owner is not, strangers never."""

import json
import os
import subprocess
import sys

import psutil
import pytest

from huying.devkit.stack import AlreadyRunningError, leftovers

FOREVER = [sys.executable, "-c", "import signal; signal.pause()"]


@pytest.fixture
def sleeper():
    with subprocess.Popen(FOREVER) as process:
        yield process
        process.kill()


def record(path, sleeper, **changed):
    leftovers.write(path, "mongod", sleeper.pid)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_what_a_dead_owner_left_is_ended_and_forgotten(tmp_path, sleeper):
    path = tmp_path / "mongod.pid"
    record(path, sleeper, owner_born="tick 1")
    assert leftovers.clean(tmp_path) == ["mongod"]
    assert leftovers.born(sleeper.pid) is None
    assert not path.exists()


def test_a_frozen_leftover_is_ended_too(tmp_path, sleeper):
    record(tmp_path / "mongod.pid", sleeper, owner_born="tick 1")
    psutil.Process(sleeper.pid).suspend()
    assert leftovers.clean(tmp_path) == ["mongod"]
    assert leftovers.born(sleeper.pid) is None


def test_what_a_live_owner_runs_is_refused_by_name(tmp_path, sleeper):
    path = tmp_path / "mongod.pid"
    record(path, sleeper)
    with pytest.raises(AlreadyRunningError, match=rf"process {sleeper.pid}\).*for process {os.getpid()}.*huying down"):
        leftovers.clean(tmp_path)
    assert sleeper.poll() is None
    assert path.exists()
    assert leftovers.clean(tmp_path, even_owned=True) == ["mongod"]
    assert leftovers.born(sleeper.pid) is None


def test_a_later_process_with_the_same_id_is_left_alone(tmp_path, sleeper):
    path = tmp_path / "mongod.pid"
    record(path, sleeper, born="tick 1", owner_born="tick 1")
    assert leftovers.clean(tmp_path) == []
    assert sleeper.poll() is None
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "null"])
def test_a_file_cut_off_by_a_crash_is_removed(tmp_path, text):
    (tmp_path / "mongod.pid").write_text(text)
    assert leftovers.clean(tmp_path) == []
    assert not (tmp_path / "mongod.pid").exists()


def test_an_ended_process_is_not_alive_before_it_is_reaped(sleeper):
    was = leftovers.born(sleeper.pid)
    assert was == leftovers.born(sleeper.pid)
    assert was is not None
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert leftovers.born(sleeper.pid) is None
