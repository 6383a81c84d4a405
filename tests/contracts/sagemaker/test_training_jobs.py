"""Training jobs: their statuses, what they leave, and what is refused."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.contracts.sagemaker.place import Place, refusal

_WAY = ["Starting", "Downloading", "Training", "Uploading", "Completed"]


def test_a_job_goes_its_way_and_leaves_a_model(place: Place) -> None:
    job = place.ended(place.job())
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert [step for step in steps if step in _WAY] == [step for step in _WAY if step in steps]
    assert {"Starting", "Training", "Uploading", "Completed"} <= set(steps)
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{place.bucket}/out/{job['TrainingJobName']}/output/model.tar.gz"
    place.s3.head_object(Bucket=place.bucket, Key=uri.removeprefix(f"s3://{place.bucket}/"))
    assert [(each["MetricName"], each["Value"]) for each in job["FinalMetricDataList"]] == [("accuracy", 0.75)]


def test_every_change_of_a_job_is_told_and_the_last_one_says_how_it_ended(place: Place) -> None:
    name = place.job()
    ended = place.ended(name)
    events = place.heard(name, lambda all_: any(one["detail"]["TrainingJobStatus"] == "Completed" for one in all_))
    assert {one["detail-type"] for one in events} == {"SageMaker Training Job State Change"}
    assert {one["detail"]["TrainingJobStatus"] for one in events} <= {"InProgress", "Completed"}
    last = next(one for one in events if one["detail"]["TrainingJobStatus"] == "Completed")
    assert last["resources"] == [ended["TrainingJobArn"]]
    assert last["detail"]["SecondaryStatus"] == "Completed"
    assert last["detail"]["TrainingEndTime"] // 1000 == int(ended["TrainingEndTime"].timestamp())


def test_a_program_that_fails_says_why(place: Place) -> None:
    job = place.ended(place.job("breaks"))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith("AlgorithmError: ")
    assert "no such column: width" in job["FailureReason"]
    assert "ModelArtifacts" not in job or not job["ModelArtifacts"].get("S3ModelArtifacts")


def test_a_job_that_is_told_to_stop_stops(place: Place) -> None:
    name = place.job("waits")
    place.training(name)
    place.sagemaker.stop_training_job(TrainingJobName=name)
    job = place.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [step["Status"] for step in job["SecondaryStatusTransitions"]]


def test_a_job_that_has_ended_cannot_be_stopped(place: Place) -> None:
    name = place.job("breaks")
    place.ended(name)
    with pytest.raises(ClientError) as refused:
        place.sagemaker.stop_training_job(TrainingJobName=name)
    code, told = refusal(refused.value)
    assert code == "ValidationException"
    assert "Failed" in told


def test_a_job_that_runs_too_long_is_stopped_and_says_so(place: Place) -> None:
    name = place.job("waits", StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = place.ended(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_a_name_is_used_once_for_ever(place: Place) -> None:
    request = place.job_request("breaks")
    place.sagemaker.create_training_job(**request)
    with pytest.raises(ClientError) as refused:
        place.sagemaker.create_training_job(**request)
    code, told = refusal(refused.value)
    assert code == "ResourceInUse"
    assert "Training job names must be unique within an AWS account and region" in told
    place.ended(request["TrainingJobName"])


def test_a_job_that_is_not_there_is_missed_in_those_words(place: Place) -> None:
    with pytest.raises(ClientError) as refused:
        place.sagemaker.describe_training_job(TrainingJobName=place.name("none"))
    assert refusal(refused.value) == ("ValidationException", "Requested resource not found.")


def test_a_channel_that_names_nothing_is_refused_at_once(place: Place) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{place.bucket}/nothing/here"}}
    with pytest.raises(ClientError) as refused:
        place.job(InputDataConfig=[{"ChannelName": "training", "DataSource": source}])
    code, told = refusal(refused.value)
    assert code == "ValidationException"
    assert "No S3 objects found under S3 URL" in told


def test_jobs_are_listed_by_name_newest_first_and_page_by_page(place: Place) -> None:
    names = [place.job("breaks") for _ in range(3)]
    for name in names:
        place.ended(name)
    pages = place.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="dropforge-contract-job-",
        SortBy="CreationTime",
        SortOrder="Descending",
        PaginationConfig={"PageSize": 2},
    )
    found = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    assert [name for name in found if name in names] == names[::-1]
