"""What a server may answer, over one connection: read as h11 reads it, in whatever pieces it comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.sagemaker.hosting import exchange
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Connection, Reply

HEADERS = [("content-type", "a/b"), ("accept", "*/*")]
REQUEST = b"POST /invocations HTTP/1.1\r\nhost: localhost:8080\r\ncontent-length: 4\r\n"
REQUEST += b"content-type: a/b\r\naccept: */*\r\n\r\nbody"
BODY = bytes(range(256)) * 400
PLAIN = b"HTTP/1.1 200 OK\r\nServer: x\r\nX-Some:  thing \r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


class Peer:
    """The server's end of a connection."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)

    async def hear(self, size: int) -> bytes:
        loop, heard = asyncio.get_running_loop(), b""
        while len(heard) < size and (part := await loop.sock_recv(self._end, size - len(heard))):
            heard += part
        return heard

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            await asyncio.get_running_loop().sock_sendall(self._end, piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def end(self) -> None:
        self._end.shutdown(socket.SHUT_WR)


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Connection, Peer]]:
    ours, theirs = socket.socketpair()
    connection = await Connection.over(ours)
    yield connection, Peer(theirs)
    connection.close()
    theirs.close()
    await asyncio.sleep(0)


async def _asked(pieces: Sequence[bytes], *, ended: bool) -> tuple[Reply, bool]:
    async with connected() as (connection, peer):
        asking = asyncio.create_task(connection.ask("/invocations", HEADERS, b"body"))
        await peer.hear(len(REQUEST))
        await peer.say(*pieces)
        if ended:
            peer.end()
        async with asyncio.timeout(10):
            return await asking, connection.fresh


def asked(*pieces: bytes, ended: bool = False) -> tuple[Reply, bool]:
    """Ask a server that answers in pieces; gives the reply, and whether another request may follow."""
    return asyncio.run(_asked(pieces, ended=ended))


@pytest.mark.parametrize(
    ("answer", "fresh"),
    [
        (PLAIN, True),
        (PLAIN.replace(b"OK\r\n", b"OK\r\nConnection: Keep-Alive\r\n"), True),
        (PLAIN.replace(b"OK\r\n", b"OK\r\nContent-Length: 5\r\n"), True),
        (PLAIN.replace(b"OK\r\n", b"OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"), True),
        (PLAIN.replace(b" OK", b""), True),
        (PLAIN.replace(b"OK\r\n", b"OK\r\nX-Long: " + b"x" * 20_000 + b"\r\n"), True),
        (CHUNKED, True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, True),
        (PLAIN.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"), False),
        (PLAIN.replace(b"1.1", b"1.0"), False),
        (PLAIN + b"and more", False),
        (PLAIN * 2, False),
        (CHUNKED + b"and more", False),
    ],
)
def test_every_answer_that_h11_understands_is_understood(answer: bytes, *, fresh: bool) -> None:
    reply, again = asked(answer)
    assert (reply.status, reply.body, again) == (200, b"hello", fresh)


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    assert asked(b"HTTP/1.1 200 OK\r\n\r\nhello", ended=True)[0].body == b"hello"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_has_no_body_is_not_waited_for(status: int) -> None:
    reply, fresh = asked(b"HTTP/1.1 %d No\r\nContent-Length: 5\r\n\r\n" % status)
    assert (reply.status, reply.body, fresh) == (status, b"", True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "without an answer"),
        (PLAIN[:20], "closed"),
        (PLAIN[:-1], "received 4 bytes, expected 5"),
        (CHUNKED[:-3], "closed"),
        (b"nonsense\r\n\r\n", "illegal"),
        (PLAIN.replace(b": 5", b": five"), "[Cc]ontent-[Ll]ength"),
        (PLAIN.replace(b"OK\r\n", b"OK\r\nContent-Length: 6\r\n"), "[Cc]ontent-[Ll]ength"),
        (PLAIN.replace(b"X-Some:", b"X-Some :"), "illegal"),
        (PLAIN.replace(b": 5", b": 99999999999"), "larger than"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "illegal|too|long"),
    ],
)
def test_what_is_no_answer_is_broken_and_says_why(answer: bytes, words: str) -> None:
    with pytest.raises(BrokenError, match=words):
        asked(answer, ended=True)


