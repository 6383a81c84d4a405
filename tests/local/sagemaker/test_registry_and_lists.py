from __future__ import annotations

import base64
import json
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.errors import SageMakerError
from dropforge.local.sagemaker.registry.packages import Registry
from dropforge.local.sagemaker.store import Store
from tests.local.sagemaker.world import IMAGE, ROLE, World

_RESERVED = [{"Key": "aws:a", "Value": "1"}]


@pytest.fixture
def group(world: World) -> str:
    name = f"group-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    return name


def _register(world: World, group: str, **more: Any) -> str:
    containers = [{"Image": IMAGE, "ModelDataUrl": world.put_archive({"answer.txt": "packaged"})}]
    request: dict[str, Any] = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": containers,
            "SupportedContentTypes": ["image/png"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
        **more,
    }
    return str(world.sagemaker.create_model_package(**request)["ModelPackageArn"])


def test_each_package_is_the_next_version_of_its_group(world: World, group: str) -> None:
    arns = [_register(world, group) for _ in range(3)]
    seen = [world.sagemaker.describe_model_package(ModelPackageName=arn) for arn in arns]
    assert [one["ModelPackageVersion"] for one in seen] == [1, 2, 3]
    assert seen[0]["ModelApprovalStatus"] == "PendingManualApproval"
    assert seen[0]["ModelPackageStatus"] == "Completed"
    found = world.sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert [one["ModelPackageArn"] for one in found] == arns


def test_the_same_client_token_gives_the_same_package(world: World, group: str) -> None:
    containers = [{"Image": IMAGE, "ModelDataUrl": "s3://bucket/model.tar.gz"}]
    specification = {"Containers": containers, "SupportedContentTypes": [], "SupportedResponseMIMETypes": []}
    first = _register(world, group, ClientToken="run-1", InferenceSpecification=specification)
    assert _register(world, group, ClientToken="run-1", InferenceSpecification=specification) == first
    assert _register(world, group, ClientToken="run-2", InferenceSpecification=specification) != first
    with pytest.raises(ClientError, match="ClientToken was used before"):
        _register(world, group, ClientToken="run-1")


def test_approval_and_metadata_can_be_changed_and_the_change_is_told(world: World, group: str) -> None:
    arn = _register(world, group, CustomerMetadataProperties={"run": "abc", "old": "x"})
    world.sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties={"by": "rule"},
        CustomerMetadataPropertiesToRemove=["old"],
    )
    seen = world.sagemaker.describe_model_package(ModelPackageName=arn)
    assert seen["ModelApprovalStatus"] == "Approved"
    assert seen["CustomerMetadataProperties"] == {"run": "abc", "by": "rule"}
    told = world.told(arn, 2)
    assert [event["ModelApprovalStatus"] for event in told] == ["PendingManualApproval", "Approved"]
    found = world.sagemaker.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert len(found["ModelPackageSummaryList"]) == 1


def test_the_number_of_a_deleted_version_is_never_given_again(world: World, group: str) -> None:
    _register(world, group)
    world.sagemaker.delete_model_package(ModelPackageName=_register(world, group))
    third = world.sagemaker.describe_model_package(ModelPackageName=_register(world, group))
    assert third["ModelPackageVersion"] == 3


def test_a_group_is_deleted_when_it_is_empty_and_not_before(world: World, group: str) -> None:
    arn = _register(world, group)
    with pytest.raises(ClientError, match="still contains Model Packages") as refused:
        world.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert refused.value.response["Error"]["Code"] == "ConflictException"
    world.sagemaker.delete_model_package(ModelPackageName=arn)
    world.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(ClientError, match="does not exist"):
        world.sagemaker.describe_model_package_group(ModelPackageGroupName=group)


def test_what_is_known_of_a_version_may_grow(world: World, group: str) -> None:
    arn = _register(world, group)
    more = {"Name": "small", "Containers": [{"Image": IMAGE}]}
    world.sagemaker.update_model_package(
        ModelPackageArn=arn,
        AdditionalInferenceSpecificationsToAdd=[more],
        ModelLifeCycle={"Stage": "Staging", "StageStatus": "PendingApproval"},
    )
    seen = world.sagemaker.describe_model_package(ModelPackageName=arn)
    assert seen["AdditionalInferenceSpecifications"] == [more]
    assert seen["ModelLifeCycle"] == {"Stage": "Staging", "StageStatus": "PendingApproval"}
    (listed,) = world.sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert listed["ModelLifeCycle"] == seen["ModelLifeCycle"]


def test_a_group_whose_name_differs_by_case_alone_is_the_same_group(world: World, group: str) -> None:
    with pytest.raises(ClientError, match="already exists"):
        world.sagemaker.create_model_package_group(ModelPackageGroupName=group.upper())


