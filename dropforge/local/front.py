"""The one port for all AWS APIs: who signed for `sagemaker` reaches our SageMaker, everyone else ministack."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from dropforge.local.faults.calls import disturb
from dropforge.local.faults.rules import Rules
from dropforge.local.ministack import Asgi, Receive, Scope, Send

Route = Callable[[Scope, Receive], Awaitable[tuple[int, dict[str, Any]]]]

STATUS_PATH = "/_dropforge/status"
_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")


class Front:
    """Routes by the credential scope of the signature, in the header or (presigned) in the query.

    `rules` say which calls are disturbed on their way.
    """

    def __init__(self, ministack: Asgi, rules: Rules | None = None) -> None:
        self._ministack = ministack
        self._rules = rules or Rules()
        self._routes: dict[str, Route] = {}
        self._services: dict[str, Asgi] = {}
        self._told: list[Callable[[], dict[str, Any]]] = [self.counted]
        self._calls: Counter[tuple[str, str]] = Counter()

    def tell(self, status: Callable[[], dict[str, Any]]) -> None:
        """Add a part's keys to what the status says."""
        self._told.append(status)

    def mount(self, service: str, app: Asgi) -> None:
        """Send what is signed for this service to another app."""
        self._services[service] = app

    def answer(self, path: str, route: Route) -> None:
        """Answer a path of our own, which no AWS service has."""
        self._routes[path] = route

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._ministack(scope, receive, send)
        elif scope["path"] == STATUS_PATH:
            status = {key: value for tell in self._told for key, value in tell().items()}
            await answer_json(send, 200, status)
        elif scope["path"] in self._routes:
            await answer_json(send, *await self._routes[scope["path"]](scope, receive))
        else:
            service, name = signed_service(scope) or "unsigned", operation(scope)
            self._calls[service, name] += 1
            app = self._services.get(service, self._ministack)
            await disturb(self._rules, service, name, app, scope, receive, send)

    def counted(self) -> dict[str, Any]:
        """Tell how often each operation was called, as `{"aws": {service: {operation: calls}}}`."""
        told: dict[str, dict[str, int]] = {}
        for (service, called), calls in self._calls.items():
            told.setdefault(service, {})[called] = calls
        return {"aws": told}


def operation(scope: Scope) -> str:
    """Name what a request asks for: the target of a JSON protocol, else the method (a listing of a bucket: `LIST`)."""
    target = dict(scope["headers"]).get(b"x-amz-target", b"").decode("latin-1")
    listing = b"list-type=2" in scope.get("query_string", b"")
    return str(target.rpartition(".")[2]) or ("LIST" if listing else str(scope["method"]))


def signed_service(scope: Scope) -> str | None:
    """Read which service a request is signed for; None for an unsigned one."""
    header = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    if header:
        found = _SCOPE.search(header)
        return found["service"] if found else None
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    credential = query.get("X-Amz-Credential", [""])[0].split("/")
    return credential[3] if len(credential) == 5 else None  # noqa: PLR2004  key/date/region/service/aws4_request


async def answer_json(send: Send, status: int, body: dict[str, Any]) -> None:
    payload = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(payload)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})
