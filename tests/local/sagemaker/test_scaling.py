"""Application Auto Scaling, over endpoints that really get more servers and fewer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dropforge.local.serving import Server
from tests.local.sagemaker import told
from tests.local.sagemaker.told import order
from tests.local.sagemaker.world import World, until

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_SPEED = 0.001


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, told.IMAGES, speed=_SPEED)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def scaling(world: World) -> Iterator[Any]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(world.cloud.scaling.asgi, listening, name="scaling-test")
    server.start()
    yield world.client("application-autoscaling", server.port)
    server.stop()


def _of(endpoint: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/main",
        "ScalableDimension": _DIMENSION,
    }


@pytest.fixture
def endpoint(world: World, scaling: Any) -> Iterator[str]:
    """An endpoint with one server that may have three."""
    name = told.deploy(world)
    scaling.register_scalable_target(**_of(name), MinCapacity=1, MaxCapacity=3)
    yield name
    if _target(scaling, name):
        scaling.deregister_scalable_target(**_of(name))
    until(lambda: _deleted(world, name))


def _deleted(world: World, name: str) -> bool:
    """Delete an endpoint; not while a decision that came before is still carried out."""
    world.settled(name)
    try:
        world.sagemaker.delete_endpoint(EndpointName=name)
    except ClientError as error:
        if "in-progress" in str(error):
            return False
        raise
    return True


def _target(scaling: Any, endpoint: str) -> list[dict[str, Any]]:
    asked = {"ServiceNamespace": "sagemaker", "ResourceIds": [_of(endpoint)["ResourceId"]]}
    found: list[dict[str, Any]] = scaling.describe_scalable_targets(**asked)["ScalableTargets"]
    return found


def _servers(world: World, endpoint: str) -> int:
    return int(world.cloud.status()["endpoints"][endpoint]["servers"])


def _track(scaling: Any, endpoint: str, target: float = 5.0, **more: Any) -> str:
    metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
    policy = {"TargetValue": target, "ScaleOutCooldown": 0, "ScaleInCooldown": 0, **(more or metric)}
    answer = scaling.put_scaling_policy(
        **_of(endpoint),
        PolicyName="tracks",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=policy,
    )
    return str(answer["PolicyARN"])


@contextmanager
def _load(world: World, endpoint: str) -> Iterator[None]:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            world.invoke(endpoint, order())

    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(ask) for _ in range(2)]
        try:
            yield
        finally:
            done.set()
        for each in asked:
            each.result()


def _activities(scaling: Any, endpoint: str) -> list[dict[str, Any]]:
    resource = _of(endpoint)["ResourceId"]
    found = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=resource)
    activities: list[dict[str, Any]] = found["ScalingActivities"]
    return activities


def test_a_variant_gets_more_servers_under_load_and_fewer_when_it_rests_and_no_request_fails(
    world: World, scaling: Any, endpoint: str
) -> None:
    _track(scaling, endpoint, target=0.5)
    with _load(world, endpoint):
        until(lambda: _servers(world, endpoint) == 3)
    until(lambda: _servers(world, endpoint) == 1)
    world.settled(endpoint)
    done = until(lambda: _ended(scaling, endpoint))
    assert done[0]["Description"] == "Setting desired instance count to 1."
    assert {activity["StatusCode"] for activity in done} == {"Successful"}
    assert "tracks 0.5" in done[0]["Cause"]


def _ended(scaling: Any, endpoint: str) -> list[dict[str, Any]]:
    found = _activities(scaling, endpoint)
    return [] if any(activity["StatusCode"] == "InProgress" for activity in found) else found


def test_a_metric_of_ones_own_is_tracked(world: World, scaling: Any, endpoint: str) -> None:
    dimensions = [{"Name": "Endpoint", "Value": endpoint}]
    world.client("cloudwatch").put_metric_data(
        Namespace="Mine", MetricData=[{"MetricName": "Work", "Dimensions": dimensions, "Value": 9.0}]
    )
    specification = {"MetricName": "Work", "Namespace": "Mine", "Dimensions": dimensions, "Statistic": "Average"}
    _track(scaling, endpoint, CustomizedMetricSpecification=specification)
    until(lambda: _servers(world, endpoint) >= 2)


def test_an_alarm_that_names_a_step_policy_sets_it_off(world: World, scaling: Any, endpoint: str) -> None:
    policy = scaling.put_scaling_policy(
        **_of(endpoint),
        PolicyName="steps",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ExactCapacity",
            "Cooldown": 0,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}],
        },
    )["PolicyARN"]
    cloudwatch, name = world.client("cloudwatch"), f"steps-{endpoint}"
    cloudwatch.put_metric_alarm(
        AlarmName=name, MetricName="Nothing", Namespace="None", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", TreatMissingData="ignore", AlarmActions=[policy],
    )  # fmt: skip
    _track(scaling, endpoint)
    asked = {"ServiceNamespace": "sagemaker", "ResourceId": _of(endpoint)["ResourceId"]}
    told = {
        each["PolicyName"]: each["Alarms"] for each in scaling.describe_scaling_policies(**asked)["ScalingPolicies"]
    }
    (alarm,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert told == {"steps": [{"AlarmName": name, "AlarmARN": alarm["AlarmArn"]}], "tracks": []}
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    until(lambda: _servers(world, endpoint) == 2)
    assert name in until(lambda: _ended(scaling, endpoint))[0]["Cause"]
    cloudwatch.delete_alarms(AlarmNames=[name])


def test_a_scheduled_action_moves_the_limits_and_the_servers_with_them(
    world: World, scaling: Any, endpoint: str
) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    scaling.put_scheduled_action(
        **_of(endpoint),
        ScheduledActionName="soon",
        Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
        StartTime=soon - timedelta(hours=1),
        ScalableTargetAction={"MinCapacity": 2, "MaxCapacity": 2},
    )
    until(lambda: _servers(world, endpoint) == 2)
    assert [(each["MinCapacity"], each["MaxCapacity"]) for each in _target(scaling, endpoint)] == [(2, 2)]
    (action,) = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert action["ScheduledActionName"] == "soon"


def test_what_is_suspended_stays_as_it_is_until_it_goes_on(world: World, scaling: Any, endpoint: str) -> None:
    scaling.register_scalable_target(**_of(endpoint), SuspendedState={"DynamicScalingOutSuspended": True})
    assert _target(scaling, endpoint)[0]["MaxCapacity"] == 3
    _track(scaling, endpoint)
    with _load(world, endpoint):
        looks = world.cloud.scaling.looks
        until(lambda: world.cloud.scaling.looks > looks + 6)
        assert _servers(world, endpoint) == 1
        scaling.register_scalable_target(**_of(endpoint), SuspendedState={"DynamicScalingOutSuspended": False})
        until(lambda: _servers(world, endpoint) > 1)


def test_policies_are_told_and_gone_with_their_target(scaling: Any, endpoint: str) -> None:
    arn = _track(scaling, endpoint)
    assert _track(scaling, endpoint) == arn
    asked = {"ServiceNamespace": "sagemaker", "ResourceId": _of(endpoint)["ResourceId"]}
    (policy,) = scaling.describe_scaling_policies(**asked, PolicyNames=["tracks"])["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 5
    assert scaling.describe_scaling_policies(**asked, PolicyNames=["other"])["ScalingPolicies"] == []
    scaling.deregister_scalable_target(**_of(endpoint))
    assert scaling.describe_scaling_policies(**asked)["ScalingPolicies"] == []
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match="No scalable target found"):
        scaling.deregister_scalable_target(**_of(endpoint))
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match="No scalable target found"):
        _track(scaling, endpoint)
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match="No scaling policy found"):
        scaling.delete_scaling_policy(**_of(endpoint), PolicyName="tracks")
    with pytest.raises(scaling.exceptions.ObjectNotFoundException, match="No scheduled action found"):
        scaling.delete_scheduled_action(**_of(endpoint), ScheduledActionName="none")


def test_what_is_described_is_that_of_the_service_and_the_dimension_that_are_asked_for(
    scaling: Any, endpoint: str
) -> None:
    _track(scaling, endpoint)
    scaling.put_scheduled_action(
        **_of(endpoint), ScheduledActionName="far", Schedule="rate(1000 days)", ScalableTargetAction={"MinCapacity": 1}
    )
    described = {
        "describe_scalable_targets": "ScalableTargets",
        "describe_scaling_policies": "ScalingPolicies",
        "describe_scheduled_actions": "ScheduledActions",
        "describe_scaling_activities": "ScalingActivities",
    }
    one = {"describe_scalable_targets": {"ResourceIds": [_of(endpoint)["ResourceId"]]}}
    for call, member in described.items():
        resource = one.get(call, {"ResourceId": _of(endpoint)["ResourceId"]})
        ask = getattr(scaling, call)
        if call != "describe_scaling_activities":
            assert len(ask(ServiceNamespace="sagemaker", ScalableDimension=_DIMENSION, **resource)[member]) == 1
        assert ask(ServiceNamespace="ecs")[member] == []
        other = "sagemaker:inference-component:DesiredCopyCount"
        assert ask(ServiceNamespace="sagemaker", ScalableDimension=other, **resource)[member] == []
        with pytest.raises(ClientError, match="is given without a resource ID"):
            ask(ServiceNamespace="sagemaker", ScalableDimension=_DIMENSION)
    scaling.delete_scheduled_action(**_of(endpoint), ScheduledActionName="far")
    scaling.delete_scaling_policy(**_of(endpoint), PolicyName="tracks")


def test_what_cannot_be_scaled_is_refused_with_the_reason(scaling: Any, endpoint: str) -> None:
    there = _of(endpoint)
    for asked, words in (
        ({**there, "ServiceNamespace": "ecs"}, "The local cloud scales"),
        ({**there, "ResourceId": "endpoint/none/variant/main"}, "No scalable resources found"),
        ({**there, "MinCapacity": 4}, "must be between 1 and MaxCapacity 3"),
        ({**there, "MinCapacity": 0}, "MinCapacity 0 must be between 1"),
    ):
        with pytest.raises(scaling.exceptions.ValidationException, match=words):
            scaling.register_scalable_target(**asked)
    for policy, words in (
        ({"PolicyType": "TargetTrackingScaling"}, "takes TargetTrackingScalingPolicyConfiguration"),
        ({"StepScalingPolicyConfiguration": {"Cooldown": 1}}, "needs StepAdjustments"),
        ({"PolicyType": "PredictiveScaling"}, "nobody here tells the future"),
        (
            {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 1.0}},
            "takes either a PredefinedMetricSpecification or",
        ),
        (
            {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 0.0}},
            "TargetValue 0.0 must be more than 0",
        ),
        (
            {
                "StepScalingPolicyConfiguration": {
                    "AdjustmentType": "ChangeInCapacity",
                    "StepAdjustments": [{"ScalingAdjustment": 1}],
                }
            },
            "must neither overlap nor leave a gap",
        ),
    ):
        with pytest.raises(ClientError, match=words):
            scaling.put_scaling_policy(**there, PolicyName="wrong", **policy)
    action = {**there, "ScheduledActionName": "wrong", "ScalableTargetAction": {"MinCapacity": 1}}
    with pytest.raises(ClientError, match="Schedule often is neither"):
        scaling.put_scheduled_action(**action, Schedule="often")
    upside_down = {"MinCapacity": 3, "MaxCapacity": 2}
    with pytest.raises(ClientError, match="MinCapacity 3 must be between 0 and MaxCapacity 2"):
        scaling.put_scheduled_action(**{**action, "ScalableTargetAction": upside_down}, Schedule="rate(1 day)")


def test_one_policy_of_a_variant_tracks_a_metric_and_may_be_put_again(scaling: Any, endpoint: str) -> None:
    arn = _track(scaling, endpoint)
    metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
    second = {
        **_of(endpoint),
        "PolicyName": "second",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 9.0, **metric},
    }
    with pytest.raises(ClientError, match="Only one TargetTrackingScaling policy for a given metric"):
        scaling.put_scaling_policy(**second)
    assert _track(scaling, endpoint, target=7.0) == arn


def test_a_policy_that_becomes_another_type_keeps_nothing_of_the_one_it_was(scaling: Any, endpoint: str) -> None:
    _track(scaling, endpoint)
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    policy = {**_of(endpoint), "PolicyName": "tracks", "PolicyType": "StepScaling"}
    scaling.put_scaling_policy(**policy, StepScalingPolicyConfiguration=steps)
    asked = {"ServiceNamespace": "sagemaker", "ResourceId": _of(endpoint)["ResourceId"]}
    (told_of,) = scaling.describe_scaling_policies(**asked)["ScalingPolicies"]
    assert (told_of["PolicyType"], told_of["StepScalingPolicyConfiguration"]) == ("StepScaling", steps)
    assert "TargetTrackingScalingPolicyConfiguration" not in told_of


def test_limits_hold_at_once_though_a_policy_may_not_scale_in(world: World, scaling: Any, endpoint: str) -> None:
    _track(scaling, endpoint)
    scaling.register_scalable_target(**_of(endpoint), SuspendedState={"DynamicScalingInSuspended": True})
    asked = [{"VariantName": "main", "DesiredInstanceCount": 3}]
    world.sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=asked)
    until(lambda: _servers(world, endpoint) == 3)
    scaling.register_scalable_target(**_of(endpoint), MaxCapacity=2)
    until(lambda: _servers(world, endpoint) == 2)
    assert "must be between 1 and 2" in until(lambda: _ended(scaling, endpoint))[0]["Cause"]


def test_a_deleted_endpoint_takes_its_targets_along_with_their_policies(world: World, scaling: Any) -> None:
    endpoint = told.deploy(world)
    scaling.register_scalable_target(**_of(endpoint), MinCapacity=1, MaxCapacity=3)
    _track(scaling, endpoint)
    world.sagemaker.delete_endpoint(EndpointName=endpoint)
    until(lambda: not _target(scaling, endpoint))
    found = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=_of(endpoint)["ResourceId"])
    assert found["ScalingPolicies"] == []


def test_the_instance_type_of_a_variant_that_is_scaled_is_not_changed(
    world: World, scaling: Any, endpoint: str
) -> None:
    larger = told.config(world, {**told.ON_INSTANCE, "InstanceType": "ml.m5.xlarge"})
    with pytest.raises(ClientError, match="are scaled automatically cannot be changed: main") as refused:
        world.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=larger)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
    scaling.deregister_scalable_target(**_of(endpoint))
    world.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=larger)
    assert world.settled(endpoint)["EndpointConfigName"] == larger


@pytest.mark.parametrize("length", [0, -1, -2])
def test_pages_of_less_than_one_are_refused(scaling: Any, length: int) -> None:
    with pytest.raises(ClientError, match="MaxResults must be at least 1") as refused:
        scaling.describe_scalable_targets(ServiceNamespace="sagemaker", MaxResults=length)
    assert refused.value.response["Error"]["Code"] == "ValidationException"
