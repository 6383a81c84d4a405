"""AWS Signature Version 4 by hand: four hashes where botocore loads megabytes of data.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import NamedTuple


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: str = ""


class Scope(NamedTuple):
    region: str
    service: str


def signed(
    path: str, headers: Mapping[str, str], body: bytes, *, scope: Scope, credentials: Credentials, now: float
) -> dict[str, str]:
    """Sign a POST without a query string: gives the headers with those that carry the signature.

    The names in `headers` are in small letters and hold `host`; every header given is signed.
    """
    moment = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    full = {**headers, "x-amz-date": moment}
    if credentials.token:
        full["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(full))
    lines = "".join(f"{name}:{' '.join(full[name].split())}\n" for name in sorted(full))
    request = f"POST\n{path}\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
    where = f"{moment[:8]}/{scope.region}/{scope.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{where}\n{sha256(request.encode()).hexdigest()}"
    key = _key(credentials.secret_key, moment[:8], scope)
    full["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{where}, SignedHeaders={names}, "
        f"Signature={hmac.digest(key, text.encode(), 'sha256').hex()}"
    )
    return full


@lru_cache(maxsize=4)
def _key(secret_key: str, day: str, scope: Scope) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
