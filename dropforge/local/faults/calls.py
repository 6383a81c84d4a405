"""Disturbs calls on their way through the front."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, assert_never, cast
from xml.sax.saxutils import escape

from dropforge.local.faults.rules import Rule, Rules
from dropforge.local.ministack import Asgi, Receive, Scope, Send

_INVOKES = {
    "invocations": "InvokeEndpoint",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
    "async-invocations": "InvokeEndpointAsync",
}

MOST_READ = 64 * 2**20
"""Bytes of a refused request that are read, and thrown away."""


async def disturb(rules: Rules, service: str, name: str, app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
    """Let a call through to `app`, or do to it what the rules say."""
    name, members = _invoked(scope) or (name, {})
    if rules.reads("operation", service):
        body = await _read(receive)
        if body is None:
            return  # the caller has hung up: half a request is not one
        members, receive = {**members, **_members(body)}, _again(body, receive)
    rule = rules.next("operation", name, members, service)
    if rule is None:
        await app(scope, receive, send)
    else:
        await _act(rule, service, app, scope, receive, send)


async def _act(rule: Rule, service: str, app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
    match rule.does:
        case "throttle":
            send = await _after_body(receive, send)
            await _throttle(service, send)
        case "fail":
            send = await _after_body(receive, send)
            await _refuse(send, service, rule.status, rule.code, rule.message)
        case "delay":
            await asyncio.sleep(rule.seconds)
            await app(scope, receive, send)
        case "lose-answer":
            await app(scope, receive, _swallow)
            await _until_gone(receive, rule.seconds)
            await _refuse(send, service, 504, "RequestTimeout", "The answer was lost on its way.")
        case _:
            assert_never(cast("Any", rule.does))


async def _throttle(service: str, send: Send) -> None:
    if service == "s3":
        await _refuse(send, service, 503, "SlowDown", "Please reduce your request rate.")
    else:
        await _refuse(send, service, 400, "ThrottlingException", "Rate exceeded")


async def _refuse(send: Send, service: str, status: int, code: str, message: str) -> None:
    if service == "s3":
        text, kind = (
            f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>",
            b"application/xml",
        )
    else:
        text, kind = json.dumps({"__type": code, "message": message}), b"application/x-amz-json-1.1"
    payload = text.encode(errors="replace")
    headers = [(b"content-type", kind), (b"content-length", str(len(payload)).encode())]
    headers += [(b"x-amzn-errortype", code.encode("latin-1", "replace"))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


async def _after_body(receive: Receive, send: Send) -> Send:
    """Take the body off the connection: what is left of it would be read as the next request.

    Whoever waits for `100 Continue` sends it only once it is read. Of a very large one the rest is not waited for: the
    answer then ends the connection.
    """
    taken = 0
    while taken < MOST_READ:
        message = await receive()
        taken += len(message.get("body", b""))
        if not message.get("more_body"):
            return send
    return _closing(send)


def _closing(send: Send) -> Send:
    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


async def _swallow(_message: Any) -> None:
    return None


async def _until_gone(receive: Receive, seconds: float) -> None:
    """Wait until the caller has given up, or so long."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(gone(), seconds)


async def _read(receive: Receive) -> bytes | None:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already once more, and then whatever follows it."""
    told: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict[str, Any]:
        return told.pop() if told else await receive()

    return again


def _members(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def _invoked(scope: Scope) -> tuple[str, dict[str, Any]] | None:
    """Name what SageMaker's runtime is asked for, which no header tells."""
    parts = str(scope["path"]).split("/")
    if len(parts) == 4 and parts[1] == "endpoints" and parts[3] in _INVOKES:  # noqa: PLR2004  /endpoints/NAME/what
        return _INVOKES[parts[3]], {"EndpointName": parts[2]}
    return None
