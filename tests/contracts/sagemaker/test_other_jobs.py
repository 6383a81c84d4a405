"""Processing, transform and tuning jobs: their ends, what they leave, what is told of them, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from tests.contracts.sagemaker.place import Place, refusal

_ENDED = {"Completed", "Failed", "Stopped"}
_INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
_SCRIPT = """
import os, pathlib, sys, time
if "break" in sys.argv:
    sys.exit(3)
if "wait" in sys.argv:
    time.sleep(3600)
ml = pathlib.Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
for path in (ml / "processing/in").iterdir():
    (ml / "processing/out" / path.name).write_text(path.read_text().upper())
"""


def _processing(place: Place, *arguments: str) -> str:
    """Begin a job that puts its input into capitals; gives its name."""
    name = place.name("processing")
    place.put(f"{name}/in/a.txt", b"seven")

    def given(which: str, uri: str) -> dict[str, Any]:
        side = {"S3Uri": uri, "S3DataType": "S3Prefix", "S3InputMode": "File"}
        return {"InputName": which, "S3Input": {**side, "LocalPath": f"/opt/ml/processing/{which}"}}

    side = {"S3Uri": f"s3://{place.bucket}/{name}/out", "S3UploadMode": "EndOfJob"}
    output = {"OutputName": "out", "S3Output": {**side, "LocalPath": "/opt/ml/processing/out"}}
    entry = {"ContainerEntrypoint": ["python3", "/opt/ml/processing/code/run.py"]}
    place.sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingInputs=[
            given("in", f"s3://{place.bucket}/{name}/in"),
            given("code", place.put(f"{name}/code/run.py", _SCRIPT.encode())),
        ],
        ProcessingOutputConfig={"Outputs": [output]},
        ProcessingResources={"ClusterConfig": {**_INSTANCES, "VolumeSizeInGB": 5}},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        AppSpecification={
            "ImageUri": place.image, **entry, **({"ContainerArguments": list(arguments)} if arguments else {}),
        },
        RoleArn=place.role,
    )  # fmt: skip
    return name


def _processed(place: Place, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = place.sagemaker.describe_processing_job(ProcessingJobName=name)
        return job if job["ProcessingJobStatus"] in _ENDED else None

    return place.until(look)


def _transform(place: Place, model: str, body: bytes, **more: Any) -> dict[str, Any]:
    """Run a transform job over one object; gives what is told of it when it has ended."""
    name = place.name("transform")
    place.put(f"{name}/in/a.txt", body)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{place.bucket}/{name}/in/"}}
    place.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={"DataSource": source, "ContentType": "text/plain", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{place.bucket}/{name}/out", "Accept": "text/plain", **more},
        TransformResources=_INSTANCES,
        BatchStrategy="SingleRecord",
    )

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = place.sagemaker.describe_transform_job(TransformJobName=name)
        return job if job["TransformJobStatus"] in _ENDED else None

    return place.until(look)


def _read(place: Place, key: str) -> bytes:
    body: bytes = place.s3.get_object(Bucket=place.bucket, Key=key)["Body"].read()
    return body


def _told(place: Place, name: str, member: str) -> list[dict[str, Any]]:
    """Hear all events of a job up to the one that tells its end."""
    return place.heard(name, lambda all_: any(one["detail"].get(member) in _ENDED for one in all_))


def test_a_processing_job_takes_its_output_to_s3_and_its_end_is_told(place: Place) -> None:
    name = _processing(place)
    job = _processed(place, name)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    assert _read(place, f"{name}/out/a.txt") == b"SEVEN"
    told = _told(place, name, "ProcessingJobStatus")
    assert {one["detail-type"] for one in told} == {"SageMaker Processing Job State Change"}
    last = next(one for one in told if one["detail"]["ProcessingJobStatus"] == "Completed")
    assert last["resources"] == [job["ProcessingJobArn"]]
    assert last["detail"]["ProcessingEndTime"] // 1000 == int(job["ProcessingEndTime"].timestamp())


def test_a_processing_job_that_breaks_has_failed_and_one_that_is_stopped_has_stopped(place: Place) -> None:
    broken, waiting = _processing(place, "break"), _processing(place, "wait")
    job = _processed(place, broken)
    assert (job["ProcessingJobStatus"], job["FailureReason"][:14]) == ("Failed", "AlgorithmError")
    place.sagemaker.stop_processing_job(ProcessingJobName=waiting)
    assert _processed(place, waiting)["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(ClientError) as refused:
        place.sagemaker.stop_processing_job(ProcessingJobName=waiting)
    assert refusal(refused.value)[0] == "ValidationException"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("ProcessingJob", "ValidationException"),
        ("TransformJob", "ValidationException"),
        ("HyperParameterTuningJob", "ResourceNotFound"),
    ],
)
def test_a_job_that_is_not_there_is_missed_with_the_code_of_its_kind(place: Place, kind: str, code: str) -> None:
    none = place.name("none")[:32].rstrip("-")
    with pytest.raises(ClientError) as refused:
        getattr(place.sagemaker, xform_name(f"Describe{kind}"))(**{f"{kind}Name": none})
    assert refusal(refused.value)[0] == code


def test_a_transform_job_answers_each_line_and_its_end_is_told(place: Place) -> None:
    job = _transform(place, place.config("seven"), b"a\nb\n", AssembleWith="Line")
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    name = job["TransformJobName"]
    assert _read(place, f"{name}/out/a.txt.out") == b"seven\nseven\n"
    told = _told(place, name, "TransformJobStatus")
    assert {one["detail-type"] for one in told} == {"SageMaker Transform Job State Change"}


def test_a_transform_job_whose_model_breaks_at_a_record_has_failed_and_leaves_nothing(place: Place) -> None:
    job = _transform(place, place.config("seven"), b"a\nbreak\n")
    assert job["TransformJobStatus"] == "Failed"
    assert "See job logs for more information" in job["FailureReason"]
    found = place.s3.list_objects_v2(Bucket=place.bucket, Prefix=f"{job['TransformJobName']}/out/")
    assert found["KeyCount"] == 0


def test_a_tuning_job_tries_each_choice_and_tells_the_best(place: Place) -> None:
    name = place.name("tune")[:32].rstrip("-")
    request = place.job_request()
    shared = ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
    static = {key: value for key, value in request["HyperParameters"].items() if key != "behave"}
    choices = [{"Name": "behave", "Values": [json.dumps("works"), json.dumps("breaks")]}]
    place.sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "accuracy"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"CategoricalParameterRanges": choices},
        },
        TrainingJobDefinition={**{key: request[key] for key in shared}, "StaticHyperParameters": static},
    )

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = place.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return found if found["HyperParameterTuningJobStatus"] in _ENDED else None

    job = place.until(look)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    counted = job["TrainingJobStatusCounters"]
    assert (counted["Completed"], counted["NonRetryableError"]) == (1, 1)
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"behave": json.dumps("works")}
    assert job["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.75
    told = _told(place, name, "HyperParameterTuningJobStatus")
    assert "SageMaker HyperParameter Tuning Job State Change" in {one["detail-type"] for one in told}
