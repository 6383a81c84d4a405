"""What one invocation costs in work, where time would say more of the machine than of the code."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from dropforge.local.faults.rules import Rules
from dropforge.local.front import Front
from dropforge.local.sagemaker.hosting import runtime
from tests.local.sagemaker.world import World

_TIMES = 50
_BODY = bytes(100 * 1024)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours)
    yield made
    made.stop()


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Count the calls of Python functions on this thread, by their full names."""
    seen: Counter[str] = Counter()

    def see(frame: FrameType, event: str, _arg: Any) -> None:
        if event == "call":
            seen[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1

    sys.setprofile(see)
    try:
        yield seen
    finally:
        sys.setprofile(None)


async def _invoke(front: Front, endpoint: str) -> int:
    signed = b"AWS4-HMAC-SHA256 Credential=LOCALKEY/20260101/us-east-1/sagemaker/aws4_request"
    headers = [(b"host", b"here"), (b"content-type", b"application/x-npy"), (b"authorization", signed)]
    path = f"/endpoints/{endpoint}/invocations"
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": _BODY}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await front.asgi(scope, receive, send)
    return int(said[0]["status"])


def test_an_invocation_makes_few_calls_and_none_of_general_parsers_models_or_threads(world: World) -> None:
    endpoint = world.deploy("serves.py")
    front = Front(world.cloud.asgi, Rules())
    front.mount("sagemaker", world.cloud.asgi)
    runtime.checked.cache_clear()

    async def ask() -> Counter[str]:
        for _ in range(3):
            assert await _invoke(front, endpoint) == 200
        with watched() as seen:
            for _ in range(_TIMES):
                await _invoke(front, endpoint)
        return seen

    each = {name for name, calls in asyncio.run(ask()).items() if calls >= _TIMES}
    dear = {"h11", "botocore", "sqlite3", "threading", "concurrent", "email", "http", "copy", "hashlib"}
    assert {name for name in each if name.partition(".")[0] in dear} <= {"threading.Event.is_set"}
    assert len([name for name in each if name.startswith("dropforge.")]) < 75
    assert (runtime.checked.cache_info().misses, runtime.checked.cache_info().hits) == (1, _TIMES + 2)
