"""One call of a server by a thread that waits for the answer; `asking.py` asks without holding up the loop."""

from __future__ import annotations

import http.client
from collections.abc import Iterable

from dropforge.local.sagemaker.hosting.exchange import Reply
from dropforge.local.sagemaker.hosting.pulse import PORT
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.sandbox import SandboxError

Headers = Iterable[tuple[str, str]]


def call(
    server: Server,
    method: str,
    path: str,
    body: bytes | None,
    headers: Headers,
    *,
    seconds: float,
    largest: int,
) -> Reply:
    """Give the whole answer; SandboxError where there is no server, OSError or HTTPException where no answer is.

    `seconds` are how long the server may say nothing, `largest` how many bytes its answer may have.
    """
    connection = http.client.HTTPConnection("localhost", PORT)
    try:
        connection.sock = server.connect()
    except OSError as error:
        raise SandboxError("the server is not up") from error
    try:
        connection.sock.settimeout(seconds)
        connection.putrequest(method, path, skip_accept_encoding=True)  # which nobody asked for
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        said = _whole(answer, largest)
    finally:
        connection.close()
    server.hear()
    return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, said)


def _whole(answer: http.client.HTTPResponse, largest: int) -> bytes:
    stated = answer.length or 0
    said = answer.read(largest + 1) if stated <= largest else b""
    if max(stated, len(said)) > largest:
        raise http.client.HTTPException(f"the answer is larger than {largest} bytes")
    if answer.length:  # a limited read takes what is cut off for the whole
        raise http.client.IncompleteRead(said, answer.length)
    return said
