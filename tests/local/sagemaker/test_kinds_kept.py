"""What becomes of processing and transform jobs when the cloud takes its time, or ends before they begin."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from dropforge.local.sagemaker.processing.states import PROCESSING
from dropforge.local.sagemaker.states import AT_ONCE, Pace
from tests.local.sagemaker.world import FINAL, IMAGE, ROLE, World, until

_INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
_KINDS = ("Processing", "Transform")


@pytest.fixture
def slow(tmp_path: Path, neighbours: int) -> Iterator[World]:
    """A SageMaker whose instances take for ever to come."""
    world = World(tmp_path, neighbours, pace=Pace(speed=1_000_000))
    yield world
    world.stop()


def _processing(_: World, name: str) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "ProcessingResources": {"ClusterConfig": {**_INSTANCES, "VolumeSizeInGB": 1}},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        "RoleArn": ROLE,
    }


def _transform(world: World, name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": world.put(f"{name}/a", "one")}
    return {
        "TransformJobName": name,
        "ModelName": world.config("serves_rows.py"),
        "TransformInput": {"DataSource": {"S3DataSource": source}},
        "TransformOutput": {"S3OutputPath": f"s3://{world.bucket}/{name}/out"},
        "TransformResources": _INSTANCES,
    }


_REQUESTS: dict[str, Callable[[World, str], dict[str, Any]]] = {"Processing": _processing, "Transform": _transform}


def _call(world: World, what: str, kind: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(world.sagemaker, xform_name(f"{what}{kind}Job"))(**request)
    return answer


def _begin(world: World, kind: str) -> str:
    name = f"kept-{uuid.uuid4().hex[:12]}"
    _call(world, "Create", kind, **_REQUESTS[kind](world, name))
    return name


def _ended(world: World, kind: str, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = _call(world, "Describe", kind, **{f"{kind}JobName": name})
        return job if job[f"{kind}JobStatus"] in FINAL else None

    return until(look, seconds=60)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_job_that_waits_for_its_instance_is_stopped_at_once_and_never_began(slow: World, kind: str) -> None:
    name = _begin(slow, kind)
    _call(slow, "Stop", kind, **{f"{kind}JobName": name})
    job = _ended(slow, kind, name)
    assert job[f"{kind}JobStatus"] == "Stopped"
    assert f"{kind}StartTime" not in job


def test_a_job_that_is_stopped_while_it_works_takes_its_time(tmp_path: Path, neighbours: int) -> None:
    pace = Pace(speed=0.1, seed=3)
    world = World(tmp_path, neighbours, pace=pace)
    request = _processing(world, "slow-to-stop")
    request["AppSpecification"]["ContainerEntrypoint"] = ["sleep", "600"]
    world.sagemaker.create_processing_job(**request)
    until(lambda: _call(world, "Describe", "Processing", ProcessingJobName="slow-to-stop").get("ProcessingStartTime"))
    began = datetime.now(UTC)
    world.sagemaker.stop_processing_job(ProcessingJobName="slow-to-stop")
    lasted = (_ended(world, "Processing", "slow-to-stop")["ProcessingEndTime"] - began).total_seconds()
    world.stop()
    assert lasted >= pace.seconds(PROCESSING, "Stopping", "slow-to-stop") > 0


def test_a_job_whose_time_is_over_says_so_though_the_cloud_ends_before_it(tmp_path: Path, neighbours: int) -> None:
    world = World(tmp_path, neighbours)
    request = _processing(world, "too-long") | {"StoppingCondition": {"MaxRuntimeInSeconds": 1}}
    request["AppSpecification"]["ContainerEntrypoint"] = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
    world.sagemaker.create_processing_job(**request)
    until(lambda: [told["ProcessingJobStatus"] for told in world.told("too-long", 3)][2:] == ["Stopping"])
    world.sagemaker.stop_processing_job(ProcessingJobName="too-long")
    world.stop()
    world.start()
    job = _ended(world, "Processing", "too-long")
    world.stop()
    assert (job["ProcessingJobStatus"], job["FailureReason"]) == (
        "Stopped",
        "ClientError: The job ran longer than MaxRuntimeInSeconds.",
    )
    assert [told["ProcessingJobStatus"] for told in world.told("too-long", 4)][2:] == ["Stopping", "Stopped"]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_job_that_had_not_begun_when_the_cloud_ended_is_begun_by_the_next_one(slow: World, kind: str) -> None:
    name = _begin(slow, kind)
    slow.stop()
    left = slow.home / "sagemaker" / f"{kind.lower()}-jobs" / "left-by-a-kill"
    (left / "ml").mkdir(parents=True)
    slow.pace = AT_ONCE
    slow.start()
    assert _ended(slow, kind, name)[f"{kind}JobStatus"] == "Completed"
    assert not left.exists()
