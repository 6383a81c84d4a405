"""Dropped files become one run: by quiet, by `_READY`, or as a single object."""

from __future__ import annotations

import json

from chalicelib.decide.identity import listing_digest
from chalicelib.flows.comparing import compare
from chalicelib.model import Channel, DatasetId, DatasetState, RunState
from chalicelib.names import run12
from tests.flows.yard import FIRST, MNIST, SECOND, TRAIN, Yard

READY = "datasets/digits/mnist/_READY"
MARKER = '[trigger]\nstart = "marker"\n' + TRAIN


def ready_yard(toml: str = TRAIN) -> Yard:
    yard = Yard()
    yard.pipeline(toml)
    return yard


def changes(yard: Yard) -> tuple[str, ...]:
    compared = compare(yard.world.bucket, yard.run(), yard.world.clock)
    assert compared.done
    assert compared.count == len(compared.changed)
    return compared.changed


def test_a_dataset_seals_when_nothing_has_arrived_for_the_quiet_time() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.put(SECOND)
    yard.wait(119)
    assert yard.dataset().state is DatasetState.COLLECTING
    assert yard.status()["reason"] == "It seals when nothing has arrived for 120 seconds."
    yard.wait(5)
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.run().state is RunState.PREPARING
    assert yard.ready == [run12(yard.run().id)]
    assert yard.status()["state"] == "sealed"
    assert yard.status()["channels"] == {"training": {"objects": 2, "bytes": 2}}


def test_the_quiet_begins_again_with_each_arrival() -> None:
    yard = ready_yard("[trigger]\nquiet_seconds = 30\n" + TRAIN)
    for number in range(5):
        yard.put(f"datasets/digits/mnist/training/{number}.png")
        yard.wait(25)
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.wait(10)
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.run().channels[0].objects == 5


def test_a_run_is_frozen_with_a_manifest_for_each_channel_and_every_key_with_size_and_etag() -> None:
    yard = ready_yard()
    first = yard.put(FIRST)
    other = yard.put("datasets/digits/mnist/evaluation/ü +%.png", "yy")
    yard.put("datasets/digits/mnist/training/.DS_Store")
    yard.put("datasets/digits/mnist/_READY", "")
    yard.wait(10)
    run = yard.run()
    prefix = f"runs/digits/{run12(run.id)}/input/"
    bucket = yard.world.bucket
    assert bucket.peek_json(f"{prefix}training.manifest") == [
        {"prefix": "s3://bucket/datasets/digits/mnist/training/"},
        "0/a.png",
    ]
    assert bucket.peek_json(f"{prefix}evaluation.manifest")[1:] == ["ü +%.png"]
    assert bucket.peek_json(f"{prefix}sealed.json")["objects"] == [
        ["evaluation/ü +%.png", 2, other.etag],
        ["training/0/a.png", 1, first.etag],
    ]
    assert run.channels == (
        Channel("evaluation", 1, 2, f"s3://bucket/{prefix}evaluation.manifest"),
        Channel("training", 1, 1, f"s3://bucket/{prefix}training.manifest"),
    )
    assert run.digest == listing_digest([("evaluation/ü +%.png", other), ("training/0/a.png", first)])
    assert run.version == next(iter(yard.versions.by_digest))
    assert yard.dataset().digest == run.digest


def test_a_single_object_starts_at_once_and_is_handed_over_verbatim() -> None:
    yard = ready_yard()
    found = yard.put("datasets/digits/mnist.tar.gz", "archive")
    yard.wait(0)
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.run().channels == (
        Channel("training", 1, 7, "s3://bucket/datasets/digits/mnist.tar.gz", manifest=False),
    )
    assert yard.run().digest == listing_digest([("tar.gz", found)])
    assert not [key for key in yard.world.bucket.keys("runs/") if key.endswith(".manifest")]


def test_an_empty_ready_shortens_the_quiet_to_five_seconds() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.put(READY, "")
    yard.wait(4)
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.wait(2)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_ready_with_counts_seals_the_moment_the_listing_agrees() -> None:
    yard = ready_yard()
    yard.put(READY, json.dumps({"training": 2}))
    yard.put(FIRST)
    yard.wait(30)
    assert yard.dataset().state is DatasetState.COLLECTING
    assert yard.status()["reason"] == "It seals when the listing agrees with _READY."
    yard.put(SECOND)
    yard.wait(5)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_ready_that_agrees_when_it_arrives_seals_without_any_quiet() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.put(READY, json.dumps({"training": 1}))
    yard.wait(0)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_ready_that_promises_more_says_so_then_refuses_with_both_counts() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.put(READY, json.dumps({"training": 3}))
    yard.wait(100)
    yard.put(SECOND)
    yard.wait(90)
    told = "_READY promises training: 3; the listing has training: 2."
    assert yard.status()["state"] == "collecting"
    assert yard.status()["reason"] == told
    yard.wait(60)
    assert yard.dataset().state is DatasetState.REFUSED
    assert yard.status()["reason"] == told
    assert yard.status()["todo"]
    yard.put("datasets/digits/mnist/training/c.png")
    yard.wait(5)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_pipeline_that_starts_by_marker_seals_only_with_a_ready() -> None:
    yard = ready_yard(MARKER)
    yard.put(FIRST)
    yard.wait(4000, step=60)
    yard.tick(10)
    assert yard.dataset().state is DatasetState.COLLECTING
    assert "_READY" in yard.status()["reason"]
    yard.put(READY, "")
    yard.wait(6)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_marker_is_used_up_by_its_seal() -> None:
    yard = ready_yard(MARKER)
    yard.put(FIRST)
    yard.put(READY, "")
    yard.wait(6)
    yard.put(SECOND)
    yard.wait(600)
    yard.tick(20)
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.put(READY, "")
    yard.wait(6)
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.run().channels[0].objects == 2


