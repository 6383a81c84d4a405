"""The whole loop over all rooms: a drop that no event but the first tells of, and a worker that dies at any call."""

from __future__ import annotations

import contextlib
import json
import math

import pytest

from chalicelib.events import EndpointChanged, JobChanged, UploadSeen
from chalicelib.model import DatasetId
from chalicelib.wiring import Flows
from tests.fakes.calls import CrashError
from tests.fakes.world import World

ENDPOINT = "df-test-digits-realtime"
DROP = DatasetId("digits", "mnist")
KEYS = tuple(f"datasets/digits/mnist/training/7/{number}.png" for number in range(3))
TOML = b"""
[train]
framework = "sklearn"
source_dir = "src"
entry_point = "train.py"

[gate]
metric = "accuracy"
at_least = 0.9

[[deploy.smoke_test]]
payload = "smoke/seven.png"
content_type = "image/png"
expect_label = "7"
"""
SHARDS = 10


def _world() -> World:
    """Make a world with a pipeline, and a drop that just arrived."""
    world = World()
    world.bucket.put("pipelines/digits/pipeline.toml", TOML)
    world.bucket.put("pipelines/digits/src/train.py", b"print()")
    world.bucket.put("pipelines/digits/smoke/seven.png", b"7")
    rooms = Flows(world)
    rooms.pipelines.uploaded("digits", world.clock())
    world.clock.advance(10)
    rooms.pipelines.advance("digits")
    for key in KEYS:
        world.bucket.put(key, b"an image")
    return world


def _play(world: World) -> None:
    """Let every event come in time, up to the live model."""
    rooms = Flows(world)
    rooms.datasets.uploaded([UploadSeen(key[-5:], key, 8, world.clock()) for key in KEYS])
    world.clock.advance(130)
    rooms.datasets.advance(DROP)
    _complete(world)
    rooms.runs.job_changed(JobChanged(world.jobs.names[0]))
    for _ in range(6):
        world.hosting.settle()
        rooms.releases.endpoint_changed(EndpointChanged(ENDPOINT))


def _complete(world: World) -> None:
    for name in world.jobs.names:
        with contextlib.suppress(AssertionError):  # it has ended already
            world.jobs.finish(name, {"accuracy": 0.97}, ["1", "7"])


def _recover(world: World) -> None:
    """Begin as a fresh process to which no event comes any more: the schedule alone finishes."""
    rooms = Flows(world)
    for _ in range(60):
        world.clock.advance(61)
        rooms.reconcile.tick()
        _complete(world)
        world.hosting.settle()
        if _is_live(world) and not _is_open(world):
            return
    raise AssertionError(f"Still open: {_status(world)}, {world.records.release('digits')}")


def _is_open(world: World) -> bool:
    kinds = ("dataset", "run", "release", "pipeline")
    rehearsing = any("-rehearse-" in name for name in world.hosting.endpoints)
    return rehearsing or any(world.records.due(kind, math.inf, limit=9) for kind in kinds)


def _is_live(world: World) -> bool:
    return world.bucket.head("status/digits/mnist.json") is not None and _status(world)["stage"] == "live"


def _status(world: World) -> dict[str, object]:
    said: dict[str, object] = json.loads(world.bucket.read("status/digits/mnist.json"))
    return said


def _assert_once(world: World) -> None:
    assert len(world.jobs.started) == 1
    assert len(world.registry.requests) == 1
    assert [name for name, _ in world.hosting.updates].count(ENDPOINT) == 1
    assert list(world.hosting.endpoints) == [ENDPOINT]
    serving = world.records.serving("digits")
    assert serving is not None
    assert (serving.live, serving.exact, serving.labels) == (True, True, ("1", "7"))


def test_a_drop_goes_live_with_one_training_and_one_rollout() -> None:
    world = _world()
    _play(world)
    assert _status(world)["stage"] == "live"
    _assert_once(world)


def test_the_schedule_alone_takes_a_drop_that_no_event_told_of_to_live() -> None:
    world = _world()
    _recover(world)
    _assert_once(world)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_worker_that_dies_at_any_call_from_the_drop_on_costs_nothing_twice(shard: int, *, after: bool) -> None:
    whole = _world()
    before = len(whole.calls)
    _play(whole)
    for number in range(1 + shard, len(whole.calls) - before + 1, SHARDS):
        world = _world()
        world.fail_at(number, after=after)
        with pytest.raises(CrashError):
            _play(world)
        died_at = world.calls[-1]
        try:
            _recover(world)
            _assert_once(world)
        except AssertionError as error:
            raise AssertionError(f"died {'after' if after else 'before'} call {number}, {died_at}") from error
