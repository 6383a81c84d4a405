"""Application Auto Scaling tells names apart by their case, though SageMaker does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.errors import SageMakerError
from tests.local.sagemaker.world import World, until

_STEPS = {
    "AdjustmentType": "ChangeInCapacity",
    "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
}
_POLICY = {"PolicyType": "StepScaling", "StepScalingPolicyConfiguration": _STEPS}
_ACTION = {"Schedule": "rate(1000 days)", "ScalableTargetAction": {"MinCapacity": 1}}


class _Scaling:
    """Asks for operations on one resource."""

    def __init__(self, world: World, endpoint: str, variant: str = "main") -> None:
        self._operations = world.cloud.scaling.operations
        self._resource = f"endpoint/{endpoint}/variant/{variant}"

    def ask(self, operation: str, **members: Any) -> Mapping[str, Any]:
        place = {"ServiceNamespace": "sagemaker", "ResourceId": self._resource}
        return self._operations[operation]({**place, **members})

    def register(self, most: int = 1) -> None:
        self.ask("RegisterScalableTarget", MinCapacity=1, MaxCapacity=most)

    def put(self, name: str) -> None:
        self.ask("PutScalingPolicy", PolicyName=name, **_POLICY)
        self.ask("PutScheduledAction", ScheduledActionName=name, **_ACTION)

    def told(self) -> dict[str, Any]:
        """Tell the largest capacity of each target, and the names of policies and of scheduled actions."""
        targets = self.ask("DescribeScalableTargets", ResourceIds=[self._resource])["ScalableTargets"]
        policies = self.ask("DescribeScalingPolicies")["ScalingPolicies"]
        actions = self.ask("DescribeScheduledActions")["ScheduledActions"]
        return {
            "targets": [each["MaxCapacity"] for each in targets],
            "policies": sorted(each["PolicyName"] for each in policies),
            "actions": sorted(each["ScheduledActionName"] for each in actions),
        }


_NOTHING: dict[str, Any] = {"targets": [], "policies": [], "actions": []}


@pytest.fixture(scope="module")
def endpoint(world: World) -> str:
    """An endpoint with two variants whose names differ by their case alone."""
    model = world.config("serves.py")
    variant = {"ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    variants = [{"VariantName": name, **variant} for name in ("A", "a")]
    name = f"cased-{model}"
    world.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    assert world.settled(name)["EndpointStatus"] == "InService"
    return name


@pytest.mark.parametrize(
    ("operation", "members", "said"),
    [
        ("DeregisterScalableTarget", {}, "No scalable target found"),
        ("PutScalingPolicy", {"PolicyName": "Up", **_POLICY}, "No scalable target found"),
        ("PutScheduledAction", {"ScheduledActionName": "Up", **_ACTION}, "No scalable target found"),
        ("DeleteScalingPolicy", {"PolicyName": "Up"}, "No scaling policy found"),
        ("DeleteScheduledAction", {"ScheduledActionName": "Up"}, "No scheduled action found"),
    ],
)
def test_what_is_scaled_is_not_found_by_its_name_in_another_case(
    world: World, endpoint: str, operation: str, members: dict[str, Any], said: str
) -> None:
    own, other = _Scaling(world, endpoint, "A"), _Scaling(world, endpoint.upper(), "A")
    own.register()
    own.put("Up")
    with pytest.raises(SageMakerError, match=said) as refused:
        other.ask(operation, **members)
    assert refused.value.code == "ObjectNotFoundException"
    assert other.told() == _NOTHING
    assert own.told() == {"targets": [1], "policies": ["Up"], "actions": ["Up"]}
    own.ask("DeregisterScalableTarget")
    assert own.told() == _NOTHING


def test_variants_whose_names_differ_by_their_case_alone_are_two_targets(world: World, endpoint: str) -> None:
    upper, lower = _Scaling(world, endpoint, "A"), _Scaling(world, endpoint, "a")
    upper.register(most=2)
    upper.put("Up")
    lower.register(most=3)
    lower.put("Up")
    assert upper.told() == {"targets": [2], "policies": ["Up"], "actions": ["Up"]}
    assert lower.told() == {"targets": [3], "policies": ["Up"], "actions": ["Up"]}
    lower.ask("DeregisterScalableTarget")
    assert upper.told() == {"targets": [2], "policies": ["Up"], "actions": ["Up"]}
    upper.ask("DeregisterScalableTarget")


def test_policies_and_scheduled_actions_whose_names_differ_by_their_case_alone_are_two(
    world: World, endpoint: str
) -> None:
    scaling = _Scaling(world, endpoint, "A")
    scaling.register()
    scaling.put("Up")
    scaling.put("up")
    assert scaling.told() == {"targets": [1], "policies": ["Up", "up"], "actions": ["Up", "up"]}
    scaling.ask("DeleteScalingPolicy", PolicyName="up")
    scaling.ask("DeleteScheduledAction", ScheduledActionName="up")
    assert scaling.told() == {"targets": [1], "policies": ["Up"], "actions": ["Up"]}
    scaling.ask("DeregisterScalableTarget")


def test_an_endpoint_named_in_another_case_is_the_one_that_is_scaled(world: World) -> None:
    name = world.deploy("serves.py")
    scaling = _Scaling(world, name)
    scaling.register()
    scaling.put("Up")
    with pytest.raises(SageMakerError, match="No scalable resources found"):
        _Scaling(world, name, "MAIN").register()
    plain = world.endpoint(name)["EndpointConfigName"]
    larger = {"VariantName": "main", "ModelName": plain, "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1}
    world.sagemaker.create_endpoint_config(EndpointConfigName=f"{plain}-x", ProductionVariants=[larger])
    with pytest.raises(ClientError, match="are scaled automatically cannot be changed: main"):
        world.sagemaker.update_endpoint(EndpointName=name.upper(), EndpointConfigName=f"{plain}-x")
    world.sagemaker.delete_endpoint(EndpointName=name.upper())
    until(lambda: scaling.told() == _NOTHING)
