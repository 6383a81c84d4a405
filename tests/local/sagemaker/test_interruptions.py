"""Checkpoints, spot instances that are taken away, instances that are not to be had, and retries."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.jobs.running import Training
from dropforge.local.sagemaker.jobs.training import TrainingJobs
from tests.local.sagemaker.world import World, until

_SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
}


def _runner(world: World) -> Training:
    return world.cloud._training  # noqa: SLF001 - what a fault reaches


def _checkpoints(world: World, **more: Any) -> dict[str, Any]:
    return {"CheckpointConfig": {"S3Uri": f"s3://{world.bucket}/checkpoints/{uuid.uuid4().hex[:8]}", **more}}


def _kept(world: World, config: dict[str, Any]) -> dict[str, str]:
    """Read what is in S3 below the checkpoints' URI."""
    prefix = config["CheckpointConfig"]["S3Uri"].removeprefix(f"s3://{world.bucket}/") + "/"
    keys = [one["Key"] for one in world.s3.list_objects_v2(Bucket=world.bucket, Prefix=prefix).get("Contents", ())]
    read = {key: world.s3.get_object(Bucket=world.bucket, Key=key)["Body"].read().decode() for key in keys}
    return {key.removeprefix(prefix): text for key, text in read.items()}


def _steps(job: dict[str, Any]) -> list[str]:
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def test_checkpoints_go_to_s3_while_the_job_runs_and_no_link_is_followed(world: World) -> None:
    config = _checkpoints(world)
    name = world.begin("keeps_checkpoints.py", HyperParameters={"steps": "2"}, **config)
    until(lambda: _kept(world, config) == {"0001.txt": "1"})
    world.sagemaker.stop_training_job(TrainingJobName=name)
    world.ended(name)
    assert _kept(world, config) == {"0001.txt": "1", "asked.txt": "1"}


def test_a_job_finds_the_checkpoints_that_are_in_s3(world: World) -> None:
    config = _checkpoints(world)
    world.put(config["CheckpointConfig"]["S3Uri"].removeprefix(f"s3://{world.bucket}/") + "/0041.txt", "41")
    job = world.train("keeps_checkpoints.py", HyperParameters={"steps": "1"}, **config)
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"of step 42"}
    assert job["CheckpointConfig"] == config["CheckpointConfig"]
    assert _kept(world, config) == {"0041.txt": "41", "0042.txt": "42"}


@pytest.mark.parametrize(
    ("program", "said"),
    [("leaves_a_deep_folder.py", "more than 1024 bytes"), ("names_a_file_in_no_encoding.py", "no name in UTF-8")],
)
def test_checkpoints_for_which_s3_has_no_name_fail_the_job_and_say_so(world: World, program: str, said: str) -> None:
    where = {"HyperParameters": {"where": "/opt/ml/checkpoints"}}
    job = world.train(program, **where, **_checkpoints(world))
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Checkpoint upload failed: ")
    assert said in job["FailureReason"]
    until(lambda: not (world.home / "sagemaker" / "jobs" / job["TrainingJobName"]).exists())


@pytest.mark.parametrize("uri", ["https://bucket.s3.amazonaws.com/key", "s3://No_Bucket!/key", "s3://bucket?x=1/key"])
def test_checkpoints_at_an_address_that_no_bucket_has_fail_the_job_as_the_client_s_mistake(
    world: World, uri: str
) -> None:
    job = world.train("leaves_no_model.py", CheckpointConfig={"S3Uri": uri})
    assert job["FailureReason"].startswith("ClientError: "), job["FailureReason"]


def test_an_interrupted_spot_job_gets_sigterm_and_goes_on_from_its_checkpoint(world: World) -> None:
    config = _checkpoints(world)
    name = world.begin("keeps_checkpoints.py", HyperParameters={"steps": "2"}, **config, **_SPOT)
    until(lambda: "step 1" in world.log(name))
    assert _runner(world).interrupt(name)
    job = world.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    once = ["Starting", "Downloading", "Training"]
    assert _steps(job) == [*once, "Interrupted", *once, "Uploading", "Completed"]
    assert _kept(world, config)["asked.txt"] == "1"
    assert job["EnableManagedSpotTraining"] is True
    assert 0 <= job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"]
    told = world.told(name, 9)
    assert [event["SecondaryStatus"] for event in told] == _steps(job)
    assert {event["TrainingJobStatus"] for event in told[:-1]} == {"InProgress"}


def test_a_job_that_was_interrupted_can_be_stopped_and_is_interrupted_no_more(world: World) -> None:
    name = world.begin("keeps_checkpoints.py", HyperParameters={"steps": "9"}, **_checkpoints(world), **_SPOT)
    until(lambda: "step 1" in world.log(name))
    _runner(world).interrupt(name)
    until(lambda: "step 2" in world.log(name))
    world.sagemaker.stop_training_job(TrainingJobName=name)
    job = world.ended(name)
    assert (job["TrainingJobStatus"], _steps(job)[-2:]) == ("Stopped", ["Stopping", "Stopped"])


def test_of_a_job_that_does_not_run_no_instance_is_taken_away(world: World) -> None:
    name = world.train("leaves_no_model.py")["TrainingJobName"]
    until(lambda: not _runner(world).interrupt(name))
    assert not _runner(world).interrupt("nobody")


