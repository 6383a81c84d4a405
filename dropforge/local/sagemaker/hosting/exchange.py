"""One HTTP exchange with a server in a sandbox, over a connection that is kept for the next one.

An answer in one piece, of a stated length, is read where it lies; every other one (in chunks, until the end, …) by h11.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import h11

LARGEST_ANSWER = 25 * 1024 * 1024
_IDLE_SECONDS = 1.0  # shorter than any server's own patience: a connection that is used is one that is open
_ROOM = 64 * 1024
_LONGEST_HEAD = 16 * 1024
_HEADER = rb"\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+"
_PLAIN = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*+)?((?:%b)*+)" % _HEADER)
_LENGTH = re.compile(r"[0-9]{1,12}", re.ASCII)
_BODILESS = {204, 304}
_MOST_HINTS = 100
"""Of answers that only say that another one comes (1xx)."""
_BREAKS = re.compile(r"\r\n|[\r\n\0]")
Headers = Sequence[tuple[str, str]]


class BrokenError(Exception):
    """The server closed the connection, or what it said is not HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection(asyncio.BufferedProtocol):
    """One open connection, on the loop that uses it. What comes is read into a buffer that stays."""

    def __init__(self, largest: int) -> None:
        self._loop, self._largest = asyncio.get_running_loop(), largest
        self._buffer, self._filled = bytearray(_ROOM), 0
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport
        self._paused = self._ended = self._spoiled = False
        self._lost: Exception | None = None
        self._state: h11.Connection | None = None
        self._idle_since = 0.0

    @classmethod
    async def over(cls, connected: socket.socket, largest: int = LARGEST_ANSWER) -> Connection:
        """Take over an open connection; no answer over it may have more bytes than `largest`."""
        connected.setblocking(False)
        return (await asyncio.get_running_loop().create_connection(partial(cls, largest), sock=connected))[1]

    @property
    def fresh(self) -> bool:
        """Whether it can carry another request."""
        if self._spoiled or self._ended or self._filled or self._state or self._transport.is_closing():
            return False
        return time.monotonic() - self._idle_since < _IDLE_SECONDS

    async def ask(self, path: str, headers: Headers, body: bytes, method: str = "POST") -> Reply:
        """Send a request and read the whole answer. BrokenError when there is none."""
        self._send(method, path, headers, body)
        while (end := self._buffer.find(b"\r\n\r\n", 0, self._filled)) < 0 and self._filled < _LONGEST_HEAD:
            if not await self._more():
                break
        head = _plain(self._buffer, end)
        if head is None:
            return await self.rest(await self._head())
        first, last = end + 4, end + 4 + int(head.headers["content-length"])
        if last - first > self._largest:
            raise self._too_large()
        self._make_room(last + 1)
        while self._filled < last:
            if not await self._more():
                return await self.rest(await self._head())  # h11 says what is missing
        with memoryview(self._buffer) as seen:
            reply = Reply(head.status, head.headers, bytes(seen[first:last]))
        self._rest_from(said_more=self._filled > last)
        return reply

    async def begin(self, path: str, headers: Headers, body: bytes) -> Reply:
        """Send a request and read the answer's head; `part` gives its body. BrokenError when there is none."""
        self._send("POST", path, headers, body)
        return await self._head()

    async def rest(self, head: Reply) -> Reply:
        """Read the whole body of an answer whose head has been read."""
        parts, size = [], 0
        while part := await self.part():
            parts.append(part)
            size += len(part)
            if size > self._largest:
                raise self._too_large()
        return Reply(head.status, head.headers, b"".join(parts))

    async def part(self) -> bytes:
        """Read what comes next of the answer's body; nothing when it has ended. BrokenError when it is cut off."""
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data) and event.data:
                return bytes(event.data)
        state = cast("h11.Connection", self._state)
        self._rest_from(said_more=state.their_state is not h11.DONE or bool(state.trailing_data[0]))
        return b""

    def close(self) -> None:
        self._transport.abort()  # what was not sent yet is for nobody

    def drop(self) -> None:
        """Close it from another thread than its loop's."""
        self._loop.call_soon_threadsafe(self.close)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled == len(self._buffer):
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def eof_received(self) -> None:
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._lost = True, exc
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _send(self, method: str, path: str, headers: Headers, body: bytes) -> None:
        told = "".join([f"{name}: {value}\r\n" for name, value in headers])
        if len(_BREAKS.findall(told)) != len(headers):
            raise BrokenError("a header would be two")
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost:8080\r\ncontent-length: {len(body)}\r\n{told}\r\n"
        try:
            said = head.encode("latin-1")
        except UnicodeEncodeError as error:
            raise BrokenError("a header has characters that HTTP cannot carry") from error
        # In one write: the server would be woken for the head alone.
        self._transport.writelines([said, *([body] if body else [])])  # asyncio keeps an empty part

    async def _more(self) -> bool:
        """Wait for more to come; False when nothing will."""
        if self._paused and self._filled < len(self._buffer):
            self._paused = False
            self._transport.resume_reading()
        if self._ended:
            return False
        filled, self._waiter = self._filled, self._loop.create_future()
        await self._waiter
        return self._filled > filled

    def _make_room(self, size: int) -> None:
        if size > len(self._buffer):
            larger = bytearray(size)
            larger[: self._filled] = self._buffer[: self._filled]
            self._buffer = larger

    def _too_large(self) -> BrokenError:
        return BrokenError(f"the answer is larger than {self._largest} bytes")

    def _rest_from(self, *, said_more: bool) -> None:
        """Make ready for the next request; not if the server says more than it was asked, or has not read it all."""
        self._spoiled = said_more or self._transport.get_write_buffer_size() > 0
        self._state, self._filled, self._idle_since = None, 0, time.monotonic()
        if len(self._buffer) > _ROOM:
            self._buffer = bytearray(_ROOM)

    async def _head(self) -> Reply:
        if not self._filled and not await self._more():
            raise BrokenError(str(self._lost or "the connection was closed without an answer"))
        self._state = h11.Connection(h11.CLIENT)
        # For h11 to know what is answered; it was sent already.
        told = [("host", "localhost"), ("content-length", "0")]
        self._state.send(h11.Request(method="POST", target="/", headers=told))
        self._state.send(h11.EndOfMessage())
        for _ in range(_MOST_HINTS):
            if isinstance(answer := await self._event(), h11.Response):
                break
        else:
            raise BrokenError(f"it has said {_MOST_HINTS} times that it goes on, and nothing else")
        heard = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
        return Reply(answer.status_code, heard, b"")

    async def _event(self) -> h11.Event:
        state = cast("h11.Connection", self._state)
        try:
            while (event := state.next_event()) is h11.NEED_DATA:
                if not self._filled and not await self._more() and self._lost:
                    raise BrokenError(str(self._lost))
                state.receive_data(bytes(self._buffer[: self._filled]))
                self._filled = 0
        except h11.ProtocolError as error:
            raise BrokenError(str(error)) from error
        if isinstance(event, h11.ConnectionClosed):
            raise BrokenError("the connection was closed without an answer")
        return cast("h11.Event", event)


def _plain(buffer: bytearray, end: int) -> Reply | None:
    """Read a head that says plainly how long its body is; None for any other, which h11 has to understand."""
    found = _PLAIN.fullmatch(buffer, 0, end) if end >= 0 else None
    if found is None:
        return None
    lines = found[2].decode("latin-1").split("\r\n")[1:]
    told = {name.lower(): value.strip("\t ") for name, _, value in (line.partition(":") for line in lines)}
    status = int(found[1])
    if (
        len(told) < len(lines)
        or "transfer-encoding" in told
        or told.get("connection", "keep-alive").lower() != "keep-alive"
        or not _LENGTH.fullmatch(told.get("content-length", ""))
        or status in _BODILESS
    ):
        return None
    return Reply(status, told, b"")
