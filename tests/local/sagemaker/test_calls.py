"""What a thread that asks a server takes for an answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest

from dropforge.local.sagemaker.hosting.calls import call
from dropforge.local.sagemaker.hosting.exchange import BrokenError
from dropforge.local.sagemaker.sandbox import SandboxError

_STATED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
_UNTIL_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhello"


class Saying:
    """A server that has answered before it is asked."""

    heard = 0

    def __init__(self, ours: socket.socket) -> None:
        self._ours = ours

    def connect(self) -> socket.socket:
        return self._ours

    def hear(self) -> None:
        self.heard += 1


class Gone:
    """A server that has ended."""

    def connect(self) -> socket.socket:
        raise ConnectionRefusedError


def _call(server: Any, largest: int, *headers: tuple[str, str], seconds: float = 10) -> bytes:
    return call(server, "POST", "/invocations", headers, b"", seconds=seconds, largest=largest).body


def _heard(answer: bytes, largest: int) -> bytes:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        server = Saying(ours)
        body = _call(server, largest)
    assert server.heard == 1
    return body


@pytest.mark.parametrize("answer", [_STATED, _CHUNKED, _UNTIL_THE_END])
def test_an_answer_may_be_as_large_as_it_may_be_and_no_larger(answer: bytes) -> None:
    assert _heard(answer, 5) == b"hello"
    with pytest.raises(BrokenError, match="larger than 4 bytes"):
        _heard(answer, 4)


@pytest.mark.parametrize("answer", [_STATED[:-1], _CHUNKED[:-12]])
def test_an_answer_that_is_cut_off_is_none(answer: bytes) -> None:
    with pytest.raises(BrokenError):
        _heard(answer, 100)


def test_where_nobody_listens_there_is_no_server() -> None:
    with pytest.raises(SandboxError, match="not up"):
        _call(Gone(), 100)


@pytest.mark.parametrize("size", [b"-1", b"-5", b"+2", b"x"])
def test_a_chunk_of_no_size_is_no_answer(size: bytes) -> None:
    with pytest.raises(BrokenError):
        _heard(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\nhi\r\n0\r\n\r\n" % size, 100)


_BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
_HINT = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(("begun", "drop"), [(_BEGUN, b"."), (b"", _HINT)])
def test_an_answer_that_drips_has_no_more_time_than_one_that_does_not_come(begun: bytes, drop: bytes) -> None:
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        with theirs, contextlib.suppress(OSError):
            theirs.sendall(begun)
            while not over.wait(0.05):
                theirs.sendall(drop)

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        with pytest.raises(TimeoutError, match=r"no whole answer within 0\.5 seconds"):
            _call(Saying(ours), 10**9, seconds=0.5)
    finally:
        over.set()
        dripping.join()


def test_a_header_that_http_cannot_carry_is_not_sent() -> None:
    ours, theirs = socket.socketpair()
    with theirs, pytest.raises(BrokenError, match="cannot carry"):
        _call(Saying(ours), 100, ("content-type", "text/\u20ac"))
