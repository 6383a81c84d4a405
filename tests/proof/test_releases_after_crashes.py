"""A worker that dies before or after any of its calls, on the whole way from a sealed dataset to the live model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from copy import deepcopy
from functools import cache

import pytest

from chalicelib.errors import ConflictError, ThrottledError, UnavailableError
from chalicelib.events import JobChanged
from chalicelib.model import ReleaseStage, Run, RunState
from chalicelib.names import run12
from tests.fakes.calls import CrashError
from tests.flows.machines import LABELS, PIPELINE, Machines
from tests.proof.levels import LEVEL

SHARDS = 8
"""The calls are dealt out to so many tests, so that they run side by side."""


def _play(it: Machines, run: Run) -> None:
    """Let every event come in time, up to the live model."""
    it.runs.advance(run12(run.id))
    if it.job(run) in it.world.jobs.names:
        it.finish(run)
    it.runs.job_changed(JobChanged(it.job(run)))
    it.release_to_rest()


def _recover(it: Machines, run: Run) -> None:
    """Begin as a fresh process that gets no event any more: only the schedule comes, every two minutes."""
    it.restart()
    for _ in range(60):
        it.world.clock.advance(120)
        it.reconcile()
        seen = it.world.jobs.describe(it.job(run))
        if seen is not None and seen.status == "InProgress":
            it.finish(run)
        it.world.hosting.settle()
        if not _is_open(it):
            return
    raise AssertionError(f"Still open: {it.run(run)}, {it.release}")


def _is_open(it: Machines) -> bool:
    return bool(
        it.world.records.due("run", math.inf, limit=9)
        or it.world.records.due("release", math.inf, limit=9)
        or it.rehearsals
    )


def _calls(prepare: Callable[[], tuple[Machines, Run]]) -> int:
    it, run = prepare()
    before = len(it.world.calls)
    _play(it, run)
    return len(it.world.calls) - before


def _first() -> tuple[Machines, Run]:
    it = Machines()
    return it, it.seal()


def _second() -> tuple[Machines, Run]:
    """Copy a world with a champion: that is ten times faster than to train and deploy it anew."""
    return deepcopy(_with_champion())


@cache
def _with_champion() -> tuple[Machines, Run]:
    it = Machines()
    it.deploy("champion")
    return it, it.seal()


def _assert_one_way(it: Machines, run: Run, rollouts: int) -> None:
    release, world = it.release, it.world
    assert it.run(run).state is RunState.REGISTERED
    assert (release.stage, release.pending, release.lease) == (ReleaseStage.IDLE, None, None)
    assert release.live is not None
    assert (release.live.run, it.live_config) == (run.id, release.live.config)
    assert (release.live.labels, release.failed) == (LABELS, {})
    assert [job.name for job in world.jobs.started].count(it.job(run)) == 1
    assert len(world.registry.requests) == rollouts
    assert [name for name, _ in world.hosting.updates if name.endswith("-realtime")] == [
        "df-test-digits-realtime"
    ] * rollouts
    assert it.rehearsals == ()
    assert it.status()["stage"] == "live"
    serving = world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.live, serving.exact, serving.run) == (True, True, run12(run.id))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize(("prepare", "rollouts"), [(_first, 1), (_second, 2)], ids=["first", "second"])
def test_a_worker_that_dies_at_any_call_costs_one_training_and_one_rollout(
    prepare: Callable[[], tuple[Machines, Run]], rollouts: int, shard: int, *, after: bool
) -> None:
    for number in range(1, _calls(prepare) + 1)[:: LEVEL.calls][shard::SHARDS]:
        it, run = prepare()
        it.world.fail_at(number, after=after)
        with pytest.raises(CrashError):
            _play(it, run)
        died_at = it.world.calls[-1]
        try:
            _recover(it, run)
            _assert_one_way(it, run, rollouts)
        except AssertionError as error:
            raise AssertionError(f"died {'after' if after else 'before'} call {number}, {died_at}") from error


@pytest.mark.parametrize("error", [ThrottledError, UnavailableError])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_call_that_aws_puts_off_is_made_again(error: type[Exception], *, after: bool) -> None:
    for number in range(1, _calls(_second) + 1, LEVEL.calls):
        it, run = _second()
        it.world.fail_at(number, after=after, error=error)
        with contextlib.suppress(ThrottledError, UnavailableError):
            _play(it, run)
        failed_at = it.world.calls[-1]
        try:
            _recover(it, run)
            _assert_one_way(it, run, rollouts=2)
        except AssertionError as wrong:
            raise AssertionError(f"{error.__name__} at call {number}, {failed_at}") from wrong


def test_a_write_that_somebody_else_was_faster_with_is_decided_again() -> None:
    it, run = _second()
    start = len(it.world.calls)
    _play(it, run)
    saves = [number for number, call in enumerate(it.world.calls[start:], start=1) if str(call) == "records.save"]
    for number in saves:
        it, run = _second()
        it.world.fail_at(number, error=ConflictError)
        with contextlib.suppress(ConflictError):
            _play(it, run)
        _recover(it, run)
        _assert_one_way(it, run, rollouts=2)
