from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.local.sagemaker.world import World, until

_METRICS = {
    "MetricDefinitions": [
        {"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"},
        {"Name": "loss", "Regex": "loss=([0-9.e-]+)"},
        {"Name": "never", "Regex": "never=([0-9.]+)"},
    ]
}


def _seen(world: World, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the job that tells what it sees; gives its description and what it saw."""
    job = world.train("tells_what_it_sees.py", **more)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return job, json.loads(world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])


def _with_metrics(world: World, program: str) -> dict[str, Any]:
    algorithm = world.job_request(program)["AlgorithmSpecification"]
    return {"AlgorithmSpecification": {**algorithm, **_METRICS}}


def test_a_job_goes_through_every_status_in_order_and_its_events_tell_the_same(world: World) -> None:
    job = world.train("tells_what_it_sees.py", Tags=[{"Key": "team", "Value": "digits"}])
    steps = job["SecondaryStatusTransitions"]
    assert [step["Status"] for step in steps] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(one["EndTime"] == next_one["StartTime"] for one, next_one in itertools.pairwise(steps))
    assert job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["BillableTimeInSeconds"] == job["TrainingTimeInSeconds"] >= 1
    told = world.told(job["TrainingJobName"], len(steps))
    assert [event["SecondaryStatus"] for event in told] == [step["Status"] for step in steps]
    assert [event["TrainingJobStatus"] for event in told] == ["InProgress"] * 4 + ["Completed"]
    assert told[-1]["TrainingJobArn"] == job["TrainingJobArn"]
    assert told[-1]["CreationTime"] == pytest.approx(job["CreationTime"].timestamp() * 1000, abs=2)
    assert told[-1]["Tags"] == {"team": "digits"}


def test_a_script_finds_the_arguments_and_variables_that_the_real_toolkit_gives(world: World) -> None:
    channel = {"S3DataType": "S3Prefix", "S3Uri": world.put("seen/a.png").removesuffix("a.png")}
    _, seen = _seen(
        world,
        HyperParameters={"epochs": "20", "betas": "[0.9, 0.999]", "n": "1", "name": "plain text"},
        Environment={"LOG_LEVEL": "debug"},
        InputDataConfig=[{"ChannelName": "training", "DataSource": {"S3DataSource": channel}}],
    )
    expected = ["--betas", "[0.9, 0.999]", "--epochs", "20", "-n", "1", "--name", "plain text"]
    assert seen["arguments"] == expected
    environment = seen["environment"]
    ml = environment.get("SAGEMAKER_BASE_DIR", "/opt/ml")
    assert environment["SM_CHANNEL_TRAINING"] == f"{ml}/input/data/training"
    assert environment["SM_MODEL_DIR"] == f"{ml}/model"
    assert environment["SM_OUTPUT_DATA_DIR"] == f"{ml}/output/data"
    assert json.loads(environment["SM_HPS"]) == {"epochs": 20, "betas": [0.9, 0.999], "n": 1, "name": "plain text"}
    assert json.loads(environment["SM_HOSTS"]) == ["algo-1"] == [environment["SM_CURRENT_HOST"]]
    assert json.loads(environment["SM_USER_ARGS"]) == expected
    assert environment["SM_HP_EPOCHS"] == "20"
    assert environment["SM_NUM_GPUS"] == "0"
    assert environment["LOG_LEVEL"] == "debug"
    assert seen["config"]["hyperparameters"]["epochs"] == "20"
    assert seen["config"]["inputdataconfig"]["training"]["TrainingInputMode"] == "File"
    assert seen["config"]["resourceconfig"]["current_host"] == "algo-1"


def test_model_and_output_are_uploaded_below_the_output_path(world: World) -> None:
    job, _ = _seen(world)
    base = f"s3://{world.bucket}/out/{job['TrainingJobName']}/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{base}/model.tar.gz"
    assert world.unpack(f"{base}/output.tar.gz") == {"report.txt": b"as seen"}


def test_log_lines_arrive_while_the_job_runs_and_its_metrics_are_read_from_them(world: World) -> None:
    name = world.begin("reports_progress.py", **_with_metrics(world, "reports_progress.py"))
    until(lambda: "accuracy=0.75" in world.log(name))
    assert world.job(name)["SecondaryStatus"] == "Training"
    world.sagemaker.stop_training_job(TrainingJobName=name)
    job = world.ended(name)
    final = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert final == {"accuracy": 0.75, "loss": 0.001}


def test_two_expressions_of_one_metric_both_count(world: World) -> None:
    request = world.job_request("reports_progress.py")
    definitions = [{"Name": "figure", "Regex": f"{name}=([0-9.e-]+)"} for name in ("accuracy", "never")]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    world.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    until(lambda: "accuracy=0.75" in world.log(name))
    world.sagemaker.stop_training_job(TrainingJobName=name)
    assert [one["MetricName"] for one in world.ended(name)["FinalMetricDataList"]] == ["figure"]


def test_an_expression_that_never_ends_costs_its_own_metric_and_holds_up_nothing(world: World) -> None:
    request = world.job_request("logs_a_riddle.py")
    definitions = [{"Name": "riddle", "Regex": "((?:a+)+)$"}, {"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"}]
    request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
    world.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    until(lambda: "accuracy=0.75" in world.log(name))
    assert world.ended(name)["TrainingJobStatus"] == "Completed"
    assert [(one["MetricName"], one["Value"]) for one in world.job(name)["FinalMetricDataList"]] == [("accuracy", 0.75)]


def test_a_stopped_job_gets_sigterm_and_may_still_save_its_model(world: World) -> None:
    name = world.begin("reports_progress.py")
    until(lambda: "accuracy=0.75" in world.log(name))
    world.sagemaker.stop_training_job(TrainingJobName=name)
    job = world.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]][-2:] == ["Stopping", "Stopped"]
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"saved when asked to stop"}


def test_a_job_that_ignores_sigterm_is_killed_when_its_grace_has_ended(impatient: World) -> None:
    name = impatient.begin("ignores_sigterm.py")
    until(lambda: "deaf" in impatient.log(name))
    impatient.sagemaker.stop_training_job(TrainingJobName=name)
    assert impatient.ended(name)["TrainingJobStatus"] == "Stopped"


def test_a_job_that_hangs_past_its_limit_is_stopped_and_says_so(impatient: World) -> None:
    job = impatient.train("ignores_sigterm.py", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "ModelArtifacts" not in job or not job["ModelArtifacts"].get("S3ModelArtifacts")


def test_a_script_that_writes_a_failure_is_quoted_with_its_exit_code(world: World) -> None:
    job = world.train("writes_failure.py")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith("AlgorithmError: the labels are upside down and so on")
    assert job["FailureReason"].endswith(", exit code: 3")
    assert len(job["FailureReason"]) <= 1024
    output = f"s3://{world.bucket}/out/{job['TrainingJobName']}/output/output.tar.gz"
    assert world.unpack(output) == {"partial.txt": b"what there was"}
    until(lambda: world.last_told(job["TrainingJobName"]).get("FailureReason") == job["FailureReason"])


def test_a_job_that_fails_goes_through_uploading_and_its_steps_read_as_on_aws(world: World) -> None:
    job = world.train("writes_failure.py")
    steps = [(step["Status"], step["StatusMessage"]) for step in job["SecondaryStatusTransitions"]][-2:]
    assert steps == [("Uploading", "Uploading generated training model"), ("Failed", "Training job failed")]
    told = world.told(job["TrainingJobName"], 5)
    assert [event["SecondaryStatus"] for event in told][-2:] == ["Uploading", "Failed"]


def test_a_script_that_raises_fails_the_job_with_the_error_it_raised(world: World) -> None:
    reason = world.train("raises.py")["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage")
    assert "ValueError: no such column: seven" in reason
    assert reason.endswith(", exit code: 1")


def test_a_killed_script_fails_the_job_with_the_code_of_the_signal(world: World) -> None:
    assert world.train("is_killed.py")["FailureReason"].endswith(", exit code: 137")


def test_a_job_without_a_model_completes_and_names_no_artifact(world: World) -> None:
    job = world.train("leaves_no_model.py")
    assert job["TrainingJobStatus"] == "Completed"
    assert "ModelArtifacts" not in job
    found = world.s3.list_objects_v2(Bucket=world.bucket, Prefix=f"out/{job['TrainingJobName']}/")
    assert found["KeyCount"] == 0


def test_a_file_with_two_names_is_kept_under_both_and_a_file_of_holes_fails_the_upload(world: World) -> None:
    job = world.train("names_a_file_twice.py")
    assert world.unpack(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"step-7.bin": b"weights", "best.bin": b"weights"}
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed: the files take more than")


def test_an_entry_point_that_is_not_there_fails_the_job_by_its_name(world: World) -> None:
    job = world.train("raises.py", HyperParameters={"sagemaker_program": "other.py"})
    assert "The entry point other.py is not in the source archive." in job["FailureReason"]


def test_requirements_that_nobody_installs_are_told_in_the_log_before_the_script_misses_them(world: World) -> None:
    source = world.put_archive({"raises.py": "print('it ran')", "requirements.txt": "pandas\n"})
    job = world.train("raises.py", HyperParameters={"sagemaker_submit_directory": source})
    lines = world.log(job["TrainingJobName"])
    [told] = [number for number, line in enumerate(lines) if line.startswith("requirements.txt is not installed here")]
    assert told < lines.index("it ran")


def test_a_flood_of_log_lines_loses_none_and_fails_nothing(world: World) -> None:
    job = world.train("floods_the_log.py")
    assert job["TrainingJobStatus"] == "Completed"
    group, name = "/aws/sagemaker/TrainingJobs", job["TrainingJobName"]
    stream = world.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=name)["logStreams"][0]
    last = world.logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=10_000)
    lines = [event["message"] for event in last["events"]]
    assert "line 5999" in lines
    assert sum(len(line) for line in lines if line.startswith("xx")) == 1_000_000


def test_a_job_cut_short_by_the_end_of_the_cloud_has_failed_when_it_starts_again(world: World) -> None:
    name = world.begin("reports_progress.py")
    until(lambda: "accuracy=0.75" in world.log(name))
    world.stop()
    world.start()
    job = world.job(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError")
    assert "the local cloud was stopped" in job["FailureReason"].lower()
    until(lambda: world.last_told(name)["TrainingJobStatus"] == "Failed")
