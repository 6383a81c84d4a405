"""The status objects in the bucket: what became of a drop and of a pipeline."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from chalicelib.flows.report import Report
from chalicelib.model import Channel, Dataset, DatasetId, DatasetState, PipelineRecord
from chalicelib.names import run12
from chalicelib.pipeline import Problem
from tests.fakes.world import World
from tests.flows.machines import Machines


def _report(world: World) -> Report:
    return Report(bucket=world.bucket, records=world.records, clock=world.clock)


def _read(world: World, key: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(world.bucket.read(key))
    return said


def test_a_drop_that_is_still_collecting_says_what_it_waits_for() -> None:
    world = World()
    _report(world).dataset(Dataset(DatasetId("digits", "mnist"), waiting="There is no pipeline digits yet."))
    assert _read(world, "status/digits/mnist.json") == {
        "dataset": "digits/mnist",
        "pipeline": "digits",
        "state": "collecting",
        "stage": "collecting",
        "run": None,
        "reason": "There is no pipeline digits yet.",
        "todo": None,
        "channels": {},
        "at": "2027-01-15T08:00:00.000Z",
    }


def test_a_refused_drop_says_why_and_what_to_do() -> None:
    world = World()
    refused = Dataset(DatasetId("digits", "mnist"), DatasetState.REFUSED, reason="It is empty.", todo="Add files.")
    _report(world).dataset(refused)
    said = _read(world, "status/digits/mnist.json")
    assert (said["stage"], said["reason"], said["todo"]) == ("refused", "It is empty.", "Add files.")


def test_a_sealed_drop_tells_its_channels_and_the_stage_of_its_run() -> None:
    it = Machines()
    run = it.seal()
    dataset = it.world.records.dataset(run.dataset)
    assert dataset is not None
    _report(it.world).dataset(replace(dataset, channels=(Channel("training", 2, 20, "s3://bucket/x"),)))
    said = it.status()
    assert (said["stage"], said["run"]) == ("preparing", run12(run.id))
    assert said["channels"] == {"training": {"objects": 2, "bytes": 20}}


def test_late_files_do_not_hide_that_a_drop_is_collecting_again() -> None:
    it = Machines()
    run = it.deploy()
    dataset = it.world.records.dataset(run.dataset)
    assert dataset is not None
    _report(it.world).dataset(replace(dataset, state=DatasetState.COLLECTING))
    assert (it.status()["state"], it.status()["stage"]) == ("collecting", "collecting")


def test_every_drop_that_points_at_a_run_is_told_of_it() -> None:
    it = Machines()
    run = it.seal()
    twin = DatasetId("digits", "twin")
    it.world.records.save(Dataset(twin, DatasetState.SEALED, run=run.id))
    it.world.records.point(run.id, twin)
    it.runs.advance(run12(run.id))
    assert it.status("mnist")["stage"] == it.status("twin")["stage"] == "training"


def test_a_drop_that_went_on_to_another_run_is_not_told_of_the_old_one() -> None:
    it = Machines()
    run = it.seal()
    dataset = it.world.records.dataset(run.dataset)
    assert dataset is not None
    it.world.records.save(replace(dataset, run="v1" + "0" * 64))
    it.runs.advance(run12(run.id))
    assert it.world.bucket.head("status/digits/mnist.json") is None


def test_a_pipeline_that_is_refused_tells_each_problem_with_line_and_key() -> None:
    world = World()
    record = PipelineRecord("digits", version="abc", problem="line 3, train.epochs: unknown key")
    _report(world).pipeline(record, [Problem(3, "train.epochs", "unknown key")])
    said = _read(world, "status/digits.json")
    assert (said["state"], said["version"]) == ("refused", "abc")
    assert said["problems"] == [{"line": 3, "key": "train.epochs", "message": "unknown key"}]


def test_a_pipeline_is_told_as_settling_then_accepted() -> None:
    world = World()
    report = _report(world)
    report.pipeline(PipelineRecord("digits", timer=world.clock() + 5))
    assert _read(world, "status/digits.json")["state"] == "settling"
    report.pipeline(PipelineRecord("digits", version="abc"))
    said = _read(world, "status/digits.json")
    assert (said["state"], said["problems"]) == ("accepted", [])


def test_a_problem_known_only_as_a_sentence_is_told_all_the_same() -> None:
    world = World()
    _report(world).pipeline(PipelineRecord("digits", problem="There is no pipeline.toml."))
    assert _read(world, "status/digits.json")["problems"] == [
        {"line": None, "key": None, "message": "There is no pipeline.toml."}
    ]
