"""A real HTTP receiver on a free port: takes what is posted and answers as it is told."""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Taken:
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answers` are used up in order, then 204: a status, `hang` (take it, never answer), `drop` (take it, hang up),
    `garble` (take it, say so in an encoding that it does not keep to) or `drip` (take it, answer a header at a time, for
    ever)."""

    answers: list[int | str] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    url: str = ""
    only: str = ""
    """Incidents whose ids begin so; the log of the tests' broker holds other tests' incidents too: 204 for those."""
    fails: str = "-"
    """The incident for which it answers 500, always."""
    _release: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._one(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        pairs = (line.partition(": ") for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value for name, _, value in pairs}
        taken = Taken(headers, await reader.readexactly(int(headers.get("content-length", "0"))))
        ours = json.loads(taken.body)["incident_id"].startswith(self.only)
        if ours:
            self.taken.append(taken)
        answer = self.answers.pop(0) if ours and self.answers else 204
        if json.loads(taken.body)["incident_id"] == self.fails:
            answer = 500
        if answer == "hang":
            await self._release.wait()
        if answer == "drip":
            writer.write(b"HTTP/1.1 200 X\r\n")
            while not self._release.is_set():
                writer.write(b"x-wait: 1\r\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        if answer == "garble":
            writer.write(b"HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok")
            await writer.drain()
            return True
        if isinstance(answer, str):
            return False
        writer.write(f"HTTP/1.1 {answer} X\r\ncontent-length: 0\r\n\r\n".encode())
        await writer.drain()
        return True