def test_a_package_or_a_group_of_another_account_or_region_is_not_found(world: World, group: str) -> None:
    arn = _register(world, group)
    theirs = arn.replace("000000000000", "111111111111"), arn.replace("us-east-1", "eu-west-1")
    for other in theirs:
        for ask in (world.sagemaker.describe_model_package, world.sagemaker.delete_model_package):
            with pytest.raises(ClientError, match="does not exist"):
                ask(ModelPackageName=other)
        with pytest.raises(ClientError, match="does not exist"):
            world.sagemaker.update_model_package(ModelPackageArn=other, ModelApprovalStatus="Approved")
        theirs_too = other.replace("model-package/", "model-package-group/").rpartition("/")[0]
        with pytest.raises(ClientError, match="does not exist"):
            world.sagemaker.describe_model_package_group(ModelPackageGroupName=theirs_too)
    seen = world.sagemaker.describe_model_package(ModelPackageName=arn)
    assert seen["ModelApprovalStatus"] == "PendingManualApproval"


def test_a_group_is_known_by_its_arn_whatever_the_case_of_its_name(world: World) -> None:
    name = f"Group-{uuid.uuid4().hex[:8]}"
    arn = world.sagemaker.create_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupArn"]
    assert world.sagemaker.describe_model_package_group(ModelPackageGroupName=arn)["ModelPackageGroupName"] == name
    package = _register(world, arn)
    assert world.sagemaker.describe_model_package(ModelPackageName=package)["ModelPackageGroupName"] == name
    spelled = arn.replace(name.lower(), name.upper())
    assert world.sagemaker.describe_model_package_group(ModelPackageGroupName=spelled)["ModelPackageGroupName"] == name
    with pytest.raises(ClientError, match="does not exist"):
        world.sagemaker.describe_model_package_group(ModelPackageGroupName=arn.replace("-group/", "-groups/"))


def test_a_package_is_known_by_its_arn_whatever_the_case_of_its_group(world: World) -> None:
    name = f"Group-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_model_package_group(ModelPackageGroupName=name)
    arn = _register(world, name)
    spelled = arn.replace(name.lower(), name)
    assert spelled != arn
    updated = world.sagemaker.update_model_package(ModelPackageArn=spelled, ModelApprovalStatus="Approved")
    seen = world.sagemaker.describe_model_package(ModelPackageName=spelled)
    assert (updated["ModelPackageArn"], seen["ModelPackageArn"]) == (arn, arn)
    assert seen["ModelApprovalStatus"] == "Approved"
    world.sagemaker.create_model(
        ModelName=f"of-{name}", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": spelled}
    )
    world.sagemaker.delete_model_package(ModelPackageName=spelled)
    with pytest.raises(ClientError, match="does not exist"):
        world.sagemaker.describe_model_package(ModelPackageName=arn)


def test_no_model_is_made_of_a_package_without_a_specification(world: World, group: str) -> None:
    package = world.sagemaker.create_model_package(ModelPackageGroupName=group)["ModelPackageArn"]
    with pytest.raises(ClientError, match="has no InferenceSpecification") as refused:
        world.sagemaker.create_model(
            ModelName="of-nothing", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": package}
        )
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_list_of_packages_without_versions_is_empty_for_all_have_them(world: World, group: str) -> None:
    arn = _register(world, group)

    def listed(**asked: Any) -> list[str]:
        found = world.sagemaker.list_model_packages(NameContains=group, **asked)["ModelPackageSummaryList"]
        return [one["ModelPackageArn"] for one in found]

    assert listed() == listed(ModelPackageType="Unversioned") == []
    assert listed(ModelPackageGroupName=group, ModelPackageType="Unversioned") == []
    assert listed(ModelPackageType="Versioned") == listed(ModelPackageType="Both") == [arn]
    assert listed(ModelPackageGroupName=group) == [arn]


class _Meanwhile:
    """A store in which somebody else does something right after the first look into it."""

    def __init__(self, store: Store, act: Callable[[], Any]) -> None:
        self._store = store
        self._acts = [act]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, kind: str, name: str) -> Any:
        found = self._store.get(kind, name)
        while self._acts:
            self._acts.pop()()
        return found


