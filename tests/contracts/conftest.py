"""Each contract test runs twice: against the fakes, and against the adapters in front of the local cloud."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.worlds import Cloud, CloudSide, ContractWorld, FakeSide, eventually


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    home: Path = tmp_path_factory.mktemp("cloud")
    port = _free_port()
    env = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "STATE_DIR": str(home),
        "S3_DATA_DIR": str(home / "s3"),
        "LOG_LEVEL": "WARNING",
        "AWS_ACCESS_KEY_ID": "LOCALTEST",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    with (home / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], env=env, stdout=log, stderr=log)
    try:
        eventually(lambda: _answers(port), seconds=30)
        yield Cloud(f"http://127.0.0.1:{port}", "us-east-1", "LOCALTEST", "secret")
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=["fake", "local"])
def world(request: pytest.FixtureRequest) -> ContractWorld:
    return FakeSide() if request.param == "fake" else CloudSide(request.getfixturevalue("cloud"))
