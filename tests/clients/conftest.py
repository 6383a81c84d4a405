from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.local.sagemaker import sandbox
from tests.clients.clients import BUCKET, HERE, Cloud, environment, settle

TOOLKIT = "sagemaker-training-toolkit"
"""The repository of an image that runs the public toolkit."""


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all clients: each makes names of its own."""
    reason = sandbox.available()
    assert reason is None, reason
    folder = tmp_path_factory.mktemp("clients")
    settle(folder / "home")
    command = [sys.executable, "-m", "tests.clients.served", str(folder / "cloud"), f"{TOOLKIT}={toolkit_image()}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        made = Cloud(f"http://127.0.0.1:{int(process.stdout.readline())}", folder / "home")
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made
        process.stdin.close()


def toolkit_image() -> Path:
    """Make the toolkit's environment an image: it has all that a container needs but the program `train`."""
    folder = environment("toolkit")
    shutil.copy2(HERE / "toolkit" / "train", folder / "train")
    return folder
