"""Bad drops are refused before anything is spent, in the status, with what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.decide import layout
from chalicelib.model import Dataset, DatasetId, DatasetState, Entry, Listing, PipelineRecord
from tests.flows.yard import FIRST, MNIST, TRAIN, Yard

FORBIDDEN = '[train]\ninstance_type = "ml.p4d.24xlarge"\n'


def dropped(*keys: str, toml: str = TRAIN, run_toml: str | bytes | None = None, body: str = "x") -> Yard:
    yard = Yard()
    yard.pipeline(toml)
    for key in keys:
        yard.put(key, body)
    if run_toml is not None:
        yard.put("datasets/digits/mnist/run.toml", run_toml)
    yard.wait(130)
    return yard


def assert_refused(yard: Yard, *told: str, dataset: DatasetId = MNIST) -> None:
    status = yard.status(dataset)
    assert status["state"] == "refused"
    assert status["todo"]
    for words in told:
        assert words in status["reason"]
    assert yard.all_runs() == ()
    assert yard.dataset(dataset).due is None


def test_no_training_channel() -> None:
    assert_refused(dropped("datasets/digits/mnist/train/a.png"), '"training"', '"train"')


def test_a_channel_that_the_pipeline_requires() -> None:
    yard = dropped(FIRST, toml=TRAIN + 'required_channels = ["training", "evaluation"]\n')
    assert_refused(yard, '"evaluation"')


def test_a_dataset_with_nothing_but_a_ready() -> None:
    assert_refused(dropped("datasets/digits/mnist/_READY", body=""), "empty")


def test_a_zero_byte_object() -> None:
    assert_refused(dropped(FIRST, body=""), f"empty file: {FIRST}")


def test_a_file_that_lies_in_no_channel() -> None:
    assert_refused(dropped(FIRST, "datasets/digits/mnist/labels.csv"), "datasets/digits/mnist/labels.csv")


def test_a_key_that_is_both_a_file_and_a_folder() -> None:
    assert_refused(dropped("datasets/digits/mnist/training/a", "datasets/digits/mnist/training/a/b"), "training/a")


def test_a_folder_and_a_single_object_of_one_name() -> None:
    assert_refused(dropped(FIRST, "datasets/digits/mnist.zip"), "datasets/digits/mnist.zip", "datasets/digits/mnist/")


def test_two_single_objects_of_one_name() -> None:
    assert_refused(dropped("datasets/digits/mnist.csv", "datasets/digits/mnist.zip"), "mnist.csv", "mnist.zip")


def test_a_manifest() -> None:
    assert_refused(dropped("datasets/digits/mnist.manifest"), "not supported yet")


def test_an_object_without_an_extension() -> None:
    assert_refused(dropped("datasets/digits/mnist"), "no extension")


@pytest.mark.parametrize(
    ("body", "why"), [("ready!", "not JSON"), ("[1]", "no object of counts"), ("x" * 20_000, "16,384")]
)
def test_a_malformed_ready(body: str, why: str) -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.put("datasets/digits/mnist/_READY", body)
    yard.wait(1)
    assert_refused(yard, "_READY", why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (FORBIDDEN, "ml.p4d.24xlarge"),
        ("[deploy]\ninitial_instance_count = 9\n", "deploy.initial_instance_count"),
        ("[train]\nno_such_key = 1\n", "no_such_key"),
        ("not toml", "run.toml"),
        (b"\xff\xfe", "run.toml"),
        ("x = 1 #" + "y" * 70_000, "run.toml"),
    ],
)
def test_an_override_that_the_stage_forbids_or_nobody_can_read(text: str | bytes, why: str) -> None:
    assert_refused(dropped(FIRST, run_toml=text), why)


def test_an_instance_type_that_the_stage_forbids() -> None:
    assert_refused(dropped(FIRST, toml=TRAIN + 'instance_type = "ml.p4d.24xlarge"\n'), "ml.p4d.24xlarge", "ml.m5.large")


def test_more_objects_than_are_ever_sealed() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.wait(1)
    listed = Listing(began=yard.world.clock() + 115, listed=layout.OBJECT_LIMIT)
    yard.world.records.save(replace(yard.dataset(), listing=listed))
    yard.wait(130)
    assert_refused(yard, "more than 2,000,000 objects")


@pytest.mark.parametrize(
    "key",
    [
        "datasets//mnist/training/a.png",
        "datasets/../mnist/training/a.png",
        "datasets/Digits/mnist/training/a.png",
        "datasets/digits//training/a.png",
        "datasets/digits/../training/a.png",
        "datasets/digits/a\tb/training/a.png",
        "datasets/digits/" + "x" * 900 + "/training/a.png",
        "datasets/" + "x" * 1000 + "/mnist/a",
        "datasets/digits/run.toml",
        "datasets/digits/_READY",
    ],
)
def test_a_hostile_name_is_refused_at_once_in_a_status_of_its_own(key: str) -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(key)
    yard.put(key)
    yard.deliver()
    (status,) = yard.world.bucket.keys("status/")
    told = yard.world.bucket.peek_json(status)
    assert told["state"] == "refused"
    assert told["todo"]
    assert len(yard.world.timer.pending) == 0
    assert yard.all_runs() == ()
    assert yard.world.count("records.save") == 2, "the pipeline, and one refusal for two events"


@pytest.mark.parametrize("key", ["datasets/loose.csv", "datasets/digits/mnist/", "datasets/digits/mnist/x/.DS_Store"])
def test_junk_starts_nothing_and_says_nothing(key: str) -> None:
    yard = dropped(key)
    assert yard.world.bucket.keys("status/") == ()
    assert yard.world.records.datasets().items == ()


def test_a_dataset_for_an_unknown_pipeline_waits_says_so_and_starts_when_it_arrives() -> None:
    yard = Yard()
    yard.pipeline(name="digits")
    waiting = DatasetId("digit", "mnist")
    yard.put("datasets/digit/mnist/training/a.png")
    yard.wait(125)
    assert yard.status(waiting)["state"] == "collecting"
    assert 'no pipeline named "digit"' in yard.status(waiting)["reason"]
    assert 'did you mean "digits"?' in yard.status(waiting)["reason"]
    reads = yard.world.records.reads
    yard.tick(30)
    assert yard.world.records.reads - reads < 30 * 10, "it is not looked at while it waits"
    yard.pipeline(name="digit")
    yard.wait(5)
    assert yard.dataset(waiting).state is DatasetState.SEALED


def test_a_pipeline_that_arrives_during_the_look_wakes_the_dataset_all_the_same() -> None:
    """It asks who waits before the dataset says that it does."""
    yard = Yard()
    yard.put(FIRST)
    yard.deliver()
    yard.world.clock.advance(121)
    save = yard.world.records.save

    class LateRecords:
        def __getattr__(self, name: str) -> object:
            return getattr(yard.world.records, name)

        def save(self, item: Dataset, *entries: Entry) -> Dataset:
            yard.datasets.records = yard.world.records
            yard.pipeline()
            return save(item, *entries)

    yard.world.timer.due()
    yard.datasets.records = LateRecords()  # type: ignore[assignment] # the port, but for one method
    yard.datasets.advance(MNIST)
    yard.wait(5)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_dataset_whose_pipeline_was_only_ever_refused_waits_and_says_so() -> None:
    yard = Yard()
    yard.world.records.save(PipelineRecord("digits", problem="line 1: not TOML"))
    yard.put(FIRST)
    yard.wait(125)
    assert yard.status()["state"] == "collecting"
    assert "status/digits.json" in yard.status()["reason"]


def test_ten_thousand_datasets_that_wait_for_a_pipeline_are_woken_a_few_a_second() -> None:
    yard = Yard()
    for number in range(300):
        yard.put(f"datasets/digits/d{number}.csv")
    yard.wait(130)
    yard.world.timer.due()
    yard.pipeline()
    arrivals = [at for at, _ in yard.world.timer.pending]
    assert len(arrivals) == 300
    assert max(arrivals.count(at) for at in arrivals) <= 20


def test_a_refusal_that_is_dropped_again_unchanged_is_refused_again_with_the_same_reason() -> None:
    yard = dropped("datasets/digits/mnist/train/a.png")
    before = yard.status()["reason"]
    yard.put("datasets/digits/mnist/train/a.png")
    yard.wait(125)
    assert_refused(yard, before)


def test_a_refused_override_is_mended_by_a_new_run_toml_and_a_ready() -> None:
    yard = dropped(FIRST, run_toml=FORBIDDEN)
    yard.put("datasets/digits/mnist/run.toml", "[train.hyperparameters]\nepochs = 3\n")
    yard.wait(125)
    assert yard.dataset().state is DatasetState.REFUSED
    yard.put("datasets/digits/mnist/_READY", "")
    yard.wait(6)
    assert yard.dataset().state is DatasetState.SEALED
    assert json.dumps(yard.status()["reason"]) == "null"
