"""Who runs what in a folder: process id files, and the end of what a killed run left. Refuses to kill a stranger.

A process id is used again by other programs, so each file also holds when the process was born.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from .errors import AlreadyRunningError

PATTERN = "*.pid"
"""Process id files lie directly in the stack's folder."""

GRACE_S = 10.0
"""A mongod takes about a second for its last checkpoint; killed after this, it recovers by its journal."""


@dataclass(frozen=True, slots=True)
class Record:
    """One child process and the process that started it."""

    name: str
    pid: int
    born: str
    owner_pid: int
    owner_born: str


def born(pid: int) -> str | None:
    """What tells this process from a later one with the same id; None when there is none, or only its zombie."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if stat.exists():
            # Field 22, start in clock ticks since boot: unlike a time of day it does not move when the clock is set.
            return f"tick {stat.read_text().rsplit(')', 1)[1].split()[19]}"
        return f"time {process.create_time():.2f}"
    except (psutil.Error, OSError):
        return None


def write(path: Path, name: str, pid: int) -> None:
    """Record a child of this process."""
    record = Record(name, pid, born(pid) or "", os.getpid(), born(os.getpid()) or "")
    path.write_text(json.dumps(asdict(record)), encoding="utf-8")


def read(path: Path) -> Record | None:
    """The record, or None when the file is gone or was cut off by a crash."""
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def alive(record: Record) -> bool:
    """Whether exactly this process still runs."""
    return born(record.pid) == record.born


def owned(record: Record) -> bool:
    """Whether the process that started it still runs."""
    return born(record.owner_pid) == record.owner_born


def clean(directory: Path, *, even_owned: bool = False) -> list[str]:
    """End what a killed run left in `directory` and remove its files; the names of what was ended.

    Raises AlreadyRunningError when the owner of a process there lives, unless `even_owned` (that is `huying down`).
    """
    ended: list[str] = []
    records = [(path, read(path)) for path in sorted(directory.glob(PATTERN))]
    for _, record in records:
        if record and alive(record) and owned(record) and not even_owned:
            raise AlreadyRunningError(
                f"{record.name!r} (process {record.pid}) runs in {str(directory)!r} for process {record.owner_pid}: "
                f"stop that (kill {record.owner_pid}; `huying down` for `huying up`), or name another folder with HUYING_RUN"
            )
    for path, record in records:
        if record and alive(record):
            _end(record.pid)
            ended.append(record.name)
        path.unlink(missing_ok=True)
    return ended


def _end(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.resume()  # a frozen process handles SIGTERM only once it runs again
        try:
            process.wait(GRACE_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(GRACE_S)
    except psutil.NoSuchProcess:
        return
