"""What a job leaves beside its archives: plain models, figures, and logs and disks that have an end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker.jobs import container
from dropforge.local.sagemaker.jobs.bounds import Bounds
from tests.local.sagemaker.world import World, until


@pytest.fixture
def bounds(world: World) -> Iterator[Any]:
    """What sets the bounds of jobs, until the test has ended."""

    def put(**values: int) -> None:
        world.cloud._training.bounds = Bounds(**values)  # noqa: SLF001 - nobody else sets them

    yield put
    put()


def _output(world: World, **more: str) -> dict[str, Any]:
    return {"OutputDataConfig": {"S3OutputPath": f"s3://{world.bucket}/out/", **more}}


def test_a_model_that_is_not_to_be_packed_goes_out_file_by_file_and_its_links_stay_behind(world: World) -> None:
    job = world.train("leaves_folders.py", **_output(world, CompressionType="NONE"))
    base = f"out/{job['TrainingJobName']}/output/model"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{world.bucket}/{base}"
    assert job["OutputDataConfig"]["CompressionType"] == "NONE"
    found = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=f"out/{job['TrainingJobName']}/")["Contents"]
    assert [one["Key"] for one in found] == [f"{base}/config.json", f"{base}/weights/deep/one.bin"]


@pytest.mark.parametrize("packed", ["NONE", "GZIP"])
def test_a_model_that_claims_to_be_a_terabyte_fails_the_job_and_is_not_uploaded(world: World, packed: str) -> None:
    job = world.train("leaves_a_file_of_holes.py", **_output(world, CompressionType=packed))
    assert job["FailureReason"] == "ClientError: Artifact upload failed: the files take more than 21474836480 bytes"


def test_a_reason_to_fail_that_cannot_be_read_is_none_and_no_internal_error(tmp_path: Path) -> None:
    """A cloud that root has not started meets folders that it may not enter; a name too long is as good for root."""
    assert container.failure(tmp_path / ("x" * 300)) == ""


def test_a_job_without_a_model_names_none_when_nothing_is_packed(world: World) -> None:
    assert "ModelArtifacts" not in world.train("leaves_no_model.py", **_output(world, CompressionType="NONE"))


def test_figures_are_in_cloudwatch_while_the_job_runs(world: World) -> None:
    request = world.job_request("reports_progress.py")
    definitions = [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    world.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    asked = {
        "Namespace": "/aws/sagemaker/TrainingJobs",
        "MetricName": "accuracy",
        "Dimensions": [{"Name": "TrainingJobName", "Value": name}],
    }
    found = until(lambda: _points(world, asked))
    assert world.job(name)["SecondaryStatus"] == "Training"
    assert sum(point["SampleCount"] for point in found) == 2
    assert (min(point["Minimum"] for point in found), max(point["Maximum"] for point in found)) == (0.5, 0.75)
    world.sagemaker.stop_training_job(TrainingJobName=name)
    world.ended(name)


def _points(world: World, asked: dict[str, Any]) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = world.client("cloudwatch").get_metric_statistics(
        **asked,
        StartTime=0,
        EndTime=4_000_000_000,
        Period=60,
        Statistics=["SampleCount", "Minimum", "Maximum"],
    )["Datapoints"]
    return points if sum(point["SampleCount"] for point in points) >= 2 else []


def test_a_log_without_an_end_fails_the_job_and_says_so(world: World, bounds: Any) -> None:
    bounds(log_bytes=200_000)
    job = world.train("writes_lines_for_ever.py")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith("ClientError: The job has written more than 200000 bytes to its log")
    assert 0 < sum(len(line) for line in world.log(job["TrainingJobName"])) <= 200_000


def test_a_short_job_whose_log_is_too_long_fails_too(world: World, bounds: Any) -> None:
    bounds(log_bytes=1_000)
    assert "bytes to its log" in world.train("floods_the_log.py")["FailureReason"]


def test_a_full_disk_fails_the_job_and_says_so(world: World, bounds: Any) -> None:
    bounds(free_bytes=1 << 60)
    assert world.train("ignores_sigterm.py")["FailureReason"].startswith("ClientError: No space left on device")


def test_a_disk_that_is_full_before_the_data_are_there_fails_the_job_too(world: World, bounds: Any) -> None:
    bounds(free_bytes=1 << 60)
    source = {"S3DataType": "S3Prefix", "S3Uri": world.put("disk/a")}
    channel = {"ChannelName": "training", "DataSource": {"S3DataSource": source}}
    job = world.train("leaves_no_model.py", InputDataConfig=[channel])
    assert job["FailureReason"].startswith("ClientError: Data download failed: No space left on device")
    assert "Training" not in [step["Status"] for step in job["SecondaryStatusTransitions"]]


def test_a_job_whose_model_has_no_place_says_so_and_not_where_it_lies_on_this_machine(world: World) -> None:
    job = world.train("trains_anywhere.py", OutputDataConfig={"S3OutputPath": "s3://a-bucket-of-nobody-at-all/out"})
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed: Failed to upload ")
    assert "NoSuchBucket" in job["FailureReason"]
    assert str(world.home) not in job["FailureReason"]
