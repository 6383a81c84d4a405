"""The short way is seen by nobody: what it answers, and what it hands over, is what the general server alone says."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.client
import json
import socket
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from dropforge.local.express import Express, Ways, posts
from dropforge.local.ministack import Receive, Scope, Send
from dropforge.local.serving import Server

OFTEN = posts("/endpoints/[A-Za-z0-9-]{1,63}/invocations")
PATH = b"/endpoints/mine/invocations"
_READ = 64 * 1024
BODY = bytes(range(256)) * 400


@dataclass
class App:
    """Tells what it was asked; `held` keeps answers to `/endpoints/held/…` back until it is set."""

    held: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        match scope["path"].split("/")[2:3]:
            case ["held"]:
                await asyncio.to_thread(self.held.wait, 20)
            case ["left"]:
                await receive()
                self.gone.set()
            case ["broken"]:
                raise ValueError("a bug")
            case ["split"]:
                await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nset-cookie: b")]})
        keys = ("method", "path", "raw_path", "query_string", "http_version", "scheme", "root_path", "headers")
        told = {key: scope[key] for key in keys} | {"body": hashlib.sha256(body).hexdigest()}
        said = json.dumps(told, default=lambda value: value.decode("latin-1")).encode()
        headers = [(b"content-type", b"a/b"), (b"content-length", str(len(said)).encode())]
        await send({"type": "http.response.start", "status": 202, "headers": headers})
        await send({"type": "http.response.body", "body": said})


class Wire:
    """A client's end of a connection, and the transport that the server has: it counts what is done to it."""

    def __init__(self) -> None:
        self._coming: deque[bytes] = deque()
        self._reading = True
        self.protocol: Any = None
        self.reads = 0
        self.written: list[bytes] = []
        self.closed = False

    def say(self, data: bytes) -> None:
        self._coming.append(data)
        self._bring()

    def _bring(self) -> None:
        while self._coming and self._reading and not self.closed:
            data = self._coming.popleft()
            self.reads += 1
            if isinstance(self.protocol, asyncio.BufferedProtocol):
                room = memoryview(self.protocol.get_buffer(-1))
                size = min(len(room), len(data))
                room[:size] = data[:size]
                self._keep(data[size:])
                self.protocol.buffer_updated(size)
            else:
                self._keep(data[_READ:])
                self.protocol.data_received(data[:_READ])

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._coming.appendleft(rest)

    def get_extra_info(self, name: str) -> Any:
        return None if name in {"socket", "sslcontext"} else ("127.0.0.1", 1)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        asyncio.get_running_loop().call_soon(self._bring)

    def write(self, data: bytes) -> None:
        self.written.append(bytes(data))

    def writelines(self, parts: list[bytes]) -> None:
        assert all(parts)  # asyncio from Python 3.12 on is busy for ever with an empty one
        self.write(b"".join(parts))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@contextlib.contextmanager
def connected(*, short: bool) -> Iterator[Wire]:
    """Connect to the app, by the short way or by the general server alone."""
    app, state = App(), ServerState()
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        date_header=False,
        server_header=False,
        ws="none",
        h11_max_incomplete_event_size=1 << 18,
    )
    general = partial(H11Protocol, config, state, {})
    wire = Wire()
    wire.protocol = Express(Ways(app, OFTEN, general, cast("Any", state), 15)) if short else general()
    wire.protocol.connection_made(wire)
    yield wire
    wire.protocol.connection_lost(None)
    assert not state.connections


async def rounds(number: int = 50) -> None:
    """Let the loop go round more often than anything here takes."""
    for _ in range(number):
        await asyncio.sleep(0)


def heard(pieces: Sequence[bytes], *, short: bool) -> tuple[bytes, bool]:
    """Say something piece by piece; gives what was answered, and whether the connection was closed."""

    async def talk() -> tuple[bytes, bool]:
        with connected(short=short) as wire:
            for piece in pieces:
                wire.say(piece)
                await rounds()
            return b"".join(wire.written), wire.closed

    return asyncio.run(talk())


def post(body: bytes = b"", *lines: bytes, path: bytes = PATH, length: bytes | None = None) -> bytes:
    told = [b"Host: here", b"Content-Length: %b" % (str(len(body)).encode() if length is None else length), *lines]
    return b"POST %b HTTP/1.1\r\n%b\r\n\r\n%b" % (path, b"\r\n".join(told), body)


