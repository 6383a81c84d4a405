"""The AWS CLI as it comes from the package index: buckets, endpoints, the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.cli import FAILED, ask, aws, make_model, model, options
from tests.clients.clients import BUCKET, ROLE, Cloud
from tests.local.sagemaker.world import IMAGE, until

pytestmark = pytest.mark.slow


def test_a_folder_is_synchronised_listed_and_brought_back(cloud: Cloud, name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / "below").mkdir(parents=True)
    (here / "small.txt").write_text("small")
    (here / "below" / "large.bin").write_bytes(bytes(range(256)) * 65_536)  # 16 MiB: in parts
    there = f"s3://{BUCKET}/{name}/"
    sent = aws(cloud, "s3", "sync", str(here), there, "--no-progress")
    assert sorted(line.split()[0] for line in sent.out.splitlines()) == ["upload:", "upload:"]
    assert aws(cloud, "s3", "sync", str(here), there, "--no-progress").out == ""
    listed = aws(cloud, "s3", "ls", "--recursive", there).out.split("\n")
    assert [line.split()[2:] for line in listed if line] == [
        [str(256 * 65_536), f"{name}/below/large.bin"],
        ["5", f"{name}/small.txt"],
    ]
    assert "PRE below/" in aws(cloud, "s3", "ls", there).out
    back = tmp_path / "back"
    assert aws(cloud, "s3", "cp", "--recursive", there, str(back), "--no-progress").code == 0
    assert (back / "below" / "large.bin").read_bytes() == (here / "below" / "large.bin").read_bytes()
    (here / "small.txt").unlink()
    assert "delete:" in aws(cloud, "s3", "sync", "--delete", str(here), there, "--no-progress").out
    assert aws(cloud, "s3", "ls", f"{there}small.txt").code == 1


def test_all_pages_of_a_list_come_as_one(cloud: Cloud, name: str) -> None:
    sagemaker = cloud.client("sagemaker")
    names = [f"{name}-{number:02}" for number in range(23)]
    for each in names:
        sagemaker.create_model(ModelName=each, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    words = ("--name-contains", name, "--sort-by", "Name", "--sort-order", "Ascending", "--page-size", "10")
    found = ask(cloud, "sagemaker", "list-models", *words)
    assert [model["ModelName"] for model in found["Models"]] == names
    first = ask(cloud, "sagemaker", "list-models", *words, "--max-items", "7")
    assert len(first["Models"]) == 7
    rest = ask(cloud, "sagemaker", "list-models", *words, "--starting-token", first["NextToken"])
    assert [model["ModelName"] for model in rest["Models"]] == names[7:]


def _deploy(cloud: Cloud, name: str, code: str) -> None:
    """Bring an endpoint up, of one variant with one server."""
    make_model(cloud, name, code)
    variant = f"VariantName=all,ModelName={name},InstanceType=ml.m5.large,InitialInstanceCount=1"
    words = ("--endpoint-config-name", name, "--production-variants", variant)
    ask(cloud, "sagemaker", "create-endpoint-config", *words)
    ask(cloud, "sagemaker", "create-endpoint", endpoint_name=name, endpoint_config_name=name)
    until(lambda: _endpoint(cloud, name)["EndpointStatus"] == "InService", 60)


def _endpoint(cloud: Cloud, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("sagemaker").describe_endpoint(EndpointName=name)
    return found


def test_a_model_is_deployed_asked_and_taken_down(cloud: Cloud, name: str, code: str, tmp_path: Path) -> None:
    _deploy(cloud, name, code)
    assert aws(cloud, "sagemaker", "wait", "endpoint-in-service", "--endpoint-name", name).code == 0
    (tmp_path / "body.json").write_text("[[1, 2], [3, 4]]")
    words = ("--endpoint-name", name, "--content-type", "application/json")
    body = ("--body", f"fileb://{tmp_path}/body.json", str(tmp_path / "answer.json"))
    told = json.loads(aws(cloud, "sagemaker-runtime", "invoke-endpoint", *words, *body).out)
    assert told["InvokedProductionVariant"] == "all"
    assert json.loads((tmp_path / "answer.json").read_text()) == [1.5, 3.5]
    ask(cloud, "sagemaker", "delete-endpoint", endpoint_name=name)
    assert aws(cloud, "sagemaker", "wait", "endpoint-deleted", "--endpoint-name", name).code == 0


def test_a_variant_is_scaled_out_by_a_schedule_and_has_a_policy(cloud: Cloud, name: str, code: str) -> None:
    _deploy(cloud, name, code)
    variant = {
        "service_namespace": "sagemaker",
        "resource_id": f"endpoint/{name}/variant/all",
        "scalable_dimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling = ("application-autoscaling",)
    ask(cloud, *scaling, "register-scalable-target", "--min-capacity", "1", "--max-capacity", "3", **variant)
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    tracking = {"TargetValue": 100.0, "PredefinedMetricSpecification": metric}
    words = ("--policy-name", "tracks", "--policy-type", "TargetTrackingScaling")
    ask(cloud, *scaling, "put-scaling-policy", *words, **variant, target_tracking_scaling_policy_configuration=tracking)
    policies = ask(cloud, *scaling, "describe-scaling-policies", service_namespace="sagemaker")["ScalingPolicies"]
    assert [each["PolicyName"] for each in policies if each["ResourceId"] == variant["resource_id"]] == ["tracks"]
    words = ("--scheduled-action-name", "more", "--schedule", "rate(1 minute)")
    more = ("--scalable-target-action", "MinCapacity=2,MaxCapacity=3")
    ask(cloud, *scaling, "put-scheduled-action", *words, *more, **variant)
    until(lambda: _endpoint(cloud, name)["ProductionVariants"][0]["CurrentInstanceCount"] == 2, 60)
    found = ask(cloud, *scaling, "describe-scalable-targets", service_namespace="sagemaker")["ScalableTargets"]
    assert [each["MinCapacity"] for each in found if each["ResourceId"] == variant["resource_id"]] == [2]
    seen = ask(cloud, *scaling, "describe-scaling-activities", **variant)["ScalingActivities"]
    assert seen[-1]["Description"].startswith("Setting desired instance count to 2")
    ask(cloud, *scaling, "deregister-scalable-target", **variant)
    missing = aws(cloud, *scaling, "deregister-scalable-target", *options(**variant))
    assert missing.code == FAILED
    assert "(ObjectNotFoundException) when calling the DeregisterScalableTarget operation" in missing.err
    until(lambda: _endpoint(cloud, name)["EndpointStatus"] == "InService", 60)
    ask(cloud, "sagemaker", "delete-endpoint", endpoint_name=name)


def test_a_version_is_registered_approved_and_tagged(cloud: Cloud, name: str) -> None:
    group = ask(cloud, "sagemaker", "create-model-package-group", model_package_group_name=name)
    cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=model())
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{name}/model.tar.gz"}
    types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
    specification = {"Containers": [container], **types}
    words = ("--model-package-group-name", name)
    made = ask(cloud, "sagemaker", "create-model-package", *words, inference_specification=specification)
    approval = {"model_package_arn": made["ModelPackageArn"], "model_approval_status": "Approved"}
    ask(cloud, "sagemaker", "update-model-package", **approval)
    found = ask(cloud, "sagemaker", "list-model-packages", model_package_group_name=name)["ModelPackageSummaryList"]
    assert [(each["ModelPackageVersion"], each["ModelApprovalStatus"]) for each in found] == [(1, "Approved")]
    arn = group["ModelPackageGroupArn"]
    aws(cloud, "sagemaker", "add-tags", "--resource-arn", arn, "--tags", "Key=of,Value=mine", "Key=on,Value=us")
    ask(cloud, "sagemaker", "delete-tags", resource_arn=arn, tag_keys="on")
    assert ask(cloud, "sagemaker", "list-tags", resource_arn=arn) == {"Tags": [{"Key": "of", "Value": "mine"}]}


def test_what_is_refused_is_told_as_aws_tells_it(cloud: Cloud) -> None:
    missing = aws(cloud, "sagemaker", "describe-training-job", "--training-job-name", "never")
    assert missing.code == FAILED
    assert "(ValidationException) when calling the DescribeTrainingJob operation: Requested resource" in missing.err
    elsewhere = aws(cloud, "sagemaker", "list-domains")
    assert elsewhere.code == FAILED
    assert "ListDomains is not in the local cloud" in elsewhere.err


def test_it_knows_who_it_is(cloud: Cloud) -> None:
    assert ask(cloud, "sts", "get-caller-identity")["Account"] == "000000000000"
