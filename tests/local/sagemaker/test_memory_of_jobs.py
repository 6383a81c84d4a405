"""Whose program takes too much memory is told so, whatever it runs for, and nobody else is hurt."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from dropforge.local.sagemaker.jobs.bounds import OUT_OF_MEMORY
from tests.local.sagemaker.test_memory import SMALL
from tests.local.sagemaker.world import FINAL, IMAGE, PROGRAMS, ROLE, World, until


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    """A cloud that gives each program little memory."""
    made = World(tmp_path_factory.mktemp("small"), neighbours, memory=SMALL)
    yield made
    made.stop()


def test_a_job_that_takes_too_much_memory_says_so_and_others_go_on(small: World) -> None:
    greedy, modest = small.begin("takes_too_much.py"), small.begin("leaves_no_model.py")
    assert small.ended(greedy)["FailureReason"] == OUT_OF_MEMORY
    assert small.ended(modest)["TrainingJobStatus"] == "Completed"
    until(lambda: any(line.startswith("out of memory: ") for line in small.log(greedy)))


def test_a_processing_job_that_takes_too_much_memory_says_so(small: World) -> None:
    name = f"processing-{uuid.uuid4().hex[:12]}"
    code = {
        "S3Uri": small.put(f"{name}/takes_too_much.py", (PROGRAMS / "takes_too_much.py").read_bytes()),
        "LocalPath": "/opt/ml/processing/input/code",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
    }
    command = ["python3", "/opt/ml/processing/input/code/takes_too_much.py"]
    small.sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingInputs=[{"InputName": "code", "S3Input": code}],
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": command},
        RoleArn=ROLE,
    )
    job = until(
        lambda: (
            job
            if (job := small.sagemaker.describe_processing_job(ProcessingJobName=name))["ProcessingJobStatus"] in FINAL
            else None
        )
    )
    assert job["FailureReason"] == OUT_OF_MEMORY


def test_a_transform_job_whose_server_takes_too_much_memory_says_so(small: World) -> None:
    name = f"transform-{uuid.uuid4().hex[:12]}"
    small.put(f"{name}/in/a", "too much")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{small.bucket}/{name}/in/"}
    small.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=small.config("takes_too_much_when_asked.py"),
        TransformInput={"DataSource": {"S3DataSource": source}},
        TransformOutput={"S3OutputPath": f"s3://{small.bucket}/{name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    job = until(
        lambda: (
            job
            if (job := small.sagemaker.describe_transform_job(TransformJobName=name))["TransformJobStatus"] in FINAL
            else None
        )
    )
    assert job["FailureReason"] == OUT_OF_MEMORY


def test_an_endpoint_whose_server_takes_too_much_memory_serves_again_and_its_log_says_why(small: World) -> None:
    name = small.deploy("takes_too_much_when_asked.py")
    with pytest.raises(small.runtime.exceptions.ModelError):
        small.invoke(name, b"too much", ContentType="text/plain")

    def answered() -> str | None:
        try:
            return small.invoke(name, b"not much", ContentType="text/plain")
        except (small.runtime.exceptions.ServiceUnavailable, small.runtime.exceptions.ModelError):
            return None

    assert until(answered) == "little"
    assert any(line.startswith("out of memory: ") for line in small.log("main", f"/aws/sagemaker/Endpoints/{name}"))
    small.sagemaker.delete_endpoint(EndpointName=name)