def test_a_job_that_is_stopped_before_it_has_begun_never_begins(world: World) -> None:
    runner = _runner(world)

    def launch(name: str) -> None:
        jobs.stop({"TrainingJobName": name})  # from another client, between the answer's two halves
        runner.runs.launch(name)

    jobs = TrainingJobs(world.cloud._ground, launch, runner.runs.stop)  # noqa: SLF001 - the room, with that moment in it
    request = world.job_request("leaves_no_model.py")
    jobs.create(request)
    assert _steps(world.ended(request["TrainingJobName"])) == ["Starting", "Stopping", "Stopped"]


def test_a_spot_job_whose_waiting_is_over_is_stopped_and_says_so(world: World) -> None:
    _runner(world).capacity.run_out("ml.c4.xlarge")
    resources = {"InstanceType": "ml.c4.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    spot = {**_SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1}}
    job = world.train("leaves_no_model.py", ResourceConfig=resources, **spot)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxWaitTimeExceeded")
    assert _steps(job) == ["Starting", "Stopping", "MaxWaitTimeExceeded"]
    first = job["SecondaryStatusTransitions"][0]["StatusMessage"]
    assert first == "Insufficient capacity error from EC2 while launching instances, retrying!"
    assert "TrainingTimeInSeconds" not in job


def test_a_spot_job_starts_when_there_are_instances_again(world: World) -> None:
    _runner(world).capacity.run_out("ml.c5.xlarge")
    resources = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    name = world.begin("leaves_no_model.py", ResourceConfig=resources, **_SPOT)
    until(lambda: "Insufficient" in world.job(name)["SecondaryStatusTransitions"][0]["StatusMessage"])
    _runner(world).capacity.come_back("ml.c5.xlarge")
    assert world.ended(name)["TrainingJobStatus"] == "Completed"


def test_a_job_for_which_there_is_no_instance_fails_and_says_so(world: World) -> None:
    _runner(world).capacity.run_out("ml.c5.2xlarge")
    resources = {"InstanceType": "ml.c5.2xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    job = world.train("leaves_no_model.py", ResourceConfig=resources)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute capacity.")
    assert _steps(job) == ["Starting", "Failed"]


def test_a_job_whose_instance_breaks_is_tried_again_as_often_as_it_asked_for(world: World) -> None:
    config = _checkpoints(world)
    strategy = {"RetryStrategy": {"MaximumRetryAttempts": 1}}
    name = world.begin("keeps_checkpoints.py", HyperParameters={"steps": "9"}, **config, **strategy)
    until(lambda: "0001.txt" in _kept(world, config))
    assert _runner(world).interrupt(name)
    until(lambda: "step 2" in world.log(name))
    assert "asked.txt" not in _kept(world, config)
    _runner(world).interrupt(name)
    job = world.ended(name)
    assert job["FailureReason"].startswith("InternalServerError")
    once = ["Starting", "Downloading", "Training"]
    assert _steps(job) == [*once, "Restarting", *once, "Failed"]
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 1}


def test_a_program_that_fails_is_not_tried_again(world: World) -> None:
    job = world.train("raises.py", RetryStrategy={"MaximumRetryAttempts": 3})
    assert _steps(job) == ["Starting", "Downloading", "Training", "Uploading", "Failed"]


def test_a_job_with_retries_that_the_end_of_the_cloud_cut_short_is_tried_again_by_the_next_one(world: World) -> None:
    config = _checkpoints(world)
    strategy = {"RetryStrategy": {"MaximumRetryAttempts": 1}}
    name = world.begin("keeps_checkpoints.py", HyperParameters={"steps": "2"}, **config, **strategy)
    until(lambda: "0001.txt" in _kept(world, config))
    world.stop()
    world.start()
    job = world.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"of step 2"}
    until(lambda: not list((world.home / "sagemaker" / "jobs").iterdir()))


def test_the_data_of_tensorboard_go_to_s3(world: World) -> None:
    config = {"TensorBoardOutputConfig": {"S3OutputPath": f"s3://{world.bucket}/boards"}}
    name = world.train("writes_summaries.py", **config)["TrainingJobName"]
    key = f"boards/{name}/tensorboard-output/run/events.out"
    assert world.s3.get_object(Bucket=world.bucket, Key=key)["Body"].read() == b"a summary"


def test_a_job_that_exceeds_its_time_is_stopping_before_it_is_stopped(impatient: World) -> None:
    job = impatient.train("ignores_sigterm.py", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert _steps(job)[-2:] == ["Stopping", "MaxRuntimeExceeded"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"StoppingCondition": {"MaxWaitTimeInSeconds": 60}}, "It is only supported when EnableManagedSpotTraining"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 28 * 86_400 + 1}}, "less than or equal to 2419200"),
        ({**_SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 60}}, "must be present and be greater than or equal"),
        (
            {**_SPOT, "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}},
            "must be present and be greater than or equal to MaxRuntimeInSeconds",
        ),
        ({"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": "/opt/ml/../../etc"}}, "below /opt/ml"),
        ({"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": "/opt/ml/a\0b"}}, "below /opt/ml"),
        (
            {"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": "/opt/ml/a/../input/config/"}},
            "lies in /opt/ml/input",
        ),
        ({"TensorBoardOutputConfig": {"S3OutputPath": "s3://b/k", "LocalPath": "/opt/ml/input"}}, "lies in /opt/ml/in"),
        ({"CheckpointConfig": {"S3Uri": "s3://b/k", "LocalPath": f"/opt/ml/{'a' * 256}"}}, "below /opt/ml"),
    ],
)
def test_what_cannot_be_waited_for_or_kept_is_refused(world: World, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        world.sagemaker.create_training_job(**world.job_request("raises.py", **change))
    assert refused.value.response["Error"]["Code"] == "ValidationException"
