"""One HTTP exchange with a server in a sandbox, over a connection that is kept for the next one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

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

    async def post(self, path: str, headers: list[tuple[str, str]], body: bytes) -> Reply:
        """Send a request and read the whole answer; BrokenError when there is none."""
        head = [("host", "localhost:8080"), ("content-length", str(len(body))), *headers]
        try:
            request = h11.Request(method="POST", target=path, headers=head)
            for event in (request, h11.Data(data=body), h11.EndOfMessage()):
                self.writer.write(self.state.send(event) or b"")
            await self.writer.drain()
            reply = await self._reply()
        except (OSError, h11.ProtocolError) as error:
            raise BrokenError(str(error)) from error
        if self.state.our_state is h11.DONE and self.state.their_state is h11.DONE:
            self.state.start_next_cycle()
        self.idle_since = time.monotonic()
        return reply

    def close(self) -> None:
        self.writer.close()

    async def _reply(self) -> Reply:
        status, headers, parts, size = 0, {}, [], 0
        while True:
            event = self.state.next_event()
            if event is h11.NEED_DATA:
                self.state.receive_data(await self.reader.read(_READ))
            elif isinstance(event, h11.Response):
                status = event.status_code
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > LARGEST_ANSWER:
                    raise BrokenError(f"the answer is larger than {LARGEST_ANSWER} bytes")
                parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return Reply(status, headers, b"".join(parts))
            elif isinstance(event, h11.ConnectionClosed):
                raise BrokenError("the connection was closed without an answer")
