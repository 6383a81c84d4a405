"""What can go wrong with one outgoing call, as the adapter meets it after botocore's own attempts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.proof.cloud.errors import refusal
from tests.proof.cloud.wire import Act, Call, CrashError, Disturbance

_URL = "https://aws.test"
_BUSY = {
    "s3": ("SlowDown", 503),
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "sqs": ("RequestThrottled", 400),
}
_BROKEN = {
    "s3": "InternalError",
    "dynamodb": "InternalServerError",
    "logs": "ServiceUnavailableException",
    "events": "InternalException",
    "sagemaker-runtime": "ServiceUnavailable",
}


def dies_before(call: Call, act: Act) -> Any:
    raise CrashError


def dies_after(call: Call, act: Act) -> Any:
    with suppress(ClientError):
        act()
    raise CrashError


def is_throttled(call: Call, act: Act) -> Any:
    code, status = _BUSY.get(call.service, ("ThrottlingException", 400))
    if call.method == "head_object":
        code = "503"
    raise refusal(code, "Rate exceeded", call.method, status)


def times_out(call: Call, act: Act) -> Any:
    """Act, and lose the answer."""
    with suppress(ClientError):
        act()
    raise ReadTimeoutError(endpoint_url=_URL)


def is_unreachable(call: Call, act: Act) -> Any:
    raise EndpointConnectionError(endpoint_url=_URL)


def fails(call: Call, act: Act) -> Any:
    code = "500" if call.method == "head_object" else _BROKEN.get(call.service, "InternalFailure")
    raise refusal(code, "An internal error occurred.", call.method, 500)


def fails_after(call: Call, act: Act) -> Any:
    with suppress(ClientError):
        act()
    return fails(call, act)


def is_made_twice(call: Call, act: Act) -> Any:
    """Lose the answer of the first attempt: what the caller sees is the answer to the second."""
    act()
    return act()


SINGLE: dict[str, Disturbance] = {
    "dies before it": dies_before,
    "dies after it": dies_after,
    "throttled": is_throttled,
    "timed out after acting": times_out,
    "not reached": is_unreachable,
    "failed": fails,
    "failed after acting": fails_after,
    "made twice": is_made_twice,
}
"""Every way in which one call can go wrong."""


def stalls(sleep: Callable[[], None]) -> Disturbance:
    """Let a worker stand still right before its call, while the others go on; then it goes on with its old plan."""

    def stalled(call: Call, act: Act) -> Any:
        sleep()
        return act()

    return stalled
