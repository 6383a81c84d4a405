"""Endpoints of a container that does what each request tells it to: see images/told/serve."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dropforge.local.sagemaker.hosting.figures import NAMESPACE
from dropforge.local.sagemaker.images import STAND_INS, StandIn
from tests.local.sagemaker.world import ROLE, World

IMAGES: Mapping[str, StandIn] = {**STAND_INS, "told": Path(__file__).parent / "images" / "told"}
_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/told:1"
ON_INSTANCE = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}


def config(
    world: World, variant: Mapping[str, Any] = ON_INSTANCE, environment: Mapping[str, str] = {}, **more: Any
) -> str:
    """Make a model and a configuration of it; gives the name of both."""
    name = f"told-{uuid.uuid4().hex[:12]}"
    data = world.put_archive({"some.txt": "x"})
    container = {"Image": _IMAGE, "ModelDataUrl": data, "Environment": dict(environment)}
    world.sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    world.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{"VariantName": "main", "ModelName": name, **variant}], **more
    )
    return name


def deploy(world: World, *arguments: Any, **more: Any) -> str:
    """Make an endpoint that is InService; gives its name, which is that of its configuration and model, too."""
    name = config(world, *arguments, **more)
    world.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    told = world.settled(name)
    assert told["EndpointStatus"] == "InService", told
    return name


def order(**what: Any) -> bytes:
    return json.dumps(what).encode()


def metric(world: World, name: str, **dimensions: str) -> dict[str, float]:
    """Sum up what CloudWatch was told, over the hours it may lie in."""
    now = datetime.now(UTC)
    over: dict[str, Callable[[Iterable[float]], float]] = {
        "Sum": sum, "SampleCount": sum, "Minimum": min, "Maximum": max,
    }  # fmt: skip
    found = world.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE, MetricName=name, Period=3600, Statistics=list(over),
        StartTime=now - timedelta(hours=2), EndTime=now + timedelta(hours=1),
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
    )["Datapoints"]  # fmt: skip
    return {key: over[key](point[key] for point in found) if found else 0 for key in over}
