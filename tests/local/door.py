"""A gateway over a small API, served on a port of its own."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dropforge.local.functions.worker import Answer
from dropforge.local.gateway.app import Gateway
from dropforge.local.home import REGION, Home, Keys
from dropforge.local.serving import Server
from dropforge.local.stack_reading import Api, GatewayResponse, Route

KEYS = Keys("LOCALKEY", "secret")
PROBLEM = (
    '{"code":"$context.error.responseType","detail":$context.error.messageString,"request_id":"$context.requestId"}'
)
API = Api(
    id="abc123",
    stage="api",
    routes=(
        Route("/v1/health", "GET", "open", signed=False, key_required=False),
        Route("/v1/echo/{name}", "ANY", "open", signed=False, key_required=False),
        Route("/v1/runs/{run}", "GET", "operators", signed=True, key_required=False),
        Route("/v1/models/{model}/predict", "POST", "clients", signed=False, key_required=True),
    ),
    binary_types=frozenset({"image/png", "image/webp"}),
    responses={
        "MISSING_AUTHENTICATION_TOKEN": GatewayResponse(
            404, {"application/json": PROBLEM}, {"Content-Type": "'application/problem+json'"}
        ),
        "DEFAULT_4XX": GatewayResponse(None, {"application/json": PROBLEM}, {"X-Family": "'4xx'"}),
    },
    keys={"client-key": "key-id"},
)


def path_of(event: Any) -> Answer:
    return Answer(json.dumps({"statusCode": 200, "body": json.dumps(event["path"])}).encode(), failed=False)


@dataclass
class Functions:
    """Answers invocations, and keeps the events."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    answer: Callable[[Any], Answer] = path_of

    def forget(self) -> None:
        self.events.clear()
        self.answer = path_of

    def __call__(self, function: str, payload: bytes, _patience: float) -> Answer:
        event = json.loads(payload)
        self.events.append((function, event))
        return self.answer(event)

    def say(self, answer: Any, *, failed: bool = False) -> None:
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.answer = lambda _event: Answer(payload, failed)


@dataclass
class Door:
    """The gateway, served on a port of its own."""

    port: int
    functions: Functions

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return result

    def sign(self, path: str, keys: Keys = KEYS) -> dict[str, str]:
        request = AWSRequest("GET", f"http://127.0.0.1:{self.port}{path}")
        SigV4Auth(Credentials(keys.access, keys.secret), "execute-api", REGION).add_auth(request)
        return dict(request.headers)


@contextmanager
def opened(home: Path, *, within: float = 30.0, headers_within: float = 30.0) -> Iterator[Door]:
    functions = Functions()
    gateway = Gateway(API, functions, KEYS, within=within)
    server = Server(gateway.asgi, Home(home).listen("api"), name="test", headers_within=headers_within)
    server.start()
    yield Door(server.port, functions)
    server.stop()
    gateway.stop()