@pytest.mark.parametrize(
    "said",
    [
        [post(BODY)],
        [post(BODY, b"X-Amz-Date: now", b"Accept:  */*  ", b"Connection: Keep-Alive")],
        [post()],
        [post(BODY)[:300], post(BODY)[300:50_000], post(BODY)[50_000:]],
        [post(b"one") + post(b"two") + post(BODY)],
        [post(b"one")[:-2], post(b"one")[-2:] + post(b"two")[:20], post(b"two")[20:]],
        [post(b"one"), b"GET /other HTTP/1.1\r\nHost: here\r\n\r\n", post(b"two")],
        [post(b"x", path=PATH + b"?a=b"), post(b"x", path=b"/endpoints/a%20b/invocations")],
        [post(b"one\r\n\r\ntwo", b"Expect: 100-continue")],
        [b"POST %b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" % PATH],
        [post(b"3\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: chunked")],
        [post(b"abc", b"Upgrade: websocket", b"Connection: Upgrade")],
        [post(b"abc", b"Content-Length: 3")],
        [post(b"abc", b"Content-Length: 4")],
        [post(b"abc", length=b"3, 3")],
        [post(b"abc", length=b"+3")],
        [post(b"abc", length=b"-3")],
        [post(b"abc", length=b"0x3")],
        [post(b"abc", length=b"")],
        [post(b"abc", length=b"99999999999999999999999")],
        [post(b"abc", b"Host: there")],
        [post(b"abc", b"X : y")],
        [post(b"abc", b"X: a\0b")],
        [post(b"abc", b"X: a\rb")],
        [post(b"abc", b"X: a\nY: b")],
        [post(b"abc", b"X: a", b" folded: b")],
        [post(b"abc", b"no colon")],
        [post(b"abc", b": no name")],
        [post(b"abc", "X: ü".encode())],
        [post(b"abc", b"X: " + b"x" * 70_000)],
        [post(b"abc", b"X: " + b"x" * 300_000)],
        [post(b"abc", *[b"X%d: x" % number for number in range(3000)])],
        [b"POST %b HTTP/1.1\r\nContent-Length: 0\r\n\r\n" % PATH],
        [b"POST %b HTTP/1.1\r\nHost: here\r\n\r\n" % PATH],
        [b"POST %b HTTP/1.0\r\nHost: here\r\nContent-Length: 0\r\n\r\n" % PATH],
        [b"POST %b HTTP/2.0\r\nHost: here\r\nContent-Length: 0\r\n\r\n" % PATH],
        [b"post %b HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" % PATH],
        [b"POST  %b HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" % PATH],
        [b"BREW %b HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n" % PATH],
        [b"POST %b HTTP/1.1\nHost: here\nContent-Length: 0\n\n" % PATH],
        [b"\r\n" + post(b"abc")],
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
        [b"\0" * 100_000],
    ],
)
def test_hostile_and_harmless_requests_get_the_answers_that_the_general_server_gives(said: list[bytes]) -> None:
    said = [*said, post(b"the last")]
    assert heard(said, short=True) == heard(said, short=False)


@given(st.data())
def test_a_request_with_anything_changed_anywhere_is_understood_in_one_way(data: st.DataObject) -> None:
    whole = post(b"abc", b"X-Some: thing")
    at = data.draw(st.integers(0, len(whole)))
    put = data.draw(st.one_of(st.binary(max_size=3), st.sampled_from([b"\r\n", b"\r\n\r\n", b"\n", b":", b" ", b"\0"])))
    changed = whole[:at] + put + whole[at + data.draw(st.integers(0, 3)) :]
    cut = data.draw(st.integers(1, len(changed) - 1))
    said = [changed[:cut], changed[cut:], post(b"the last")]
    assert heard(said, short=True) == heard(said, short=False)


@dataclass
class Door:
    """The app on a port."""

    app: App
    port: int
    server: Server


@contextlib.contextmanager
def opened() -> Iterator[Door]:
    app, listening = App(), socket.create_server(("127.0.0.1", 0))
    server = Server(app, listening, name="test", headers_within=0.5, often=OFTEN)
    server.start()
    try:
        yield Door(app, server.port, server)
    finally:
        app.held.set()
        server.stop()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with opened() as door:
        yield door


