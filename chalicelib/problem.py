"""One shape for every error that leaves us: RFC 9457's problem details, with our code, and whether a retry helps.

infra/template.yaml gives the gateway's own errors the same shape. Light on purpose: the inference function needs it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from chalicelib.errors import DropforgeError

MEDIA_TYPE = "application/problem+json"


def problem(error: DropforgeError, request_id: str) -> dict[str, Any]:
    """Describe an error. `about:blank` means that the status says what kind it is, and `code` says it more exactly."""
    return {
        "type": "about:blank",
        "title": _TITLES.get(error.status) or HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message if error.status != HTTPStatus.INTERNAL_SERVER_ERROR else INTERNAL,
        "code": error.code,
        "request_id": request_id,
        "retryable": error.retryable,
    }


def headers(error: DropforgeError) -> dict[str, str]:
    """Give the headers that go with a problem: `retry_after` (seconds) is a fact of the errors that know it."""
    wait = error.facts.get("retry_after")
    return {"Content-Type": MEDIA_TYPE} | ({"Retry-After": str(wait)} if wait is not None else {})


_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110's names, as the gateway's own errors have them; Python knows them from 3.13 on only."""
INTERNAL = "Something went wrong on our side; the log has it under this request_id."
