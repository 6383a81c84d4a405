"""The public sagemaker-training toolkit in a job: its own entry point, from its own environment."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from typing import Any

import pytest

from tests.clients.clients import BUCKET, HERE, ROLE, Cloud
from tests.clients.conftest import TOOLKIT
from tests.local.sagemaker.world import FINAL, until

pytestmark = pytest.mark.slow
_CODE = "/opt/ml/input/data/code/sourcedir.tar.gz"


@pytest.fixture
def run(cloud: Cloud) -> str:
    """A prefix of the bucket with rows and, as the SDK leaves it for a container without a network, the code."""
    name = f"toolkit-{uuid.uuid4().hex[:8]}"
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key=f"{name}/training/rows.csv", Body=b"1\n2\n3\n")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(HERE / "programs", arcname=".")
    s3.put_object(Bucket=BUCKET, Key=f"{name}/code/sourcedir.tar.gz", Body=packed.getvalue())
    return name


def _train(cloud: Cloud, name: str, **hyperparameters: Any) -> dict[str, Any]:
    sagemaker = cloud.client("sagemaker")
    given = {"sagemaker_program": "fit.py", "sagemaker_submit_directory": _CODE, **hyperparameters}
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={
            "TrainingImage": f"000000000000.dkr.ecr.us-east-1.amazonaws.com/{TOOLKIT}:5.1.4",
            "TrainingInputMode": "File",
        },
        RoleArn=ROLE,
        InputDataConfig=[_channel(name, "training"), _channel(name, "code")],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/{name}"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        HyperParameters={key: json.dumps(value) for key, value in given.items()},
    )

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] in FINAL else None

    return until(ended, 60)


def _channel(name: str, channel: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/{channel}/"}
    return {"ChannelName": channel, "DataSource": {"S3DataSource": source}}


def _log(cloud: Cloud, name: str) -> str:
    pages = cloud.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/")
    return "\n".join(event["message"] for page in found for event in page["events"])


def test_the_toolkit_runs_a_script_and_its_model_is_uploaded(cloud: Cloud, run: str) -> None:
    job = _train(cloud, run, rate=0.5)
    log = _log(cloud, run)
    assert job["TrainingJobStatus"] == "Completed", log
    assert "rows=3; accuracy=0.5;" in log
    assert "Reporting training SUCCESS" in log
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{BUCKET}/")
    packed = io.BytesIO(cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())
    with tarfile.open(fileobj=packed) as archive:
        model = archive.extractfile("model.json")
        assert model is not None
        assert json.loads(model.read()) == {"rate": 0.5, "rows": 3}


def test_what_the_toolkit_writes_of_a_failure_is_the_reason_of_the_job(cloud: Cloud, run: str) -> None:
    job = _train(cloud, run, rate="much")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 2\n")
    assert job["FailureReason"].endswith('fit.py --rate much", exit code: 1')
    assert "invalid float value: 'much'" in _log(cloud, run)
