"""Clients that others wrote, each in an environment of its own, and the cloud that they are pointed at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropforge.testing.server import Server

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / ".venv-clients"
BUCKET = "clients"
ROLE = "arn:aws:iam::000000000000:role/jobs"
_WITHIN = 240.0
# What a person writes once: where objects go by default, and that nothing is told to AWS of what is done here.
_DEFAULTS = f"""
SchemaVersion: '1.0'
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
      Session:
        DefaultS3Bucket: {BUCKET}
"""


class NotMadeError(Exception):
    """A client's environment is not there."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a client wrote, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def told(self) -> Any:
        """What a story says in its last line, in which dots of the SDK's may come before it."""
        assert self.code == 0, f"exit code {self.code}\n{self.out}\n{self.err}"
        _, brace, rest = self.out.splitlines()[-1].partition("{")
        return json.loads(brace + rest)


@dataclass(frozen=True, slots=True)
class Cloud:
    """A local cloud as clients see it: an address in the environment, and nothing else that they know of."""

    server: Server
    home: Path
    """A home folder for the clients themselves, so that nobody's own settings are read."""

    @property
    def programs(self) -> Path:
        """The scripts for containers, copied to where a client takes them from: SDK 3 refuses what lies below /root."""
        return self.home / "programs"

    def client(self, service: str) -> Any:
        return self.server.client(service)

    def environment(self) -> dict[str, str]:
        return {
            **self.server.environment,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "HOME": str(self.home),
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(self.home / "sagemaker.yaml"),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
        }

    def run(self, client: str, program: str, *arguments: str) -> Ended:
        """Run a program of a client's environment to its end."""
        done = subprocess.run(
            [str(environment(client) / "bin" / program), *arguments],
            env=self.environment(),
            cwd=HERE / "stories",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WITHIN,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def tell(self, client: str, story: str, *more: str) -> Ended:
        """Run a story with a client's own Python, under a name that nobody else has."""
        mark = f"{story.replace('_', '-')}-{uuid.uuid4().hex[:6]}"
        return self.run(client, "python", f"{story}.py", mark, str(self.programs), *more)


def environment(client: str) -> Path:
    """Give a client's environment; NotMadeError says what to do where there is none."""
    folder = ENVIRONMENTS / client
    if not (folder / ".made").exists():
        raise NotMadeError(f"{folder} is not there, or not whole: `make clients` makes it and runs these tests.")
    return folder


def settle(home: Path) -> None:
    """Write what a client finds in its home."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "sagemaker.yaml").write_text(_DEFAULTS)
    shutil.copytree(HERE / "programs", home / "programs")
