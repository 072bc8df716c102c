"""The script that installs system packages: silent when all are there, honest when it may not install."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[4] / "deploy"
SCRIPT = DEPLOY / "install-system-packages"
LIST = DEPLOY / "system-packages.txt"


@pytest.fixture
def without_apt(tmp_path):
    """A PATH with what the script uses and no apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "sed", "awk", "tr", "xargs", "id", "dirname", "dpkg-query"):
        if program := shutil.which(name):
            (folder / name).symlink_to(program)
    return {"PATH": str(folder)}


def run(path, **environment):
    env = {**os.environ, **environment}
    began = time.monotonic()
    done = subprocess.run([SCRIPT, path], check=False, capture_output=True, text=True, env=env, timeout=60)
    return done, time.monotonic() - began


def test_nothing_is_said_or_done_when_all_is_there(tmp_path):
    there = tmp_path / "packages.txt"
    there.write_text("# comment\n\nno-such-package  sh  # proven by the command\n")
    done, took = run(there)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert took < 1


def test_what_is_missing_is_named_with_what_is_skipped(tmp_path, without_apt):
    path = tmp_path / "packages.txt"
    path.write_text(
        "huying-a|huying-b  huying-no-such-command  # why a; without it: tests marked a\n"
        "huying-c  libhuying.so.1  # why c; without it: tests marked c\n"
        "huying-d  -  # why d\n"
        "present  sh  # not missing\n"
    )
    done, _ = run(path, **without_apt)
    assert done.returncode == 0, done.stderr
    assert "not a Debian-like system" in done.stdout
    lines = [line.split(None, 1) for line in done.stdout.splitlines()[1:]]
    assert lines == [
        ["huying-a", "why a; without it: tests marked a"],
        ["huying-c", "why c; without it: tests marked c"],
        ["huying-d", "why d"],
    ]


def test_every_package_of_the_list_has_a_proof_a_reason_and_what_is_skipped_without_it():
    entries = [line for line in LIST.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert len(entries) >= 8
    for line in entries:
        entry, _, reason = line.partition("#")
        assert len(entry.split()) == 2, line
        assert "; without it: " in reason, line


def test_the_list_names_the_libraries_that_mongod_links_to():
    from huying.devkit.stack import mongod

    linked = subprocess.run(["ldd", mongod.program()], capture_output=True, text=True, check=True).stdout
    proofs = {line.split()[1] for line in LIST.read_text().splitlines() if line and not line.startswith("#")}
    assert {"libcurl.so.4", "libssl.so.3", "liblzma.so.5"} <= proofs
    assert "not found" not in linked
