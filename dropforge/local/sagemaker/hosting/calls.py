"""One call of a server by a thread that waits for the answer; `asking.py` asks without holding up the loop."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from dropforge.local.sagemaker.hosting.exchange import Connection, Headers, Reply
from dropforge.local.sagemaker.sandbox import SandboxError

if TYPE_CHECKING:
    from dropforge.local.sagemaker.hosting.serving import Server


def call(
    server: Server, method: str, path: str, headers: Headers, body: bytes, *, seconds: float, largest: int
) -> Reply:
    """Give the whole answer, of at most `largest` bytes.

    SandboxError where there is no server, TimeoutError where the whole takes longer than `seconds`, OSError or
    BrokenError where there is no such answer.
    """
    try:
        connected = server.connect()
    except OSError as error:
        raise SandboxError("the server is not up") from error
    reply = once(connected, method, path, headers, body, seconds=seconds, largest=largest)
    server.hear()
    return reply


def once(
    connected: socket.socket, method: str, path: str, headers: Headers, body: bytes, *, seconds: float, largest: int
) -> Reply:
    """Have one exchange over a connection, which is closed then; as `call`."""
    with connected:
        return asyncio.run(_once(connected, method, path, headers, body, seconds, largest))


async def _once(
    connected: socket.socket, method: str, path: str, headers: Headers, body: bytes, seconds: float, largest: int
) -> Reply:
    connection = await Connection.over(connected, largest)
    try:
        async with asyncio.timeout(seconds):
            return await connection.ask(path, headers, body, method)
    except TimeoutError as error:
        raise TimeoutError(f"no whole answer within {seconds:g} seconds") from error
    finally:
        connection.close()