def spoken(port: int, said: bytes) -> bytes:
    """Say something, and hear all until it is hung up."""
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(said)
        while part := raw.recv(1 << 20):
            told += part
    return told


LAST = post(b"the last", b"Connection: close")


def test_an_app_that_breaks_or_would_split_the_answer_gives_a_500_and_the_connection_lives(door: Door) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", door.port, timeout=20)) as connection:
        told = []
        for name in ("broken", "mine", "split", "mine"):
            connection.request("POST", f"/endpoints/{name}/invocations", b"x")
            answer = connection.getresponse()
            told.append((answer.status, answer.getheader("set-cookie"), bool(answer.read())))
    assert told == [(500, None, False), (202, None, True)] * 2


@pytest.mark.parametrize("before", [b"", post(b"x")])
@pytest.mark.parametrize("said", [b"", post(b"x")[:40]])
def test_a_client_that_begins_nothing_or_never_ends_its_headers_is_hung_up_on(
    door: Door, before: bytes, said: bytes
) -> None:
    if before and not said:
        return  # who is between two requests may take his time
    assert spoken(door.port, before + said).count(b" 202 ") == bool(before)


def test_a_client_between_two_requests_is_not(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=60)
    connection.request("POST", PATH.decode(), b"x")
    connection.getresponse().read()
    used = connection.sock
    threading.Event().wait(0.7)  # longer than headers may take
    connection.request("POST", PATH.decode(), b"x")
    assert connection.getresponse().status == 202
    assert connection.sock is used
    connection.close()


def test_clients_that_send_slowly_or_read_nothing_keep_nobody_else_waiting(door: Door) -> None:
    slow = [socket.create_connection(("127.0.0.1", door.port)) for _ in range(20)]
    for each in slow[:10]:
        each.sendall(post(b"x" * 1000)[:-500])
    for each in slow[10:]:
        each.sendall(post(BODY) * 5)
    assert b" 202 " in spoken(door.port, post(BODY) + LAST)
    for each in slow:
        each.close()


def test_who_waits_for_a_caller_to_go_hears_of_it(door: Door) -> None:
    door.app.gone.clear()
    with socket.create_connection(("127.0.0.1", door.port)) as raw:
        raw.sendall(post(b"x", path=b"/endpoints/left/invocations"))
        assert not door.app.gone.wait(0.1)
    assert door.app.gone.wait(10)


def test_what_is_under_way_when_the_server_stops_is_answered_and_the_idle_are_closed() -> None:
    with opened() as door:
        idle = socket.create_connection(("127.0.0.1", door.port), timeout=20)
        idle.sendall(post(b"x"))
        assert b" 202 " in idle.recv(1 << 16)
        busy = socket.create_connection(("127.0.0.1", door.port), timeout=20)
        busy.sendall(post(b"x", path=b"/endpoints/held/invocations"))
        stopping = threading.Thread(target=door.server.stop)
        stopping.start()
        assert idle.recv(1) == b""
        door.app.held.set()
        assert b" 202 " in busy.recv(1 << 16)
        assert busy.recv(1) == b""
        stopping.join(20)
        assert not stopping.is_alive()


def test_a_request_of_100_kb_costs_two_reads_and_one_write_and_is_not_handed_over() -> None:
    async def ask() -> None:
        with connected(short=True) as wire:
            for answers in range(1, 4):
                wire.say(post(BODY))
                await rounds()
                assert (wire.reads, len(wire.written)) == (2 * answers, answers)
            assert isinstance(wire.protocol, Express)

    asyncio.run(ask())


def test_an_answer_without_a_body_is_written_too() -> None:
    async def ask() -> bytes:
        with connected(short=True) as wire:
            wire.say(post(b"x", path=b"/endpoints/broken/invocations"))
            await rounds()
            return b"".join(wire.written)

    assert asyncio.run(ask()) == b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"


def test_who_does_not_read_his_answers_is_answered_no_more_until_he_does() -> None:
    async def ask() -> None:
        with connected(short=True) as wire:
            wire.protocol.pause_writing()
            for body in (b"one", b"two"):
                wire.say(post(body))
            await rounds()
            assert (wire.written, wire.reads) == ([], 1)
            wire.protocol.resume_writing()
            await rounds()
            assert len(wire.written) == 2

    asyncio.run(ask())
