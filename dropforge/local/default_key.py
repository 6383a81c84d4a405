"""S3 takes a key of the account's own where a writer asks for `aws:kms` and names none; ministack refuses that."""

from __future__ import annotations

from typing import Any

_ASKED = (b"x-amz-server-side-encryption", b"aws:kms")
_KEY = b"x-amz-server-side-encryption-aws-kms-key-id"


def named(scope: dict[str, Any], account: str, region: str) -> dict[str, Any]:
    """Name the key that AWS would take; a request that asks for nothing, or names its own, stays as it is."""
    headers = scope.get("headers", ())
    if _ASKED not in headers or any(name == _KEY for name, _ in headers):
        return scope
    key = f"arn:aws:kms:{region}:{account}:alias/aws/s3"
    return {**scope, "headers": [*headers, (_KEY, key.encode())]}
