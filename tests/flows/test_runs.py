"""A run: from a sealed dataset to a registered model, or to the reason why not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.errors import RefusedError, ThrottledError, UnavailableError
from chalicelib.events import JobChanged
from chalicelib.model import RunState
from chalicelib.names import run12
from chalicelib.pipeline.kinds import HYPERPARAMETER_LIMIT
from tests.fakes.calls import CrashError
from tests.fakes.world import SETTINGS
from tests.flows.machines import TRAIN, Machines


def test_a_run_starts_one_training_job_with_everything_in_it() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    (job,) = it.world.jobs.started
    assert job.name == f"df-test-digits-{run12(run.id)}-0-a1"
    assert job.image == "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
    assert job.channels == run.channels
    assert job.output_uri == f"s3://bucket/runs/digits/{run12(run.id)}/output/"
    assert job.environment == {"LOG_LEVEL": "info"}
    assert job.metrics == {"validation:accuracy": "accuracy=([0-9.]+)"}
    assert {name: value for name, value in job.hyperparameters.items() if name.startswith("sagemaker_")} == {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": f'"s3://bucket/{it.version.code_key}"',
        "sagemaker_region": '"us-east-1"',
        "sagemaker_container_log_level": "20",
        "sagemaker_job_name": json.dumps(job.name),
    }
    assert json.loads(job.hyperparameters["epochs"]) == 20
    assert json.loads(job.hyperparameters["betas"]) == [0.9, 0.999]
    assert it.run(run).state is RunState.TRAINING
    assert it.status()["stage"] == "training"


def test_overrides_of_the_dataset_reach_the_job() -> None:
    it = Machines()
    run = it.seal(overrides="[train.hyperparameters]\nepochs = 3\n")
    it.runs.advance(run12(run.id))
    assert it.world.jobs.started[0].hyperparameters["epochs"] == "3"


def test_a_stage_that_allows_less_after_the_seal_changes_no_run_of_before() -> None:
    it = Machines(settings=replace(SETTINGS, overrides=()))
    run = it.seal(overrides="[train.hyperparameters]\nepochs = 3\n")
    it.runs.advance(run12(run.id))
    assert it.world.jobs.started[0].hyperparameters["epochs"] == "3"


def test_as_many_hyperparameters_as_the_file_may_hold_fit_beside_ours() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    ours = [name for name in it.world.jobs.started[0].hyperparameters if name.startswith("sagemaker_")]
    assert len(ours) + HYPERPARAMETER_LIMIT == 100


def test_every_event_twice_starts_one_job_and_registers_one_package() -> None:
    it = Machines()
    run = it.seal()
    for _ in range(2):
        it.runs.advance(run12(run.id))
    it.finish(run)
    for _ in range(2):
        it.runs.job_changed(JobChanged(it.job(run)))
    assert len(it.world.jobs.started) == 1
    assert len(it.world.registry.requests) == 1
    assert it.run(run).state is RunState.REGISTERED


def test_a_job_that_was_started_but_not_remembered_is_found_and_followed() -> None:
    it, twin = Machines(), Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    twin.world.jobs.start(it.world.jobs.started[0])
    twin.runs.advance(run12(twin.seal().id))
    assert len(twin.world.jobs.started) == 1
    assert twin.run(run).state is RunState.TRAINING


def test_a_job_of_that_name_that_somebody_else_made_fails_the_run_by_name() -> None:
    it, twin = Machines(), Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    twin.world.jobs.start(replace(it.world.jobs.started[0], request="of somebody else"))
    twin.runs.advance(run12(twin.seal().id))
    assert twin.run(run).state is RunState.FAILED
    assert it.job(run) in str(twin.run(run).reason)


def test_what_sagemaker_refuses_fails_the_run_with_its_sentence() -> None:
    it = Machines(TRAIN)
    run = it.seal()
    it.world.fail_at(_calls_until_start(), error=lambda: RefusedError("Value 'x' failed to satisfy constraint."))
    it.runs.advance(run12(run.id))
    assert (it.run(run).state, it.run(run).reason) == (RunState.FAILED, "Value 'x' failed to satisfy constraint.")
    assert it.status()["reason"] == "Value 'x' failed to satisfy constraint."
    assert it.status()["todo"]
    assert it.world.jobs.started == []


def _calls_until_start() -> int:
    """Count the calls of a first step up to and with the one that starts the job, in a world like this one."""
    twin = Machines(TRAIN)
    run = twin.seal()
    before = len(twin.world.calls)
    twin.runs.advance(run12(run.id))
    return [str(call) for call in twin.world.calls[before:]].index("jobs.start") + 1


@pytest.mark.parametrize("error", [ThrottledError, UnavailableError])
def test_a_start_that_sagemaker_puts_off_leaves_the_run_open_and_says_so(error: type[Exception]) -> None:
    it = Machines(TRAIN)
    run = it.seal()
    it.world.fail_at(_calls_until_start(), error=lambda: error("Rate exceeded"))
    it.runs.advance(run12(run.id))
    waiting = it.run(run)
    assert waiting.state is RunState.PREPARING
    assert "Rate exceeded" in str(waiting.reason)
    assert it.status()["reason"] == waiting.reason
    it.world.clock.advance(61)
    it.reconcile()
    assert (it.run(run).state, it.run(run).reason) == (RunState.TRAINING, None)
    assert len(it.world.jobs.started) == 1


def test_a_region_without_images_fails_the_run_and_names_the_region() -> None:
    it = Machines(settings=replace(SETTINGS, region="xx-nowhere-1"))
    run = it.seal()
    it.runs.advance(run12(run.id))
    assert it.run(run).state is RunState.FAILED
    assert "xx-nowhere-1" in str(it.run(run).reason)
    assert "eu-west-1" in str(it.run(run).reason)


def test_a_job_that_fails_tells_its_reason_in_the_run_and_in_the_bucket() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.fail(it.job(run), "AlgorithmError: no images in training/")
    it.runs.job_changed(JobChanged(it.job(run)))
    assert (it.run(run).state, it.run(run).reason) == (RunState.FAILED, "AlgorithmError: no images in training/")
    assert it.status()["reason"] == "AlgorithmError: no images in training/"
    assert it.status()["stage"] == "failed"


def test_training_past_its_limit_fails_and_says_what_the_limit_is_called() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.stop(it.job(run))
    it.world.jobs.settle()
    it.world.jobs.step(it.job(run), "MaxRuntimeExceeded")
    it.runs.advance(run12(run.id))
    assert it.run(run).state is RunState.FAILED
    assert "max_runtime_seconds" in str(it.run(run).reason)


def test_a_job_stopped_by_hand_is_a_stopped_run() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.stop(it.job(run))
    it.runs.advance(run12(run.id))
    assert it.run(run).state is RunState.TRAINING
    it.world.jobs.settle()
    it.runs.advance(run12(run.id))
    assert (it.run(run).state, it.run(run).reason) == (RunState.STOPPED, "The training job was stopped by hand.")


def test_a_superseded_run_is_stopped_at_sagemaker_and_seen_stopped() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.records.save(replace(it.run(run), superseded=True))
    it.runs.advance(run12(run.id))
    seen = it.world.jobs.describe(it.job(run))
    assert seen is not None
    assert seen.status == "Stopping"
    assert it.run(run).state is RunState.TRAINING
    it.world.jobs.settle()
    it.world.clock.advance(61)
    it.reconcile()
    assert it.run(run).state is RunState.STOPPED


def test_a_run_that_is_superseded_before_its_first_step_starts_nothing() -> None:
    it = Machines()
    run = it.seal()
    it.world.records.save(replace(run, superseded=True))
    it.runs.advance(run12(run.id))
    assert it.run(run).state is RunState.STOPPED
    assert it.world.jobs.started == []


def test_a_job_that_sagemaker_forgot_is_waited_for_and_then_told_truthfully() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    candidate = it.run(run).candidate
    assert candidate is not None
    it.world.records.save(replace(it.run(run), candidate=replace(candidate, job=f"{it.job(run)}-gone")))
    for _ in range(9):
        it.world.clock.advance(61)
        it.reconcile()
        assert it.run(run).state is RunState.TRAINING
    it.world.clock.advance(120)
    it.reconcile()
    assert it.run(run).state is RunState.FAILED
    assert "knows no training job" in str(it.run(run).reason)


def test_a_finished_run_costs_nothing_any_more() -> None:
    it = Machines()
    run = it.deploy()
    it.runs.advance(run12(run.id))
    assert it.run(run).due is None
    rev = it.run(run).rev
    it.runs.advance(run12(run.id))
    it.runs.job_changed(JobChanged(it.job(run)))
    assert it.run(run).rev == rev


def test_a_strangers_job_wakes_nobody() -> None:
    it = Machines()
    run = it.seal()
    before = len(it.world.calls)
    it.runs.job_changed(JobChanged("somebody-elses-job"))
    it.runs.job_changed(JobChanged(it.job(run).replace("df-test-", "df-test2-")))
    assert len(it.world.calls) == before


def test_a_waiting_run_is_written_once_a_minute_at_most() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.runs.advance(run12(run.id))
    rev = it.run(run).rev
    for _ in range(10):
        it.runs.job_changed(JobChanged(it.job(run)))
    assert it.run(run).rev == rev


def test_the_end_of_a_run_is_told_even_if_the_worker_dies_before_telling_it() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.fail(it.job(run), "AlgorithmError: it broke")
    before = len(it.world.calls)
    twin = Machines()
    again = twin.seal()
    twin.runs.advance(run12(again.id))
    twin.world.jobs.fail(twin.job(again), "AlgorithmError: it broke")
    assert len(twin.world.calls) == before
    twin.runs.advance(run12(again.id))
    writes = [number for number, call in enumerate(twin.world.calls[before:], start=1) if str(call) == "bucket.write"]
    it.world.fail_at(writes[0])
    with pytest.raises(CrashError):
        it.runs.advance(run12(run.id))
    assert it.status()["stage"] == "training"
    it.restart()
    it.world.clock.advance(61)
    it.reconcile()
    assert it.status()["stage"] == "failed"
    assert it.run(run).due is None
