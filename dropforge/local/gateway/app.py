"""One deployed API as an ASGI app: match, authorise, check the size, invoke, answer."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dropforge.local.functions.worker import Answer
from dropforge.local.gateway.answers import Case, answer
from dropforge.local.gateway.events import Request, Response, proxy_event, response_of
from dropforge.local.gateway.routes import Match, Routes
from dropforge.local.gateway.signing import SignedRequest, problem
from dropforge.local.home import REGION, Keys
from dropforge.local.ministack import Receive, Scope, Send
from dropforge.local.stack_reading import Api

REQUEST_LIMIT = 10 * 1024 * 1024
"""API Gateway's limit on a body, in bytes."""
EVENT_LIMIT = 6 * 1024 * 1024
"""Lambda's limit on a synchronous event, base64 included."""
INTEGRATION_WITHIN = 29.0
_BODY_WITHIN = 30.0
_DRAINED = 8 * REQUEST_LIMIT
"""A refused client is read to its end, so that it hears the answer instead of a reset; but not for ever."""
_AT_ONCE = 64

Invoke = Callable[[str, bytes, float], Answer]
"""Runs a function by its name on an event; the last is how many seconds to wait for a free worker."""


class TooLargeError(Exception):
    """The body is larger than API Gateway takes."""


class Gateway:
    """Serves one API at one stage."""

    def __init__(self, api: Api, invoke: Invoke, keys: Keys, *, within: float = INTEGRATION_WITHIN) -> None:
        self._api = api
        self._routes = Routes(api.routes)
        self._invoke = invoke
        self._keys = keys
        self._within = within
        self._hands = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix=f"gateway-{api.id}")

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            request, too_large, late = await _read(scope, receive)
        except ConnectionResetError:
            return
        if late:
            response = answer(Case.DEFAULT_4XX, request, self._api)
        else:
            response = await self._respond(request, too_large=too_large)
        await _send(send, request, response)

    def stop(self) -> None:
        self._hands.shutdown(wait=False, cancel_futures=True)

    async def _respond(self, request: Request, *, too_large: bool) -> Response:
        match = self._match(request)
        if match is None:
            return answer(Case.MISSING_AUTHENTICATION_TOKEN, request, self._api)
        if too_large:
            return answer(Case.REQUEST_TOO_LARGE, request, self._api)
        refused = self._refusal(request, match)
        if refused:
            return answer(*refused)
        key = request.by_name.get("x-api-key") if match.route.key_required else None
        event = proxy_event(
            request, match, self._api, key=key, access_key=self._keys.access if match.route.signed else None
        )
        payload = json.dumps(event).encode()
        if len(payload) > EVENT_LIMIT:
            return answer(Case.REQUEST_TOO_LARGE, request, self._api)
        return await self._integrate(request, match, payload)

    def _match(self, request: Request) -> Match | None:
        prefix = f"/{self._api.stage}"
        if request.raw_path != prefix and not request.raw_path.startswith(f"{prefix}/"):
            return None
        return self._routes.find(request.method, request.raw_path.removeprefix(prefix))

    def _refusal(self, request: Request, match: Match) -> tuple[Case, Request, Api, str] | None:
        headers = request.by_name
        if match.route.signed:
            if "authorization" not in headers:
                return Case.MISSING_AUTHENTICATION_TOKEN, request, self._api, ""
            signed = SignedRequest(request.method, request.raw_path, request.raw_query, headers, request.body)
            wrong = problem(signed, self._keys, REGION, request.at)
            if wrong:
                return Case.INVALID_SIGNATURE, request, self._api, wrong
        if match.route.key_required and headers.get("x-api-key", "") not in self._api.keys:
            return Case.INVALID_API_KEY, request, self._api, ""
        return None

    async def _integrate(self, request: Request, match: Match, payload: bytes) -> Response:
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._hands, self._invoke, match.route.function, payload, self._within)
        try:
            given = await asyncio.wait_for(call, self._within)
        except TimeoutError:
            return answer(Case.INTEGRATION_TIMEOUT, request, self._api)
        response = None if given.failed else response_of(given.payload)
        return response or answer(Case.DEFAULT_5XX, request, self._api)


async def _read(scope: Scope, receive: Receive) -> tuple[Request, bool, bool]:
    """Read a request; tells whether it is larger than allowed, and whether it came too slowly."""
    body, too_large, late = b"", False, False
    try:
        body, too_large = await asyncio.wait_for(_body(receive), _BODY_WITHIN)
    except TimeoutError:
        late = True
    request = Request(
        id=str(uuid.uuid4()),
        method=scope["method"],
        raw_path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0],
        raw_query=scope.get("query_string", b"").decode("latin-1"),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]],
        body=body,
        source_ip=(scope.get("client") or ("127.0.0.1",))[0],
        at=time.time(),
    )
    return request, too_large, late


async def _body(receive: Callable[[], Awaitable[dict[str, Any]]]) -> tuple[bytes, bool]:
    parts = bytearray()
    seen = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        part = message.get("body", b"")
        seen += len(part)
        if seen <= REQUEST_LIMIT:
            parts += part
        if not message.get("more_body", False) or seen > _DRAINED:
            return bytes(parts), seen > REQUEST_LIMIT


async def _send(send: Send, request: Request, response: Response) -> None:
    headers = [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in response.headers
    ]
    headers += [
        (b"x-amzn-requestid", request.id.encode()),
        (b"content-length", str(len(response.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
