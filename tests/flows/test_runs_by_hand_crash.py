"""A worker dies over a person's order for a run: what was remembered is carried out by whoever looks next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.errors import NotNowError
from chalicelib.events import JobChanged
from chalicelib.model import Entry, Pause, Run, RunState
from chalicelib.names import run12
from tests.fakes.calls import CrashError
from tests.flows.machines import PIPELINE, Machines
from tests.flows.test_runs_by_hand import job_status, order, training


def die(*_: object, **__: object) -> None:
    raise CrashError


def ask(it: Machines, run: Run, why: str) -> None:
    """Let the run's job not be wanted any more, and a worker look at the run."""
    if why == "stopped":
        it.orders.stop(run12(run.id), order(it))
        return
    it.world.records.save(replace(it.run(run), superseded=True))
    it.runs.advance(run12(run.id))


@pytest.mark.parametrize("why", ["stopped", "superseded"])
def test_a_job_whose_stop_never_reached_sagemaker_is_stopped_at_the_next_look(why: str) -> None:
    twin, same = training()
    before = len(twin.world.calls)
    ask(twin, same, why)
    it, run = training()
    it.world.fail_at([str(call) for call in twin.world.calls[before:]].index("jobs.stop") + 1)
    with pytest.raises(CrashError):
        ask(it, run, why)
    assert "asked to stop" in it.told(f"run:{run12(run.id)}")
    assert job_status(it, it.job(run)) == "InProgress"
    it.restart()
    it.runs.advance(run12(run.id))
    assert job_status(it, it.job(run)) == "Stopping"


def test_a_run_that_has_its_package_already_is_not_stopped() -> None:
    it = Machines()
    run = it.train()
    it.runs.propose = die  # the worker dies between the package and the release
    with pytest.raises(CrashError):
        it.runs.job_changed(JobChanged(it.job(run)))
    it.restart()
    assert (it.run(run).state, it.run(run).package is None) == (RunState.EVALUATING, False)
    with pytest.raises(NotNowError, match="is about to be registered: there is nothing left to stop"):
        it.orders.stop(run12(run.id), order(it))
    assert it.run(run).stopping is None


def test_an_order_that_was_saved_and_not_carried_out_is_carried_out_when_it_is_repeated() -> None:
    it, run = training()
    with pytest.raises(CrashError):
        replace(it.orders, advance=die).stop(run12(run.id), order(it))
    assert job_status(it, it.job(run)) == "InProgress"
    assert not it.orders.stop(run12(run.id), order(it)).changed
    assert job_status(it, it.job(run)) == "Stopping"


def test_a_stop_of_a_run_that_a_pause_holds_is_due_at_once_though_the_run_was_not() -> None:
    it = Machines()
    it.world.records.pause(Pause(PIPELINE, order(it)), Entry(it.world.clock(), "paused"))
    run = it.seal()
    it.runs.advance(run12(run.id))
    due = it.run(run).due
    assert due is not None
    assert due > it.world.clock()
    with pytest.raises(CrashError):
        replace(it.orders, advance=die).stop(run12(run.id), order(it))
    it.reconcile()
    assert it.run(run).state is RunState.STOPPED
