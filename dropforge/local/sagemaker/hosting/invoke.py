"""InvokeEndpoint: from the request to a server and back, without ever holding up the loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from dropforge.local.sagemaker.errors import InvokeValidationError, ModelError, SageMakerError, ServiceUnavailableError
from dropforge.local.sagemaker.ground import Ground
from dropforge.local.sagemaker.hosting.exchange import BrokenError, Connection, Reply
from dropforge.local.sagemaker.hosting.fleet import Fleet, NobodyError
from dropforge.local.sagemaker.hosting.route import Route
from dropforge.local.sagemaker.hosting.serving import Server
from dropforge.local.sagemaker.logs import ENDPOINT_GROUP
from dropforge.local.sagemaker.sandbox import SandboxError

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
_LARGEST_BODY = 6 * 1024 * 1024
_LONGEST_QUOTE = 1_000  # characters of the container's answer inside an error message
_SUFFIX = "invocations"
# Headers of the request that reach the container, by its names for them.
_PASSED = ("content-type", "accept", "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id")
_REFUSED = ("x-amzn-sagemaker-inference-component", "x-amzn-sagemaker-session-id", "x-amzn-sagemaker-target-model")
_OUT_OF_TIME = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for each"
    " container in Amazon CloudWatch, resolve the issue, and try again."
)


class Invoker:
    """Answers the runtime's paths. `route` tells which servers answer for an endpoint."""

    def __init__(self, ground: Ground, route: Callable[[str], Route | None]) -> None:
        self._route = route
        self._account = ground.account
        self._seconds = ground.limits.invoke
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="sagemaker-connect")

    async def __call__(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        try:
            return await self._invoke(scope, body)
        except SageMakerError as error:
            return refusal(error)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _invoke(self, scope: Mapping[str, Any], body: bytes) -> Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        _, _, endpoint, *rest = scope["path"].split("/")
        if scope["method"] != "POST" or rest != [_SUFFIX]:
            raise SageMakerError(
                "This operation of the runtime is not in the local cloud.", code="UnsupportedOperation"
            )
        for name in _REFUSED:
            if name in headers:
                raise InvokeValidationError(f"The header {name} is not in the local cloud.")
        if len(body) > _LARGEST_BODY:
            raise InvokeValidationError(
                "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length"
                f" less than or equal to {_LARGEST_BODY}"
            )
        variant = headers.get("x-amzn-sagemaker-target-variant")
        fleet, server = self._take(unquote(endpoint), variant)
        try:
            reply = await self._ask(server, headers, body)
        finally:
            fleet.give_back(server)
        return self._told(server, reply)

    def _take(self, endpoint: str, variant: str | None) -> tuple[Fleet, Server]:
        """Find a server. The servers may be replaced in this very moment: then look again."""
        while True:
            route = self._route(endpoint)
            if route is None:
                raise InvokeValidationError(f"Endpoint {endpoint} of account {self._account.number} not found.")
            if variant is not None and variant not in route.variants():
                raise InvokeValidationError(f"Variant {variant} not found in endpoint {endpoint}.")
            try:
                return route.take(variant)
            except NobodyError as error:
                if route is self._route(endpoint):
                    raise ServiceUnavailableError(f"No server of endpoint {endpoint} is healthy.") from error

    async def _ask(self, server: Server, headers: Mapping[str, str], body: bytes) -> Reply:
        passed = [(name, headers[name]) for name in _PASSED if name in headers]
        connection = None
        try:
            async with asyncio.timeout(self._seconds):
                connection = await self._connection(server)
                reply = await connection.post(f"/{_SUFFIX}", passed, body)
        except TimeoutError as error:
            _drop(connection)
            raise self._failed(server, 0, _OUT_OF_TIME) from error
        except (BrokenError, SandboxError, OSError) as error:
            _drop(connection)
            raise self._failed(server, 0, f"The container closed the connection: {error}.") from error
        except asyncio.CancelledError:
            _drop(connection)
            raise
        if connection.fresh and server.healthy:
            server.idle.append(connection)
        else:
            connection.close()
        return reply

    async def _connection(self, server: Server) -> Connection:
        while server.idle:
            kept = server.idle.pop()
            if kept.fresh:
                return kept
            kept.close()
        connected = await asyncio.get_running_loop().run_in_executor(self._pool, server.connect)
        return await Connection.over(connected)

    def _told(self, server: Server, reply: Reply) -> Answer:
        if reply.status // 100 != 2:  # noqa: PLR2004 - the class of successes
            raise self._failed(server, reply.status, reply.body.decode(errors="replace"))
        headers = [
            (b"content-type", reply.headers.get("content-type", "application/octet-stream").encode("latin-1")),
            (b"x-amzn-invoked-production-variant", server.variant.encode()),
        ]
        attributes = reply.headers.get("x-amzn-sagemaker-custom-attributes")
        if attributes is not None:
            headers.append((b"x-amzn-sagemaker-custom-attributes", attributes.encode("latin-1")))
        return 200, headers, reply.body

    def _failed(self, server: Server, status: int, said: str) -> ModelError:
        who = "client" if status // 100 == 4 else "server"  # noqa: PLR2004 - the class of the client's mistakes
        group = ENDPOINT_GROUP + server.endpoint
        stream = f"arn:aws:logs:{self._account.region}:{self._account.number}:log-group:{group}"
        console = f"https://{self._account.region}.console.aws.amazon.com/cloudwatch/home?region={self._account.region}"
        return ModelError(
            f'Received {who} error ({status}) from primary with message "{said[:_LONGEST_QUOTE]}". See'
            f" {console}#logEventViewer:group={group} in account {self._account.number} for more information.",
            OriginalStatusCode=status,
            OriginalMessage=said,
            LogStreamArn=stream,
        )


def refusal(error: SageMakerError) -> Answer:
    """Spell an error as rest-json does: its code in a header."""
    body = json.dumps({"message": error.message, "Message": error.message, **error.extra}).encode()
    return error.status, [(b"content-type", b"application/json"), (b"x-amzn-errortype", error.code.encode())], body


def _drop(connection: Connection | None) -> None:
    if connection:
        connection.close()
