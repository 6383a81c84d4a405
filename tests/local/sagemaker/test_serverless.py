"""Endpoints without instances, and variants in the shadow of others."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from dropforge.local.sagemaker.hosting.fleet import Fleet, NobodyError
from tests.local.held import let_load
from tests.local.sagemaker import told
from tests.local.sagemaker.told import order
from tests.local.sagemaker.world import LIMITS, World, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, told.IMAGES)
    yield made
    made.stop()


@pytest.fixture
def restless(tmp_path: Path, neighbours: int) -> Iterator[World]:
    """One that soon ends a server that rests."""
    made = World(tmp_path, neighbours, told.IMAGES, limits=replace(LIMITS, idle=200))
    yield made
    made.stop()


def _serverless(memory: int = 1024, concurrency: int = 5) -> dict[str, Any]:
    return {"ServerlessConfig": {"MemorySizeInMB": memory, "MaxConcurrency": concurrency}}


def _servers(world: World, endpoint: str) -> int:
    return int(world.cloud.status()["endpoints"][endpoint]["servers"])


def test_a_serverless_endpoint_starts_its_server_for_the_first_request_and_ends_it_when_it_rests(
    world: World, restless: World
) -> None:
    endpoint = told.deploy(world, _serverless(2048))
    assert _servers(world, endpoint) == 0
    variant = world.endpoint(endpoint)["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert "CurrentInstanceCount" not in variant
    other = told.deploy(restless, _serverless())
    began = json.loads(restless.invoke(other, order()))["server"]
    first, second = (json.loads(world.invoke(endpoint, order()))["server"] for _ in range(2))
    assert first == second
    assert _servers(world, endpoint) == 1
    until(lambda: _servers(restless, other) == 0)
    assert json.loads(restless.invoke(other, order()))["server"] > began


def _let_answer(world: World, endpoint: str, asked: Sequence[Future[str]]) -> None:
    def answered() -> bool:
        let_load(world.home, endpoint)
        return all(future.done() for future in asked)

    until(answered)


def test_a_serverless_endpoint_refuses_more_requests_at_once_than_it_may_answer(world: World) -> None:
    endpoint = told.deploy(world, _serverless(concurrency=2))
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(world.invoke, endpoint, order(wait=True)) for _ in range(4)]
        until(lambda: sum(future.done() for future in asked) == 2)
        _let_answer(world, endpoint, asked)
        refused = [error for future in asked if (error := future.exception())]
    assert len(refused) == 2
    for error in refused:
        assert isinstance(error, ClientError)
        assert error.response["Error"]["Code"] == "ThrottlingException"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert world.invoke(endpoint, order())


def test_requests_at_once_have_a_server_each(world: World) -> None:
    endpoint = told.deploy(world, _serverless())
    with ThreadPoolExecutor(3) as clients:
        asked = [clients.submit(world.invoke, endpoint, order(wait=True)) for _ in range(3)]
        until(lambda: world.busy(endpoint) == 3)
        _let_answer(world, endpoint, asked)
        answers = [json.loads(future.result()) for future in asked]
    assert len({answer["server"] for answer in answers}) == 3


class Unwell:
    """A server that was up and is not well."""

    variant, healthy, failure, in_flight = "main", False, None, 0

    def __init__(self) -> None:
        self.up = threading.Event()
        self.up.set()


def test_no_server_is_started_beside_as_many_unwell_ones_as_may_be(world: World) -> None:
    serverless = _serverless(concurrency=200)["ServerlessConfig"]
    variant = {"name": "main", "weight": 1.0, "image": "none", "environment": {}, "serverless": serverless}
    fleet = Fleet(world.cloud._ground, "some", {"variants": [variant]})  # noqa: SLF001 - its limits and its clock
    fleet.servers = unwell = [cast("Any", Unwell()) for _ in range(4)]
    for _ in range(2):
        with pytest.raises(NobodyError):
            fleet.take(None)
    assert fleet.servers == unwell


def test_a_serverless_server_has_the_memory_that_was_asked_for_and_no_more(world: World) -> None:
    endpoint = told.deploy(world, _serverless())
    assert json.loads(world.invoke(endpoint, order(hold=300)))["held"] == 300 << 20
    with pytest.raises(world.runtime.exceptions.ModelError):
        world.invoke(endpoint, order(hold=1100))
    assert json.loads(world.invoke(endpoint, order()))["held"] == 0


def test_a_serverless_endpoint_takes_four_megabytes(world: World) -> None:
    endpoint = told.deploy(world, _serverless())
    with pytest.raises(ClientError, match="less than or equal to 4194304"):
        world.invoke(endpoint, b" " * (4 * 1024 * 1024 + 1))


def test_the_concurrency_of_a_serverless_endpoint_is_changed_in_place(world: World) -> None:
    endpoint = told.deploy(world, _serverless())
    world.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[{"VariantName": "main", "ServerlessUpdateConfig": {"MaxConcurrency": 9}}],
    )
    variant = world.settled(endpoint)["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 9}
    assert world.invoke(endpoint, order())


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (_serverless(1500), "MemorySizeInMB 1500 must be one of 1024"),
        (_serverless(7168), "less than or equal to 6144"),
        (_serverless(concurrency=201), "less than or equal to 200"),
        ({**_serverless(), **told.ON_INSTANCE}, "cannot have both ServerlessConfig and InstanceType"),
    ],
)
def test_a_serverless_variant_that_cannot_be_is_refused(world: World, variant: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        told.config(world, variant)


def test_serverless_and_instances_cannot_become_one_another_nor_be_guarded(world: World) -> None:
    serverless, instances = told.deploy(world, _serverless()), told.deploy(world)
    for endpoint, config in ((serverless, instances), (instances, serverless)):
        with pytest.raises(ClientError, match="cannot be updated to be"):
            world.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=config)
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1}
    with pytest.raises(ClientError, match="DeploymentConfig cannot be given"):
        world.sagemaker.update_endpoint(
            EndpointName=serverless,
            EndpointConfigName=serverless,
            DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}},
        )
    world.sagemaker.update_endpoint(EndpointName=serverless, EndpointConfigName=told.config(world, _serverless(3072)))
    variant = world.settled(serverless)["ProductionVariants"][0]
    assert variant["CurrentServerlessConfig"]["MemorySizeInMB"] == 3072


def _shadowed(world: World, weight: float, **environment: str) -> str:
    """Make an endpoint whose shadow is a model of its own."""
    model = told.config(world, environment=environment)
    shadow = {**told.ON_INSTANCE, "VariantName": "shadow", "ModelName": model, "InitialVariantWeight": weight}
    return told.deploy(world, ShadowProductionVariants=[shadow])


def _heard(world: World, endpoint: str, variant: str, name: str = "Invocations") -> float:
    return told.metric(world, name, EndpointName=endpoint, VariantName=variant)["Sum"]


def test_a_shadow_hears_every_request_and_never_answers(world: World) -> None:
    endpoint = _shadowed(world, 1.0)
    seen = world.endpoint(endpoint)
    assert [variant["VariantName"] for variant in seen["ProductionVariants"]] == ["main"]
    assert [variant["VariantName"] for variant in seen["ShadowProductionVariants"]] == ["shadow"]
    answers = [world.runtime.invoke_endpoint(EndpointName=endpoint, Body=order()) for _ in range(10)]
    assert {answer["InvokedProductionVariant"] for answer in answers} == {"main"}
    assert len({json.loads(answer["Body"].read())["server"] for answer in answers}) == 1
    until(lambda: _heard(world, endpoint, "shadow") == 10)
    with pytest.raises(ClientError, match="Variant shadow not found"):
        world.invoke(endpoint, order(), TargetVariant="shadow")


def test_a_shadow_that_fails_is_counted_and_noticed_by_nobody(world: World) -> None:
    endpoint = _shadowed(world, 1.0, FAILS="always")
    assert json.loads(world.invoke(endpoint, order()))["held"] == 0
    until(lambda: _heard(world, endpoint, "shadow", "Invocation5XXErrors") == 1)
    assert _heard(world, endpoint, "main", "Invocation5XXErrors") == 0


def test_a_shadow_hears_as_much_as_its_weight_says(world: World) -> None:
    endpoint = _shadowed(world, 0.5)
    for _ in range(60):
        world.invoke(endpoint, order())
    until(lambda: _heard(world, endpoint, "main") == 60 and _heard(world, endpoint, "shadow"))
    assert 10 < _heard(world, endpoint, "shadow") < 50


def test_a_shadow_stands_behind_one_variant(world: World) -> None:
    name = told.config(world)
    variants = [{**told.ON_INSTANCE, "VariantName": name, "ModelName": name} for name in (name, name)]
    with pytest.raises(ClientError, match="names must be unique"):
        told.config(world, ShadowProductionVariants=[{**variants[0], "VariantName": "main"}])
    variants[0]["VariantName"] = "other"
    with pytest.raises(ClientError, match="takes one variant beside one"):
        told.config(world, ShadowProductionVariants=variants)