def test_a_run_toml_never_starts_anything_and_is_no_data() -> None:
    yard = ready_yard()
    yard.put("datasets/digits/mnist/run.toml", "[train.hyperparameters]\nepochs = 3\n")
    yard.wait(200)
    assert yard.world.records.dataset(MNIST) is None
    yard.put(FIRST)
    yard.wait(125)
    assert yard.run().overrides == "[train.hyperparameters]\nepochs = 3\n"
    assert yard.run().channels[0].objects == 1


def test_an_override_makes_another_run_of_the_same_files() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.put("datasets/digits/other/training/0/a.png")
    yard.put("datasets/digits/other/run.toml", '[train]\ninstance_type = "ml.m5.xlarge"\n')
    yard.wait(125)
    other = yard.run(DatasetId("digits", "other"))
    assert other.digest == yard.run().digest
    assert other.id != yard.run().id


def test_a_dataset_waits_for_a_multipart_upload_younger_than_a_day() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    upload = yard.world.bucket.begin_upload("datasets/digits/mnist/training/large.bin")
    yard.wait(300)
    assert yard.dataset().state is DatasetState.COLLECTING
    assert "multipart upload" in yard.status()["reason"]
    upload.complete(b"large")
    yard.put("datasets/digits/mnist/training/large.bin", "large")
    yard.wait(240)
    assert yard.run().channels[0].objects == 2


def test_a_forgotten_multipart_upload_holds_nothing_up_after_a_day() -> None:
    yard = ready_yard()
    yard.world.bucket.begin_upload("datasets/digits/mnist/training/large.bin")
    yard.world.clock.advance(86_400)
    yard.put(FIRST)
    yard.wait(125)
    assert yard.dataset().state is DatasetState.SEALED


def test_objects_that_no_event_told_of_yet_are_waited_for() -> None:
    """Events may be late: what the listing shows as new counts as news."""
    yard = ready_yard()
    yard.put(FIRST)
    yard.wait(100)
    yard.put(SECOND, told=False)
    yard.wait(30)
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.wait(100)
    assert yard.run().channels[0].objects == 2


def test_two_datasets_with_the_same_content_under_different_names_are_one_run() -> None:
    yard = ready_yard()
    other = DatasetId("digits", "copy of mnist")
    yard.put(FIRST)
    yard.put(f"datasets/{other}/training/0/a.png")
    yard.wait(125)
    assert yard.dataset(other).state is DatasetState.SEALED
    assert len(yard.all_runs()) == 1
    assert yard.run(other).id == yard.run().id
    assert set(yard.world.records.pointing(yard.run().id)) == {MNIST, other}


def test_a_sealed_key_that_was_overwritten_or_deleted_is_named_and_a_new_one_is_not() -> None:
    yard = ready_yard()
    for name in ("a", "b", "c"):
        yard.put(f"datasets/digits/mnist/training/{name}.png")
    yard.wait(125)
    bucket = yard.world.bucket
    assert changes(yard) == ()
    bucket.put("datasets/digits/mnist/training/d.png", b"late")
    assert changes(yard) == ()
    bucket.put("datasets/digits/mnist/training/a.png", b"other")
    bucket.remove("datasets/digits/mnist/training/c.png")
    assert changes(yard) == (
        "datasets/digits/mnist/training/a.png",
        "datasets/digits/mnist/training/c.png",
    )


def test_a_single_object_that_was_overwritten_or_deleted_is_named() -> None:
    yard = ready_yard()
    key = "datasets/digits/mnist.csv"
    yard.put(key, "a,b")
    yard.wait(0)
    bucket = yard.world.bucket
    assert changes(yard) == ()
    bucket.put(key, b"c,d")
    assert changes(yard) == (key,)
    bucket.remove(key)
    assert changes(yard) == (key,)


def test_the_changes_of_a_shared_run_are_those_of_the_folder_that_its_job_read() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.wait(125)
    yard.put("datasets/digits/other/training/0/a.png")
    yard.wait(125)
    yard.world.bucket.remove("datasets/digits/other/training/0/a.png")
    assert changes(yard) == ()


def test_a_comparison_after_the_job_lists_no_further_than_the_last_sealed_key() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.wait(125)
    for number in range(3000):
        yard.put(f"datasets/digits/mnist/training/z{number}.png", told=False)
    before = yard.world.count("bucket.page")
    assert changes(yard) == ()
    assert yard.world.count("bucket.page") - before == 1


def test_wake_ups_that_come_twice_or_for_nothing_write_nothing() -> None:
    yard = ready_yard()
    yard.put(FIRST)
    yard.wait(10)
    before = yard.world.records.writes, yard.world.bucket.writes, list(yard.world.timer.pending)
    for _ in range(3):
        yard.datasets.advance(MNIST)
        yard.datasets.advance(DatasetId("digits", "never heard of"))
    assert (yard.world.records.writes, yard.world.bucket.writes, yard.world.timer.pending) == before
    yard.wait(125)
    rev = yard.dataset().rev
    yard.datasets.advance(MNIST)
    assert yard.dataset().rev == rev
