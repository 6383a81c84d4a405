"""Endpoints that are updated in steps, watched, taken back, and made larger and smaller."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.held import let_load
from tests.local.sagemaker import told
from tests.local.sagemaker.world import World, until

_SECOND = 100
"""What a request must name to wait for one second at the pace of this cloud."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, told.IMAGES)
    yield made
    made.stop()


def _config(world: World, answer: str, count: int = 1, **environment: str) -> str:
    variant = {**told.ON_INSTANCE, "InitialInstanceCount": count}
    return told.config(world, variant, {"SAYS": answer, **environment})


def _endpoint(world: World, count: int = 1) -> str:
    config = _config(world, "old", count)
    name = f"e-{config}"
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
    assert world.settled(name)["EndpointStatus"] == "InService"
    return name


def _blue_green(kind: str, seconds: int = 1, **more: Any) -> dict[str, Any]:
    routing = {"Type": kind, "WaitIntervalInSeconds": seconds * _SECOND, **more}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}


def _percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def _stage(world: World, name: str) -> str | None:
    pending = world.endpoint(name).get("PendingDeploymentSummary")
    return pending and pending["ProductionVariants"][0]["VariantStatus"][0]["Status"]


def _answers(world: World, name: str, count: int = 1) -> Counter[str]:
    return Counter(json.loads(world.invoke(name))["model"] for _ in range(count))


@contextmanager
def _load(world: World, name: str) -> Iterator[Counter[str]]:
    """Ask all the time; whatever is not answered fails the test."""
    done, seen = threading.Event(), Counter[str]()

    def ask() -> None:
        while not done.is_set():
            seen.update(_answers(world, name))

    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(ask) for _ in range(3)]
        try:
            yield seen
        finally:
            done.set()
        for each in asked:
            each.result()


@pytest.fixture
def alarm(world: World) -> Iterator[str]:
    """An alarm that nothing but a test trips."""
    name = f"alarm-{uuid.uuid4().hex[:8]}"
    cloudwatch = world.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name, MetricName="Nothing", Namespace="None", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanThreshold", ActionsEnabled=False, TreatMissingData="ignore",
    )  # fmt: skip
    yield name
    cloudwatch.delete_alarms(AlarmNames=[name])


@pytest.fixture(autouse=True)
def _no_servers_left_behind(world: World) -> Iterator[None]:
    yield
    for one in world.sagemaker.list_endpoints(MaxResults=100)["Endpoints"]:
        if one["EndpointStatus"] in {"InService", "UpdateRollbackFailed", "Failed"}:
            world.sagemaker.delete_endpoint(EndpointName=one["EndpointName"])


def test_a_canary_answers_for_its_part_while_it_is_watched_and_then_for_all(world: World) -> None:
    name, after = _endpoint(world), _config(world, "new")
    deployment = _blue_green("CANARY", seconds=3, CanarySize=_percent(50))
    with _load(world, name) as heard:
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
        until(lambda: _stage(world, name) == "Baking")
        heard.clear()
        until(lambda: heard["old"] > 3 and heard["new"] > 3)
        seen = world.settled(name)
    assert (seen["EndpointConfigName"], seen["LastDeploymentConfig"]) == (after, deployment)
    assert "PendingDeploymentSummary" not in seen
    assert "FailureReason" not in seen
    assert _answers(world, name, 20) == {"new": 20}
    assert [event["EndpointStatus"] for event in world.told(name, 4)] == [
        "CREATING",
        "IN_SERVICE",
        "UPDATING",
        "IN_SERVICE",
    ]


def test_a_linear_shift_reaches_all_of_the_traffic_step_by_step(world: World) -> None:
    name, after = _endpoint(world), _config(world, "new")
    deployment = _blue_green("LINEAR", seconds=0, LinearStepSize=_percent(10))
    with _load(world, name):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
        assert world.settled(name)["EndpointConfigName"] == after
    assert _answers(world, name, 20) == {"new": 20}


def test_an_alarm_that_trips_while_it_bakes_brings_the_old_configuration_back(world: World, alarm: str) -> None:
    name, after = _endpoint(world), _config(world, "new")
    before = world.endpoint(name)["EndpointConfigName"]
    deployment = {
        **_blue_green("ALL_AT_ONCE", seconds=30),
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
    }
    with _load(world, name):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
        until(lambda: _stage(world, name) == "Baking")
        assert _answers(world, name, 5) == {"new": 5}
        world.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
        seen = world.settled(name)
    assert (seen["EndpointStatus"], seen["EndpointConfigName"]) == ("InService", before)
    assert alarm in seen["FailureReason"]
    assert _answers(world, name, 10) == {"old": 10}
    statuses = [event["EndpointStatus"] for event in world.told(name, 5)]
    assert statuses[2:] == ["UPDATING", "ROLLING_BACK", "IN_SERVICE"]
    assert world.cloud.status()["endpoints"][name]["servers"] == 1


