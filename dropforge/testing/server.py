"""Runs a local cloud as a process of its own, which ends with this one however that ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dropforge.testing.faults import Faults

if TYPE_CHECKING:
    import pytest

OURS = (sys.executable, "-m", "dropforge.cli.main")
"""The `dropforge` of this interpreter's own environment."""
STRANGERS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""Variables of whoever runs the tests that would spoil a cloud's own keys."""
_ENDS_WITHIN = 30.0
_LAST_WORDS = 2000


class ServerError(Exception):
    """A local cloud did not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running cloud, by its card."""

    card: Mapping[str, Any]

    @property
    def endpoint(self) -> str:
        return str(self.card["endpoint"])

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point boto3, the AWS CLI and the SageMaker SDK at this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": str(self.card["access_key"]),
            "AWS_SECRET_ACCESS_KEY": str(self.card["secret_key"]),
            "AWS_DEFAULT_REGION": str(self.card["region"]),
            "AWS_REGION": str(self.card["region"]),
        }

    def point(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Point this test's environment here, and away from profiles and session tokens, until the test ends."""
        for name in STRANGERS:
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)

    @property
    def faults(self) -> Faults:
        return Faults(self.endpoint)

    def client(self, service: str, region: str | None = None) -> Any:
        """Give a client by whichever boto3 the caller has."""
        import boto3

        keys = {"aws_access_key_id": self.card["access_key"], "aws_secret_access_key": self.card["secret_key"]}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region or str(self.card["region"]), **keys)


@contextmanager
def running(words: Sequence[str], *, command: Sequence[str] = OURS, folder: Path | None = None) -> Iterator[Server]:
    """Run `dropforge WORDS…` in `folder` until the block ends; it prints its card as a line of JSON.

    `command` may be of another environment: what points Python at this one is then not handed on.
    """
    strangers = () if tuple(command) == OURS else ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    environment = {name: value for name, value in os.environ.items() if name not in strangers}
    line = [*command, *words, "--json", "--until-stdin-closes"]
    with tempfile.TemporaryFile() as said, _started(line, folder, environment, said) as process:
        try:
            yield Server(_card(process, said))
        finally:
            _end(process)


def _started(
    line: Sequence[str], folder: Path | None, environment: Mapping[str, str], said: Any
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            line, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ServerError(
            f"{line[0]} cannot be run ({error.strerror}): correct what names it, --dropforge-command, "
            "dropforge_command in pytest's configuration or DROPFORGE_COMMAND"
        ) from error


def _card(process: subprocess.Popen[str], said: Any) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait(_ENDS_WITHIN)
        said.seek(0)
        words = said.read()[-_LAST_WORDS:].decode(errors="replace").strip()
        raise ServerError(f"the local cloud did not start: {words}")
    return dict(json.loads(line))


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
