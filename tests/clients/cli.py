"""The AWS CLI as tests use it."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from tests.clients.clients import Cloud, Ended

FAILED = 255


def aws(cloud: Cloud, *words: str) -> Ended:
    return cloud.run("cli", "aws", *words)


def ask(cloud: Cloud, *words: str, **given: Any) -> Any:
    """Ask for something with a service's own arguments, as JSON where they are no plain text; gives the answer."""
    options = [each for name, value in given.items() for each in (f"--{name.replace('_', '-')}", _said(value))]
    ended = aws(cloud, *words, *options)
    assert ended.code == 0, ended.err
    return json.loads(ended.out) if ended.out else None


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def model() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        body = b'{"rate": 0.5, "rows": 1}'
        member = tarfile.TarInfo("model.json")
        member.size = len(body)
        archive.addfile(member, io.BytesIO(body))
    return packed.getvalue()