def test_a_server_that_only_ever_says_that_it_goes_on_is_given_up() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert asked(hint * 50, PLAIN)[0].body == b"hello"
    with pytest.raises(BrokenError, match="goes on"):
        asked(hint * 500, PLAIN)


def test_an_answer_in_chunks_is_as_limited_as_one_of_a_stated_length() -> None:
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"

    async def ask() -> None:
        async with connected() as (connection, peer):
            asking = asyncio.create_task(connection.ask("/invocations", HEADERS, b""))
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            telling = asyncio.create_task(peer.say(head, *[chunk] * 26))
            with pytest.raises(BrokenError, match="larger than"):
                await asking
            telling.cancel()

    asyncio.run(ask())


@given(st.sampled_from([PLAIN, CHUNKED]), st.lists(st.integers(1, 80), max_size=4).map(sorted))
def test_an_answer_may_come_in_any_pieces(answer: bytes, cuts: list[int]) -> None:
    pieces = [answer[begin:end] for begin, end in zip([0, *cuts], [*cuts, None], strict=True)]
    reply, fresh = asked(*filter(None, pieces))
    assert (reply.status, reply.body, fresh) == (200, b"hello", True)


def test_a_large_answer_is_read_whole_and_the_next_one_too() -> None:
    async def ask() -> None:
        async with connected() as (connection, peer):
            for size in (10_000_000, 3, 200_000):
                asking = asyncio.create_task(connection.ask("/invocations", HEADERS, b""))
                await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
                assert (await asking).body == b"x" * size

    asyncio.run(ask())


def test_a_server_is_told_all_in_one_piece_and_its_headers_are_never_two() -> None:
    async def ask() -> None:
        async with connected() as (connection, peer):
            asking = asyncio.create_task(connection.ask("/invocations", HEADERS, BODY))
            told = REQUEST.replace(b": 4", b": 102400").removesuffix(b"body") + BODY
            assert await peer.hear(len(told)) == told
            await peer.say(PLAIN)
            assert (await asking).headers["x-some"] == "thing"
            with pytest.raises(BrokenError, match="two"):
                await connection.ask("/invocations", [("accept", "a\r\nx: y")], b"")

    asyncio.run(ask())


def test_a_connection_that_says_something_unasked_or_is_closed_carries_no_request() -> None:
    async def ask() -> None:
        for unasked in (b"HTTP/1.1 408 Request Timeout\r\n\r\n", b""):
            async with connected() as (connection, peer):
                asking = asyncio.create_task(connection.ask("/invocations", HEADERS, b""))
                await peer.say(PLAIN)
                await asking
                assert connection.fresh
                await peer.say(unasked)
                peer.end()
                for _ in range(20):
                    await asyncio.sleep(0)
                assert not connection.fresh

    asyncio.run(ask())


def test_a_server_that_answers_before_it_has_read_all_is_not_asked_again() -> None:
    async def ask() -> None:
        async with connected() as (connection, peer):
            asking = asyncio.create_task(connection.ask("/invocations", HEADERS, bytes(20_000_000)))
            await peer.say(PLAIN)
            assert (await asking).body == b"hello"
            assert not connection.fresh

    asyncio.run(ask())


def test_a_stream_that_nobody_reads_is_not_kept_in_memory() -> None:
    async def ask() -> int:
        async with connected() as (connection, peer):
            beginning = asyncio.create_task(connection.begin("/invocations", HEADERS, b""))
            await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
            await beginning
            telling = asyncio.create_task(peer.say(bytes(20_000_000)))
            for _ in range(200):
                await asyncio.sleep(0)
            assert not telling.done()
            size = 0
            while not telling.done():
                size += len(await connection.part())
            return size

    assert asyncio.run(ask()) > 10_000_000
    assert exchange.LARGEST_ANSWER > 20_000_000
