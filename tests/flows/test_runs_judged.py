"""A run whose job has completed: what it left behind is checked, gated and registered."""

from __future__ import annotations

import json

import pytest

from chalicelib.aws.items import machine_item
from chalicelib.model import Command, Entry, RunState
from chalicelib.names import run12
from chalicelib.ports import Stored
from tests.fakes.records import FakeRecords
from tests.flows.machines import GATE, LABELS, METRICS, PIPELINE, TRAIN, Machines


def test_files_changed_while_it_trained_fail_the_run_by_name() -> None:
    it = Machines()
    it.changed = ("datasets/digits/mnist/training/1.png",)
    run = it.register()
    assert run.state is RunState.FAILED
    assert "datasets/digits/mnist/training/1.png" in str(run.reason)
    assert it.world.registry.requests == []


def test_a_job_that_leaves_no_model_fails_the_run() -> None:
    run = Machines().register(model=False)
    assert run.state is RunState.FAILED
    assert "model.tar.gz" in str(run.reason)


def test_labels_are_read_from_the_log_of_any_length() -> None:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.say(it.job(run), *(f"line {number}" for number in range(2500)))
    it.finish(run)
    it.runs.advance(run12(run.id))
    assert it.run(run).labels == LABELS


def test_labels_that_disagree_with_the_pipeline_fail_the_run() -> None:
    it = Machines(TRAIN + '[serve]\nlabels = ["7", "1"]\n')
    run = it.register()
    assert run.state is RunState.FAILED
    assert "[serve]" in str(run.reason)


def test_labels_of_the_pipeline_are_used_where_the_model_brings_none() -> None:
    it = Machines(TRAIN + '[serve]\nlabels = ["7", "1"]\n')
    assert it.register(labels=None).labels == ("7", "1")


def test_as_many_labels_as_are_allowed_go_live_again_and_again_in_one_item(monkeypatch: pytest.MonkeyPatch) -> None:
    save = FakeRecords.save

    def checked(self: FakeRecords, item: Stored, *entries: Entry) -> Stored:
        machine_item(item)
        return save(self, item, *entries)

    monkeypatch.setattr(FakeRecords, "save", checked)
    it = Machines(TRAIN)
    labels = [f"{number:057}" for number in range(1000)]
    for name in "abc":
        it.deploy(name, labels=labels)
    it.register("d", labels=labels)
    it.releases.orders.undeploy(PIPELINE, Command("arn:ada", it.world.clock()))
    it.releases.orders.redeploy(PIPELINE, Command("arn:ada", it.world.clock()))
    it.release_to_rest()
    assert it.release.live is not None
    assert len(it.release.live.labels) == 1000


def test_a_model_with_more_labels_than_a_release_can_keep_fails_its_run_and_says_so() -> None:
    run = Machines(TRAIN).register(labels=[f"{number:057}" for number in range(1001)])
    assert run.state is RunState.FAILED
    assert run.reason == "The model's 1001 labels need 60060 bytes in all, and may take 60000."
    assert "shorter" in str(run.todo)


def test_a_model_below_the_bar_is_rejected_with_both_numbers() -> None:
    it = Machines()
    run = it.register(metrics={"validation:accuracy": 0.5})
    assert run.state is RunState.REJECTED
    assert "0.5" in str(run.reason)
    assert "0.9" in str(run.reason)
    assert it.world.registry.requests == []
    assert it.status()["stage"] == "rejected"


def test_a_gate_that_finds_no_metric_says_which_there_are() -> None:
    run = Machines().register(metrics={"train:loss": 0.1, "train:accuracy": 1.0})
    assert run.state is RunState.REJECTED
    assert "train:accuracy, train:loss" in str(run.reason)


def test_a_model_that_does_not_beat_the_champion_is_rejected_and_the_champion_stays() -> None:
    it = Machines(TRAIN + GATE + "beat_champion_by = 0.01\n")
    champion = it.deploy("champion")
    run = it.register()
    assert run.state is RunState.REJECTED
    assert it.release.live is not None
    assert it.release.live.run == champion.id


def test_a_registered_run_tells_the_registry_where_it_came_from() -> None:
    it = Machines()
    run = it.register()
    (package,) = it.world.registry.requests
    assert (package.group, package.run, package.approved) == ("df-test-digits", run.id, True)
    assert package.metadata["dataset_digest"] == run.digest
    assert package.metadata["dataset"] == "digits/mnist"
    assert package.metadata["training_job"] == it.job(run)
    assert package.note == "Approved by rule: validation:accuracy is 0.97."
    assert package.metrics_uri == f"s3://bucket/runs/digits/{run12(run.id)}/metrics.json"
    told = json.loads(it.world.bucket.read(f"runs/digits/{run12(run.id)}/metrics.json"))
    assert told["multiclass_classification_metrics"]["validation:accuracy"]["value"] == METRICS["validation:accuracy"]


def test_a_pipeline_without_deploy_is_trained_and_registered_alone() -> None:
    it = Machines("deploy = false\n" + TRAIN + GATE)
    run = it.register()
    assert run.state is RunState.REGISTERED
    assert it.world.hosting.endpoints == {}
    assert it.status()["stage"] == "registered"
