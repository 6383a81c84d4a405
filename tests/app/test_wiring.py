"""What the rooms say to each other, and what becomes of it when one of them fails."""

from __future__ import annotations

import pytest

import app
from chalicelib import wiring
from chalicelib.errors import BadSettingError
from chalicelib.model import DatasetId, DatasetState, Run, RunState
from chalicelib.settings import Settings
from tests.app import raw
from tests.app.acts import drop_dataset, push_pipeline, wake_until_quiet
from tests.app.raw import Context
from tests.fakes.world import SETTINGS, World

MNIST = DatasetId("digits", "mnist")


def settled_drop() -> World:
    """Make a world in which the next wake-up seals a dataset."""
    world = World()
    with wiring.use(wiring.Flows(world)):
        push_pipeline(world)
        wake_until_quiet(world, seconds=30)
        drop_dataset(world, "1.png")
        while not any(due <= world.clock() for due, _ in world.timer.pending):
            world.clock.advance(1)
    return world


def run_of(world: World) -> Run:
    dataset = world.records.dataset(MNIST)
    assert dataset is not None
    assert dataset.state is DatasetState.SEALED
    assert dataset.run is not None
    run = world.records.run(dataset.run)
    assert run is not None
    return run


def test_a_run_that_cannot_start_at_once_undoes_no_seal_and_starts_later() -> None:
    world = settled_drop()
    before = len(world.calls)
    with wiring.use(wiring.Flows(world)):
        app.on_wake(raw.batch("dataset:digits/mnist"), Context())
    start = next(place for place, call in enumerate(world.calls) if str(call) == "jobs.start") - before + 1

    world = settled_drop()
    world.fail_at(start, error=lambda: RuntimeError("SageMaker is away"))
    with wiring.use(wiring.Flows(world)):
        assert app.on_wake(raw.batch("dataset:digits/mnist"), Context()) == {"batchItemFailures": []}
        assert run_of(world).state is RunState.PREPARING
        world.clock.advance(120)
        app.reconcile(raw.schedule(), Context())
        assert run_of(world).state is RunState.TRAINING
    assert len(world.jobs.names) == 1


def test_the_rooms_in_use_are_those_that_were_put_there() -> None:
    outer, inner = wiring.Flows(World()), wiring.Flows(World())
    with wiring.use(outer):
        with wiring.use(inner):
            assert wiring.flows() is inner
        assert wiring.flows() is outer


def test_the_rooms_over_aws_are_built_without_a_call() -> None:
    flows = wiring.build(SETTINGS)
    assert flows.world.bucket.name == SETTINGS.bucket
    assert flows.reconcile is flows.reconcile


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(BadSettingError, match="DROPFORGE_PREFIX"):
        wiring.build(Settings.from_env({}))
