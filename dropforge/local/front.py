"""The one port for all AWS APIs: who signed for `sagemaker` reaches our SageMaker, everyone else ministack."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from dropforge.local.ministack import Asgi, Receive, Scope, Send

STATUS_PATH = "/_dropforge/status"
_SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")


class Front:
    """Routes by the credential scope of the signature, in the header or (presigned) in the query."""

    def __init__(self, ministack: Asgi) -> None:
        self._ministack = ministack
        self._services: dict[str, Asgi] = {}
        self._told: list[Callable[[], dict[str, Any]]] = [self.counted]
        self._calls: Counter[tuple[str, str]] = Counter()

    def tell(self, status: Callable[[], dict[str, Any]]) -> None:
        """Add a part's keys to what the status says."""
        self._told.append(status)

    def mount(self, service: str, app: Asgi) -> None:
        """Send what is signed for this service to another app."""
        self._services[service] = app

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._ministack(scope, receive, send)
        elif scope["path"] == STATUS_PATH:
            status = {key: value for tell in self._told for key, value in tell().items()}
            await answer_json(send, 200, status)
        else:
            service = signed_service(scope) or "unsigned"
            self._calls[service, operation(scope)] += 1
            await self._services.get(service, self._ministack)(scope, receive, send)

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
