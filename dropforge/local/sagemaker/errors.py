"""SageMaker's refusals, as AWS names and words them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class SageMakerError(Exception):
    """An answer that is a no. `code` is AWS's, `extra` are members of the error's shape beside the message."""

    code = "InternalFailure"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.extra: Mapping[str, Any] = extra


class ValidationError(SageMakerError):
    """The request is wrong, or what it names is missing, taken or busy: SageMaker has one code for all of these."""

    code = "ValidationException"


class ResourceInUseError(SageMakerError):
    code = "ResourceInUse"


class ConflictError(SageMakerError):
    code = "ConflictException"


class InvokeValidationError(SageMakerError):
    """The runtime spells it without `Exception`."""

    code = "ValidationError"


class ModelError(SageMakerError):
    """The container failed; carries OriginalStatusCode, OriginalMessage and LogStreamArn."""

    code = "ModelError"
    status = 424
