"""What comes between a job's creation and its thread, what a former life left halfway, and a store that is full."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.ground import Ground, plenty
from dropforge.local.sagemaker.images import STAND_INS, Images
from dropforge.local.sagemaker.jobs import states, steps
from dropforge.local.sagemaker.jobs.running import Training
from dropforge.local.sagemaker.jobs.training import TrainingJobs
from dropforge.local.sagemaker.kinds.ends import CUT_SHORT, INTERNAL, End
from dropforge.local.sagemaker.kinds.kind import Kind
from dropforge.local.sagemaker.kinds.runs import Live, Runs
from dropforge.local.sagemaker.logs import Logs
from dropforge.local.sagemaker.processing.jobs import KIND as PROCESSING
from dropforge.local.sagemaker.processing.jobs import ProcessingJobs
from dropforge.local.sagemaker.processing.running import Processing
from dropforge.local.sagemaker.service import GRAPHS
from dropforge.local.sagemaker.states import AT_ONCE
from dropforge.local.sagemaker.store import Doc, Event, Store
from tests.local.sagemaker.world import FINAL, IMAGE, LIMITS, ROLE, World, until


class Full(Store):
    """Has no room for the end of a job when it is first told."""

    fails = 0

    def change(self, kind: str, name: str, edit: Callable[[Doc], Iterable[Event] | None]) -> Doc:
        def tried(doc: Doc) -> Iterable[Event] | None:
            events = edit(doc)
            if self._status(kind, doc) in FINAL and self.fails:
                self.fails -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return events

        return super().change(kind, name, tried)


@pytest.fixture
def ground(world: World, tmp_path: Path) -> Iterator[Ground]:
    store = Full(tmp_path / "state.sqlite", GRAPHS)
    account = Account("000000000000", "us-east-1")
    logs = Logs(world.client)
    logs.start()
    yield Ground(
        tmp_path, store, account, world.client, logs, Images(STAND_INS, tmp_path), LIMITS.scaled(0.01), AT_ONCE, plenty
    )
    logs.stop()
    store.close()


def _ended(ground: Ground, runs: Runs, name: str, kind: Kind = steps.KIND) -> Doc:
    def look() -> Doc | None:
        doc = ground.store.get(kind.name, name) or {}
        return doc if doc[kind.status] in FINAL else None

    doc = until(look)
    until(lambda: runs.status() == [] and list(ground.home.glob("*jobs/*")) == [])
    return doc


def _unseen(_: str) -> None:
    """Tell nobody."""


def _left(world: World, ground: Ground, **more: Any) -> str:
    """Leave a job that nobody performs."""
    request = world.job_request("leaves_no_model.py", **more)
    TrainingJobs(ground, _unseen, _unseen).create(request)
    return str(request["TrainingJobName"])


def test_a_wish_to_stop_that_comes_before_the_job_runs_is_kept(world: World, ground: Ground) -> None:
    training = Training(ground)

    def launch(name: str) -> None:
        jobs.stop({"TrainingJobName": name})  # another client's, before there is anything that runs
        training.runs.launch(name)

    jobs = TrainingJobs(ground, launch, training.runs.stop)
    request: dict[str, Any] = world.job_request("writes_on_and_on.py")
    jobs.create(request)
    assert _ended(ground, training.runs, request["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    training.runs.close()


def test_a_job_whose_end_cannot_be_written_down_is_failed_and_leaves_nothing(world: World, ground: Ground) -> None:
    training = Training(ground)
    jobs = TrainingJobs(ground, training.runs.launch, training.runs.stop)
    assert isinstance(ground.store, Full)
    ground.store.fails = 1
    request: dict[str, Any] = world.job_request("leaves_no_model.py")
    jobs.create(request)
    doc = _ended(ground, training.runs, request["TrainingJobName"])
    assert (doc["TrainingJobStatus"], doc["FailureReason"]) == ("Failed", INTERNAL)
    training.runs.close()


def test_the_end_of_a_job_of_another_kind_that_cannot_be_written_down_has_failed_too(ground: Ground) -> None:
    runs = Processing(ground).runs
    assert isinstance(ground.store, Full)
    ground.store.fails = 1
    request = {
        "ProcessingJobName": "full",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        },
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        "RoleArn": ROLE,
    }
    ProcessingJobs(ground, runs.launch, runs.stop).create(request)
    doc = _ended(ground, runs, "full", PROCESSING)
    assert (doc["ProcessingJobStatus"], doc["FailureReason"]) == ("Failed", INTERNAL)
    runs.close()


def test_a_wish_to_stop_that_comes_while_instances_are_taken_away_is_kept(world: World, ground: Ground) -> None:
    def perform(job: Doc, _: Path, live: Live) -> End:
        live.stop.wait()
        jobs.stop({"TrainingJobName": job["TrainingJobName"]})  # the same moment has a call for both
        runs.go_on(job["TrainingJobName"], live)
        return End("Stopped" if live.stop.is_set() else "Completed")

    name = _left(world, ground)
    runs = Runs(ground, steps.KIND, states.TRAINING, perform, lambda _: True)
    jobs = TrainingJobs(ground, runs.launch, _unseen)
    runs.resume()
    runs.stop(name)
    assert _ended(ground, runs, name)["TrainingJobStatus"] == "Stopped"
    runs.close()


def test_a_job_whose_time_is_over_tells_nothing_more_before_its_end(world: World, ground: Ground) -> None:
    name = _left(world, ground)
    steps.Steps(ground.store, name).stopping(steps.exceeded("MaxRuntimeExceeded"))
    for _ in range(2):
        steps.Steps(ground.store, name).enter("Uploading")  # what failed on the way to its end
        TrainingJobs(ground, _unseen, _unseen).stop({"TrainingJobName": name})
    told = [event.detail["SecondaryStatus"] for _, event in ground.store.next_events(0)]
    assert told == [step["Status"] for step in _job(ground, name)["SecondaryStatusTransitions"]]
    assert told == ["Starting", "Stopping"]


@pytest.mark.parametrize("what", ["MaxRuntimeExceeded", "MaxWaitTimeExceeded"])
def test_a_job_whose_time_was_over_when_the_cloud_ended_says_so_in_the_next_life(
    world: World, ground: Ground, what: str
) -> None:
    name = _left(world, ground)
    steps.Steps(ground.store, name).stopping(steps.exceeded(what))
    training = Training(ground)
    training.runs.resume()
    doc = _ended(ground, training.runs, name)
    assert (doc["TrainingJobStatus"], doc["SecondaryStatus"]) == ("Stopped", what)
    assert [step["Status"] for step in doc["SecondaryStatusTransitions"]] == ["Starting", "Stopping", what]


_RETRIED: dict[str, Any] = {"RetryStrategy": {"MaximumRetryAttempts": 1}}
_RUN = ("Starting", "Downloading", "Training", "Uploading", "Completed")


@pytest.mark.parametrize(
    ("asked", "left", "went_on"),
    [
        pytest.param({}, {}, _RUN, id="no instances yet"),
        pytest.param({}, {"SecondaryStatus": "Interrupted", "_ran": 1.0}, ("Starting", *_RUN), id="interrupted"),
        pytest.param({}, {"SecondaryStatus": "Training"}, ("Starting", "Failed"), id="trained"),
        pytest.param(
            _RETRIED, {"SecondaryStatus": "Training"}, ("Starting", "Restarting", *_RUN), id="may be tried again"
        ),
        pytest.param(
            _RETRIED, {"SecondaryStatus": "Training", "_tries": 1}, ("Starting", "Failed"), id="was tried again"
        ),
        pytest.param(
            _RETRIED,
            {"SecondaryStatus": "Stopping", "TrainingJobStatus": "Stopping"},
            ("Starting", "Stopped"),
            id="had no more time",
        ),
    ],
)
def test_the_next_life_goes_on_with_what_had_no_instances_or_may_be_tried_again(
    world: World, ground: Ground, asked: dict[str, Any], left: Doc, went_on: tuple[str, ...]
) -> None:
    name = _left(world, ground, **asked)
    ground.store.change(steps.KIND.name, name, lambda doc: doc.update(left))
    training = Training(ground)
    training.runs.resume()
    doc = _ended(ground, training.runs, name)
    assert tuple(step["Status"] for step in doc["SecondaryStatusTransitions"]) == went_on
    assert doc.get("FailureReason") == (CUT_SHORT if went_on[-1] == "Failed" else None)
    assert doc.get("_tries", 0) == left.get("_tries", went_on.count("Restarting"))
    training.runs.close()


def test_only_the_time_in_which_a_job_ran_counts_however_long_there_was_no_cloud(world: World, ground: Ground) -> None:
    training = Training(ground)
    request = world.job_request("writes_lines_for_ever.py", **_RETRIED)
    name = request["TrainingJobName"]
    TrainingJobs(ground, training.runs.launch, _unseen).create(request)
    killed = until(lambda: job if (job := _job(ground, name)).get("_ran", 0) > 1 else None)
    training.runs.close()
    ground.store.change(steps.KIND.name, name, lambda doc: doc.update(_earlier(killed)))  # as a kill leaves it
    training = Training(ground)
    training.runs.resume()
    until(lambda: _job(ground, name)["SecondaryStatus"] == "Training" and _job(ground, name).get("_tries"))
    TrainingJobs(ground, _unseen, training.runs.stop).stop({"TrainingJobName": name})
    assert killed["_ran"] <= _ended(ground, training.runs, name)["TrainingTimeInSeconds"] < _HOURS
    training.runs.close()


_HOURS = 10_000


def _earlier(told: Any) -> Any:
    """Put every time of a document back by hours; they are seconds since 1970."""
    if isinstance(told, dict):
        return {name: _earlier(value) for name, value in told.items()}
    if isinstance(told, list):
        return [_earlier(value) for value in told]
    return told - _HOURS if isinstance(told, float) and told > time.time() - _HOURS else told


def _job(ground: Ground, name: str) -> Doc:
    return ground.store.get(steps.KIND.name, name) or {}
