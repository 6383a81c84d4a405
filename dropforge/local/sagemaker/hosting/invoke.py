"""The runtime: from a request to a server and back, without ever holding up the loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

from dropforge.local.sagemaker.errors import ModelError, SageMakerError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting import exchange, refusals, runtime, streams
from dropforge.local.sagemaker.hosting.asking import Asker
from dropforge.local.sagemaker.hosting.exchange import Connection, Reply
from dropforge.local.sagemaker.hosting.figures import Call, Figures
from dropforge.local.sagemaker.hosting.fleet import Fleet, NobodyError
from dropforge.local.sagemaker.hosting.queueing import Queue
from dropforge.local.sagemaker.hosting.route import Route
from dropforge.local.sagemaker.hosting.runtime import Request
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.hosting.sessions import NEW, Sessions
from dropforge.local.sagemaker.sandbox import SandboxError

Headers = list[tuple[bytes, bytes]]
Ask = Callable[[Server, Connection, exchange.Headers, bytes], Awaitable[Reply]]
Answer = tuple[int, Headers, bytes | AsyncGenerator[bytes, None]]
_LARGEST_SERVERLESS = 4 * 1024 * 1024
_GLANCE = 0.01
_SAID = "".join(map(chr, range(0x20, 0x7F)))
"""What a header says of a place as it is; the rest is percent-encoded (assumed)."""
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_OPENED, _CLOSED = "x-amzn-sagemaker-new-session-id", "x-amzn-sagemaker-closed-session-id"


class Invoker:
    """Answers the runtime's paths. `route` tells which servers answer for an endpoint."""

    def __init__(self, ground: Ground, route: Callable[[str], Route | None], figures: Figures, queue: Queue) -> None:
        self._figures = figures
        self._queue = queue
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="sagemaker-accept")
        self._route = route
        self._account = ground.account
        self._asker = Asker(ground)
        self._sessions = Sessions()
        self._startup = ground.limits.startup
        self._copies: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        try:
            began = time.perf_counter()
            request = runtime.read(scope, body)
            match request.operation:
                case runtime.INVOKE:
                    return await self._invoke(request, began)
                case runtime.STREAM:
                    return await self._stream(request, began)
                case _:
                    return await self._accept(request)
        except SageMakerError as error:
            return refusal(error)

    def close(self) -> None:
        self._asker.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _accept(self, request: Request) -> Answer:
        """Put a request into its endpoint's queue; it is in the store before the answer goes out."""
        if (route := self._route(request.endpoint)) is None:
            raise refusals.NO_ENDPOINT(endpoint=request.endpoint, account=self._account.number)
        if route.first.queue is None:
            raise refusals.NOT_ASYNC(endpoint=request.endpoint, account=self._account.number)
        loop = asyncio.get_running_loop()
        doc = await loop.run_in_executor(self._pool, self._queue.accept, request, dict(route.first.queue))
        places = {"output": doc["OutputLocation"], "failure": doc["FailureLocation"]}
        headers = [("content-type", "application/json")]
        headers += [(f"x-amzn-sagemaker-{name}location", quote(at, safe=_SAID)) for name, at in places.items() if at]
        return 202, _spell(headers), json.dumps({"InferenceId": doc["InferenceId"]}).encode()

    async def _invoke(self, request: Request, began: float) -> Answer:
        fleet, server, _, reply = await self._asked(request, began, self._asker.ask)
        fleet.give_back(server)
        opened, closed = reply.headers.get(_OPENED), reply.headers.get(_CLOSED)
        self._sessions.heard(request.endpoint, opened, closed, (fleet, server))
        headers = [("content-type", _content_type(reply)), *_told(server, reply, _ATTRIBUTES, _OPENED, _CLOSED)]
        return 200, _spell(headers), reply.body

    async def _stream(self, request: Request, began: float) -> Answer:
        fleet, server, connection, head = await self._asked(request, began, self._asker.begin)
        try:
            answer = self._frames(fleet, server, connection)
            await anext(answer)  # it has begun, so it will end: the server is given back whatever happens
        except BaseException:  # a caller who has gone, too: see `_asked`
            fleet.give_back(server)
            raise
        headers = [("content-type", streams.CONTENT_TYPE), ("x-amzn-sagemaker-content-type", _content_type(head))]
        return 200, _spell([*headers, *_told(server, head, _ATTRIBUTES)]), answer

    async def _asked(self, request: Request, began: float, ask: Ask) -> tuple[Fleet, Server, Connection, Reply]:
        """Ask a server, which is to be given back. One that has just ended is asked nothing, and another one is."""
        while True:
            fleet, server = self._take(request)
            try:
                await self._up(server)
                with self._counted(fleet, server, began):
                    connection = await self._asker.connected(server)
                    self._copy(fleet, request)
                    return fleet, server, connection, await ask(server, connection, request.passed(), request.body)
            except SandboxError:
                fleet.give_back(server)
            except BaseException:  # a caller who has gone, too: nobody else would give the server back
                fleet.give_back(server)
                raise

    async def _frames(self, fleet: Fleet, server: Server, connection: Connection) -> AsyncGenerator[bytes, None]:
        errors = 0.0
        try:
            yield b""
            async for frame in streams.frames(connection, self._asker.seconds):
                server.hear()
                yield frame
        except streams.CutOffError as cut:
            errors = 1.0
            connection.close()
            yield cut.frame
        finally:
            told = {"EndpointName": server.endpoint, "VariantName": server.variant}
            self._figures.add("MidStreamErrors", "None", errors, **told)
            self._asker.keep(server, connection)
            fleet.give_back(server)

    async def _up(self, server: Server) -> None:
        """Wait for a server that is on its way; only serverless variants have such."""
        began = time.perf_counter()
        while not server.up.is_set():
            if time.perf_counter() - began > self._startup:
                raise refusals.NOT_READY(endpoint=server.endpoint, variant=server.variant)
            await asyncio.sleep(_GLANCE)
        if server.failure:
            raise self._asker.failed(server, 0, server.failure)
        if (waited := time.perf_counter() - began) > _GLANCE:
            told = {"EndpointName": server.endpoint, "VariantName": server.variant}
            self._figures.add("ModelSetupTime", "Microseconds", waited * 1_000_000, **told)

    def _copy(self, fleet: Fleet, request: Request) -> None:
        """Let a shadow have the request, too; nobody waits for it, and nobody hears what it says."""
        if server := fleet.take_shadow():
            task = asyncio.create_task(self._shadow(fleet, server, request))
            self._copies.add(task)
            task.add_done_callback(self._copies.discard)

    async def _shadow(self, fleet: Fleet, server: Server, request: Request) -> None:
        try:
            with suppress(ModelError, SandboxError), self._counted(fleet, server, time.perf_counter()):
                connection = await self._asker.connected(server)
                await self._asker.ask(server, connection, request.passed(), request.body)
        finally:
            fleet.give_back(server)

    @contextmanager
    def _counted(self, fleet: Fleet, server: Server, began: float) -> Iterator[None]:
        """Count an invocation, however it ends; what reached nobody is none."""
        asked, status, reached = time.perf_counter(), 200, True
        try:
            yield
        except SandboxError:
            reached = False
            raise
        except ModelError as error:
            status = error.extra["OriginalStatusCode"]
            raise
        finally:
            model, instances = time.perf_counter() - asked, fleet.instances(server.variant)
            busy = fleet.busy(server.variant)
            call = Call(server.endpoint, server.variant, instances, busy, model, asked - began, status)
            if reached:
                self._figures.count(call)

    def _take(self, request: Request) -> tuple[Fleet, Server]:
        """Find a server. The servers may be replaced in this very moment: then look again."""
        session = request.members.get("SessionId", NEW)
        while True:
            route = self._route(request.endpoint)
            if route is None:
                raise refusals.NO_ENDPOINT(endpoint=request.endpoint, account=self._account.number)
            if request.variant is not None and request.variant not in route.variants():
                raise refusals.NO_TARGET(endpoint=request.endpoint, variant=request.variant)
            if route.first.queue is not None:
                raise refusals.ASYNC_ONLY(endpoint=request.endpoint, account=self._account.number)
            if route.first.serverless:
                runtime.check_size(request.body, _LARGEST_SERVERLESS)
            try:
                return route.take(request.variant) if session == NEW else self._again(request.endpoint, session)
            except NobodyError as error:
                if route is self._route(request.endpoint):
                    raise refusals.NOBODY(endpoint=request.endpoint) from error

    def _again(self, endpoint: str, session: str) -> tuple[Fleet, Server]:
        found = self._sessions.find(endpoint, session)
        if found is None or not found[0].take_again(found[1]):
            raise refusals.NO_SESSION(session=session, endpoint=endpoint)
        return found


def refusal(error: SageMakerError) -> Answer:
    """Spell an error as rest-json does: its code in a header."""
    body = json.dumps({"message": error.message, "Message": error.message, **error.extra}).encode()
    return error.status, [(b"content-type", b"application/json"), (b"x-amzn-errortype", error.code.encode())], body


def _content_type(reply: Reply) -> str:
    return reply.headers.get("content-type", "application/octet-stream")


def _told(server: Server, reply: Reply, *names: str) -> list[tuple[str, str]]:
    """Give the headers that the container's answer brings, and who it was."""
    variant = ("x-amzn-invoked-production-variant", server.variant)
    return [variant, *((name, reply.headers[name]) for name in names if name in reply.headers)]


def _spell(headers: list[tuple[str, str]]) -> Headers:
    return [(name.encode(), value.encode("latin-1")) for name, value in headers]
