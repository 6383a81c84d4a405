"""The AWS CLI as it comes from the package index: jobs of all kinds."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cli import FAILED, ask, aws, make_model
from tests.clients.clients import BUCKET, ROLE, Cloud
from tests.local.sagemaker.world import IMAGE, until

pytestmark = pytest.mark.slow


def _job(name: str, code: str, **more: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/training/"}
    return {
        "training_job_name": name,
        "algorithm_specification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "role_arn": ROLE,
        "input_data_config": [{"ChannelName": "training", "DataSource": {"S3DataSource": source}}],
        "output_data_config": {"S3OutputPath": f"s3://{BUCKET}/{name}"},
        "resource_config": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "stopping_condition": {"MaxRuntimeInSeconds": 600},
        "hyper_parameters": {"sagemaker_program": "fit.py", "sagemaker_submit_directory": code, **more},
    }


def _train(cloud: Cloud, name: str, code: str, **more: Any) -> None:
    """Train, and wait as the CLI does: its first look may not be its last, so we look first."""
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/training/rows.csv", Body=b"1\n2\n3\n")
    ask(cloud, "sagemaker", "create-training-job", **_job(name, code, **more))
    sagemaker = cloud.client("sagemaker")
    until(
        lambda: sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] in {"Completed", "Failed"},
        60,
    )


def test_a_job_is_made_waited_for_described_and_listed(cloud: Cloud, name: str, code: str, tmp_path: Path) -> None:
    _train(cloud, name, code, rate="0.5")
    asked = ("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    assert aws(cloud, *asked).code == 0
    job = ask(cloud, "sagemaker", "describe-training-job", training_job_name=name)
    assert (job["TrainingJobStatus"], job["HyperParameters"]["rate"]) == ("Completed", "0.5")
    words = ("--name-contains", name, "--query", "TrainingJobSummaries[].TrainingJobStatus", "--output", "text")
    assert aws(cloud, "sagemaker", "list-training-jobs", *words).out == "Completed\n"
    assert aws(cloud, "s3", "cp", job["ModelArtifacts"]["S3ModelArtifacts"], str(tmp_path / "model")).code == 0
    with tarfile.open(tmp_path / "model") as model:
        assert model.getnames() == ["model.json"]
    stopped = aws(cloud, "sagemaker", "stop-training-job", "--training-job-name", name)
    assert stopped.code == FAILED
    assert "ValidationException" in stopped.err


def test_waiting_for_a_job_that_failed_fails(cloud: Cloud, name: str, code: str) -> None:
    _train(cloud, name, code, rate="much")
    asked = ("sagemaker", "wait", "training-job-completed-or-stopped", "--training-job-name", name)
    ended = aws(cloud, *asked)
    assert ended.code == FAILED
    assert "terminal failure state" in ended.err


def _settled(cloud: Cloud, noun: str, name: str) -> None:
    """Wait until a job of some kind has ended; the CLI's own waiter, which looks once a minute, comes after."""
    describe = getattr(cloud.client("sagemaker"), f"describe_{noun}_job")
    camel = noun.title().replace("_", "")
    until(lambda: describe(**{f"{camel}JobName": name})[f"{camel}JobStatus"] in {"Completed", "Failed"}, 60)


def test_a_processing_job_is_made_waited_for_and_its_output_copied(cloud: Cloud, name: str) -> None:
    rows, there = f"s3://{BUCKET}/{name}/rows/", f"s3://{BUCKET}/{name}/sums"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/rows/rows.csv", Body=b"1\n2\n3\n")
    command = "cat /opt/ml/processing/input/rows.csv | wc -l > /opt/ml/processing/output/count.txt"
    side = {"S3DataType": "S3Prefix", "S3InputMode": "File", "LocalPath": "/opt/ml/processing/input", "S3Uri": rows}
    left = {"S3Uri": there, "LocalPath": "/opt/ml/processing/output", "S3UploadMode": "EndOfJob"}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    asked = {
        "processing_job_name": name,
        "role_arn": ROLE,
        "app_specification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["/bin/sh", "-c", command]},
        "processing_resources": {"ClusterConfig": cluster},
        "processing_inputs": [{"InputName": "rows", "S3Input": side}],
        "processing_output_config": {"Outputs": [{"OutputName": "count", "S3Output": left}]},
    }
    ask(cloud, "sagemaker", "create-processing-job", **asked)
    _settled(cloud, "processing", name)
    waited = ("sagemaker", "wait", "processing-job-completed-or-stopped", "--processing-job-name", name)
    assert aws(cloud, *waited).code == 0
    assert aws(cloud, "s3", "cp", f"{there}/count.txt", "-").out.strip() == "3"


def test_a_transform_job_is_made_waited_for_and_its_answers_copied(cloud: Cloud, name: str, code: str) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key=f"{name}/asked/some.csv", Body=b"1,2\n3,4\n")
    make_model(cloud, name, code)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/asked/"}}
    asked = {
        "transform_job_name": name,
        "model_name": name,
        "batch_strategy": "SingleRecord",
        "transform_input": {"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        "transform_output": {
            "S3OutputPath": f"s3://{BUCKET}/{name}/answers",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        "transform_resources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    ask(cloud, "sagemaker", "create-transform-job", **asked)
    _settled(cloud, "transform", name)
    waited = ("sagemaker", "wait", "transform-job-completed-or-stopped", "--transform-job-name", name)
    assert aws(cloud, *waited).code == 0
    assert aws(cloud, "s3", "cp", f"s3://{BUCKET}/{name}/answers/some.csv.out", "-").out == "1.5\n3.5\n"


def test_a_tuning_job_tells_its_training_jobs(cloud: Cloud, name: str, code: str) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/training/rows.csv", Body=b"1\n2\n3\n")
    job = _job(name, code)
    algorithm = job["algorithm_specification"] | {
        "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}]
    }
    asked = {
        "hyper_parameter_tuning_job_name": name,
        "hyper_parameter_tuning_job_config": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0.1", "MaxValue": "0.9"}]},
        },
        "training_job_definition": {
            "AlgorithmSpecification": algorithm,
            "StaticHyperParameters": job["hyper_parameters"],
            "RoleArn": ROLE,
            "InputDataConfig": job["input_data_config"],
            "OutputDataConfig": job["output_data_config"],
            "ResourceConfig": job["resource_config"],
            "StoppingCondition": job["stopping_condition"],
        },
    }
    ask(cloud, "sagemaker", "create-hyper-parameter-tuning-job", **asked)
    _settled(cloud, "hyper_parameter_tuning", name)
    words = ("sagemaker", "list-training-jobs-for-hyper-parameter-tuning-job", "--sort-by", "FinalObjectiveMetricValue")
    found = ask(cloud, *words, "--sort-order", "Descending", hyper_parameter_tuning_job_name=name)
    told = ask(cloud, "sagemaker", "describe-hyper-parameter-tuning-job", hyper_parameter_tuning_job_name=name)
    assert len(found["TrainingJobSummaries"]) == 2
    assert told["BestTrainingJob"]["TrainingJobName"] == found["TrainingJobSummaries"][0]["TrainingJobName"]
