from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.sagemaker.world import ROLE, World, until

_TEAM = "arn:aws:sagemaker:us-east-1:000000000000:workteam/private-crowd/team"
_LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:any"


def _lines(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _request(world: World, manifest: str | None = None, **more: Any) -> dict[str, Any]:
    given = _lines({"source-ref": "s3://a/1"}, {"source-ref": "s3://a/2"}, {"source": "text"}, {"source": "more"})
    uri = world.put(f"manifests/{uuid.uuid4().hex}", given if manifest is None else manifest)
    return {
        "LabelingJobName": f"label-{uuid.uuid4().hex[:12]}",
        "LabelAttributeName": "seven",
        "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": uri}}},
        "OutputConfig": {"S3OutputPath": f"s3://{world.bucket}/labels/"},
        "RoleArn": ROLE,
        "HumanTaskConfig": {
            "WorkteamArn": _TEAM,
            "UiConfig": {"UiTemplateS3Uri": f"s3://{world.bucket}/ui"},
            "PreHumanTaskLambdaArn": _LAMBDA,
            "TaskTitle": "Is it a seven?",
            "TaskDescription": "Look, and say.",
            "NumberOfHumanWorkersPerDataObject": 1,
            "TaskTimeLimitInSeconds": 60,
            "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": _LAMBDA},
        },
        **more,
    }


def _begin(world: World, request: dict[str, Any]) -> str:
    world.sagemaker.create_labeling_job(**request)
    return str(request["LabelingJobName"])


def _job(world: World, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = world.sagemaker.describe_labeling_job(LabelingJobName=name)
    return answer


def _until(world: World, name: str, status: str) -> dict[str, Any]:
    return until(lambda: job if (job := _job(world, name))["LabelingJobStatus"] == status else None, seconds=60)


def _label(world: World, name: str, body: str) -> str:
    return world.put(f"labels/{name}/manifests/output/output.manifest", body)


def test_a_job_is_in_progress_until_its_output_manifest_is_written_and_counts_what_is_in_it(world: World) -> None:
    name = _begin(world, _request(world, Tags=[{"Key": "team", "Value": "digits"}]))
    job = _until(world, name, "InProgress")
    assert job["LabelCounters"]["Unlabeled"] == 4
    assert job["Tags"] == [{"Key": "team", "Value": "digits"}]
    labels = _lines(
        {"source-ref": "s3://a/1", "seven": 1, "seven-metadata": {"human-annotated": "yes"}},
        {"source-ref": "s3://a/2", "seven": 0, "seven-metadata": {"human-annotated": "no"}},
        {"source": "text", "seven-metadata": {"failure-reason": "nobody could say"}},
    )
    uri = _label(world, name, labels)
    job = _until(world, name, "Completed")
    assert job["LabelingJobOutput"] == {"OutputDatasetS3Uri": uri}
    assert job["LabelCounters"] == {
        "TotalLabeled": 2,
        "HumanLabeled": 1,
        "MachineLabeled": 1,
        "FailedNonRetryableError": 1,
        "Unlabeled": 1,
    }
    told = [event["LabelingJobStatus"] for event in world.told(name, 3)]
    assert told == ["Initializing", "InProgress", "Completed"]


@pytest.mark.parametrize("manifest", ["", "{}\n", "not json\n", '["a"]\n'])
def test_an_input_manifest_that_is_none_fails_the_job(world: World, manifest: str) -> None:
    job = _until(world, _begin(world, _request(world, manifest)), "Failed")
    assert job["FailureReason"].startswith("ClientError: ")
    assert "manifest file at s3://" in job["FailureReason"]


def test_an_input_manifest_that_is_not_there_and_an_output_manifest_that_is_none_fail_the_job(world: World) -> None:
    nowhere = {"DataSource": {"S3DataSource": {"ManifestS3Uri": f"s3://{world.bucket}/nowhere"}}}
    job = _until(world, _begin(world, _request(world, InputConfig=nowhere)), "Failed")
    assert "could not be read" in job["FailureReason"]
    name = _begin(world, _request(world))
    _label(world, name, "seven")
    assert "is not JSON Lines" in _until(world, name, "Failed")["FailureReason"]


def test_a_job_can_be_stopped_once(world: World) -> None:
    name = _begin(world, _request(world))
    _until(world, name, "InProgress")
    world.sagemaker.stop_labeling_job(LabelingJobName=name)
    _until(world, name, "Stopped")
    with pytest.raises(ClientError, match="the labeling job is in status Stopped"):
        world.sagemaker.stop_labeling_job(LabelingJobName=name)
    assert [event["LabelingJobStatus"] for event in world.told(name, 4)][2:] == ["Stopping", "Stopped"]


def test_another_life_of_the_cloud_goes_on_waiting(world: World) -> None:
    name = _begin(world, _request(world))
    _until(world, name, "InProgress")
    world.stop()
    world.start()
    assert _job(world, name)["LabelingJobStatus"] == "InProgress"
    _label(world, name, _lines({"source": "text", "seven": 1}))
    assert _until(world, name, "Completed")["LabelCounters"]["HumanLabeled"] == 1


def test_what_cannot_be_labelled_is_refused_and_a_name_is_used_once(world: World) -> None:
    request = _request(world)
    _begin(world, request)
    with pytest.raises(world.sagemaker.exceptions.ResourceInUse, match="already exists"):
        _begin(world, request)
    with pytest.raises(world.sagemaker.exceptions.ResourceNotFound, match="none could not be found"):
        _job(world, "none")
    with pytest.raises(ClientError, match="cannot end with -metadata"):
        _begin(world, _request(world, LabelAttributeName="seven-metadata"))
    with pytest.raises(ClientError, match="needs an S3DataSource"):
        _begin(world, _request(world, InputConfig={"DataSource": {}}))


def test_jobs_are_listed_with_their_team(world: World) -> None:
    name = _begin(world, _request(world))
    _until(world, name, "InProgress")
    answer = world.sagemaker.list_labeling_jobs(NameContains=name, StatusEquals="InProgress")
    assert [one["WorkteamArn"] for one in answer["LabelingJobSummaryList"]] == [_TEAM]
    assert answer["LabelingJobSummaryList"][0]["LabelCounters"]["Unlabeled"] == 4
