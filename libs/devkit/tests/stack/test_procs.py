"""One child process, without a broker: starting, ending, freezing, weighing, and who dies with whom."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from huying.devkit.stack import DidNotStartError, ProgramMissingError, ServiceProcess, StackError
from huying.devkit.stack.ports import HOST, free_ports


def until(condition, timeout_s=20.0):
    """Poll a condition of another process; there is nothing to be notified by."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        threading.Event().wait(0.01)


def python(name: str, code: str, directory: Path) -> ServiceProcess:
    return ServiceProcess(name, [sys.executable, "-c", textwrap.dedent(code)], log_path=directory / f"{name}.log")


FOREVER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print('up', flush=True)
    while True: signal.pause()
"""
POLITE = """
    import signal, sys
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    print('up', flush=True)
    while True: signal.pause()
"""


def test_stop_asks_politely_and_gives_the_exit_code(tmp_path):
    service = python("polite", POLITE, tmp_path)
    service.start()
    service.wait_until(lambda: "up" in service.log_tail(), 20, "up")
    assert service.alive
    assert service.stop() == 3
    assert not service.alive
    assert service.exit_code == 3


def test_stop_kills_what_does_not_listen(tmp_path):
    service = python("stubborn", STUBBORN, tmp_path)
    service.start()
    service.wait_until(lambda: "up" in service.log_tail(), 20, "up")
    assert service.stop(timeout_s=0.2) == -signal.SIGKILL


def test_a_frozen_process_is_stopped_politely_too(tmp_path):
    service = python("polite", POLITE, tmp_path)
    service.start()
    service.wait_until(lambda: "up" in service.log_tail(), 20, "up")
    service.freeze()
    until(lambda: psutil.Process(service.pid).status() == psutil.STATUS_STOPPED)
    assert service.frozen
    assert service.stop() == 3
    assert not service.frozen


def test_freeze_and_thaw_stop_and_continue_it(tmp_path):
    service = python("forever", FOREVER, tmp_path)
    service.start()
    try:
        service.freeze()
        until(lambda: psutil.Process(service.pid).status() == psutil.STATUS_STOPPED)
        service.thaw()
        until(lambda: psutil.Process(service.pid).status() != psutil.STATUS_STOPPED)
        assert service.alive
        assert not service.frozen
    finally:
        assert service.kill() == -signal.SIGKILL


def test_a_process_can_be_started_again_and_not_twice_at_once(tmp_path):
    service = python("forever", FOREVER, tmp_path)
    service.start()
    first = service.pid
    with pytest.raises(StackError, match="already runs"):
        service.start()
    service.kill()
    with pytest.raises(StackError, match="is not running"):
        _ = service.pid
    service.start()
    assert service.pid != first
    service.kill()


def test_a_process_that_ends_at_once_is_reported_with_its_log(tmp_path):
    service = python("broken", "raise SystemExit('no such jurisdiction: 130529')", tmp_path)
    service.start()
    with pytest.raises(DidNotStartError, match="no such jurisdiction: 130529") as caught:
        service.wait_until_ready(f"http://{HOST}:{free_ports(1)[0]}/readyz", timeout_s=20)
    assert "ended with code 1" in str(caught.value)
    assert str(service.log_path) in str(caught.value)


def test_readiness_is_a_2xx_answer_and_a_503_is_not(tmp_path):
    port = free_ports(1)[0]
    service = python(
        "web",
        f"""
        import http.server
        class Handler(http.server.BaseHTTPRequestHandler):
            asked = 0
            def do_GET(self):
                Handler.asked += 1
                self.send_response(200 if Handler.asked > 2 else 503)
                self.end_headers()
                print('asked', Handler.asked, flush=True)
        http.server.HTTPServer(('{HOST}', {port}), Handler).serve_forever()
        """,
        tmp_path,
    )
    service.start()
    try:
        assert service.wait_until_ready(f"http://{HOST}:{port}/readyz", timeout_s=20) > 0
        assert "asked 3" in service.log_tail()
    finally:
        service.kill()


def test_not_ready_in_time_says_so(tmp_path):
    service = python("forever", FOREVER, tmp_path)
    service.start()
    try:
        with pytest.raises(DidNotStartError, match=r"not ready at http://.* within 0\.1 s"):
            service.wait_until_ready(f"http://{HOST}:{free_ports(1)[0]}/readyz", timeout_s=0.1)
    finally:
        service.kill()


def test_the_environment_is_added_to_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("HUYING_TEST_A", "a")
    code = "import os; print(os.environ['HUYING_TEST_A'] + os.environ['HUYING_TEST_B'])"
    service = ServiceProcess("env", [sys.executable, "-c", code], {"HUYING_TEST_B": "b"}, tmp_path / "env.log")
    service.start()
    assert service.wait(20) == 0
    assert service.log_tail() == "ab"


def test_memory_counts_the_processs_own_children(tmp_path):
    service = python(
        "parent",
        """
        import subprocess, sys
        held = b'x' * 40_000_000
        code = "held = b'x' * 60_000_000; print('up', flush=True); import signal; signal.pause()"
        subprocess.run([sys.executable, '-c', code])
        """,
        tmp_path,
    )
    service.start()
    try:
        service.wait_until(lambda: "up" in service.log_tail(), 20, "up")
        memory = service.memory()
        assert memory.uss > 100_000_000
        assert memory.rss >= memory.pss >= memory.uss
        children = psutil.Process(service.pid).children()
    finally:
        service.kill()
    assert len(children) == 1
    until(lambda: not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE)


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(ProgramMissingError, match="there is no program 'huying-no-such-program'"):
        ServiceProcess("ghost", ["huying-no-such-program"]).start()


def test_a_child_outlives_the_thread_that_started_it(tmp_path):
    service = python("forever", FOREVER, tmp_path)
    thread = threading.Thread(target=service.start)
    thread.start()
    thread.join()
    try:
        service.wait_until(lambda: "up" in service.log_tail(), 20, "up")
        assert service.alive
    finally:
        service.kill()


def test_a_child_dies_when_its_parent_is_killed(tmp_path):
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(
                f"""
                import sys, signal
                from pathlib import Path
                from huying.devkit.stack import ServiceProcess
                log = Path({str(tmp_path)!r}) / "child.log"
                child = ServiceProcess("child", [sys.executable, "-c", {FOREVER!r}], log_path=log)
                child.start()
                child.wait_until(lambda: "up" in child.log_tail(), 20, "up")
                print(child.pid, flush=True)
                signal.pause()
                """
            ),
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    with parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
