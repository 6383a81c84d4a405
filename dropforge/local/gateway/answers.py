"""What the gateway answers by itself: API Gateway's cases, in the shape that the template's responses give them."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Mapping
from enum import Enum

from dropforge.local.gateway.events import Request, Response
from dropforge.local.stack_reading import Api

_VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)")
_DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'


class Case(Enum):
    """A gateway response type, its default status and its message."""

    MISSING_AUTHENTICATION_TOKEN = (403, "Missing Authentication Token")
    INVALID_API_KEY = (403, "Forbidden")
    INVALID_SIGNATURE = (403, "The request signature is not valid.")
    REQUEST_TOO_LARGE = (413, "Request Entity Too Large")
    INTEGRATION_TIMEOUT = (504, "Endpoint request timed out")
    DEFAULT_4XX = (408, "Request Timeout")
    DEFAULT_5XX = (502, "Internal server error")

    @property
    def status(self) -> int:
        return self.value[0]

    @property
    def message(self) -> str:
        return self.value[1]


def answer(case: Case, request: Request, api: Api, message: str = "") -> Response:
    """Render the case as the deployed API says, else as API Gateway does by default."""
    family = "DEFAULT_5XX" if case.status >= 500 else "DEFAULT_4XX"  # noqa: PLR2004  HTTP's own classes
    shape = api.responses.get(case.name) or api.responses.get(family)
    variables = _variables(case, request, api, message or case.message)
    if shape is None:
        return Response(case.status, [("Content-Type", "application/json")], _render(_DEFAULT_TEMPLATE, variables))
    template = shape.templates.get("application/json") or next(iter(shape.templates.values()), _DEFAULT_TEMPLATE)
    headers = {"content-type": ("Content-Type", "application/json")}
    headers |= {name.lower(): (name, _mapped(value, variables)) for name, value in shape.headers.items()}
    return Response(shape.status or case.status, list(headers.values()), _render(template, variables))


def _render(template: str, variables: Mapping[str, str]) -> bytes:
    def value(found: re.Match[str]) -> str:
        # A sentence may end in a variable: its full stop is no part of the name.
        name = found[1].rstrip(".")
        return variables.get(name, "") + "." * (len(found[1]) - len(name))

    return _VARIABLE.sub(value, template).encode()


def _mapped(value: str, variables: Mapping[str, str]) -> str:
    """Read a header's mapping: a 'literal' in quotes, or a context variable."""
    if value.startswith("'") and value.endswith("'"):
        return value[1:-1]
    return variables.get(value.removeprefix("context."), "")


def _variables(case: Case, request: Request, api: Api, message: str) -> dict[str, str]:
    return {
        "error.message": message,
        "error.messageString": json.dumps(message),
        "error.responseType": case.name,
        "error.validationErrorString": "",
        "requestId": request.id,
        "extendedRequestId": base64.b64encode(uuid.UUID(request.id).bytes).decode(),
        "httpMethod": request.method,
        "path": json.dumps(request.raw_path)[1:-1],
        "apiId": api.id,
        "stage": api.stage,
        "identity.sourceIp": request.source_ip,
    }
