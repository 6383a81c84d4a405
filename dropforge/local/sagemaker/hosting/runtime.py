"""A request of the runtime, read by the service's model: which operation it is, what it asks for, and of whom."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from dropforge.local import apis
from dropforge.local.sagemaker.errors import InvokeValidationError, SageMakerError
from dropforge.local.sagemaker.hosting import fields, refusals
from dropforge.local.sagemaker.wire import constraints
from dropforge.local.sagemaker.wire.operation import Meaning, refusal

INVOKE, STREAM, ASYNC = "InvokeEndpoint", "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"
INVOCATIONS = "/endpoints/[A-Za-z0-9-]{1,63}/invocations"
"""The path that is asked most often."""
_OPERATIONS = {"invocations": INVOKE, "invocations-response-stream": STREAM, "async-invocations": ASYNC}
_LARGEST = {INVOKE: 25 * 1024 * 1024, STREAM: 25 * 1024 * 1024, ASYNC: 128_000}
_NUMBER = re.compile(r"[0-9]{1,10}")
# Members that reach the container, by its names for them.
_PASSED = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
    "SessionId": "x-amzn-sagemaker-session-id",
}


@dataclass(frozen=True, slots=True)
class Request:
    operation: str
    endpoint: str
    members: Mapping[str, str]
    """The headers, by the names that the service's model has for them."""
    body: bytes

    @property
    def variant(self) -> str | None:
        return self.members.get("TargetVariant")

    def passed(self) -> list[tuple[str, str]]:
        """Give the headers for the container."""
        return [(name, self.members[member]) for member, name in _PASSED.items() if member in self.members]


def read(scope: Mapping[str, Any], body: bytes) -> Request:
    """Read and check a request; a SageMakerError where it is none of ours, or asks for what is not here."""
    _, _, endpoint, *rest = scope["path"].split("/")
    operation = _OPERATIONS.get("/".join(rest))
    if scope["method"] != "POST" or operation is None:
        raise refusals.NO_SUCH_CALL()
    names = _names(operation)
    given = {names[name]: value.decode("latin-1") for name, value in scope["headers"] if name in names}
    members = checked(operation, unquote(endpoint), tuple(given.items()))
    check_size(body, _LARGEST[operation])
    return Request(operation, unquote(endpoint), members, body)


@functools.lru_cache(256)
def checked(operation: str, endpoint: str, given: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Check the members of a request; what one client sends again and again is checked once."""
    shape = _shape(operation)
    members = {name: dict(given)[name] for name in shape.members if name in dict(given)}
    _check(shape, endpoint, members)
    for name, why in fields.RUNTIME_REFUSED.items():
        if name in members:
            raise InvokeValidationError(refusal(name, why))
    return members


def meanings() -> dict[str, Meaning]:
    """Tell for each operation what its members mean here."""
    return {name: Meaning(refused=_refused(_shape(name))) for name in _OPERATIONS.values()}


def check_size(body: bytes, largest: int) -> None:
    if len(body) > largest:
        raise refusals.TOO_LARGE(largest=largest)


@functools.cache
def _names(operation: str) -> Mapping[bytes, str]:
    """Name the member that each header is."""
    members = _shape(operation).members.items()
    return {
        member.serialization["name"].lower().encode(): name
        for name, member in members
        if member.serialization.get("location") == "header"
    }


def _shape(operation: str) -> Any:
    return apis.service("sagemaker-runtime").operation_model(operation).input_shape


def _refused(shape: Any) -> dict[str, str]:
    return {name: why for name, why in fields.RUNTIME_REFUSED.items() if name in shape.members}


def _check(shape: Any, endpoint: str, given: Mapping[str, str]) -> None:
    numbers = {name for name, member in shape.members.items() if member.type_name == "integer"}
    values: dict[str, Any] = {
        name: int(value) if name in numbers and _NUMBER.fullmatch(value) else value for name, value in given.items()
    }
    try:
        constraints.check(shape, {**values, "EndpointName": endpoint, "Body": b""})
    except SageMakerError as error:
        raise InvokeValidationError(error.message) from error
