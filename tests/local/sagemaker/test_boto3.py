"""boto3 as it is: its own waiters and paginators over our answers."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.local.sagemaker.world import IMAGE, ROLE, World

QUICK = {"Delay": 1, "MaxAttempts": 120}


def _wait(world: World, waiter: str, **name: str) -> None:
    world.sagemaker.get_waiter(waiter).wait(**name, WaiterConfig=QUICK)


def test_the_waiter_for_training_jobs_ends_when_the_job_has_ended(world: World) -> None:
    completed, stopped = world.begin("leaves_no_model.py"), world.begin("reports_progress.py")
    _wait(world, "training_job_completed_or_stopped", TrainingJobName=completed)
    assert world.job(completed)["TrainingJobStatus"] == "Completed"
    world.sagemaker.stop_training_job(TrainingJobName=stopped)
    _wait(world, "training_job_completed_or_stopped", TrainingJobName=stopped)
    assert world.job(stopped)["TrainingJobStatus"] == "Stopped"


def test_the_waiter_for_training_jobs_fails_with_a_job_that_failed(world: World) -> None:
    with pytest.raises(WaiterError, match="terminal failure state"):
        _wait(world, "training_job_completed_or_stopped", TrainingJobName=world.begin("raises.py"))


def _processing(world: World, command: str) -> str:
    name = f"processing-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}},
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["/bin/sh", "-c", command]},
        RoleArn=ROLE,
    )
    return name


def test_the_waiter_for_processing_jobs_ends_with_one_that_ends_and_fails_with_one_that_fails(world: World) -> None:
    name = _processing(world, "true")
    _wait(world, "processing_job_completed_or_stopped", ProcessingJobName=name)
    assert world.sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"] == "Completed"
    with pytest.raises(WaiterError, match="terminal failure state"):
        _wait(world, "processing_job_completed_or_stopped", ProcessingJobName=_processing(world, "exit 3"))


def _transform(world: World, program: str) -> str:
    name = f"transform-{uuid.uuid4().hex[:8]}"
    source = {"S3DataType": "S3Prefix", "S3Uri": world.put(f"{name}/in/a.txt", "one")}
    world.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=world.config(program),
        TransformInput={"DataSource": {"S3DataSource": source}},
        TransformOutput={"S3OutputPath": f"s3://{world.bucket}/{name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    return name


def test_the_waiter_for_transform_jobs_ends_with_one_that_ends_and_fails_with_one_that_fails(world: World) -> None:
    name = _transform(world, "serves_rows.py")
    _wait(world, "transform_job_completed_or_stopped", TransformJobName=name)
    assert world.sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"] == "Completed"
    with pytest.raises(WaiterError, match="terminal failure state"):
        _wait(world, "transform_job_completed_or_stopped", TransformJobName=_transform(world, "answers_500.py"))


def test_a_waiter_for_what_was_never_there_fails_at_once(world: World) -> None:
    with pytest.raises(WaiterError, match="ValidationException"):
        _wait(world, "training_job_completed_or_stopped", TrainingJobName="never")
    with pytest.raises(WaiterError, match="ValidationException"):
        _wait(world, "endpoint_in_service", EndpointName="never")


def test_the_waiters_for_endpoints_see_one_come_and_go(world: World) -> None:
    name = f"endpoint-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=world.config("serves.py"))
    _wait(world, "endpoint_in_service", EndpointName=name)
    assert world.endpoint(name)["EndpointStatus"] == "InService"
    world.sagemaker.delete_endpoint(EndpointName=name)
    _wait(world, "endpoint_deleted", EndpointName=name)
    assert not world.sagemaker.list_endpoints(NameContains=name)["Endpoints"]


def test_the_waiter_for_endpoints_fails_with_one_that_failed(world: World) -> None:
    name = f"endpoint-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=world.config("cannot_load.py"))
    with pytest.raises(WaiterError, match="terminal failure state"):
        _wait(world, "endpoint_in_service", EndpointName=name)


def _all(world: World, operation: str, key: str, **asked: Any) -> list[Any]:
    pages = world.sagemaker.get_paginator(operation).paginate(**asked, PaginationConfig={"PageSize": 2})
    found = [page[key] for page in pages]
    assert len(found) > 1, "the list came in one page"
    return [each for page in found for each in page]


def test_paginators_give_everything_once(world: World) -> None:
    mark = f"pages-{uuid.uuid4().hex[:8]}"
    names = [f"{mark}-{number}" for number in range(5)]
    for name in names:
        world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
        world.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {"VariantName": "a", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
            ],
        )
        world.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    for operation, key, member in (
        ("list_models", "Models", "ModelName"),
        ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName"),
        ("list_model_package_groups", "ModelPackageGroupSummaryList", "ModelPackageGroupName"),
    ):
        found = _all(world, operation, key, NameContains=mark, SortBy="Name", SortOrder="Ascending")
        assert [each[member] for each in found] == names


def test_paginators_give_all_jobs_packages_and_tags(world: World) -> None:
    jobs = [world.begin("leaves_no_model.py") for _ in range(3)]
    for job in jobs:
        world.ended(job)
    found = _all(world, "list_training_jobs", "TrainingJobSummaries", SortBy="CreationTime", SortOrder="Ascending")
    assert [each["TrainingJobName"] for each in found if each["TrainingJobName"] in jobs] == jobs
    processed = [_processing(world, "true") for _ in range(3)]
    asked = {"NameContains": "processing-", "SortBy": "CreationTime", "SortOrder": "Ascending"}
    found = _all(world, "list_processing_jobs", "ProcessingJobSummaries", **asked)
    assert [each["ProcessingJobName"] for each in found if each["ProcessingJobName"] in processed] == processed
    group = f"group-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_model_package_group(
        ModelPackageGroupName=group, Tags=[{"Key": f"k{number}", "Value": "v"} for number in range(5)]
    )
    for _ in range(3):
        world.sagemaker.create_model_package(ModelPackageGroupName=group)
    packages = _all(world, "list_model_packages", "ModelPackageSummaryList", ModelPackageGroupName=group)
    assert sorted(each["ModelPackageVersion"] for each in packages) == [1, 2, 3]
    arn = world.sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    tags = world.sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn).build_full_result()["Tags"]
    assert [tag["Key"] for tag in tags] == [f"k{number}" for number in range(5)]


def test_the_debug_hook_that_the_sdk_always_sends_is_accepted_and_told(world: World) -> None:
    hook = {"S3OutputPath": f"s3://{world.bucket}/", "CollectionConfigurations": []}
    assert world.train("leaves_no_model.py", DebugHookConfig=hook)["DebugHookConfig"] == hook


def test_describe_tells_what_the_request_left_out_as_the_sdk_reads_it(world: World) -> None:
    job = world.train("leaves_no_model.py")
    assert job["OutputDataConfig"] == {"S3OutputPath": f"s3://{world.bucket}/out/", "KmsKeyId": ""}
    assert job["EnableNetworkIsolation"] is False
    assert job["EnableInterContainerTrafficEncryption"] is False
    assert job["EnableManagedSpotTraining"] is False


def test_an_entry_point_and_its_arguments_take_the_place_of_train(world: World) -> None:
    request = world.job_request("leaves_no_model.py")
    said = {"ContainerEntrypoint": ["/bin/sh", "-c"], "ContainerArguments": ["echo said by $TRAINING_JOB_NAME"]}
    request["AlgorithmSpecification"] |= said
    world.sagemaker.create_training_job(**request)
    name = request["TrainingJobName"]
    assert world.ended(name)["TrainingJobStatus"] == "Completed"
    assert world.log(name) == [f"said by {name}"]
