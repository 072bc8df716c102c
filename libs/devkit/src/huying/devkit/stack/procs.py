"""One child process: start, stop, kill, freeze, weigh, read its log. Refuses to restart it: that is the caller's."""

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import psutil  # type: ignore[import-untyped]

from . import launch, leftovers
from .errors import DidNotStartError, ProgramMissingError, StackError

STOP_TIMEOUT_S = 15.0
"""FastStream's graceful timeout; after it, killing is what a crash test does anyway."""

POLL_S = 0.02
"""How often a start is asked whether it is ready: mongod needs a second, tansu 20 ms."""

LOG_TAIL_LINES = 30
"""Enough to hold a Python traceback or a Java exception with its cause."""


LOG_TAIL_BYTES = 65_536
"""Read no more of a log that may have grown for days; 30 lines of anything readable fit."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. RSS counts shared pages fully, PSS divides them among their users, USS leaves them out."""

    rss: int
    pss: int
    uss: int


class _Spawner:
    """Forks all children from one thread that lives as long as the process.

    The kernel sends the death signal when the *thread* that forked ends. With `asyncio.to_thread`, or a test's own
    thread, that is long before the process ends.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]]
        self._orders = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def spawn(self, order: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None or self._pid != os.getpid():  # a fork takes no threads with it
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._work, name="huying-spawner", daemon=True)
                self._thread.start()
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._orders.put((order, answer))
        return answer.result()

    def _work(self) -> None:
        while True:
            order, answer = self._orders.get()
            try:
                answer.set_result(order())
            except OSError as error:
                answer.set_exception(error)


_spawner = _Spawner()


class ServiceProcess:
    """A program with a name, a log file and, optionally, a process id file by which a later run finds it.

    `env` is added to this process's environment. Output goes to `log_path`, appended.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        *,
        cwd: Path | None = None,
        pid_path: Path | None = None,
    ) -> None:
        self.name = name
        self.argv = [str(word) for word in argv]
        self.env = dict(env or {})
        self.log_path = log_path
        self.cwd = cwd
        self.pid_path = pid_path
        self._popen: subprocess.Popen[bytes] | None = None
        self._frozen = False
        self._buried = False

    @property
    def pid(self) -> int:
        """Process id; raises StackError when it does not run."""
        if self._popen is None or self._popen.poll() is not None:
            raise StackError(f"{self.name} is not running: start it first")
        return self._popen.pid

    @property
    def alive(self) -> bool:
        """Whether it runs (a frozen one does)."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before the first start; -9 after SIGKILL."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        """Start it; returns at once. Raises ProgramMissingError without such a program, StackError when it runs."""
        if self.alive:
            raise StackError(f"{self.name} already runs as process {self.pid}: stop it first")
        program = shutil.which(self.argv[0])
        if program is None:
            raise ProgramMissingError(f"{self.name}: there is no program {self.argv[0]!r}: install it or correct PATH")
        command = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), program, *self.argv[1:]]
        log: IO[bytes] | None = None
        if self.log_path is not None:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            log = self.log_path.open("ab")
        try:
            self._popen = _spawner.spawn(
                lambda: subprocess.Popen(
                    command,
                    env={**os.environ, **self.env},
                    cwd=self.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log if log is not None else subprocess.DEVNULL,
                    stderr=subprocess.STDOUT,
                    # Its own group: Ctrl-C reaches only us, and we stop the others in the right order.
                    start_new_session=True,
                )
            )
        finally:
            if log is not None:
                log.close()
        self._frozen = False
        self._buried = False
        if self.pid_path is not None:
            leftovers.write(self.pid_path, self.name, self._popen.pid)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int | None:
        """SIGTERM, wait, then SIGKILL. The exit code; None when it was never started."""
        if self._popen is None:
            return None
        if self.alive:
            self._popen.send_signal(signal.SIGTERM)
            self._popen.send_signal(signal.SIGCONT)  # a frozen process handles SIGTERM only once it runs again
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(timeout_s)
        return self.kill()

    def kill(self) -> int | None:
        """SIGKILL to it and to what it started; returns when it is gone. The exit code; None when never started."""
        if self._popen is None:
            return None
        if not self._buried:  # once only: the number may belong to someone else later
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._buried = True
        code = self._popen.wait()
        self._frozen = False
        if self.pid_path is not None:
            self.pid_path.unlink(missing_ok=True)
        return code

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether it was frozen and not thawed since."""
        return self._frozen and self.alive

    def wait(self, timeout_s: float) -> int:
        """Wait for it to end by itself. Raises StackError after `timeout_s`."""
        if self._popen is None:
            raise StackError(f"{self.name} is not running: start it first")
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise StackError(
                f"{self.name} (process {self.pid}) still runs after {timeout_s:g} s: stop or kill it"
            ) from None

    def memory(self) -> Memory:
        """What it weighs now, in bytes, with the processes it started."""
        rss = pss = uss = 0
        root = psutil.Process(self.pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                full = process.memory_full_info()
                rss, pss, uss = rss + full.rss, pss + getattr(full, "pss", full.rss), uss + full.uss
        return Memory(rss, pss, uss)

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of its log; empty without one."""
        if self.log_path is None or not self.log_path.is_file():
            return ""
        with self.log_path.open("rb") as log:
            log.seek(max(0, self.log_path.stat().st_size - LOG_TAIL_BYTES))
            return "\n".join(log.read().decode("utf-8", errors="replace").splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], timeout_s: float, what: str) -> float:
        """Ask `ready` until it says yes; the seconds that took.

        Raises DidNotStartError, with the log's last lines, when the process ends or the time is over.
        """
        began = time.monotonic()
        while not ready():
            if not self.alive:
                raise DidNotStartError(f"{self.name} ended with code {self.exit_code}, not {what}{self._quoted_log()}")
            if time.monotonic() - began > timeout_s:
                raise DidNotStartError(f"{self.name}: not {what} within {timeout_s:g} s{self._quoted_log()}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def wait_until_ready(self, url: str, timeout_s: float = 60.0) -> float:
        """Wait for `url` (say http://127.0.0.1:8003/readyz) to answer 2xx; the seconds that took.

        Errors as `wait_until`.
        """
        with httpx.Client(timeout=2.0, trust_env=False) as client:

            def answers() -> bool:
                try:
                    return client.get(url).is_success
                except httpx.TransportError:
                    return False

            return self.wait_until(answers, timeout_s, f"ready at {url}")

    def _quoted_log(self) -> str:
        tail = self.log_tail()
        return f"; the end of {str(self.log_path)!r}:\n{tail}" if tail else "; it left no log"

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)
