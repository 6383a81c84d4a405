"""AWS has no room for a training job: the run waits visibly, tries again, and gives up when its pipeline says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.errors import QuotaError, ThrottledError
from chalicelib.events import JobChanged
from chalicelib.model import Command, Run, RunState
from chalicelib.names import run12
from tests.flows.machines import TRAIN, Machines

NONE_LEFT = "CapacityError: Unable to provision requested ML compute capacity."
QUOTA = "The account-level service limit 'ml.m5.large for training job usage' is 0 Instances."
IMPATIENT = TRAIN.replace("[train]\n", "[train]\ncapacity_wait_seconds = 0\n")


def begin(it: Machines, *errors: Callable[[], BaseException]) -> Run:
    """Let the first step of a run meet these answers of CreateTrainingJob, each when it is due."""
    run = it.seal()
    for error in errors:
        step(it, run, error)
    return run


def step(it: Machines, run: Run, error: Callable[[], BaseException] | None) -> None:
    if error is not None:
        it.world.fail_at(_calls_until_start(it, run), error=error)
    it.reconcile()


def _calls_until_start(it: Machines, run: Run) -> int:
    """Count the calls of the next step up to the one that starts the job: the schedule's own two, and the run's."""
    del it, run
    twin = Machines(TRAIN)
    twin.seal()
    before = len(twin.world.calls)
    twin.reconcile()
    return [str(call) for call in twin.world.calls[before:]].index("jobs.start") + 1


def quota() -> QuotaError:
    return QuotaError(QUOTA)


def waited(it: Machines, run: Run) -> float:
    """Give the seconds until the next try."""
    found = it.run(run)
    assert found.shortage is not None
    assert found.shortage.next_at is not None
    assert found.due == found.shortage.next_at
    return found.shortage.next_at - it.world.clock()


def test_a_quota_is_waited_for_and_the_run_says_when_it_tries_again() -> None:
    it = Machines(TRAIN)
    run = begin(it, quota)
    waiting = it.run(run)
    assert waiting.state is RunState.PREPARING
    assert "ml.m5.large" in str(waiting.reason)
    assert "next try at 2027-01-15 08:01:02 UTC" in str(waiting.reason)
    assert it.status()["reason"] == waiting.reason
    assert it.told(f"run:{run12(run.id)}")[-1] == "waiting for room"
    it.world.clock.advance(59)
    it.runs.advance(run12(run.id))
    assert it.world.jobs.started == []
    it.world.clock.advance(2)
    it.reconcile()
    assert (it.run(run).state, it.run(run).reason) == (RunState.TRAINING, None)
    assert it.world.jobs.names == (it.job(run),)


def test_the_pauses_grow_to_half_an_hour_and_end_when_the_pipeline_says() -> None:
    it = Machines(TRAIN)
    run = it.seal()
    pauses = []
    for _ in range(40):
        step(it, run, quota)
        if it.run(run).state is RunState.FAILED:
            break
        pauses.append(round(waited(it, run)))
        it.world.clock.advance(pauses[-1])
    assert pauses[:7] == [60, 120, 240, 480, 960, 1800, 1800]
    assert sum(pauses) == 6 * 3600
    assert "Service Quotas" in str(it.run(run).todo)
    assert QUOTA.rstrip(".") in str(it.run(run).reason)
    assert it.status()["stage"] == "failed"


def test_a_pipeline_that_waits_for_nothing_fails_at_once() -> None:
    it = Machines(IMPATIENT)
    run = begin(it, quota)
    assert it.run(run).state is RunState.FAILED
    assert str(it.run(run).reason).endswith("), tried once.")


def test_being_asked_to_slow_down_is_no_reason_to_give_up() -> None:
    it = Machines(IMPATIENT)
    run = begin(it, lambda: ThrottledError("Rate exceeded"))
    assert it.run(run).state is RunState.PREPARING
    assert waited(it, run) == 60


def test_a_job_that_finds_no_machines_is_tried_again_under_another_name_when_that_is_due() -> None:
    it = Machines(TRAIN)
    run = it.seal()
    it.runs.advance(run12(run.id))
    for attempt, pause in ((1, 60), (2, 120), (3, 240)):
        it.world.jobs.fail(it.job(run, attempt), NONE_LEFT)
        it.runs.job_changed(JobChanged(it.job(run, attempt)))
        assert (it.run(run).state, waited(it, run)) == (RunState.PREPARING, pause)
        assert len(it.world.jobs.names) == attempt
        it.world.clock.advance(pause)
        it.reconcile()
    assert it.world.jobs.names == tuple(it.job(run, attempt) for attempt in (1, 2, 3, 4))
    it.world.jobs.step(it.job(run, 4), "Training")
    it.world.clock.advance(61)
    it.reconcile()
    assert it.run(run).shortage is None


def test_what_a_script_says_of_quotas_is_its_own_failure() -> None:
    it = Machines(TRAIN)
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.fail(it.job(run), "AlgorithmError: OSError: Disk quota exceeded, insufficient capacity")
    it.runs.job_changed(JobChanged(it.job(run)))
    assert it.run(run).state is RunState.FAILED


@pytest.mark.parametrize("after", ["the first try", "a failed job"])
def test_a_run_that_waits_for_room_can_be_stopped(after: str) -> None:
    it = Machines(TRAIN)
    run = it.seal()
    if after == "the first try":
        step(it, run, quota)
    else:
        it.runs.advance(run12(run.id))
        it.world.jobs.fail(it.job(run), NONE_LEFT)
        it.runs.job_changed(JobChanged(it.job(run)))
    before = len(it.world.jobs.names)
    it.orders.stop(run12(run.id), Command("ada", it.world.clock()))
    assert it.run(run).state is RunState.STOPPED
    it.world.clock.advance(3600)
    it.reconcile()
    assert len(it.world.jobs.names) == before


def test_a_run_that_gave_up_waiting_can_be_retried() -> None:
    it = Machines(IMPATIENT)
    run = begin(it, quota)
    it.orders.retry(run12(run.id), Command("ada", it.world.clock()))
    assert it.run(run).state is RunState.TRAINING
