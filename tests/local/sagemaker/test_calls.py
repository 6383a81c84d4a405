"""What a thread that asks a server takes for an answer."""

from __future__ import annotations

import http.client
import socket
from typing import Any

import pytest

from dropforge.local.sagemaker.hosting.calls import call
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


def _call(server: Any, largest: int) -> bytes:
    return call(server, "POST", "/invocations", b"", {}, seconds=10, largest=largest).body


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
    with pytest.raises(http.client.HTTPException, match="larger than 4 bytes"):
        _heard(answer, 4)


@pytest.mark.parametrize("answer", [_STATED[:-1], _CHUNKED[:-12]])
def test_an_answer_that_is_cut_off_is_none(answer: bytes) -> None:
    with pytest.raises(http.client.IncompleteRead):
        _heard(answer, 100)


def test_where_nobody_listens_there_is_no_server() -> None:
    with pytest.raises(SandboxError, match="not up"):
        _call(Gone(), 100)
