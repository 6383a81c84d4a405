"""Turns a request into API Gateway's proxy event (REST, version 1), and a function's answer into a response."""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from dropforge.local.gateway.routes import Match
from dropforge.local.home import ACCOUNT
from dropforge.local.stack_reading import Api

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_FORWARDED = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding", "upgrade"}
_STATUSES = range(100, 600)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, whole."""

    id: str
    method: str
    raw_path: str
    raw_query: str
    headers: Sequence[tuple[str, str]]
    """In order of arrival, names in lower case."""
    body: bytes
    source_ip: str
    at: float

    @property
    def by_name(self) -> dict[str, str]:
        """The headers, repeated ones joined by commas."""
        joined: dict[str, str] = {}
        for name, value in self.headers:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return joined


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


def proxy_event(request: Request, match: Match, api: Api, *, key: str | None, access_key: str | None) -> dict[str, Any]:
    """Build the event. `key` is the API key used, `access_key` who signed."""
    headers = [*request.headers, *_forwarded(request)]
    named = [(_canonical(name), value) for name, value in headers]
    query = parse_qsl(request.raw_query, keep_blank_values=True)
    binary = _is_binary(request.by_name.get("content-type", ""), api.binary_types)
    body = None
    if request.body:
        body = base64.b64encode(request.body).decode() if binary else request.body.decode(errors="replace")
    return {
        "resource": match.route.path,
        "path": unquote(_without_stage(request.raw_path, api.stage)),
        "httpMethod": request.method,
        "headers": dict(named),
        "multiValueHeaders": _multi(named),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _multi(query) or None,
        "pathParameters": match.parameters or None,
        "stageVariables": None,
        "requestContext": _context(request, match, api, key=key, access_key=access_key),
        "body": body,
        "isBase64Encoded": bool(binary and request.body),
    }


def response_of(payload: bytes) -> Response | None:
    """Read a function's answer; None when it is not what a proxy integration must give."""
    try:
        answer = json.loads(payload)
        status = int(answer["statusCode"])
        body = answer.get("body")
        text = "" if body is None else body
        content = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
        headers = _response_headers(answer)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return None
    return Response(status, headers, content) if status in _STATUSES and headers is not None else None


def _response_headers(answer: Mapping[str, Any]) -> list[tuple[str, str]] | None:
    many = {name.lower(): (name, values) for name, values in (answer.get("multiValueHeaders") or {}).items()}
    for name, value in (answer.get("headers") or {}).items():
        # A name in both keeps the values of multiValueHeaders, as API Gateway does.
        many.setdefault(name.lower(), (name, [value]))
    headers = [
        (name, _header_text(value))
        for lower, (name, values) in many.items()
        if lower not in _NOT_FORWARDED
        for value in values
    ]
    if not all(_TOKEN.fullmatch(name.encode()) for name, _ in headers):
        return None
    return headers if "content-type" in many else [*headers, ("Content-Type", "application/json")]


def _header_text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _CONTROLS.sub(" ", text).strip()


def _context(request: Request, match: Match, api: Api, *, key: str | None, access_key: str | None) -> dict[str, Any]:
    at = datetime.fromtimestamp(request.at, tz=UTC)
    identity = {
        "accessKey": access_key,
        "accountId": ACCOUNT if access_key else None,
        "apiKey": key,
        "apiKeyId": api.keys.get(key) if key else None,
        "caller": access_key,
        "cognitoAuthenticationProvider": None,
        "cognitoAuthenticationType": None,
        "cognitoIdentityId": None,
        "cognitoIdentityPoolId": None,
        "principalOrgId": None,
        "sourceIp": request.source_ip,
        "user": access_key,
        "userAgent": request.by_name.get("user-agent"),
        "userArn": f"arn:aws:iam::{ACCOUNT}:root" if access_key else None,
    }
    return {
        "accountId": ACCOUNT,
        "apiId": api.id,
        "deploymentId": api.id,
        "domainName": request.by_name.get("host", ""),
        "domainPrefix": api.id,
        "extendedRequestId": base64.b64encode(uuid.UUID(request.id).bytes).decode(),
        "httpMethod": request.method,
        "identity": {name: value for name, value in identity.items() if name != "apiKey" or value},
        "path": unquote(request.raw_path),
        "protocol": "HTTP/1.1",
        "requestId": request.id,
        "requestTime": f"{at:%d/%b/%Y:%H:%M:%S} +0000",
        "requestTimeEpoch": int(request.at * 1000),
        "resourceId": match.route.path,
        "resourcePath": match.route.path,
        "stage": api.stage,
    }


def _forwarded(request: Request) -> list[tuple[str, str]]:
    return [
        ("x-forwarded-for", request.source_ip),
        ("x-forwarded-port", "443"),
        ("x-forwarded-proto", "https"),
        ("x-amzn-trace-id", f"Root=1-{int(request.at):08x}-{uuid.UUID(request.id).hex[:24]}"),
    ]


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _multi(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    many: dict[str, list[str]] = {}
    for name, value in pairs:
        many.setdefault(name, []).append(value)
    return many


def _is_binary(content_type: str, binary_types: frozenset[str]) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    return bool(binary_types & {plain, f"{plain.partition('/')[0]}/*", "*/*"})


def _without_stage(raw_path: str, stage: str) -> str:
    return raw_path.removeprefix(f"/{stage}") or "/"
