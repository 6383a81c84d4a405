from __future__ import annotations

import shutil
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.local.sagemaker import sandbox
from dropforge.testing.server import running
from tests.clients.cli import aws
from tests.clients.clients import BUCKET, HERE, Cloud, environment, settle

TOOLKIT = "sagemaker-training-toolkit"
"""The repository of an image that runs the public toolkit."""


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all clients: each makes names of its own."""
    reason = sandbox.walls()
    assert reason is None, reason
    folder = tmp_path_factory.mktemp("clients")
    settle(folder)
    with running(("sagemaker", "--image", f"{TOOLKIT}={toolkit_image()}")) as server:
        made = Cloud(server, folder)
        made.client("s3").create_bucket(Bucket=BUCKET)
        yield made


def toolkit_image() -> Path:
    """Make the toolkit's environment an image: it has all that a container needs but the program `train`."""
    folder = environment("toolkit")
    shutil.copy2(HERE / "toolkit" / "train", folder / "train")
    return folder


@pytest.fixture
def name() -> str:
    return f"cli-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def code(name: str, tmp_path: Path, cloud: Cloud) -> str:
    """The scripts, packed here and copied by the CLI; gives their address."""
    with tarfile.open(tmp_path / "sourcedir.tar.gz", mode="w:gz") as archive:
        archive.add(HERE / "programs", arcname=".")
    address = f"s3://{BUCKET}/{name}/sourcedir.tar.gz"
    assert aws(cloud, "s3", "cp", str(tmp_path / "sourcedir.tar.gz"), address).code == 0
    return address
