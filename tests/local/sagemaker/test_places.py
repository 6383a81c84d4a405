"""Places in S3: how they are named, and when those that are not there are missed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dropforge.local.sagemaker import places
from tests.local.sagemaker.world import FINAL, IMAGE, ROLE, World, until

_NOWHERE = "s3://no-such-bucket-anywhere/some/"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"OutputDataConfig": {"S3OutputPath": _NOWHERE}}, "ClientError: Artifact upload failed"),
        ({"CheckpointConfig": {"S3Uri": _NOWHERE}}, "ClientError: "),
    ],
    ids=["output", "checkpoints"],
)
def test_a_training_job_whose_bucket_is_not_there_fails_when_it_is_needed(
    world: World, more: dict[str, Any], said: str
) -> None:
    job = world.train("leaves_folders.py", **more)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(said)


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://bucket/some/key", ("bucket", "some/key")),
        ("s3://bucket", ("bucket", "")),
        ("https://s3.amazonaws.com/bucket/some/key", ("bucket", "some/key")),
        ("https://s3-eu-west-1.amazonaws.com/bucket", ("bucket", "")),
        ("https://s3.dualstack.eu-west-1.amazonaws.com/bucket/s3.key", ("bucket", "s3.key")),
        ("https://s3.us-gov-west-1.amazonaws.com/bucket/key", ("bucket", "key")),
        ("https://bucket.s3.amazonaws.com/some/key", ("bucket", "some/key")),
        ("https://bucket.s3.amazonaws.com/", ("bucket", "")),
        ("https://bucket.s3.amazonaws.com", ("bucket", "")),
        ("https://bucket.s3-ap-southeast-2.amazonaws.com/key", ("bucket", "key")),
        ("https://bucket.s3.dualstack.mx-central-1.amazonaws.com", ("bucket", "")),
        ("https://s3.s3.amazonaws.com/key", ("s3", "key")),
        ("https://dots.and-s3.s3.cn-north-1.amazonaws.com.cn/key", ("dots.and-s3", "key")),
    ],
)
def test_a_place_has_a_bucket_and_a_key_by_whatever_address(uri: str, place: tuple[str, str]) -> None:
    assert places.split_uri(uri) == place
    assert not places.is_elsewhere(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://some.example/bucket/key",
        "https://s3.amazonaws.com",
        "https://s3.amazonaws.com/",
        "https://s3-my-bucket.amazonaws.com/key/deep",
        "https://s3-my-bucket-1.amazonaws.com/key/deep",
        "https://my.s3-thing.amazonaws.com/key",
        "https://bucket.s3-website-us-east-1.amazonaws.com/key",
        "https://bucket.s3.us-east-1.dualstack.amazonaws.com/key",
        "https://s3.amazonaws.org/bucket/key",
        "https://s3.amazonaws.com.example.org/bucket/key",
        "https://ec2.amazonaws.com/bucket/key",
        "https://user@bucket.s3.amazonaws.com/key",
        "https://some.example?.s3.amazonaws.com/key",
        f"https://s3{'-' * 1000}/key",  # which a careless pattern would take longer to refuse than anybody waits
    ],
)
def test_an_address_of_others_is_none_of_s3(uri: str) -> None:
    assert places.is_elsewhere(uri)


def test_what_a_job_reads_and_leaves_may_be_named_by_addresses_of_s3(world: World) -> None:
    world.put("addressed/in/some.txt", "x")
    address = f"https://s3-us-east-1.amazonaws.com/{world.bucket}/addressed"
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{address}/in/"}
    job = world.train(
        "leaves_folders.py",
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"{address}/out"},
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    world.s3.head_object(
        Bucket=world.bucket, Key=model.removeprefix(f"https://s3-us-east-1.amazonaws.com/{world.bucket}/")
    )
    container = {"Image": IMAGE, "ModelDataUrl": model}
    world.sagemaker.create_model(ModelName=job["TrainingJobName"], ExecutionRoleArn=ROLE, PrimaryContainer=container)


def _processing(name: str) -> dict[str, Any]:
    side = {"S3Uri": _NOWHERE, "LocalPath": "/opt/ml/processing/in", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": name,
        "ProcessingInputs": [{"InputName": "in", "S3Input": side}],
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        "RoleArn": ROLE,
    }


def _transform(name: str, model: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": _NOWHERE}
    return {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": {"DataSource": {"S3DataSource": source}},
        "TransformOutput": {"S3OutputPath": _NOWHERE},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }


def _labelling(name: str) -> dict[str, Any]:
    any_lambda = "arn:aws:lambda:us-east-1:000000000000:function:any"
    return {
        "LabelingJobName": name,
        "LabelAttributeName": "seven",
        "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": f"{_NOWHERE}manifest"}}},
        "OutputConfig": {"S3OutputPath": _NOWHERE},
        "RoleArn": ROLE,
        "HumanTaskConfig": {
            "WorkteamArn": "arn:aws:sagemaker:us-east-1:000000000000:workteam/private-crowd/team",
            "UiConfig": {"UiTemplateS3Uri": f"{_NOWHERE}ui"},
            "PreHumanTaskLambdaArn": any_lambda,
            "TaskTitle": "Is it a seven?",
            "TaskDescription": "Look, and say.",
            "NumberOfHumanWorkersPerDataObject": 1,
            "TaskTimeLimitInSeconds": 60,
            "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": any_lambda},
        },
    }


@pytest.mark.parametrize("noun", ["Processing", "Transform", "Labeling"])
def test_other_jobs_are_accepted_and_fail_when_what_they_read_is_not_there(world: World, noun: str) -> None:
    name = f"nowhere-{uuid.uuid4().hex[:12]}"
    match noun:
        case "Processing":
            request = _processing(name)
        case "Transform":
            request = _transform(name, world.config("serves.py"))
        case _:
            request = _labelling(name)
    getattr(world.sagemaker, f"create_{noun.lower()}_job")(**request)
    describe = getattr(world.sagemaker, f"describe_{noun.lower()}_job")

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = describe(**{f"{noun}JobName": name})
        return job if job[f"{noun}JobStatus"] in FINAL else None

    job = until(look, seconds=60)
    assert (job[f"{noun}JobStatus"], job["FailureReason"].partition(":")[0]) == ("Failed", "ClientError")
