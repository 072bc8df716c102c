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


def file_of(folder: Path, recipient: str) -> Path:
    """The recipient's file: its name is the recipient's id, with everything unusual escaped."""
    name = quote(recipient, safe=":_-")
    if len(name) > LONGEST_NAME:
        name = deterministic_id("recipient", recipient)
    return folder / f"{name}.jsonl"


def append(folder: Path, parcels: Sequence[Parcel]) -> list[Outcome]:
    """Write notices, each recipient's in one go. A notice that somebody else began is looked for first.

    Raises:
        OSError: the disk refuses; what was written is found again by its id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_recipient: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        by_recipient.setdefault(parcel.recipient, []).append(parcel)
    for recipient, own in by_recipient.items():
        with file_of(folder, recipient).open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            written = ids_in(file) if any(parcel.resumed or parcel.attempts for parcel in own) else frozenset()
            lines = [_line(parcel) for parcel in own if parcel.notice_id not in written]
            if lines:
                file.write(_closing(file) + b"".join(lines))
                file.flush()
            os.fsync(file.fileno())
    return [Outcome(parcel.notice_id, "confirmed") for parcel in parcels]


def _line(parcel: Parcel) -> bytes:
    return json.dumps(parcel.payload(), ensure_ascii=False).encode() + b"\n"


def _closing(file: IO[bytes]) -> bytes:
    """A line break where the file ends in a torn line."""
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return b""
    file.seek(end - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


def ids_in(file: IO[bytes]) -> frozenset[str]:
    """Ids of the notices that stand in the file whole."""
    file.seek(0)
    return frozenset(_ids(file))


def _ids(lines: Iterable[bytes]) -> Iterable[str]:
    for line in lines:
        try:
            yield json.loads(line)["notice_id"]
        except (ValueError, KeyError, TypeError):
            continue  # torn by a crash
