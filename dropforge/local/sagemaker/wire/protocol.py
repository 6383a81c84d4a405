"""SageMaker's wire: JSON 1.1, driven by botocore's own description of the service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dropforge.local import apis
from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.wire import constraints, refusals

SAGEMAKER = "sagemaker"
CONTENT_TYPE = "application/x-amz-json-1.1"


def parse(target: str, body: bytes, name: str = SAGEMAKER) -> tuple[str, dict[str, Any]]:
    """Read a request to a service: the operation's name and its validated input. Raises a SageMakerError.

    A member that is null is one that is not there; one that the operation has not is left out.
    """
    prefix, _, operation = target.partition(".")
    if prefix != apis.service(name).metadata["targetPrefix"] or operation not in apis.service(name).operation_names:
        raise refusals.UNKNOWN_OPERATION()
    given = _read(body)
    shape = apis.service(name).operation_model(operation).input_shape
    if shape is None:
        return operation, {}
    constraints.check(shape, given)
    return operation, fit(shape, given)


def _read(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
        given = json.loads(text or "{}")
        if "\\ud" in text.lower():  # half a character can neither be kept nor passed on
            json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise refusals.NOT_JSON() from error
    if not isinstance(given, dict):
        raise refusals.NOT_AN_OBJECT()
    return given


def answer(operation: str, result: Mapping[str, Any], name: str = SAGEMAKER) -> bytes:
    """Serialise an answer: only what the operation's output has a place for."""
    shape = apis.service(name).operation_model(operation).output_shape
    return b"{}" if shape is None else json.dumps(fit(shape, result)).encode()


def refusal(error: SageMakerError) -> bytes:
    return json.dumps({"__type": error.code, "message": error.message, **error.extra}).encode()


def fit(shape: Any, value: Any) -> Any:
    """Keep of a value what its shape has a place for; times are seconds since 1970 already."""
    match shape.type_name:
        case "structure":
            present = ((name, value.get(name)) for name in shape.members)
            return {name: fit(shape.members[name], part) for name, part in present if part is not None}
        case "list":
            return [fit(shape.member, part) for part in value]
        case "map":
            return {key: fit(shape.value, part) for key, part in value.items()}
        case _:
            return value
