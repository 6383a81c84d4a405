"""`dropforge up` and `down`: a local cloud that stays, and how other programs are pointed at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropforge.local import launch
from tests.e2e.conftest import ROOT


def dropforge(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dropforge.cli.main", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DROPFORGE_HOME": str(home), "AWS_PROFILE": "somebody-elses"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    launch.stop(tmp_path / "home")


def test_up_starts_a_cloud_that_stays_and_down_stops_it(home: Path) -> None:
    up = dropforge(home, "up")
    assert up.returncode == 0, up.stderr
    assert f"local cloud at {home} · is up" in up.stderr
    assert "AWS endpoint\thttp://127.0.0.1:" in up.stdout

    again = dropforge(home, "up", "--json")
    assert f"local cloud at {home} · was up already" in again.stderr
    bucket = json.loads(again.stdout)["stages"]["dev"]["bucket"]

    program = "import boto3; print([each['Name'] for each in boto3.client('s3').list_buckets()['Buckets']])"
    listed = dropforge(home, "exec", "--", sys.executable, "-c", program)
    assert listed.returncode == 0, listed.stderr
    assert bucket in listed.stdout

    runs = dropforge(home, "runs").stderr.splitlines()
    assert (runs[0], runs[1][:11]) == (f"local cloud at {home} · stage dev", "Nothing yet")
    assert "· stopped" in dropforge(home, "down").stderr
    assert launch.status(home) is None
    assert "· was not up" in dropforge(home, "down").stderr
    gone = dropforge(home, "runs", "--cloud", "local")
    assert (gone.returncode, "start it with `dropforge up`" in gone.stderr) == (1, True)
