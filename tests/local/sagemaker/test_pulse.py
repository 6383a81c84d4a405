"""Servers that are up, and what becomes of those that do not stay well."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.local.sagemaker import told
from tests.local.sagemaker.told import order
from tests.local.sagemaker.world import FINAL, LIMITS, World, until


@pytest.fixture
def watched(tmp_path: Path, neighbours: int) -> Iterator[Callable[..., World]]:
    """Make a cloud that pings often, with other limits than usual."""
    made = []

    def make(**limits: float) -> World:
        made.append(World(tmp_path, neighbours, told.IMAGES, limits=replace(LIMITS, **{"pulse": 0.1, **limits})))
        return made[-1]

    yield make
    for world in made:
        world.stop()


def said(world: World, name: str, **what: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(world.invoke(name, order(**what)))
    return answer


def answered(world: World, name: str) -> dict[str, Any] | None:
    try:
        return said(world, name)
    except (world.runtime.exceptions.ServiceUnavailable, world.runtime.exceptions.ModelError):
        return None


def pings(world: World, name: str) -> int:
    counted = (world.home / "sagemaker" / "endpoints").glob(f"{name}-*/ml/model/pings")
    return max((file.stat().st_size for file in counted), default=0)


def restarts(world: World, name: str) -> int:
    return int(world.cloud.status()["endpoints"][name]["restarts"])


def test_a_server_that_hangs_is_started_again_and_counted(watched: Callable[..., World]) -> None:
    world = watched(invoke=1, silence=1)
    name = told.deploy(world)
    before = said(world, name, then="mute")
    after = until(lambda: answered(world, name))
    assert after["server"] != before["server"]
    assert restarts(world, name) >= 1
    assert world.endpoint(name)["EndpointStatus"] == "InService"


def test_a_server_that_says_it_is_not_well_gets_no_requests_until_it_is(watched: Callable[..., World]) -> None:
    world = watched()
    name = told.deploy(world)
    before = said(world, name, then="sick")
    until(lambda: answered(world, name) is None)
    world.let_load(name)
    assert until(lambda: answered(world, name))["server"] == before["server"]
    assert restarts(world, name) == 0


def test_a_server_that_lets_nobody_in_is_passed_over_until_it_does_again(watched: Callable[..., World]) -> None:
    world = watched(pulse=600)
    name = told.deploy(world, told.ON_INSTANCE | {"InitialInstanceCount": 2})
    shut = said(world, name, then="shut", headers={"Connection": "close"})["server"]
    others = {said(world, name)["server"] for _ in range(6)}
    assert len(others) == 1
    assert shut not in others
    assert restarts(world, name) == 0


def test_a_server_that_stays_unwell_is_started_again(watched: Callable[..., World]) -> None:
    world = watched(invoke=1, silence=1)
    name = told.deploy(world)
    before = said(world, name, then="sick")
    assert until(lambda: seen if (seen := answered(world, name)) != before and restarts(world, name) else None)


def test_a_server_that_is_restarted_and_does_not_come_up_is_started_once_more(watched: Callable[..., World]) -> None:
    world = watched(least_startup=12, startup=12)
    name = told.deploy(world)
    with pytest.raises(world.runtime.exceptions.ModelError):
        said(world, name, then="leave")
    until(lambda: answered(world, name))
    assert restarts(world, name) >= 2


def test_a_server_of_one_thread_is_not_taken_for_hanging_while_it_answers_or_is_idle(
    watched: Callable[..., World],
) -> None:
    """Each request takes longer than the silence, and a connection that is kept would keep it from its pings."""
    world = watched(invoke=6, silence=0.5)
    name = told.deploy(world, environment={"ALONE": "yes"})
    first = said(world, name)
    assert [said(world, name, pause=1)["server"] for _ in range(2)] == [first["server"]] * 2
    until(lambda: pings(world, name) > 80)  # a tenth of a second apart: longer than its patience
    assert said(world, name)["server"] == first["server"]
    assert restarts(world, name) == 0


def test_a_container_that_transforms_is_not_taken_for_hanging_while_it_answers(watched: Callable[..., World]) -> None:
    """It answers no ping any more, and all its requests together take longer than its patience."""
    world = watched(silence=0, ping=0.3)
    model, name = told.config(world), f"transform-{uuid.uuid4().hex[:12]}"
    for number in range(6):
        world.put(f"{name}/in/{number}", order(then="deaf", pause=2).decode())
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{world.bucket}/{name}/in/"}
    world.sagemaker.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        ModelClientConfig={"InvocationsTimeoutInSeconds": 8},
        TransformInput={"DataSource": {"S3DataSource": source}},
        TransformOutput={"S3OutputPath": f"s3://{world.bucket}/{name}/out"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    ended = until(
        lambda: (
            job
            if (job := world.sagemaker.describe_transform_job(TransformJobName=name))
            and job["TransformJobStatus"] in FINAL
            else None
        )
    )
    assert ended["TransformJobStatus"] == "Completed", ended.get("FailureReason")
