"""Checks a request's Signature Version 4, computed afresh with the cloud's own secret.

After https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from dropforge.local.home import Keys

SERVICE = "execute-api"
_SKEW = 300.0
_UNSIGNED = "UNSIGNED-PAYLOAD"
_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")
_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers: raw path and query as sent, header names in lower case."""

    method: str
    raw_path: str
    raw_query: str
    headers: Mapping[str, str]
    body: bytes


def problem(request: SignedRequest, keys: Keys, region: str, now: float) -> str | None:
    """Say what is wrong with the signature in the Authorization header; None when nothing is."""
    header = request.headers.get("authorization", "")
    fields = dict(_FIELD.findall(header))
    if not header.startswith(_ALGORITHM) or len(fields) != 3:  # noqa: PLR2004  the three fields of the pattern
        return "The Authorization header is no complete AWS Signature Version 4."
    when = _when(request.headers.get("x-amz-date", ""))
    if when is None:
        return "The request has no valid X-Amz-Date header."
    return _scope_problem(fields, keys, region, when, now) or _content_problem(request, fields, keys, region, when)


def _scope_problem(fields: Mapping[str, str], keys: Keys, region: str, when: datetime, now: float) -> str | None:
    scope = fields["Credential"].split("/")
    if scope[0] != keys.access:
        return "The security token included in the request is invalid."
    if abs(now - when.timestamp()) > _SKEW:
        return f"Signature expired: the request was signed at {when:%Y%m%dT%H%M%SZ}, more than 5 minutes from now."
    if scope[1:] != [f"{when:%Y%m%d}", region, SERVICE, "aws4_request"]:
        return f"Credential should be scoped to {region}/{SERVICE} and the day of the request."
    return None


def _content_problem(
    request: SignedRequest, fields: Mapping[str, str], keys: Keys, region: str, when: datetime
) -> str | None:
    signed = fields["SignedHeaders"].split(";")
    if "host" not in signed:
        return "'Host' must be a signed header."
    claimed = request.headers.get("x-amz-content-sha256", "")
    actual = hashlib.sha256(request.body).hexdigest()
    if claimed not in {"", _UNSIGNED, actual}:
        return "The X-Amz-Content-Sha256 header does not match the payload."
    expected = (
        _sign(request, query, signed, claimed or actual, when, keys.secret, region)
        for query in _canonical_queries(request.raw_query)
    )
    if not any(hmac.compare_digest(each.encode(), fields["Signature"].encode()) for each in expected):
        return (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    return None


def _sign(
    request: SignedRequest,
    query: str,
    signed: list[str],
    payload_hash: str,
    when: datetime,
    secret: str,
    region: str,
) -> str:
    canonical = "\n".join(
        [
            request.method,
            # Every service but S3 encodes the path once more than it was sent.
            quote(request.raw_path, safe="/-_.~"),
            query,
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in signed),
            "",
            ";".join(signed),
            payload_hash,
        ]
    )
    stamp = f"{when:%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/{region}/{SERVICE}/aws4_request"
    to_sign = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (stamp[:8], region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def _canonical_queries(raw: str) -> set[str]:
    """Give the query's canonical forms: signers differ in whether a bare plus is one, a space, or left as it is."""
    pairs = [pair.partition("=") for pair in raw.split("&") if pair]
    readings: list[Callable[[str], str]] = [lambda text: text, _encoded, lambda text: _encoded(text.replace("+", " "))]
    return {"&".join(sorted(f"{read(name)}={read(value)}" for name, _, value in pairs)) for read in readings}


def _encoded(raw: str) -> str:
    return quote(unquote(raw), safe="-_.~")


def _when(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
