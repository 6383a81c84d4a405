"""A file too many comes late, the job of before is stopped, and the file is taken away again."""

from __future__ import annotations

import json

from chalicelib.events import JobChanged, UploadSeen
from chalicelib.model import DatasetId
from chalicelib.wiring import Flows
from tests.fakes.world import World

DROP = DatasetId("digits", "mnist")
FOLDER = "datasets/digits/mnist/"
TOO_MANY = f"{FOLDER}training/7/late.png"
TOML = b"""
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"
"""


def arrive(world: World, key: str, body: bytes = b"an image") -> None:
    world.clock.advance(5)
    found = world.bucket.put(key, body)
    Flows(world).datasets.uploaded([UploadSeen(f"{key} {world.clock()}", key, found.size, world.clock())])


def come_to_rest(world: World) -> None:
    """Let time pass until the dataset seals, and tell its jobs' news."""
    world.clock.advance(130)
    Flows(world).datasets.advance(DROP)
    for name in world.jobs.names:
        Flows(world).runs.job_changed(JobChanged(name))


def with_a_stopping_job() -> tuple[World, str]:
    """Make a drop whose first run is being stopped, since a late file made another run of it; give the first's name."""
    world = World()
    world.bucket.put("pipelines/digits/pipeline.toml", TOML)
    world.bucket.put("pipelines/digits/src/train.py", b"print()")
    Flows(world).pipelines.uploaded("digits", world.clock())
    world.clock.advance(10)
    Flows(world).pipelines.advance("digits")
    arrive(world, f"{FOLDER}training/7/1.png")
    come_to_rest(world)
    first = str(status(world)["run"])
    arrive(world, TOO_MANY)
    come_to_rest(world)
    assert [seen_of(world, name) for name in world.jobs.names] == ["Stopping", "InProgress"]
    return world, first


def put_back(world: World) -> None:
    world.bucket.remove(TOO_MANY)
    arrive(world, f"{FOLDER}_READY", b"")
    come_to_rest(world)


def settle(world: World) -> None:
    world.jobs.settle()
    for name in world.jobs.names:
        Flows(world).runs.job_changed(JobChanged(name))


def seen_of(world: World, name: str) -> str:
    seen = world.jobs.describe(name)
    assert seen is not None
    return seen.status


def status(world: World) -> dict[str, object]:
    said: dict[str, object] = json.loads(world.bucket.read("status/digits/mnist.json"))
    return said


def test_a_run_that_was_stopped_for_want_of_its_dataset_trains_again_when_that_is_back() -> None:
    world, first = with_a_stopping_job()
    settle(world)
    put_back(world)
    settle(world)
    assert (status(world)["run"], status(world)["stage"], status(world)["reason"]) == (first, "training", None)
    assert [seen_of(world, name) for name in world.jobs.names] == ["Stopped", "Stopped", "InProgress"]
    assert world.jobs.names[2].endswith(f"{first}-0-a2")


def test_a_run_whose_job_is_still_stopping_when_its_dataset_is_back_trains_again_after_that() -> None:
    world, first = with_a_stopping_job()
    put_back(world)
    settle(world)
    assert (status(world)["run"], status(world)["stage"], status(world)["reason"]) == (first, "training", None)
    assert [seen_of(world, name) for name in world.jobs.names] == ["Stopped", "Stopped", "InProgress"]


def test_a_run_whose_files_were_overwritten_trains_again_when_they_are_as_they_were() -> None:
    world, _ = with_a_stopping_job()
    second = str(status(world)["run"])
    arrive(world, TOO_MANY, b"another image")
    world.jobs.finish(world.jobs.names[1])
    settle(world)
    failed = world.records.run(second)
    assert failed is not None
    assert "overwritten" in str(failed.reason)
    arrive(world, TOO_MANY)
    come_to_rest(world)
    assert (status(world)["run"], status(world)["stage"], status(world)["reason"]) == (second, "training", None)
    assert world.jobs.names[2].endswith(f"{second}-0-a2")


def test_a_run_that_is_back_is_stopped_again_when_its_dataset_goes_once_more() -> None:
    world, first = with_a_stopping_job()
    settle(world)
    put_back(world)
    settle(world)
    arrive(world, TOO_MANY)
    come_to_rest(world)
    settle(world)
    assert status(world)["run"] != first
    assert [seen_of(world, name) for name in world.jobs.names[:3]] == ["Stopped", "Stopped", "Stopped"]
    assert world.jobs.names[3].endswith(f"{status(world)['run']}-0-a2")
