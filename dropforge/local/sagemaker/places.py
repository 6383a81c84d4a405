"""Places in S3 as requests name them: s3://bucket/key, or an https address of S3's own."""

from __future__ import annotations

import re

_REGION = r"[a-z]{2}(?:-gov)?-(?:central|(?:north|south)(?:east|west)?|east|west)-\d+"
"""As AWS names them: hosts like s3-website-… and s3-anything are other services', or nobody's."""
_ADDRESS = re.compile(
    rf"https://(?:(?P<bucket>[A-Za-z0-9._-]+)\.)?s3(?:(?:[.-]|\.dualstack\.){_REGION})?\.amazonaws\.com(?:\.cn)?(?:/(?P<path>.*))?",
    re.DOTALL,
)
"""With the bucket in the host or in the path.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""


def split_uri(uri: str) -> tuple[str, str]:
    """Give the bucket and the key of a place."""
    found = _ADDRESS.fullmatch(uri)
    path = found["path"] or "" if found else uri.removeprefix("s3://")
    if found and found["bucket"]:
        return found["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key


def is_elsewhere(uri: str) -> bool:
    """Tell whether an address is none of S3's."""
    return uri.startswith("https://") and not (_ADDRESS.fullmatch(uri) and split_uri(uri)[0])
