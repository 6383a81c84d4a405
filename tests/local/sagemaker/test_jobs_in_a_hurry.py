"""What comes between a job's creation and its thread, and a store that cannot be written to for a moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dropforge.local.sagemaker.account import Account
from dropforge.local.sagemaker.ground import Ground, plenty
from dropforge.local.sagemaker.images import STAND_INS, Images
from dropforge.local.sagemaker.jobs import steps
from dropforge.local.sagemaker.jobs.running import Training
from dropforge.local.sagemaker.jobs.training import TrainingJobs
from dropforge.local.sagemaker.logs import Logs
from dropforge.local.sagemaker.service import GRAPHS
from dropforge.local.sagemaker.states import AT_ONCE
from dropforge.local.sagemaker.store import Doc, Event, Store
from tests.local.sagemaker.world import FINAL, LIMITS, World, until


class Full(Store):
    """Has no room for the end of a job when it is first told."""

    fails = 0

    def change(self, kind: str, name: str, edit: Callable[[Doc], Iterable[Event] | None]) -> Doc:
        def tried(doc: Doc) -> Iterable[Event] | None:
            events = edit(doc)
            if doc["TrainingJobStatus"] in FINAL and self.fails:
                self.fails -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return events

        return super().change(kind, name, tried)


@pytest.fixture
def ground(world: World, tmp_path: Path) -> Iterator[Ground]:
    store = Full(tmp_path / "state.sqlite", GRAPHS)
    account = Account("000000000000", "us-east-1")
    logs = Logs(world.client)
    yield Ground(
        tmp_path, store, account, world.client, logs, Images(STAND_INS, tmp_path), LIMITS.scaled(0.01), AT_ONCE, plenty
    )
    store.close()


def _ended(ground: Ground, training: Training, name: str) -> Doc:
    def look() -> Doc | None:
        doc = ground.store.get(steps.KIND, name) or {}
        return doc if doc["TrainingJobStatus"] in FINAL else None

    doc = until(look)
    until(lambda: training.status() == [] and list((ground.home / "jobs").glob("*")) == [])
    return doc


def test_a_wish_to_stop_that_comes_before_the_job_runs_is_kept(world: World, ground: Ground) -> None:
    training = Training(ground)

    def launch(name: str) -> None:
        jobs.stop({"TrainingJobName": name})  # another client's, before there is anything that runs
        training.launch(name)

    jobs = TrainingJobs(ground, launch, training.stop)
    request: dict[str, Any] = world.job_request("writes_on_and_on.py")
    jobs.create(request)
    assert _ended(ground, training, request["TrainingJobName"])["TrainingJobStatus"] == "Stopped"
    training.close()


def test_a_job_whose_end_cannot_be_written_down_is_failed_and_leaves_nothing(world: World, ground: Ground) -> None:
    training = Training(ground)
    jobs = TrainingJobs(ground, training.launch, training.stop)
    assert isinstance(ground.store, Full)
    ground.store.fails = 1
    request: dict[str, Any] = world.job_request("leaves_no_model.py")
    jobs.create(request)
    doc = _ended(ground, training, request["TrainingJobName"])
    assert (doc["TrainingJobStatus"], doc["FailureReason"]) == ("Failed", steps.INTERNAL)
    training.close()
