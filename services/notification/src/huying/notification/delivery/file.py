"""Medium `file`: one file of JSON lines a recipient, for county systems that pick files up. Idempotent by notice id.

Lines are on the disk (fsync) before a notice counts as delivered; a torn line of a crash is closed, never mended.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO
from urllib.parse import quote

from huying.contracts.identity import deterministic_id

from .outcome import Outcome, Parcel

LONGEST_NAME = 200
"""Bytes; file systems end at 255."""
REMEMBERED = 10_000
"""Files of which it is known where they were left; one that is not is looked through from its beginning."""


def file_of(folder: Path, recipient: str) -> Path:
    """The recipient's file: its name is the recipient's id, with everything unusual escaped."""
    name = quote(recipient, safe=":_-")
    if len(name) > LONGEST_NAME:
        name = deterministic_id("recipient", recipient)
    return folder / f"{name}.jsonl"


class Outbox:
    """The files of one sender. It remembers where it left each, so that it looks through what came after only.

    Ids are looked for under the file's lock, always: a sender that stood still between its claim and its line cannot
    know that another has taken the claim over and written meanwhile.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is made or opened before there is a notice."""
        self._folder = folder
        self._left: dict[str, tuple[int, int]] = {}
        """Recipient to (inode, size) of the file as we left it; every claim of ours since then is later than that."""

    def append(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Write notices, each recipient's in one go, but those that stand there.

        Raises:
            OSError: the disk refuses; what was written is found again by its id.
        """
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        by_recipient: dict[str, list[Parcel]] = {}
        for parcel in parcels:
            by_recipient.setdefault(parcel.recipient, []).append(parcel)
        for recipient, own in by_recipient.items():
            with open(file_of(self._folder, recipient), "ab+", opener=_private) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                began = any(parcel.resumed or parcel.attempts for parcel in own)
                written = ids_in(file, 0 if began else self._seen(recipient, file))
                lines = [_line(parcel) for parcel in own if parcel.notice_id not in written]
                if lines:
                    file.write(_closing(file) + b"".join(lines))
                    file.flush()
                os.fsync(file.fileno())
                self._leave(recipient, file)
        return [Outcome(parcel.notice_id, "confirmed") for parcel in parcels]

    def _leave(self, recipient: str, file: IO[bytes]) -> None:
        now = os.fstat(file.fileno())
        self._left.pop(recipient, None)
        self._left[recipient] = now.st_ino, now.st_size
        if len(self._left) > REMEMBERED:
            del self._left[next(iter(self._left))]

    def _seen(self, recipient: str, file: IO[bytes]) -> int:
        """How far the file holds nothing new to us: nowhere, where the county's system has put it away."""
        now = os.fstat(file.fileno())
        inode, size = self._left.get(recipient, (now.st_ino, 0))
        return size if inode == now.st_ino and size <= now.st_size else 0


def _private(path: str, flags: int) -> int:
    """Opened for the service's user and, to read, its group, which fetches notices; they carry one-time links."""
    return os.open(path, flags, 0o640)


def _line(parcel: Parcel) -> bytes:
    return json.dumps(parcel.payload(), ensure_ascii=False).encode() + b"\n"


def _closing(file: IO[bytes]) -> bytes:
    """A line break where the file ends in a torn line."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return b""
    file.seek(end - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


def ids_in(file: IO[bytes], start: int = 0) -> frozenset[str]:
    """Ids of the notices that stand in the file whole, from a line's beginning on."""
    file.seek(start)
    return frozenset(_ids(file))


def _ids(lines: Iterable[bytes]) -> Iterable[str]:
    for line in lines:
        try:
            yield json.loads(line)["notice_id"]
        except (ValueError, KeyError, TypeError):
            continue  # torn by a crash
