"""What arrives after a seal: never half in, money never spent twice, and never on what nobody wants any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.flows.sealing import KNOWN_LIMIT
from chalicelib.model import Candidate, Dataset, DatasetId, DatasetState, Entry, Run, RunState
from tests.flows.yard import FIRST, MNIST, SECOND, TRAIN, Yard

OTHER = DatasetId("digits", "other")


def sealed() -> Yard:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.wait(125)
    yard.begin_training()
    return yard


def run_of(yard: Yard, run: str | None) -> Run:
    found = yard.world.records.run(run or "")
    assert found is not None
    return found


def end(yard: Yard, state: RunState) -> None:
    yard.world.records.save(replace(yard.run(), state=state, due=None, reason="exit code 1"))


def test_the_same_files_dropped_again_mid_training_stop_nothing_and_start_nothing() -> None:
    yard = sealed()
    before = yard.dataset()
    yard.put(FIRST)
    yard.wait(200)
    assert yard.dataset() == before, "not even a listing"
    assert len(yard.all_runs()) == 1
    assert yard.run().state is RunState.TRAINING
    assert not yard.run().superseded
    assert len(yard.ready) == 1


def test_the_same_files_and_a_ready_dropped_again_mid_training_stop_nothing_and_start_nothing() -> None:
    yard = sealed()
    yard.put(FIRST)
    yard.put("datasets/digits/mnist/_READY", "")
    yard.wait(200)
    assert yard.dataset().state is DatasetState.SEALED
    assert len(yard.all_runs()) == 1
    assert not yard.run().superseded
    assert len(yard.ready) == 1


def test_a_late_event_of_a_sealed_file_opens_nothing() -> None:
    yard = sealed()
    events = [yard.put(FIRST, told=False)]
    yard.put(FIRST)
    yard.events = [replace(event, at=event.at - 1000) for event in yard.events]
    yard.wait(10)
    assert events
    assert yard.dataset().state is DatasetState.SEALED


def test_a_late_file_makes_the_dataset_collect_again_and_leaves_its_run_alone() -> None:
    yard = sealed()
    first = yard.run()
    yard.put(SECOND)
    yard.wait(60)
    assert yard.status()["state"] == "collecting"
    assert yard.dataset().run == first.id
    assert run_of(yard, first.id) == first


def test_a_late_file_seals_as_another_run_and_the_old_one_is_stopped() -> None:
    yard = sealed()
    first = yard.run()
    yard.put(SECOND)
    yard.wait(125)
    assert yard.run().id != first.id
    assert yard.run().channels[0].objects == 2
    old = run_of(yard, first.id)
    assert old.superseded
    assert old.due is not None
    assert old.due <= yard.world.clock()
    assert yard.world.records.pointing(first.id) == ()
    assert set(yard.ready) >= {first.id[2:14], yard.run().id[2:14]}


def test_an_old_run_that_another_sealed_dataset_points_at_is_not_stopped() -> None:
    yard = sealed()
    yard.put(f"datasets/{OTHER}/training/0/a.png")
    yard.wait(125)
    first = yard.run()
    yard.put(SECOND)
    yard.wait(125)
    assert not run_of(yard, first.id).superseded
    assert yard.run(OTHER).id == first.id
    yard.put(f"datasets/{OTHER}/training/0/z.png")
    yard.wait(125)
    assert run_of(yard, first.id).superseded


def test_an_old_run_that_has_ended_is_left_as_it_is() -> None:
    yard = sealed()
    first = yard.run()
    end(yard, RunState.REGISTERED)
    yard.put(SECOND)
    yard.wait(125)
    assert run_of(yard, first.id).state is RunState.REGISTERED
    assert not run_of(yard, first.id).superseded


def test_files_that_are_put_back_as_they_were_take_up_the_run_that_was_about_to_stop() -> None:
    yard = sealed()
    first = yard.run()
    yard.put(SECOND)
    yard.wait(125)
    assert run_of(yard, first.id).superseded
    yard.world.bucket.remove(SECOND)
    yard.put("datasets/digits/mnist/_READY", "")
    yard.wait(10)
    assert yard.dataset().run == first.id
    assert not run_of(yard, first.id).superseded


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.STOPPED])
def test_files_that_are_put_back_after_their_run_was_lost_train_again_from_where_they_are(state: RunState) -> None:
    yard = sealed()
    first = yard.run()
    yard.put(SECOND)
    yard.wait(125)
    lost = run_of(yard, first.id)
    ended = replace(lost, state=state, candidate=Candidate("job-a1"), reason="lost", ended_at=1.0, due=None)
    yard.world.records.save(ended)
    yard.put(f"datasets/{OTHER}/training/0/a.png")
    yard.wait(125)
    again = yard.run(OTHER)
    assert again.id == first.id
    assert (again.state, again.superseded, again.reason, again.ended_at) == (RunState.PREPARING, False, None, None)
    assert again.candidate is not None
    assert again.candidate.attempt == 2
    manifest = yard.world.bucket.peek_json(again.channels[0].uri.removeprefix(f"s3://{yard.world.bucket.name}/"))
    assert manifest[0]["prefix"].endswith("/other/training/")
    assert yard.ready[-1] == first.id[2:14]


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.REJECTED, RunState.STOPPED])
def test_a_run_that_failed_is_not_tried_again_by_the_same_content(state: RunState) -> None:
    yard = sealed()
    end(yard, state)
    handed_over = list(yard.ready)
    yard.put(f"datasets/{OTHER}/training/0/a.png")
    yard.wait(125)
    assert yard.dataset(OTHER).state is DatasetState.SEALED
    assert yard.run(OTHER).state is state
    assert yard.status(OTHER)["stage"] == state.value
    assert yard.status(OTHER)["reason"] == "exit code 1"
    assert yard.ready == handed_over


def test_a_late_file_that_makes_it_no_dataset_refuses_it_and_stops_nothing() -> None:
    yard = sealed()
    first = yard.run()
    yard.put("datasets/digits/mnist/notes.txt")
    yard.wait(125)
    assert yard.dataset().state is DatasetState.REFUSED
    assert not run_of(yard, first.id).superseded


def test_the_same_files_dropped_again_after_a_new_version_train_again() -> None:
    yard = sealed()
    first = yard.run()
    yard.pipeline(TRAIN, code="other")
    yard.wait(10)
    assert yard.run().id == first.id, "a sealed dataset keeps its run"
    yard.put(FIRST)
    yard.wait(125)
    assert yard.run().id != first.id
    assert yard.run().digest == first.digest
    assert run_of(yard, first.id).superseded


def test_the_same_files_dropped_again_after_a_change_in_serving_start_nothing() -> None:
    yard = sealed()
    yard.pipeline(TRAIN + "[serve]\ntop_k = 3\n")
    yard.put(FIRST)
    yard.wait(125)
    assert len(yard.all_runs()) == 1
    assert yard.dataset().state is DatasetState.SEALED


@pytest.mark.parametrize("files_first", [True, False])
def test_the_same_files_dropped_again_with_another_run_toml_train_again(*, files_first: bool) -> None:
    yard = sealed()
    first = yard.run()
    keys = [(FIRST, "x"), ("datasets/digits/mnist/run.toml", "[train.hyperparameters]\nepochs = 3\n")]
    for key, body in keys if files_first else keys[::-1]:
        yard.put(key, body)
    yard.deliver(batch=1)
    yard.wait(125)
    assert yard.run().id != first.id
    assert yard.run().digest == first.digest


def test_an_upload_during_the_listing_is_never_half_in() -> None:
    """Its news meets the save as a conflict, or opens the dataset again."""
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.deliver()
    yard.world.clock.advance(121)
    yard.world.timer.due()
    world, page = yard.world, yard.world.bucket.page

    class BusyBucket:
        def __getattr__(self, name: str) -> object:
            return getattr(world.bucket, name)

        def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> object:
            found = page(prefix, after=after, limit=limit)
            yard.datasets.bucket = world.bucket
            yard.put(SECOND)
            yard.deliver()
            return found

    yard.datasets.bucket = BusyBucket()  # type: ignore[assignment] # the port, but for one method
    yard.datasets.advance(MNIST)
    assert yard.status()["state"] == "collecting"
    yard.wait(125)
    assert yard.run().channels[0].objects == 2
    yard.tick(10)
    assert [run.superseded for run in yard.all_runs() if run.id != yard.run().id] == [True] * (len(yard.all_runs()) - 1)


def test_a_straggler_that_the_listing_saw_opens_nothing_under_a_new_version() -> None:
    """It is the same drop, not the files dropped again."""
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.deliver()
    yard.world.clock.advance(10)
    yard.put("datasets/digits/mnist/training/c.png")
    straggler = yard.events
    yard.events = []
    yard.world.clock.advance(10)
    yard.put(SECOND, told=False)
    yard.wait(250)
    assert yard.run().channels[0].objects == 3
    yard.pipeline(code="other")
    yard.batch(straggler)
    assert yard.dataset().state is DatasetState.SEALED


def test_a_status_that_a_faster_worker_made_wrong_is_told_again() -> None:
    """This worker says "collecting", then loses its save to one that has noted and sealed the same news."""
    yard = sealed()
    yard.put(SECOND)
    events, world = list(yard.events), yard.world
    slow = yard.datasets

    class SlowRecords:
        def __getattr__(self, name: str) -> object:
            return getattr(world.records, name)

        def save(self, item: Dataset, *entries: Entry) -> Dataset:
            slow.records = world.records
            yard.restart()
            yard.wait(125)
            slow.report.dataset(item)
            return world.records.save(item, *entries)

    slow.records = SlowRecords()  # type: ignore[assignment] # the port, but for one method
    events = [replace(event, at=event.at - 1) for event in events]
    assert slow.uploaded(events) == ()
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.status()["state"] == "sealed"


def test_a_file_that_only_looks_like_the_sealed_single_object_opens_the_dataset() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/mnist.csv", "1,2")
    yard.wait(1)
    assert yard.dataset().state is DatasetState.SEALED
    yard.put("datasets/digits/mnist/csv", "1,2")
    yard.wait(125)
    assert yard.dataset().state is DatasetState.REFUSED


def test_a_folder_in_the_place_of_a_single_object_waits_for_its_quiet() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/mnist.csv", "1,2")
    yard.wait(1)
    yard.world.bucket.remove("datasets/digits/mnist.csv")
    yard.put(FIRST)
    yard.wait(100)
    yard.datasets.advance(MNIST)
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.put(SECOND)
    yard.wait(130)
    assert yard.run().channels[0].objects == 2
    assert yard.dataset().single is None


def test_of_a_long_list_nothing_is_read_again_and_the_same_files_seal_as_the_same_run() -> None:
    yard = sealed()
    long = tuple(replace(it, objects=KNOWN_LIMIT + 1) for it in yard.run().channels)
    first = yard.world.records.save(replace(yard.run(), channels=long))
    read = yard.world.count("bucket.read")
    yard.put(FIRST)
    yard.deliver()
    assert yard.world.count("bucket.read") - read <= 1, "run.toml at most"
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.wait(125)
    assert yard.dataset().state is DatasetState.SEALED
    assert [run.id for run in yard.all_runs()] == [first.id]
    assert not yard.run().superseded