def test_what_is_deleted_while_somebody_else_changes_it_is_missing_and_no_internal_error(
    world: World, group: str
) -> None:
    ground, arn = world.cloud._ground, _register(world, group)  # noqa: SLF001 - the room, with that moment in it
    client = world.sagemaker

    def registry(act: Callable[[], Any]) -> Registry:
        return Registry(replace(ground, store=cast("Store", _Meanwhile(ground.store, act))))

    with pytest.raises(SageMakerError, match="does not exist"):
        registry(lambda: client.delete_model_package(ModelPackageName=arn)).update({"ModelPackageArn": arn})
    arn = _register(world, group)
    with pytest.raises(SageMakerError, match="does not exist"):
        registry(lambda: client.delete_model_package(ModelPackageName=arn)).delete({"ModelPackageName": arn})
    with pytest.raises(SageMakerError, match="does not exist"):
        registry(lambda: client.delete_model_package_group(ModelPackageGroupName=group)).create(
            {"ModelPackageGroupName": group}
        )
    client.create_model_package_group(ModelPackageGroupName=group)
    with pytest.raises(SageMakerError, match="does not exist"):
        registry(lambda: client.delete_model_package_group(ModelPackageGroupName=group)).delete_group(
            {"ModelPackageGroupName": group}
        )


def test_a_group_exists_once(world: World, group: str) -> None:
    with pytest.raises(ClientError, match="Model Package Group already exists"):
        world.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    assert (
        world.sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupStatus"]
        == "Completed"
    )


def test_a_model_may_be_made_of_a_package(world: World, group: str) -> None:
    arn = _register(world, group)
    name = f"of-{group}"
    world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn})
    assert world.sagemaker.describe_model(ModelName=name)["PrimaryContainer"]["Image"] == IMAGE


def test_tags_can_be_added_listed_and_removed(world: World) -> None:
    arn = world.sagemaker.describe_model(ModelName=world.config("serves.py"))["ModelArn"]
    world.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    world.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "b", "Value": "3"}])
    world.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a"])
    assert world.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "b", "Value": "3"}]


def test_a_model_is_described_by_the_member_that_its_container_was_given_by_and_serves_alike(world: World) -> None:
    made = world.config("serves.py")
    container = world.sagemaker.describe_model(ModelName=made)["PrimaryContainer"]
    name = f"listed-{made}"
    world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, Containers=[container])
    told = world.sagemaker.describe_model(ModelName=name)
    assert (told.get("PrimaryContainer"), told["Containers"]) == (None, [container])
    variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    world.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert world.settled(name)["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    ("before", "after"), [("us-east-1", "eu-west-1"), ("000000000000", "123456789012"), ("arn:aws:", "arn:aws-cn:")]
)
def test_what_is_of_another_account_or_region_has_no_tags_here(world: World, before: str, after: str) -> None:
    arn = world.sagemaker.describe_model(ModelName=world.config("serves.py"))["ModelArn"]
    other = arn.replace(before, after)
    for call, more in (("list_tags", {}), ("add_tags", {"Tags": []}), ("delete_tags", {"TagKeys": ["a"]})):
        with pytest.raises(ClientError, match=f"Could not find resource {other}") as refused:
            getattr(world.sagemaker, call)(ResourceArn=other, **more)
        assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_tags_that_are_aws_own_are_refused_wherever_tags_are_given(world: World) -> None:
    name = world.config("serves.py")
    arn = world.sagemaker.describe_model(ModelName=name)["ModelArn"]
    calls: list[tuple[str, dict[str, Any]]] = [
        ("add_tags", {"ResourceArn": arn}),
        ("create_model", {"ModelName": f"t-{name}", "ExecutionRoleArn": ROLE, "PrimaryContainer": {"Image": IMAGE}}),
        ("create_endpoint", {"EndpointName": name, "EndpointConfigName": name}),
        ("create_training_job", world.job_request("leaves_no_model.py")),
        ("create_model_package_group", {"ModelPackageGroupName": name}),
    ]
    for call, request in calls:
        with pytest.raises(ClientError, match="Tag keys that begin with aws: are reserved") as refused:
            getattr(world.sagemaker, call)(**request, Tags=_RESERVED)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="are reserved for AWS: aws:a"):
        world.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["aws:a"])


def test_two_tags_of_one_key_are_refused_wherever_tags_are_given(world: World) -> None:
    name = world.config("serves.py")
    arn = world.sagemaker.describe_model(ModelName=name)["ModelArn"]
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    for call, request in (
        ("add_tags", {"ResourceArn": arn}),
        ("create_model_package_group", {"ModelPackageGroupName": name}),
    ):
        with pytest.raises(ClientError, match="Duplicate tag key") as refused:
            getattr(world.sagemaker, call)(**request, Tags=twice)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
    assert world.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_to_list_tags_changes_nothing_and_there_is_one_page(world: World) -> None:
    arn = world.sagemaker.describe_model(ModelName=world.config("serves.py"))["ModelArn"]
    tags = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    world.sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    query = "SELECT modified FROM things WHERE kind = 'model' ORDER BY name"
    with sqlite3.connect(world.home / "sagemaker" / "state.sqlite") as state:
        before = state.execute(query).fetchall()
        told = world.sagemaker.list_tags(ResourceArn=arn, MaxResults=50)
        assert state.execute(query).fetchall() == before
    assert (told["Tags"], told.get("NextToken")) == (tags, None)
    with pytest.raises(ClientError, match="Invalid NextToken"):
        world.sagemaker.list_tags(ResourceArn=arn, NextToken="more")


