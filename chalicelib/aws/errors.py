"""AWS's errors in our words. What has no word of ours goes through unchanged: a fault of ours, not of the world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    DropforgeError,
    NotFoundError,
    QuotaError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)

_UNANSWERED = (BotoConnectionError, HTTPClientError, IncompleteReadError)
"""Time-outs, refused connections, and those that broke midway."""

_CODES: dict[str, type[DropforgeError]] = {
    # HeadObject answers without a body, so without a name for what it says.
    "404": NotFoundError,
    "429": ThrottledError,
    "500": UnavailableError,
    "502": UnavailableError,
    "503": UnavailableError,
    "504": UnavailableError,
    "ConditionalCheckFailedException": ConflictError,
    "ConflictException": ConflictError,
    "InternalDependencyException": UnavailableError,
    "InternalException": UnavailableError,
    "InternalError": UnavailableError,
    "InternalFailure": UnavailableError,
    "InternalServerError": UnavailableError,
    "NoSuchKey": NotFoundError,
    "ProvisionedThroughputExceededException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "RequestThrottled": ThrottledError,
    "RequestTimeout": UnavailableError,
    "ResourceInUse": AlreadyExistsError,
    "ResourceLimitExceeded": QuotaError,
    "ResourceNotFound": NotFoundError,
    "ResourceNotFoundException": NotFoundError,
    "ServiceUnavailable": UnavailableError,
    "ServiceUnavailableException": UnavailableError,
    "SlowDown": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "TransactionConflictException": ConflictError,
    "TransactionInProgressException": ConflictError,
}

_REASONS: dict[str, type[DropforgeError]] = {
    "ConditionalCheckFailed": ConflictError,
    "ProvisionedThroughputExceeded": ThrottledError,
    "ThrottlingError": ThrottledError,
    "TransactionConflict": ConflictError,
}
"""Why a transaction was cancelled, first cause first."""

_SENTENCES: tuple[tuple[str, type[DropforgeError]], ...] = (
    ("could not find", NotFoundError),
    ("not found", NotFoundError),
    ("does not exist", NotFoundError),
    ("already exist", AlreadyExistsError),
    ("in-progress", ConflictError),
    ("cannot update failed endpoint", ConflictError),
)
"""SageMaker says most of it as a ValidationException, with the reason in the sentence alone."""


@contextmanager
def translated() -> Iterator[None]:
    """Translate what a call on any service raises."""
    try:
        yield
    except ClientError as error:
        kind = _kind(error)
        if kind is None:
            raise
        raise kind(_sentence(error), aws=_code(error)) from error
    except _UNANSWERED as error:
        raise UnavailableError(str(error)) from error


@contextmanager
def sagemaker() -> Iterator[None]:
    """Translate what a call on SageMaker raises: a request that it calls invalid is a refusal, in its own sentence."""
    try:
        with translated():
            yield
    except ClientError as error:
        if _code(error) not in {"ValidationException", "ValidationError"}:
            raise
        sentence = _sentence(error)
        kind = next((kind for words, kind in _SENTENCES if words in sentence.lower()), RefusedError)
        raise kind(sentence, aws=_code(error)) from error


def _kind(error: ClientError) -> type[DropforgeError] | None:
    if _code(error) != "TransactionCanceledException":
        return _CODES.get(_code(error))
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])
    causes = [reason["Code"] for reason in reasons if reason.get("Code", "None") != "None"]
    return _REASONS.get(causes[0]) if causes else ConflictError


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _sentence(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", "")) or str(error)
