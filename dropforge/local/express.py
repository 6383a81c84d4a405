"""A short way for the requests that come often: read where they lie, and handed to the same ASGI app as all others.

Only what is plainly a whole head of such a request goes this way: POST, HTTP/1.1, one Host, one Content-Length, and
nothing that asks for more (chunks, Expect, Upgrade, closing, …). Anything else is handed over to the general server
byte for byte as it came, and with it the rest of that connection.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, cast

from dropforge.local.ministack import Asgi, Scope

_ROOM = 64 * 1024
_LARGEST_BODY = 8 * 1024 * 1024
_BETWEEN = 75.0
"""How long a connection may be idle between two requests."""
_HEADERS = rb"((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)++)\r\n"
_NOT_PLAIN = frozenset({b"transfer-encoding", b"upgrade", b"expect", b"trailer", b"te"})
_LENGTH = re.compile(rb"[0-9]{1,7}")
_BODILESS = frozenset({204, 304})
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_FINAL = range(200, 600)

Headers = list[tuple[bytes, bytes]]
logger = logging.getLogger(__name__)


class Counted(Protocol):
    """What uvicorn knows of its connections; it shuts them down, and waits for their tasks."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]
    total_requests: int


@dataclass(frozen=True, slots=True)
class Ways:
    """Where requests go: those whose heads `often` matches (see `posts`) to the app, others to the general server."""

    app: Asgi
    often: re.Pattern[bytes]
    general: Callable[[], asyncio.Protocol]
    counted: Counted
    headers_within: float


def posts(path: str) -> re.Pattern[bytes]:
    """Match the heads of requests that POST to a path, which is a regular expression."""
    return re.compile(rb"POST (%b) HTTP/1\.1\r\n%b" % (path.encode(), _HEADERS))


class Express(asyncio.BufferedProtocol):
    """One connection: it waits for a head, reads a body, or answers."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._loop = asyncio.get_running_loop()
        self._room, self._came = bytearray(_ROOM), 0
        self._scope: Scope = {}
        self._body: bytearray | None = None
        self._have = 0
        self._task: asyncio.Task[None] | None = None
        self._gone = self._loop.create_future()
        self._full = self._ending = False
        self._since, self._patience = self._loop.time(), ways.headers_within

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._addresses = {
            "client": tuple(transport.get_extra_info("peername") or ())[:2],
            "server": tuple(transport.get_extra_info("sockname") or ())[:2],
        }
        self._ways.counted.connections.add(self)
        self._watch = self._loop.call_later(self._patience, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._leave()
        if not self._gone.done():
            self._gone.set_result(None)

    def shutdown(self) -> None:
        """End the connection, but not before what is being answered; uvicorn calls this when it stops."""
        self._ending = True
        if self._task is None:
            self._transport.close()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    def get_buffer(self, sizehint: int) -> memoryview:
        del sizehint
        if self._body is not None:
            return memoryview(self._body)[self._have :]
        return memoryview(self._room)[self._came :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._body is not None:
            self._have += nbytes
            if self._have == len(self._body):
                self._answer(self._body)
        elif self._task is None and not self._full:
            self._came = nbytes
            self._read()
        else:
            self._came += nbytes
            self._transport.pause_reading()  # there is an answer to finish first

    def _read(self) -> None:
        """Read what has come: a whole head, and perhaps the beginning of its body."""
        found = self._ways.often.match(self._room, 0, self._came)
        headers = _plain(found[2]) if found else None
        if found is None or headers is None:
            self._hand_over()
            return
        length, end = int(dict(headers)[b"content-length"]), found.end()
        have = self._came - end
        if have > length or length > _LARGEST_BODY:
            self._hand_over()
            return
        body = bytearray(length)
        body[:have] = self._room[end : self._came]
        self._scope = self._scoped(found[1], headers)
        self._came = 0
        if have == length:
            self._answer(body)
        else:
            self._body, self._have = body, have

    def _scoped(self, path: bytes, headers: Headers) -> Scope:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path.decode("ascii"),
            "raw_path": path,
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "state": {},
            **self._addresses,
        }

    def _answer(self, body: bytearray) -> None:
        self._body = None
        self._task = self._loop.create_task(self._run(self._scope, body))
        self._ways.counted.tasks.add(self._task)
        self._task.add_done_callback(self._answered)

    async def _run(self, scope: Scope, body: bytearray) -> None:
        asked = [{"type": "http.request", "body": body, "more_body": False}]
        told: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if asked:
                return asked.pop()
            await asyncio.shield(self._gone)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        try:
            await self._ways.app(scope, receive, send)
            parts = _spelled(told)
        except Exception:  # the edge of the server: a bug of an app's is a 500
            logger.exception("a request to %s met an internal error", scope["path"])
            parts = _spelled([{"status": 500, "headers": []}])
        if not self._transport.is_closing():
            self._transport.writelines(parts)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._ways.counted.tasks.discard(task)
        self._ways.counted.total_requests += 1
        self._task = None
        self._since, self._patience = self._loop.time(), _BETWEEN
        if self._ending or task.cancelled():
            self._transport.close()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Read what came while there was an answer to finish."""
        if self._came and self._task is None and not self._full and not self._transport.is_closing():
            self._transport.resume_reading()
            self._read()

    def _hand_over(self) -> None:
        said = bytes(self._room[: self._came])
        self._leave()
        general = self._ways.general()
        self._transport.set_protocol(general)
        general.connection_made(self._transport)
        general.data_received(said)

    def _leave(self) -> None:
        self._watch.cancel()
        self._ways.counted.connections.discard(self)

    def _look(self) -> None:
        """Hang up on who has been silent for too long; one timer for each connection, and none for each request."""
        idle = self._task is None and self._body is None
        left = self._since + self._patience - self._loop.time() if idle else self._patience
        if left <= 0:
            self._transport.close()
        else:
            self._watch = self._loop.call_later(left, self._look)


def _plain(lines: bytes) -> Headers | None:
    """Read the lines of a head; None where the general server has to judge it."""
    headers: Headers = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip(b"\t ")))
    told = dict(headers)
    names = [name for name, _ in headers]
    if (
        names.count(b"host") != 1
        or names.count(b"content-length") != 1
        or not _LENGTH.fullmatch(told[b"content-length"])
        or told.get(b"connection", b"keep-alive").lower() != b"keep-alive"
        or not _NOT_PLAIN.isdisjoint(told)
    ):
        return None
    return headers


def _spelled(told: list[dict[str, Any]]) -> list[bytes]:
    """Spell what an app has sent; its body is whole, and its length is told."""
    start, *rest = told
    status, body = start["status"], b"".join([part.get("body", b"") for part in rest])
    if status not in _FINAL:
        raise ValueError(f"{status} ends no request")
    headers = [b"%b: %b\r\n" % header for header in start.get("headers", ()) if header[0].lower() != b"content-length"]
    if status not in _BODILESS:
        headers.append(b"content-length: %d\r\n" % len(body))
    head = b"".join(headers)
    if head.count(b"\r") != len(headers) or head.count(b"\n") != len(headers) or b"\0" in head:
        raise ValueError("a header would be two")
    line = f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n".encode()
    whole = [line, head, b"\r\n", b"" if status in _BODILESS else body]
    return [part for part in whole if part]  # asyncio waits for ever to be rid of an empty one
