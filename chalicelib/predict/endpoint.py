"""The live endpoint, called once: what SageMaker's runtime says becomes an answer or one of our errors."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from chalicelib.errors import DropforgeError, InvocationError, InvocationTimeoutError, ThrottledError, UnavailableError
from chalicelib.predict import answer
from chalicelib.predict.refusals import NotLiveError
from chalicelib.predict.serving import short
from chalicelib.predict.transport import CallTimeoutError, Host, Reply

_OK = 200
_RUN = re.compile(r"(?:^|[\s,;])dropforge-run=(v1[0-9a-f]{64}|[0-9a-f]{12})(?=$|[\s,;])")


class Said(NamedTuple):
    body: bytes
    variant: str | None
    run: str | None
    """The run whose model answered, by the container's own word."""


class Endpoints:
    def __init__(self, host: Host) -> None:
        self._host = host

    def close(self) -> None:
        self._host.close()

    def invoke(self, endpoint: str, payload: bytes, content_type: str, *, until: float) -> Said:
        headers = {"content-type": content_type, "accept": "application/json"}
        path = f"/endpoints/{endpoint}/invocations"
        try:
            reply = self._host.post(path, headers, payload, until=until, limit=answer.LIMIT)
        except CallTimeoutError as error:
            raise InvocationTimeoutError("The model did not answer in time.") from error
        except UnavailableError as error:
            raise UnavailableError("The model's endpoint cannot be reached.", retry_after=1) from error
        if reply.status != _OK:
            raise _refusal(reply)
        return Said(reply.body, reply.headers.get("x-amzn-invoked-production-variant"), _run(reply))


def _run(reply: Reply) -> str | None:
    found = _RUN.search(reply.headers.get("x-amzn-sagemaker-custom-attributes", ""))
    return short(found[1]) if found else None


def _refusal(reply: Reply) -> DropforgeError:
    match _kind(reply):
        case "ModelError":
            return InvocationError(f"The model's container answered with {_original(reply)}.")
        case "ValidationException" | "ValidationError":  # its endpoint is not there, or in no state to answer
            return NotLiveError("The model's endpoint is gone; another is on its way or none is live.", retry_after=5)
        case "ThrottlingException" | "Throttling" | "TooManyRequestsException":
            return ThrottledError("SageMaker asks to slow down.", retry_after=1)
        case "ModelNotReadyException" | "ServiceUnavailable" | "InternalFailure" | "InternalDependencyException":
            return UnavailableError("The model's endpoint cannot answer just now.", retry_after=2)
        case kind if reply.status in {429, 500, 503}:
            return UnavailableError(f"SageMaker answered with {reply.status} {kind}.", retry_after=2)
        case kind:
            return DropforgeError(f"SageMaker answered with {reply.status} {kind}.")


def _kind(reply: Reply) -> str:
    named = reply.headers.get("x-amzn-errortype") or str(_told(reply).get("__type", ""))
    return named.partition(":")[0].rpartition("#")[2]


def _original(reply: Reply) -> str:
    status = _told(reply).get("OriginalStatusCode")
    return f"status {status}" if isinstance(status, int) and status else "an error"


def _told(reply: Reply) -> dict[str, object]:
    try:
        told = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
