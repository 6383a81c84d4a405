"""The ASGI app: tells the two protocols apart, keeps the loop free, turns every refusal into AWS's shape."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.wire import protocol, refusals
from dropforge.local.sagemaker.wire.operation import Operation

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes | AsyncGenerator[bytes, None]]
Invoke = Callable[[Scope, bytes], Awaitable[Answer]]
_AT_ONCE = 16
_LARGEST_BODY = 32 * 1024 * 1024

logger = logging.getLogger(__name__)


class Web:
    """Serves `sagemaker` or its like (JSON 1.1, one path), and `runtime.sagemaker` (REST, under /endpoints/)."""

    def __init__(
        self, operations: Mapping[str, Operation], invoke: Invoke | None = None, service: str = protocol.SAGEMAKER
    ) -> None:
        self._operations = operations
        self._service = service
        self._invoke = invoke
        # A pool of its own: an operation may call S3 through the same server, and must not starve it of threads.
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="sagemaker-api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _read(receive)
        if body is None:
            return  # nobody waits for an answer, and half a request asks for nothing
        answer: bytes | AsyncGenerator[bytes, None]
        if self._invoke and scope["path"].startswith("/endpoints/"):
            status, headers, answer = await self._invoke(scope, body)
        else:
            status, answer = await self._control(scope, body)
            headers = [(b"content-type", protocol.CONTENT_TYPE.encode())]
        headers.append((b"x-amzn-requestid", str(uuid.uuid4()).encode()))
        if isinstance(answer, bytes):
            headers.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await _send_body(send, answer)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _control(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        told = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
        target = told if scope["method"] == "POST" else ""  # the protocol knows no other method
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._perform, target, body)

    def _perform(self, target: str, body: bytes) -> tuple[int, bytes]:
        try:
            name, request = protocol.parse(target, body, self._service)
            operation = self._operations.get(name) or _not_here(name)
            return 200, protocol.answer(name, operation(request), self._service)
        except SageMakerError as error:
            return error.status, protocol.refusal(error)
        except Exception:  # the edge of the service: a bug of ours is a 500, not a broken connection
            logger.exception("%s met an internal error", target)
            return 500, protocol.refusal(SageMakerError("We encountered an internal error. Please try again."))


def _not_here(name: str) -> Operation:
    raise refusals.NOT_HERE(operation=name)


async def _send_body(send: Send, answer: bytes | AsyncGenerator[bytes, None]) -> None:
    if isinstance(answer, bytes):
        await send({"type": "http.response.body", "body": answer})
        return
    async with aclosing(answer):
        async for part in answer:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _read(receive: Receive) -> bytes | None:
    """Read a whole body, of one that is too large as much as is allowed; None where the caller hangs up before."""
    parts: list[bytes] = []
    size = 0
    while (message := await receive())["type"] != "http.disconnect":
        part: bytes = message.get("body", b"")
        size += len(part)
        if size <= _LARGEST_BODY:
            parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)  # what came in one piece is not copied
    return None
