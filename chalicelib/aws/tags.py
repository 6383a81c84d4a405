"""The tags on everything that we make in SageMaker: bills and permissions are told apart by them."""

from __future__ import annotations

import re

from chalicelib.names import Names

_PIPELINE = re.compile(r"(?P<pipeline>.+?)-([0-9a-f]{12}(-\d+-a\d+)?|realtime|rehearse-[0-9a-f]{12})")


def tags(names: Names, resource: str) -> list[dict[str, str]]:
    """Read stage and pipeline from a name of ours."""
    rest = resource.removeprefix(names.head)
    found = _PIPELINE.fullmatch(rest)
    pipeline = found["pipeline"] if found else rest
    return [{"Key": "dropforge:stage", "Value": names.stage}, {"Key": "dropforge:pipeline", "Value": pipeline}]
