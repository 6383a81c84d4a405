"""One HTTP exchange with a server in a sandbox, over a connection that is kept for the next one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import h11

LARGEST_ANSWER = 25 * 1024 * 1024
_IDLE_SECONDS = 1.0  # shorter than any server's own patience: a connection that is used is one that is open
_READ = 256 * 1024


class BrokenError(Exception):
    """The server closed the connection, or what it said is not HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Connection:
    """One open connection, on the loop that uses it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))
    idle_since: float = 0.0

    @classmethod
    async def over(cls, connected: socket.socket) -> Connection:
        connected.setblocking(False)
        return cls(*await asyncio.open_connection(sock=connected, limit=_READ))

    @property
    def fresh(self) -> bool:
        """Whether it can carry another request."""
        young = time.monotonic() - self.idle_since < _IDLE_SECONDS
        return young and not self.reader.at_eof() and not self.writer.is_closing() and self.state.our_state is h11.IDLE

    async def begin(self, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        """Send a request and read the answer's head; `part` gives its body. BrokenError when there is none."""
        head = [("host", "localhost:8080"), ("content-length", str(len(body))), *headers]
        try:
            request = h11.Request(method="POST", target=path, headers=head)
            for event in (request, h11.Data(data=body), h11.EndOfMessage()):
                self.writer.write(self.state.send(event) or b"")
            await self.writer.drain()
            while not isinstance(answer := await self._event(), h11.Response):
                pass
        except (OSError, h11.ProtocolError) as error:
            raise BrokenError(str(error)) from error
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        return Reply(answer.status_code, told, b"")

    async def rest(self, head: Reply) -> Reply:
        """Read the whole body of an answer whose head has been read."""
        parts, size = [], 0
        while part := await self.part():
            parts.append(part)
            size += len(part)
            if size > LARGEST_ANSWER:
                raise BrokenError(f"the answer is larger than {LARGEST_ANSWER} bytes")
        return replace(head, body=b"".join(parts))

    async def part(self) -> bytes:
        """Read what comes next of the answer's body; nothing when it has ended. BrokenError when it is cut off."""
        try:
            while not isinstance(event := await self._event(), h11.EndOfMessage):
                if isinstance(event, h11.Data) and event.data:
                    return bytes(event.data)
        except (OSError, h11.ProtocolError) as error:
            raise BrokenError(str(error)) from error
        if self.state.our_state is h11.DONE and self.state.their_state is h11.DONE:
            self.state.start_next_cycle()
        self.idle_since = time.monotonic()
        return b""

    def close(self) -> None:
        self.writer.close()

    async def _event(self) -> h11.Event:
        while (event := self.state.next_event()) is h11.NEED_DATA:
            self.state.receive_data(await self.reader.read(_READ))
        if isinstance(event, h11.ConnectionClosed):
            raise BrokenError("the connection was closed without an answer")
        return cast("h11.Event", event)
