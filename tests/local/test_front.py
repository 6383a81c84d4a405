from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from dropforge.local.front import STATUS_PATH, answer_json, signed_service
from dropforge.local.ministack import Receive, Scope, Send
from tests.local.conftest import Stack

CREDENTIAL = "LOCALKEY/20260102/us-east-1/sagemaker/aws4_request"


@pytest.mark.parametrize(
    ("headers", "query", "service"),
    [
        ([(b"authorization", f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, Signature=0".encode())], b"", "sagemaker"),
        ([(b"authorization", f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},Signature=0".encode())], b"", "sagemaker"),
        ([], f"X-Amz-Credential={CREDENTIAL.replace('/', '%2F')}".encode(), "sagemaker"),
        ([(b"authorization", b"Bearer token")], b"", None),
        ([], b"X-Amz-Credential=short", None),
        ([], b"", None),
    ],
)
def test_the_service_is_read_from_the_signature(
    headers: list[tuple[bytes, bytes]], query: bytes, service: str | None
) -> None:
    assert signed_service({"headers": headers, "query_string": query}) == service


def test_what_is_signed_for_a_mounted_service_goes_there_and_everything_else_to_ministack(stack: Stack) -> None:
    seen: list[str] = []

    async def mounted(scope: Scope, _receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await answer_json(send, 200, {"EndpointConfigs": []})

    stack.front.mount("sagemaker", mounted)
    assert stack.client("sagemaker").list_endpoint_configs()["EndpointConfigs"] == []
    assert seen == ["/"]
    assert stack.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert seen == ["/"]


def test_the_status_is_what_every_part_tells(stack: Stack) -> None:
    stack.front.tell(lambda: {"one": 1})
    stack.front.tell(lambda: {"two": 2})
    with urllib.request.urlopen(stack.endpoint + STATUS_PATH, timeout=30) as answer:  # noqa: S310  a loopback address
        status: dict[str, Any] = json.loads(answer.read())
    assert (status["one"], status["two"]) == (1, 2)
