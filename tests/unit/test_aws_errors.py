"""AWS's errors in our words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)

from chalicelib.aws.errors import sagemaker, translated
from chalicelib.errors import (
    AlreadyExistsError,
    ConflictError,
    DropforgeError,
    NotFoundError,
    RefusedError,
    ThrottledError,
    UnavailableError,
)


def told(code: str, message: str = "because", **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, **more}, "AnyOperation")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NoSuchKey", NotFoundError),
        ("404", NotFoundError),
        ("ResourceNotFoundException", NotFoundError),
        ("ThrottlingException", ThrottledError),
        ("ProvisionedThroughputExceededException", ThrottledError),
        ("SlowDown", ThrottledError),
        ("ResourceLimitExceeded", ThrottledError),
        ("ResourceInUse", AlreadyExistsError),
        ("ConditionalCheckFailedException", ConflictError),
        ("TransactionConflictException", ConflictError),
        ("InternalServerError", UnavailableError),
        ("ServiceUnavailable", UnavailableError),
        ("ServiceUnavailableException", UnavailableError),
        ("InternalException", UnavailableError),
        ("RequestThrottled", ThrottledError),
        ("503", UnavailableError),
    ],
)
def test_a_known_code_becomes_an_error_of_ours_with_its_sentence_and_its_cause(
    code: str, kind: type[DropforgeError]
) -> None:
    error = told(code, "the very sentence")
    with pytest.raises(kind, match="the very sentence") as raised, translated():
        raise error
    assert raised.value.__cause__ is error
    assert raised.value.facts == {"aws": code}


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "NoSuchBucket", "ValidationException", ""])
def test_an_unknown_code_goes_through_unchanged(code: str) -> None:
    error = told(code)
    with pytest.raises(ClientError) as raised, translated():
        raise error
    assert raised.value is error


def test_an_error_of_ours_goes_through_unchanged() -> None:
    with pytest.raises(RefusedError, match="too large"), sagemaker():
        raise RefusedError("too large")


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        (["None", "ConditionalCheckFailed"], ConflictError),
        (["TransactionConflict", "None"], ConflictError),
        (["ThrottlingError"], ThrottledError),
        ([], ConflictError),
    ],
)
def test_a_cancelled_transaction_is_what_cancelled_it(reasons: list[str], kind: type[DropforgeError]) -> None:
    error = told("TransactionCanceledException", CancellationReasons=[{"Code": reason} for reason in reasons])
    with pytest.raises(kind), translated():
        raise error


def test_a_transaction_that_we_wrote_wrongly_goes_through_unchanged() -> None:
    with pytest.raises(ClientError), translated():
        raise told("TransactionCanceledException", CancellationReasons=[{"Code": "ValidationError"}])


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ('Could not find endpoint "arn:aws:sagemaker:us-east-1:000000000000:endpoint/e".', NotFoundError),
        ("Requested resource not found.", NotFoundError),
        ("ModelPackageGroup g does not exist.", NotFoundError),
        ('Cannot create already existing endpoint "e".', AlreadyExistsError),
        ("Model Package Group already exists: g", AlreadyExistsError),
        ('Cannot update in-progress endpoint "e".', ConflictError),
        ('Cannot update failed endpoint "e".', ConflictError),
        ("1 validation error detected: Value 'x' at 'name' failed to satisfy constraint", RefusedError),
    ],
)
def test_what_sagemaker_says_in_a_sentence_alone_is_read_from_it(sentence: str, kind: type[DropforgeError]) -> None:
    with pytest.raises(kind) as raised, sagemaker():
        raise told("ValidationException", sentence)
    assert raised.value.message == sentence


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="https://example.org"),
        EndpointConnectionError(endpoint_url="https://example.org"),
        ReadTimeoutError(endpoint_url="https://example.org"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ],
)
def test_no_answer_is_a_service_that_is_unavailable_and_worth_another_try(error: Exception) -> None:
    with pytest.raises(UnavailableError) as raised, translated():
        raise error
    assert raised.value.retryable
