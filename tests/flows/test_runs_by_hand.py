"""A person's hand on a run: stop and retry, each safe to repeat, each refused where it makes no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.decide.run_ends import is_lost
from chalicelib.errors import NotFoundError, NotNowError
from chalicelib.events import JobChanged
from chalicelib.model import Command, DatasetId, DatasetState, Entry, Pause, Run, RunState
from chalicelib.names import run12
from chalicelib.ports import TrainingJob
from tests.fakes.calls import CrashError
from tests.flows.machines import PIPELINE, Machines

ADA = "arn:aws:iam::000000000000:user/ada"


def order(it: Machines, reason: str | None = "too expensive") -> Command:
    return Command(ADA, it.world.clock(), reason)


def training() -> tuple[Machines, Run]:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    return it, it.run(run)


def failed(reason: str = "AlgorithmError: it broke") -> tuple[Machines, Run]:
    it, run = training()
    it.world.jobs.fail(it.job(run), reason)
    it.runs.job_changed(JobChanged(it.job(run)))
    return it, it.run(run)


def release_failed() -> tuple[Machines, Run]:
    it = Machines()
    run = it.register()
    target = it.release.pending or it.release.desired
    assert target is not None
    it.world.hosting.broken(target.config, "answers-wrongly")
    it.release_to_rest()
    assert it.status()["stage"] == "release-failed"
    it.world.hosting.mended(target.config)
    return it, it.run(run)


def facts(it: Machines, run: Run, what: str) -> dict[str, object]:
    (entry,) = [line for line in it.world.records.entries(f"run:{run12(run.id)}") if line.what == what]
    return dict(entry.facts)


def job_status(it: Machines, job: str) -> str:
    seen = it.world.jobs.describe(job)
    assert seen is not None
    return seen.status


def test_a_run_that_has_not_begun_is_stopped_without_a_job() -> None:
    it = Machines()
    run = it.seal()
    ordered = it.orders.stop(run12(run.id), order(it))
    assert (ordered.changed, ordered.run.state) == (True, RunState.STOPPED)
    assert it.world.jobs.started == []
    assert it.run(run).reason == f"Stopped by {ADA}: too expensive. Nothing was started."
    assert it.status()["stage"] == "stopped"


def test_a_training_is_stopped_at_sagemaker_and_the_run_is_stopped_when_sagemaker_says_so() -> None:
    it, run = training()
    ordered = it.orders.stop(run12(run.id), order(it))
    assert (ordered.changed, ordered.run.state) == (True, RunState.TRAINING)
    assert job_status(it, it.job(run)) == "Stopping"
    assert it.status()["reason"] == f"It is being stopped by {ADA}: too expensive."
    it.world.jobs.settle()
    it.runs.job_changed(JobChanged(it.job(run)))
    assert it.run(run).state is RunState.STOPPED
    assert it.run(run).reason == f"Stopped by {ADA}: too expensive."
    assert facts(it, run, "stop asked for") == {"by": ADA, "reason": "too expensive"}


@pytest.mark.parametrize(("end", "word"), [("Completed", "had completed by then"), ("Failed", "had failed by then")])
def test_a_job_that_ends_before_it_can_be_stopped_is_told_of_honestly(end: str, word: str) -> None:
    it, run = training()
    it.orders.stop(run12(run.id), order(it))
    if end == "Completed":
        it.finish(run)
    else:
        it.world.jobs.fail(it.job(run))
    it.runs.job_changed(JobChanged(it.job(run)))
    assert it.run(run).state is RunState.STOPPED
    assert word in str(it.run(run).reason)
    assert it.world.registry.requests == []


def test_a_run_that_is_being_judged_is_stopped_and_not_registered() -> None:
    it = Machines()
    run = it.train()
    it.world.records.save(replace(it.run(run), state=RunState.EVALUATING))
    assert it.orders.stop(run12(run.id), order(it)).run.state is RunState.STOPPED
    assert it.world.registry.requests == []


def test_a_stop_is_safe_to_repeat() -> None:
    it, run = training()
    assert [it.orders.stop(run12(run.id), order(it)).changed for _ in range(3)] == [True, False, False]
    it.world.jobs.settle()
    it.runs.advance(run12(run.id))
    again = it.orders.stop(run12(run.id), order(it))
    assert (again.changed, again.run.state) == (False, RunState.STOPPED)
    assert it.told(f"run:{run12(run.id)}").count("stop asked for") == 1


def test_what_has_ended_otherwise_is_not_stopped() -> None:
    it, run = failed()
    with pytest.raises(NotNowError, match="is failed: there is nothing left to stop"):
        it.orders.stop(run12(run.id), order(it))
    live = Machines()
    run = live.deploy()
    with pytest.raises(NotNowError, match=r"is live: there is nothing left to stop\. `dropforge rollback`"):
        live.orders.stop(run12(run.id), order(live))


def test_a_run_that_nobody_knows_is_not_found() -> None:
    it = Machines()
    with pytest.raises(NotFoundError):
        it.orders.stop("0" * 12, order(it))


def test_a_stopped_run_is_not_taken_up_by_its_dataset_dropped_again() -> None:
    it = Machines()
    run = it.seal()
    it.orders.stop(run12(run.id), order(it))
    it.world.records.save(replace(it.run(run), superseded=True))
    assert not is_lost(it.run(run))


def test_a_job_that_a_slow_worker_started_as_its_run_was_stopped_is_stopped_too() -> None:
    it, twin = Machines(), Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    twin.seal()
    twin.orders.stop(run12(run.id), order(twin))
    assert twin.run(run).state is RunState.STOPPED
    twin.world.jobs.start(it.world.jobs.started[0])
    twin.world.clock.advance(61)
    twin.reconcile()
    assert job_status(twin, twin.job(run)) == "Stopping"
    twin.world.jobs.settle()
    for _ in range(20):
        twin.world.clock.advance(300)
        twin.reconcile()
    assert twin.run(run).state is RunState.STOPPED
    assert twin.run(run).due is None


def test_a_job_that_a_slow_worker_starts_for_an_attempt_that_is_over_is_stopped_when_it_is_heard_of() -> None:
    it, twin = Machines(), Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    twin.seal()
    twin.orders.stop(run12(run.id), order(twin))
    twin.orders.retry(run12(run.id), order(twin))
    twin.world.jobs.start(it.world.jobs.started[0])
    for attempt in (1, 2):
        twin.runs.job_changed(JobChanged(twin.job(run, attempt)))
    assert [job_status(twin, twin.job(run, attempt)) for attempt in (1, 2)] == ["Stopping", "InProgress"]


def test_a_job_that_a_slow_worker_starts_for_an_attempt_that_is_over_is_stopped_though_no_event_comes() -> None:
    it = Machines()
    run = it.seal()
    start = it.world.jobs.start
    once: list[str] = []

    def slow_start(job: TrainingJob) -> None:
        if not once:
            once.append(job.name)
            it.orders.stop(run12(run.id), order(it))
            it.orders.retry(run12(run.id), order(it))
        start(job)

    it.world.jobs.start = slow_start  # type: ignore[method-assign]  # the worker stands still before its call
    it.runs.advance(run12(run.id))
    it.world.jobs.settle()
    assert [job_status(it, it.job(run, attempt)) for attempt in (1, 2)] == ["Stopped", "InProgress"]
    assert it.run(run).state is RunState.TRAINING


@pytest.mark.parametrize("how", ["failed", "stopped", "rejected"])
def test_a_retry_trains_once_more_under_a_name_of_its_own(how: str) -> None:
    it, run = training()
    if how == "failed":
        it.world.jobs.fail(it.job(run))
    elif how == "stopped":
        it.world.jobs.stop(it.job(run))
        it.world.jobs.settle()
    else:
        it.finish(run, {"validation:accuracy": 0.5})
    it.runs.job_changed(JobChanged(it.job(run)))
    assert it.run(run).state.value == how
    ordered = it.orders.retry(run12(run.id), order(it, "once more"))
    assert (ordered.changed, ordered.run.state) == (True, RunState.TRAINING)
    assert it.world.jobs.names == (it.job(run), it.job(run, 2))
    assert (ordered.run.reason, ordered.run.todo) == (None, None)
    assert facts(it, run, "retry asked for") == {"by": ADA, "reason": "once more", "attempt": 2}


def test_a_retry_trains_with_the_values_that_its_run_was_started_with() -> None:
    it = Machines()
    run = it.seal(overrides="train.hyperparameters.epochs = 5\n")
    it.runs.advance(run12(run.id))
    it.world.jobs.fail(it.job(run))
    it.runs.job_changed(JobChanged(it.job(run)))
    it.orders.retry(run12(run.id), order(it))
    assert [job.hyperparameters["epochs"] for job in it.world.jobs.started] == ["5", "5"]


def test_a_retried_run_goes_live_with_the_model_of_its_own_attempt() -> None:
    it, run = failed()
    it.orders.retry(run12(run.id), order(it))
    it.world.jobs.finish(it.job(run, 2), {"validation:accuracy": 0.97}, ("1", "7"))
    it.runs.job_changed(JobChanged(it.job(run, 2)))
    it.release_to_rest()
    (request,) = it.world.registry.requests
    assert (request.attempt, it.job(run, 2) in request.model_uri) == (2, True)
    assert it.status()["stage"] == "live"


def test_a_retry_is_safe_to_repeat() -> None:
    it, run = failed()
    assert [it.orders.retry(run12(run.id), order(it)).changed for _ in range(3)] == [True, False, False]
    assert len(it.world.jobs.started) == 2


def test_a_retry_that_a_pause_holds_says_so_and_a_stop_is_held_by_none() -> None:
    it, run = failed()
    it.world.records.pause(Pause(PIPELINE, order(it, "the budget is used up")), Entry(it.world.clock(), "paused"))
    said = it.orders.retry(run12(run.id), order(it)).what
    assert said.startswith(f"The run {run12(run.id)} is tried again: attempt 2. Paused by {ADA} since ")
    assert said.endswith(": the budget is used up. It goes on when that is resumed.")
    assert it.orders.stop(run12(run.id), order(it)).what == f"The run {run12(run.id)} is being stopped."


def test_a_retry_of_what_is_under_way_is_refused() -> None:
    it, run = training()
    with pytest.raises(NotNowError, match="is training: there is nothing to try again"):
        it.orders.retry(run12(run.id), order(it))


def test_a_stopped_run_that_never_began_is_tried_again_under_another_name() -> None:
    it = Machines()
    run = it.seal()
    it.orders.stop(run12(run.id), order(it))
    it.orders.retry(run12(run.id), order(it))
    assert it.world.jobs.names == (it.job(run, 2),)


def test_a_run_whose_files_no_dataset_holds_any_more_is_not_tried_again() -> None:
    it, run = failed()
    dataset = it.world.records.dataset(DatasetId(PIPELINE, "mnist"))
    assert dataset is not None
    it.world.records.save(replace(dataset, state=DatasetState.SEALED, run="v1" + "0" * 64))
    with pytest.raises(NotNowError, match="No dataset holds the files"):
        it.orders.retry(run12(run.id), order(it))


def test_a_model_that_its_release_refused_is_tried_again_by_a_person_alone() -> None:
    it, run = release_failed()
    ordered = it.orders.retry(run12(run.id), order(it, "the picture was wrong"))
    assert ordered.changed
    assert facts(it, run, "retry asked for") == {"by": ADA, "reason": "the picture was wrong"}
    assert not it.orders.retry(run12(run.id), order(it)).changed
    it.release_to_rest()
    assert it.status()["stage"] == "live"
    assert it.release.live is not None
    assert (it.release.live.by, it.release.live.cause, it.release.failed) == (ADA, "retry", {})
    assert len(it.world.jobs.started) == 1
    assert not it.orders.retry(run12(run.id), order(it)).changed


def test_a_retry_of_a_refused_model_that_dies_half_way_is_never_done_without_a_word_of_who_asked() -> None:
    number = 0
    while True:
        number += 1
        it, run = release_failed()
        it.world.fail_at(number)
        try:
            it.orders.retry(run12(run.id), order(it))
        except CrashError:
            it.restart()
            wanted = it.release.pending or it.release.desired
            asked = "retry asked for" in it.told(f"run:{run12(run.id)}")
            assert asked or wanted is None or wanted.cause != "retry", it.world.calls[-1]
        else:
            break
    assert number > 3


def test_a_live_model_is_not_retried() -> None:
    it = Machines()
    run = it.deploy()
    with pytest.raises(NotNowError, match="is live: nothing of it has failed"):
        it.orders.retry(run12(run.id), order(it))


def test_a_retry_of_what_is_being_stopped_is_refused_until_it_has_stopped() -> None:
    it, run = training()
    name = run12(run.id)
    it.orders.stop(name, order(it))
    it.world.jobs.settle()
    it.runs.job_changed(JobChanged(it.job(run)))
    it.orders.retry(name, order(it))
    it.orders.stop(name, order(it, "not now"))
    with pytest.raises(NotNowError, match=f"is being stopped by {ADA}: not now; retry when it has stopped"):
        it.orders.retry(name, order(it))
    it.world.jobs.settle()
    it.runs.job_changed(JobChanged(it.job(run, attempt=2)))
    assert it.orders.retry(name, order(it)).changed
