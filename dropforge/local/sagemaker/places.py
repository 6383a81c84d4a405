"""Places in S3 as requests name them: s3://bucket/key, or an https address of S3's own."""

from __future__ import annotations

import re

_ADDRESS = re.compile(
    r"https://(?:(?P<bucket>[^/]+)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?/(?P<path>.*)", re.DOTALL
)
"""With the bucket in the host or in the path.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
"""


def split_uri(uri: str) -> tuple[str, str]:
    """Give the bucket and the key of a place."""
    found = _ADDRESS.fullmatch(uri)
    if found and found["bucket"]:
        return found["bucket"], found["path"]
    bucket, _, key = (found["path"] if found else uri.removeprefix("s3://")).partition("/")
    return bucket, key


def is_elsewhere(uri: str) -> bool:
    """Tell whether an address is none of S3's."""
    return uri.startswith("https://") and not (_ADDRESS.fullmatch(uri) and split_uri(uri)[0])
