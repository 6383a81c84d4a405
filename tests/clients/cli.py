"""The AWS CLI as tests use it."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

from tests.clients.clients import BUCKET, ROLE, Cloud, Ended
from tests.local.sagemaker.world import IMAGE

FAILED = 255


def aws(cloud: Cloud, *words: str) -> Ended:
    return cloud.run("cli", "aws", *words)


def ask(cloud: Cloud, *words: str, **given: Any) -> Any:
    """Ask for something with a service's own arguments; gives the answer."""
    ended = aws(cloud, *words, *options(**given))
    assert ended.code == 0, ended.err
    return json.loads(ended.out) if ended.out else None


def options(**given: Any) -> list[str]:
    """Spell arguments as the CLI takes them: as JSON where they are no plain text."""
    return [each for name, value in given.items() for each in (f"--{name.replace('_', '-')}", _said(value))]


def make_model(cloud: Cloud, name: str, code: str) -> None:
    """Make a model that multiplies by one half."""
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=model())
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "serve.py", "SAGEMAKER_SUBMIT_DIRECTORY": code},
    }
    words = ("--model-name", name, "--execution-role-arn", ROLE)
    ask(cloud, "sagemaker", "create-model", *words, primary_container=container)


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
