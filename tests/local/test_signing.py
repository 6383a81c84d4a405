from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.gateway.signing import SignedRequest, problem
from dropforge.local.home import Keys

KEYS = Keys("LOCALKEY", "secret")
REGION = "us-east-1"


def signed(
    method: str = "GET",
    path: str = "/api/v1/runs",
    body: bytes = b"",
    *,
    keys: Keys = KEYS,
    service: str = "execute-api",
    region: str = REGION,
    headers: Mapping[str, str] | None = None,
) -> SignedRequest:
    """Sign as botocore does, which every AWS client in Python builds on."""
    request = AWSRequest(method, f"http://127.0.0.1:8000{path}", data=body, headers=dict(headers or {}))
    SigV4Auth(Credentials(keys.access, keys.secret), service, region).add_auth(request)
    url = urlsplit(request.url)
    sent = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:8000"}
    return SignedRequest(method, url.path, url.query, sent, body)


def wrong(request: SignedRequest, *, now: float | None = None) -> str | None:
    return problem(request, KEYS, REGION, now or time.time())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs",
        "/api/v1/runs?pipeline=digits&state=failed&limit=10",
        "/api/v1/datasets/digits/a%20b%2Bc%25",
        "/api/v1/runs?next=a%2Fb%3D%3D&limit=1",
        "/api/v1/runs?next=a+b",
        "/api/v1/runs?b=2&a=1&a=0",
        "/api/v1/runs?empty=&flag",
    ],
)
def test_what_an_aws_client_signed_is_accepted(path: str) -> None:
    assert wrong(signed("GET", path)) is None
    assert wrong(signed("POST", path, b'{"a": 1}', headers={"Content-Type": "application/json"})) is None


def test_a_payload_hash_sent_along_is_checked_against_the_payload() -> None:
    request = AWSRequest("POST", "http://127.0.0.1:8000/api/x", data=b"body", headers={})
    S3SigV4Auth(Credentials(KEYS.access, KEYS.secret), "execute-api", REGION).add_auth(request)
    sent = {name.lower(): value for name, value in request.headers.items()} | {"host": "127.0.0.1:8000"}
    assert sent["x-amz-content-sha256"] == hashlib.sha256(b"body").hexdigest()
    assert wrong(SignedRequest("POST", "/api/x", "", sent, b"body")) is None
    assert wrong(SignedRequest("POST", "/api/x", "", sent, b"other"))


def test_another_secret_is_refused() -> None:
    assert "does not match" in (wrong(signed(keys=Keys("LOCALKEY", "guess"))) or "")


def test_another_access_key_is_refused() -> None:
    assert "security token" in (wrong(signed(keys=Keys("STRANGER", "secret"))) or "")


@pytest.mark.parametrize("change", ["method", "path", "query", "body", "host"])
def test_whatever_is_changed_after_signing_is_noticed(change: str) -> None:
    request = signed("POST", "/api/v1/runs?limit=1", b"body")
    changed = {
        "method": SignedRequest("PUT", request.raw_path, request.raw_query, request.headers, request.body),
        "path": SignedRequest("POST", "/api/v1/models", request.raw_query, request.headers, request.body),
        "query": SignedRequest("POST", request.raw_path, "limit=2", request.headers, request.body),
        "body": SignedRequest("POST", request.raw_path, request.raw_query, request.headers, b"other"),
        "host": SignedRequest("POST", request.raw_path, request.raw_query, {**request.headers, "host": "h"}, b"body"),
    }[change]
    assert wrong(request) is None
    assert wrong(changed)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_clock_more_than_five_minutes_off_is_refused(seconds: float) -> None:
    assert "expired" in (wrong(signed(), now=time.time() + seconds) or "")


def test_a_clock_a_little_off_is_forgiven() -> None:
    assert wrong(signed(), now=time.time() + 200) is None


def test_a_signature_for_another_service_or_region_is_refused() -> None:
    assert "scoped" in (wrong(signed(service="s3")) or "")
    assert "scoped" in (wrong(signed(region="eu-west-1")) or "")


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=200), st.text(max_size=20))
def test_a_header_of_any_shape_is_refused_without_an_error(header: str, date: str) -> None:
    headers = {"authorization": header, "x-amz-date": date, "host": "h"}
    assert wrong(SignedRequest("GET", "/", "", headers, b""))


def test_a_signature_of_letters_that_no_signature_has_is_refused_without_an_error() -> None:
    request = signed()
    authorization = request.headers["authorization"].replace("Signature=", "Signature=\xe9")
    assert wrong(replace(request, headers={**request.headers, "authorization": authorization}))