def test_what_was_made_at_the_very_time_is_listed_by_the_lists_that_say_so(world: World, group: str) -> None:
    name = world.config("serves.py")
    model = world.sagemaker.describe_model(ModelName=name)["CreationTime"]
    config = world.sagemaker.describe_endpoint_config(EndpointConfigName=name)["CreationTime"]
    made = world.sagemaker.describe_model_package_group(ModelPackageGroupName=group)["CreationTime"]
    found = world.sagemaker.list_models(NameContains=name, CreationTimeAfter=model)["Models"]
    assert [one["ModelName"] for one in found] == [name]
    found = world.sagemaker.list_endpoint_configs(NameContains=name, CreationTimeAfter=config)["EndpointConfigs"]
    assert [one["EndpointConfigName"] for one in found] == [name]
    groups = world.sagemaker.list_model_package_groups(NameContains=group, CreationTimeAfter=made)
    assert groups["ModelPackageGroupSummaryList"] == []


def test_lists_are_filtered_sorted_and_paged_and_a_page_is_not_shifted_by_what_comes_later(world: World) -> None:
    mark = uuid.uuid4().hex[:8]
    uri = world.put_archive({"answer.txt": "x"})

    def make(number: int) -> str:
        name = f"list-{mark}-{number}"
        container = {"Image": IMAGE, "ModelDataUrl": uri}
        world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        return name

    names = [make(number) for number in range(5)]

    def page(**more: Any) -> tuple[list[str], str | None]:
        answer = world.sagemaker.list_models(NameContains=f"LIST-{mark}", MaxResults=2, **more)
        return [one["ModelName"] for one in answer["Models"]], answer.get("NextToken")

    first, token = page()
    assert first == names[:2:-1]
    make(9)
    second, token = page(NextToken=token)
    assert second == names[2:0:-1]
    assert page(NextToken=token) == (names[:1], None)
    assert page(SortBy="Name", SortOrder="Ascending")[0] == names[:2]
    for wrong in ("nonsense", _token([[], "a"]), _token([{}, "a", ""]), _token([10**40, "a", ""]), _token([1.0, 2, 3])):
        with pytest.raises(ClientError, match="Invalid NextToken"):
            page(NextToken=wrong)


@pytest.mark.parametrize(("value", "name"), [(1.0, "\ud800"), ("\ud800", "a")])
def test_a_token_with_half_a_character_is_refused_by_every_list(world: World, value: float | str, name: str) -> None:
    lists = {
        "list_training_jobs": "training-job created ASC",
        "list_processing_jobs": "processing-job created ASC",
        "list_models": "model created DESC",
        "list_endpoints": "endpoint created DESC",
        "list_model_package_groups": "model-package-group created ASC",
    }
    for call, of in lists.items():
        with pytest.raises(ClientError, match="Invalid NextToken"):
            getattr(world.sagemaker, call)(NextToken=_token([value, name, of]))
    assert world.sagemaker.list_models(NextToken=_token([0.0, "a", lists["list_models"]]))["Models"] == []


def _token(value: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def test_a_token_of_another_list_or_another_order_is_refused(world: World) -> None:
    for name in ("token-a", "token-b"):
        world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    token = world.sagemaker.list_models(MaxResults=1)["NextToken"]
    for ask, order in (
        (world.sagemaker.list_models, {"SortBy": "Name"}),
        (world.sagemaker.list_models, {"SortOrder": "Ascending"}),
        (world.sagemaker.list_endpoints, {}),
    ):
        with pytest.raises(ClientError, match="Invalid NextToken"):
            ask(MaxResults=1, NextToken=token, **order)


def test_jobs_are_found_by_their_status(world: World) -> None:
    failed = world.train("raises.py")["TrainingJobName"]
    completed = world.train("leaves_no_model.py")["TrainingJobName"]

    def names(status: str) -> set[str]:
        answer = world.sagemaker.list_training_jobs(StatusEquals=status, MaxResults=100)
        return {one["TrainingJobName"] for one in answer["TrainingJobSummaries"]}

    assert failed in names("Failed") - names("Completed")
    assert completed in names("Completed") - names("Failed")
    assert not names("InProgress") & {failed, completed}
