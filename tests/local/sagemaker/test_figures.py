"""What CloudWatch is told of invocations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from dropforge.local.sagemaker.hosting.figures import Figures
from tests.local.sagemaker import told
from tests.local.sagemaker.told import order
from tests.local.sagemaker.world import World, until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, neighbours: int) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("home"), neighbours, told.IMAGES)
    yield made
    made.stop()


def _summed(world: World, endpoint: str, name: str) -> dict[str, float]:
    return told.metric(world, name, EndpointName=endpoint, VariantName="main")


def test_invocations_are_counted_with_their_latencies_and_their_errors(world: World) -> None:
    endpoint = told.deploy(world, {**told.ON_INSTANCE, "InitialInstanceCount": 2})
    for _ in range(6):
        world.invoke(endpoint, order())
    world.invoke(endpoint, order(pause=0.2))
    for status in (404, 500, 503):
        with pytest.raises(world.runtime.exceptions.ModelError):
            world.invoke(endpoint, order(status=status))
    sums = {
        "Invocations": 10,
        "InvocationsPerInstance": 5,
        "Invocation4XXErrors": 1,
        "Invocation5XXErrors": 2,
        "InvocationModelErrors": 3,
    }
    until(lambda: {name: _summed(world, endpoint, name)["Sum"] for name in sums} == sums)
    until(lambda: _summed(world, endpoint, "ConcurrentRequestsPerModel")["Sum"] >= 10)
    until(lambda: _summed(world, endpoint, "ModelLatency")["SampleCount"] == 10)
    model = _summed(world, endpoint, "ModelLatency")
    assert model["Maximum"] >= 200_000
    assert model["Maximum"] > model["Minimum"] > 0
    until(lambda: _summed(world, endpoint, "OverheadLatency")["SampleCount"] == 10)


def test_streams_are_counted_with_those_that_break(world: World) -> None:
    endpoint = told.deploy(world)
    for then in ("", "break", ""):
        answer = world.runtime.invoke_endpoint_with_response_stream(
            EndpointName=endpoint, Body=order(pieces=["some"], then=then)
        )
        with suppress(EventStreamError):
            list(answer["Body"])
    until(lambda: _summed(world, endpoint, "MidStreamErrors")["SampleCount"] == 3)
    assert _summed(world, endpoint, "MidStreamErrors")["Sum"] == 1


def test_what_was_added_before_the_end_is_put_and_a_flood_keeps_its_percentiles() -> None:
    put: list[dict[str, Any]] = []

    class CloudWatch:
        def put_metric_data(self, **data: Any) -> None:
            put.extend(data["MetricData"])

    figures = Figures(lambda _: CloudWatch())
    figures.start()
    for number in range(1, 1001):
        figures.add("ModelLatency", "Microseconds", number, EndpointName="e")
    figures.close()
    values = {value: count for datum in put for value, count in zip(datum["Values"], datum["Counts"], strict=True)}
    assert values == dict.fromkeys(range(1, 1001), 1)
    assert all(len(datum["Values"]) <= 150 for datum in put)