def test_new_servers_that_never_answer_their_ping_get_no_request(world: World) -> None:
    name, after = _endpoint(world), _config(world, "new", SICK="always")
    before = world.endpoint(name)["EndpointConfigName"]
    deployment = _blue_green("CANARY", CanarySize=_percent(50))
    with _load(world, name):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
        seen = world.settled(name)
    assert (seen["EndpointStatus"], seen["EndpointConfigName"]) == ("InService", before)
    assert "did not pass the ping" in seen["FailureReason"]


def test_a_rolling_update_replaces_server_by_server_and_fails_no_request(world: World) -> None:
    name, after = _endpoint(world, 2), _config(world, "new", 2)
    deployment = {
        "RollingUpdatePolicy": {
            "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
            "WaitIntervalInSeconds": 2 * _SECOND,
        }
    }
    with _load(world, name):
        world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
        until(lambda: _stage(world, name) == "Baking")
        assert world.cloud.status()["endpoints"][name]["servers"] == 2
        for answer in ("old", "new"):
            until(lambda answer=answer: _answers(world, name)[answer])  # type: ignore[misc] # bound for this turn
        assert world.settled(name)["EndpointConfigName"] == after
    assert _answers(world, name, 20) == {"new": 20}


def test_a_rollback_whose_old_servers_do_not_come_up_again_is_told_and_both_go_on(world: World, alarm: str) -> None:
    name, after = _endpoint(world, 2), _config(world, "new", 2)
    before = world.endpoint(name)["EndpointConfigName"]
    uri = world.sagemaker.describe_model(ModelName=before)["PrimaryContainer"]["ModelDataUrl"]
    deployment = {
        "RollingUpdatePolicy": {"MaximumBatchSize": _percent(50), "WaitIntervalInSeconds": 30 * _SECOND},
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]},
    }
    world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
    until(lambda: _stage(world, name) == "Baking")
    world.s3.delete_object(Bucket=world.bucket, Key=uri.removeprefix(f"s3://{world.bucket}/"))
    world.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="a test")
    seen = until(lambda: world.if_in(name, "UpdateRollbackFailed"))
    assert alarm in seen["FailureReason"]
    assert "Failed to download model data" in seen["FailureReason"]
    assert set(_answers(world, name, 30)) == {"old", "new"}


def test_a_deployment_whose_alarm_is_not_there_is_not_begun(world: World) -> None:
    name = _endpoint(world)
    deployment = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "nowhere"}]}}
    with pytest.raises(ClientError, match="Could not find the alarms: nowhere"):
        world.sagemaker.update_endpoint(
            EndpointName=name, EndpointConfigName=_config(world, "new"), DeploymentConfig=deployment
        )
    assert world.endpoint(name)["EndpointStatus"] == "InService"


def test_an_update_that_was_cut_short_is_carried_out_by_the_next_start(world: World) -> None:
    name, after = _endpoint(world), _config(world, "new")
    deployment = _blue_green("ALL_AT_ONCE", seconds=3)
    world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=after, DeploymentConfig=deployment)
    until(lambda: _stage(world, name) == "Baking")
    world.stop()
    world.start()
    assert world.settled(name)["EndpointConfigName"] == after
    assert _answers(world, name, 5) == {"new": 5}


def _count(world: World, name: str) -> tuple[int, int]:
    seen = world.endpoint(name)["ProductionVariants"][0]
    return seen["CurrentInstanceCount"], seen["DesiredInstanceCount"]


def test_an_endpoint_gets_more_servers_and_fewer_and_fails_no_request_meanwhile(world: World) -> None:
    name = _endpoint(world)
    with _load(world, name):
        for before, count in ((1, 3), (3, 1)):
            world.sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": count}]
            )
            assert _count(world, name) in {(before, count), (count, count)}, "it may have been that fast"
            assert "PendingDeploymentSummary" not in world.endpoint(name)
            world.settled(name)
            assert _count(world, name) == (count, count)
            assert world.cloud.status()["endpoints"][name]["servers"] == count


def test_requests_under_way_finish_on_a_server_that_is_one_too_many(world: World) -> None:
    name = _endpoint(world, 2)
    with ThreadPoolExecutor(2) as clients:
        slow = [clients.submit(world.invoke, name, told.order(wait=True)) for _ in range(2)]
        until(lambda: world.busy(name) == 2)
        world.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "main", "DesiredInstanceCount": 1}]
        )
        assert not any(each.done() for each in slow)
        let_load(world.home, name)
        assert [json.loads(each.result())["model"] for each in slow] == ["old", "old"]
    assert world.settled(name)["EndpointStatus"] == "InService"


