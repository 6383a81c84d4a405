from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.local.sagemaker import told
from tests.local.sagemaker.world import IMPATIENT, World


@pytest.fixture(scope="session")
def neighbours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 and Logs, shared by the session."""
    folder = tmp_path_factory.mktemp("neighbours")
    command = [sys.executable, "-m", "tests.local.sagemaker.neighbours", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    """A SageMaker for the tests of one module; each makes names of its own."""
    made = World(tmp_path_factory.mktemp("home"), neighbours)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    """One that soon gives up on what does not answer, or does not end."""
    made = World(tmp_path_factory.mktemp("impatient"), neighbours, told.IMAGES, limits=IMPATIENT)
    yield made
    made.stop()
