"""The registry: versions, their approval, and what is told of it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.contracts.sagemaker.place import Place, refusal


def test_versions_count_up_and_wait_for_approval(place: Place) -> None:
    group = place.group()
    seen = [place.sagemaker.describe_model_package(ModelPackageName=place.package(group)) for _ in range(2)]
    assert [each["ModelPackageVersion"] for each in seen] == [1, 2]
    assert {each["ModelApprovalStatus"] for each in seen} == {"PendingManualApproval"}
    assert {each["ModelPackageStatus"] for each in seen} == {"Completed"}


def test_an_approval_is_told(place: Place) -> None:
    arn = place.package(place.group())
    place.sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="by hand"
    )
    events = place.heard(arn, lambda all_: any(one["detail"]["ModelApprovalStatus"] == "Approved" for one in all_))
    assert {one["detail-type"] for one in events} == {"SageMaker Model Package State Change"}
    approved = next(one for one in events if one["detail"]["ModelApprovalStatus"] == "Approved")
    assert (approved["source"], approved["detail"]["ModelPackageVersion"]) == ("aws.sagemaker", 1)


def test_a_group_exists_once_and_is_not_deleted_while_it_has_versions(place: Place) -> None:
    group = place.group()
    with pytest.raises(ClientError) as refused:
        place.sagemaker.create_model_package_group(ModelPackageGroupName=group)
    assert refusal(refused.value)[0] == "ValidationException"
    place.package(group)
    with pytest.raises(ClientError) as refused:
        place.sagemaker.delete_model_package_group(ModelPackageGroupName=group)
    assert refusal(refused.value)[0] == "ConflictException"


def test_tags_are_kept_by_the_arn_of_a_thing(place: Place) -> None:
    group = place.group()
    arn = place.sagemaker.describe_model_package_group(ModelPackageGroupName=group)["ModelPackageGroupArn"]
    place.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "one"}, {"Key": "old", "Value": "x"}])
    place.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["old"])
    found = place.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert {"Key": "team", "Value": "one"} in found
    assert "old" not in {each["Key"] for each in found}
