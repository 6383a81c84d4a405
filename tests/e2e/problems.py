"""How an error of the HTTP API looks, whoever it comes from: ours, the function's or the gateway's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tests.e2e.conftest import Reply

_TITLES = {413: "Content Too Large"}
"""RFC 9110's name, which Python before 3.13 does not know."""
_INSIDES = (b"Traceback", b'File "', b".py", b"/opt/ml", b"boto", b"Exception")


def problem(reply: Reply, status: int) -> dict[str, Any]:
    """Check that a reply is RFC 9457's problem with our fields and nothing of our insides; gives it."""
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/problem+json"
    said = dict(reply.json)
    assert set(said) == {"type", "title", "status", "detail", "code", "request_id", "retryable"}, said
    assert (said["status"], said["title"]) == (status, _TITLES.get(status) or HTTPStatus(status).phrase)
    assert said["request_id"] == reply.headers["x-amzn-requestid"]
    assert isinstance(said["retryable"], bool)
    assert said["detail"]
    assert not [inside for inside in _INSIDES if inside in reply.body], reply.body
    return said
