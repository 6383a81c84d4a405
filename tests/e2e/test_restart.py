"""The cloud goes and comes again: stopped, or killed. What was, is; what was cut short, says so."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dropforge.local import launch
from tests.e2e.conftest import ROOT, SPEED, Cloud, Reply, wait_until
from tests.e2e.pipelines import (
    PIXEL,
    Tiny,
    drop,
    fresh,
    go_live,
    jobs_of,
    knobs,
    label_of,
    log_of,
    push,
    release_of,
    until_sealed,
)

pytestmark = pytest.mark.slow


class Place:
    """A home that clouds come to and go from."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud = self.start()

    def start(self) -> Cloud:
        self.cloud = Cloud(launch.start(self.home, speed=SPEED, attached=True, project=ROOT))
        return self.cloud

    def what_runs(self) -> tuple[set[int], list[int]]:
        """Give the processes and the ports that the cloud has now."""
        pid = int(self.cloud.card["pid"])
        return {pid, *below(pid)}, [_port(self.cloud.card["endpoint"]), _port(self.cloud.api)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "home")
    yield made
    launch.stop(made.home)


def below(root: int) -> set[int]:
    """Name all processes that descend from one."""
    found, newest = set[int](), {root}
    while newest:
        files = [file for pid in newest for file in Path(f"/proc/{pid}/task").glob("*/children")]
        newest = {int(child) for file in files for child in _read(file).split()}
        found |= newest
    return found


def alive(pid: int) -> bool:
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] != "Z"


def answers(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _port(url: str) -> int:
    return urlsplit(url).port or 0


def seen_by_operators(cloud: Cloud, pipeline: str) -> dict[str, Any]:
    """Read all that a cloud tells of a pipeline, and what lies in its bucket and its SageMaker."""
    s3, sagemaker = cloud.client("s3"), cloud.client("sagemaker")
    stored = s3.get_paginator("list_objects_v2").paginate(Bucket=cloud.bucket, Prefix=f"runs/{pipeline}/")
    endpoint = sagemaker.describe_endpoint(EndpointName=f"dropforge-dev-{pipeline}-realtime")
    runs = cloud.get(f"/v1/runs?pipeline={pipeline}")["runs"]
    return {
        "api": cloud.api,
        "key": cloud.api_key,
        "buckets": sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"]),
        "objects": {each["Key"]: each["ETag"] for page in stored for each in page.get("Contents", ())},
        "pipeline": cloud.get(f"/v1/pipelines/{pipeline}"),
        "datasets": cloud.get(f"/v1/datasets?pipeline={pipeline}")["datasets"],
        "runs": runs,
        "timelines": [cloud.get(f"/v1/runs/{run['run']}/timeline")["timeline"] for run in runs],
        "logs": [log_of(cloud, run["run"]) for run in runs],
        "release": release_of(cloud, pipeline),
        "models": sagemaker.list_models()["Models"],
        "endpoint": {name: endpoint[name] for name in ("EndpointConfigName", "EndpointStatus", "CreationTime")},
        "jobs": jobs_of(cloud, pipeline),
    }


def until_answered(cloud: Cloud, pipeline: str) -> Reply:
    """Ask until the model answers: its server comes up again with the cloud."""
    replies = []

    def answered() -> Reply | None:
        replies.append(cloud.predict(pipeline, PIXEL))
        return replies[-1] if replies[-1].status == 200 else None

    seen = wait_until(answered, 120)
    assert {reply.status for reply in replies} <= {200, 502, 503}
    return seen


def open_work(cloud: Cloud, run: str) -> Any:
    return cloud.get(f"/v1/runs/{run}")["state"] in {"preparing", "training", "evaluating"}


def test_a_stop_and_a_start_find_buckets_runs_models_and_the_live_endpoint_as_they_were(place: Place) -> None:
    tiny = Tiny(fresh("stays"))
    push(place.cloud, tiny)
    run = go_live(place.cloud, tiny.name, "one", knobs(label="kept"))["run"]
    wait_until(lambda: release_of(place.cloud, tiny.name)["stage"] == "idle")
    before = seen_by_operators(place.cloud, tiny.name)
    pids = below(int(place.cloud.card["pid"]))
    assert launch.stop(place.home) is True
    wait_until(lambda: not any(alive(pid) for pid in pids))

    cloud = place.start()
    assert label_of(until_answered(cloud, tiny.name)) == "kept"
    assert seen_by_operators(cloud, tiny.name) == before
    # And it works on: the same files are the same run, others are another.
    drop(cloud, tiny.name, "same", knobs(label="kept"))
    assert until_sealed(cloud, tiny.name, "same") == run
    go_live(cloud, tiny.name, "two", knobs(label="newer"))
    assert label_of(cloud.predict(tiny.name, PIXEL)) == "newer"
    assert len(jobs_of(cloud, tiny.name)) == 2


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_cloud_that_goes_while_a_job_trains_leaves_nothing_running_and_then_tells_the_truth_about_that_job(
    place: Place, how: str
) -> None:
    tiny = Tiny(fresh("cut"))
    push(place.cloud, tiny)
    live = go_live(place.cloud, tiny.name, "one", knobs(label="kept"))["run"]
    wait_until(lambda: release_of(place.cloud, tiny.name)["stage"] == "idle")
    drop(place.cloud, tiny.name, "long", knobs(label="never", seconds=600))
    run = until_sealed(place.cloud, tiny.name, "long")
    wait_until(lambda: "seen training/data.csv" in log_of(place.cloud, run), 120)
    job = place.cloud.get(f"/v1/runs/{run}")["candidate"]["job"]

    pids, ports = place.what_runs()
    # The cloud, its function workers, the sandboxes of a job and of a server, and what runs in them.
    assert len(pids) >= 6
    assert all(answers(port) for port in ports)
    if how == "stopped":
        launch.stop(place.home)
    else:
        os.kill(int(place.cloud.card["pid"]), signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in pids))
    wait_until(lambda: not any(answers(port) for port in ports))
    assert launch.status(place.home) is None

    cloud = place.start()
    wait_until(lambda: not open_work(cloud, run), 120)
    told = cloud.get(f"/v1/runs/{run}")
    assert (told["state"], told["stage"]) == ("failed", "failed")
    assert "The local cloud was stopped while the job ran" in told["reason"]
    described = cloud.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert (described["TrainingJobStatus"], described["FailureReason"]) == ("Failed", told["reason"])
    assert release_of(cloud, tiny.name)["live"]["run"] == live
    assert cloud.get(f"/v1/runs/{live}")["stage"] == "live"
    assert label_of(until_answered(cloud, tiny.name)) == "kept"
