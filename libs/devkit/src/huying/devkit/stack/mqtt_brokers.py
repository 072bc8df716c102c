"""The MQTT broker as a child process: amqtt, or Debian's mosquitto. Refuses to report ready before a client got in."""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from .accounts import accounts
from .errors import ProgramMissingError, StackError
from .ports import HOST, listening
from .procs import ServiceProcess

MqttKind = Literal["amqtt", "mosquitto"]

START_TIMEOUT_S = 30.0
"""amqtt imports for half a second; a busy machine takes longer."""

OWN_USER = "huying"
"""The account made when no password file is given."""


class MqttBroker:
    """One MQTT broker on 127.0.0.1. Without `password_file` and `anonymous`, it makes one account of its own.

    Raises ProgramMissingError when mosquitto is asked for and not installed.
    """

    name = "mqtt"

    def __init__(
        self,
        directory: Path,
        port: int,
        kind: MqttKind = "amqtt",
        *,
        password_file: Path | None = None,
        anonymous: bool = False,
    ) -> None:
        if password_file is not None and anonymous:
            raise StackError(f"either password_file={str(password_file)!r} or anonymous: choose one")
        self._directory = directory / "mqtt"
        self._port = port
        self.kind = kind
        self.ports = {"mqtt": port}
        self.username: str | None = None
        self.password: str | None = None
        self._password_file = password_file
        self._anonymous = anonymous
        self._log_path = directory / f"{kind}.log"
        self._pid_path = directory / f"{kind}.pid"
        self.process = ServiceProcess(kind, [])

    @property
    def url(self) -> str:
        """mqtt://user:password@127.0.0.1:port, percent-encoded; without the account for anonymous access."""
        account = f"{quote(self.username, safe='')}:{quote(self.password or '', safe='')}@" if self.username else ""
        return f"mqtt://{account}{HOST}:{self._port}"

    def start(self) -> None:
        """Start; returns when a client with the account was accepted."""
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self._anonymous:
            self._password_file = self._password_file or self._own_account()
            first = next(iter(accounts(self._password_file).items()), None)
            if first is None:
                raise StackError(f"{str(self._password_file)!r} holds no account: add a line user:password")
            self.username, self.password = first
        command = self._amqtt() if self.kind == "amqtt" else self._mosquitto()
        self.process = ServiceProcess(self.kind, command, log_path=self._log_path, pid_path=self._pid_path)
        self.process.start()
        self.process.wait_until(lambda: listening(self._port), START_TIMEOUT_S, "listening")
        self.process.wait_until(
            lambda: accepts_client(self._port, self.username, self.password), START_TIMEOUT_S, "accepting clients"
        )

    @property
    def accounts_file(self) -> Path | None:
        """Lines of user:password, readable by its owner only; None for anonymous access."""
        return self._password_file

    def _own_account(self) -> Path:
        path = self._directory / "accounts"
        if not path.is_file():
            _write_private(path, f"{OWN_USER}:{secrets.token_urlsafe(16)}\n")
        return path

    def _amqtt(self) -> list[str | Path]:
        who = ["--password-file", str(self._password_file)] if self._password_file else ["--anonymous"]
        return [sys.executable, "-m", "huying.devkit.stack.mqtt", str(self._port), *who]

    def _mosquitto(self) -> list[str | Path]:
        program = mosquitto_program()
        settings = [
            f"listener {self._port} {HOST}",
            "persistence true",
            f"persistence_location {self._directory}/",
            f"user {getpass.getuser()}",  # started as root it would become a user who cannot read our files
            f"allow_anonymous {str(self._anonymous).lower()}",
        ]
        if self._password_file:
            hashed = self._directory / "mosquitto.passwords"
            _write_private(hashed, self._password_file.read_text(encoding="utf-8"))
            subprocess.run(["mosquitto_passwd", "-U", str(hashed)], check=True, capture_output=True, timeout=30)
            settings.append(f"password_file {hashed}")
        path = self._directory / "mosquitto.conf"
        path.write_text("\n".join(settings) + "\n", encoding="utf-8")
        return [program, "-c", path]


def mosquitto_program() -> str:
    """Debian's mosquitto, also where /usr/sbin is not on PATH. Raises ProgramMissingError."""
    found = shutil.which(
        "mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    )
    if found is None or shutil.which("mosquitto_passwd") is None:
        raise ProgramMissingError("mosquitto is not installed: run `make system`, or install the package mosquitto")
    return found


def accepts_client(port: int, username: str | None, password: str | None, timeout_s: float = 2.0) -> bool:
    """Whether an MQTT 3.1.1 CONNECT with this account gets a CONNACK with code 0 (OASIS MQTT 3.1.1, 3.1 and 3.2)."""
    words = [b"huying-ready"]
    flags = 0x02  # clean session
    if username is not None:
        flags |= 0xC0  # user name and password follow
        words += [username.encode(), (password or "").encode()]
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + b"\x00\x0a"
    body += b"".join(len(word).to_bytes(2) + word for word in words)
    length, left = b"", len(body)
    while True:  # remaining length: seven bits a byte, the eighth says that more follow
        left, digit = divmod(left, 128)
        length += bytes([digit | (0x80 if left else 0)])
        if not left:
            break
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
            connection.sendall(b"\x10" + length + body)
            answer = connection.recv(4)
            connection.sendall(b"\xe0\x00")  # DISCONNECT: leave no half-open session in its log
    except OSError:
        return False
    return answer == b"\x20\x02\x00\x00"


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")
