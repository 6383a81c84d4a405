"""Errors as boto3's clients raise them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


def refusal(code: str, message: str, operation: str = "", status: int = 400, **more: Any) -> ClientError:
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 2},
        **more,
    }
    return ClientError(response, operation)


def invalid(message: str) -> ClientError:
    """Say no as SageMaker does: the reason stands in the sentence alone."""
    return refusal("ValidationException", message)