def _two_variants(world: World, *weights: float) -> str:
    models = [_config(world, answer) for answer in ("one", "two")]
    name = f"two-{uuid.uuid4().hex[:8]}"
    world.sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {"VariantName": variant, "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1,
             "InitialVariantWeight": weight}
            for variant, model, weight in zip(("one", "two"), models, weights, strict=True)
        ],
    )  # fmt: skip
    return name


def test_weights_share_the_requests_and_a_variant_without_weight_answers_who_names_it(world: World) -> None:
    name = _two_variants(world, 1, 0)
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    world.settled(name)
    assert _answers(world, name, 10) == {"one": 10}
    assert json.loads(world.invoke(name, TargetVariant="two"))["model"] == "two"
    wanted = [{"VariantName": "one", "DesiredWeight": 0}, {"VariantName": "two", "DesiredWeight": 5}]
    world.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
    seen = world.settled(name)["ProductionVariants"]
    assert [variant["CurrentWeight"] for variant in seen] == [0, 5]
    assert _answers(world, name, 10) == {"two": 10}
    with pytest.raises(ClientError, match='Could not find variant "three"'):
        world.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "three", "DesiredWeight": 1}]
        )


@pytest.mark.parametrize(
    ("retain", "expected"),
    [
        pytest.param({}, (1, 1), id="nothing kept"),
        pytest.param({"RetainAllVariantProperties": True}, (2, 7), id="all kept"),
        pytest.param(
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            (2, 1),
            id="count kept",
        ),
    ],
)
def test_an_update_keeps_of_the_variants_what_it_is_told_to(
    world: World, retain: dict[str, Any], expected: tuple[int, int]
) -> None:
    name = _endpoint(world)
    wanted = [{"VariantName": "main", "DesiredWeight": 7, "DesiredInstanceCount": 2}]
    world.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wanted)
    world.settled(name)
    world.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=_config(world, "new"), **retain)
    seen = world.settled(name)["ProductionVariants"][0]
    assert (seen["CurrentInstanceCount"], seen["CurrentWeight"]) == expected


def test_the_steps_of_a_deployment_are_those_of_the_instances_that_are_kept(world: World) -> None:
    name = _endpoint(world, 1)
    asked = [{"VariantName": "main", "DesiredInstanceCount": 2}]
    world.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=asked)
    world.settled(name)
    half = _blue_green("CANARY", 1, CanarySize={"Type": "INSTANCE_COUNT", "Value": 1})
    update = {"EndpointName": name, "EndpointConfigName": _config(world, "new", 1), "DeploymentConfig": half}
    with pytest.raises(ClientError, match="of the variant's 1 instances"):
        world.sagemaker.update_endpoint(**update)
    world.sagemaker.update_endpoint(**update, RetainAllVariantProperties=True)
    pending = world.endpoint(name)["PendingDeploymentSummary"]["ProductionVariants"][0]
    assert (pending["InstanceType"], pending["DesiredInstanceCount"]) == ("ml.m5.large", 2)
    (variant,) = world.settled(name)["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], _answers(world, name)) == (2, Counter({"new": 1}))


def test_who_asks_for_the_least_busy_server_gets_what_is_done_anyway_and_is_told_so(world: World) -> None:
    routing = {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}
    name = told.deploy(world, {**told.ON_INSTANCE, "RoutingConfig": routing})
    assert world.endpoint(name)["ProductionVariants"][0]["RoutingConfig"] == routing
    for strategy in ("RANDOM", "PREFIX_AWARE"):
        with pytest.raises(ClientError, match=f"RoutingStrategy {strategy} is not in the local cloud"):
            told.config(world, {**told.ON_INSTANCE, "RoutingConfig": {"RoutingStrategy": strategy}})


def test_a_deployment_is_used_again_only_if_it_is_asked_for(world: World) -> None:
    name = _endpoint(world)
    slow = _blue_green("ALL_AT_ONCE")
    for more, bakes in (({"DeploymentConfig": slow}, True), ({"RetainDeploymentConfig": True}, True), ({}, False)):
        plan = {"EndpointName": name, "EndpointConfigName": _config(world, "new"), **more}
        world.sagemaker.update_endpoint(**plan)
        wanted = world.cloud.operations["DescribeEndpoint"]({"EndpointName": name})["_wanted"]
        assert bool(wanted and wanted["deployment"]) is bakes
        assert world.settled(name)["LastDeploymentConfig"] == slow
