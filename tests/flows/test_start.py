"""Starting by hand: at once, safe to repeat, once for each content, and nothing is lost where somebody dies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.decide.sources import name_of
from chalicelib.errors import InvalidError, NotFoundError, NotNowError, RefusedError
from chalicelib.model import DatasetId, DatasetState, Entry, PipelineRecord, Run, RunState
from chalicelib.names import run12
from tests.fakes.calls import CrashError
from tests.flows.yard import FIRST, MNIST, SECOND, TRAIN, Yard

MANUAL = f'{TRAIN}\n[trigger]\nstart = "manual"\n'
BESIDE = f'{TRAIN}\n[trigger]\nlate_files = "new_run"\n'
EPOCHS: Mapping[str, Any] = {"train.hyperparameters.epochs": 5}


def collecting(toml: str = TRAIN) -> Yard:
    """Make a yard in which a drop has just arrived."""
    yard = Yard()
    yard.pipeline(toml)
    yard.put(FIRST)
    yard.deliver()
    return yard


def sealed(toml: str = TRAIN) -> Yard:
    """Make a yard in which a drop is sealed, and its run trains."""
    yard = collecting(toml)
    yard.start()
    yard.begin_training()
    return yard


def run_of(yard: Yard, run: str) -> Run:
    found = yard.world.records.run(run)
    assert found is not None
    return found


def test_a_drop_that_collects_is_sealed_at_once_when_it_is_asked_for() -> None:
    yard = collecting()
    said = yard.start()
    assert (said.changed, said.stage) == (True, "preparing")
    assert said.what == f"The dataset digits/mnist is sealed: run {run12(yard.run().id)}, preparing."
    assert yard.ready == [run12(yard.run().id)]
    assert yard.dataset().asked is None
    asked = next(it for it in yard.world.records.entries(f"dataset:{MNIST}") if it.what == "start asked for")
    assert (asked.facts["by"], asked.facts["reason"]) == ("arn:ada", "by hand")


@pytest.mark.parametrize("key", [FIRST, "datasets/digits/mnist.csv"])
def test_a_drop_that_no_event_told_of_yet_is_started_and_its_event_starts_nothing_more(key: str) -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(key)  # its event is under way
    said = yard.start()
    assert (said.changed, said.stage) == (True, "preparing")
    assert yard.dataset().state is DatasetState.SEALED
    yard.begin_training()
    yard.wait(600)
    assert [run.id for run in yard.all_runs()] == [yard.run().id]
    assert yard.ready == [run12(yard.run().id)]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("mnist", "mnist/"),  # the "folder" that a console makes
        ("mnist", "mnist/.DS_Store"),
        ("mnist/training", "mnist/training/a.png"),
        ("mnist", "mnist.v2.csv"),
        ("~odd", "~odd/training/a.png"),
        ("..", "../training/a.png"),
    ],
)
def test_a_name_under_which_no_dataset_lies_is_not_found(name: str, key: str) -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(f"datasets/digits/{key}", told=False)
    with pytest.raises(NotFoundError, match="no dataset"):
        yard.start(name)
    assert yard.world.records.datasets().items == ()


def test_what_is_a_run_already_starts_nothing_and_says_which() -> None:
    yard = sealed()
    before = yard.run()
    for _ in range(2):
        said = yard.start()
        assert (said.changed, said.run) == (False, before)
        assert (
            said.what == f"The dataset digits/mnist is run {run12(before.id)} already, training; nothing was started."
        )
    assert yard.all_runs() == (before,)
    assert yard.status()["state"] == "sealed"
    assert len(yard.ready) == 1


def test_a_newer_version_of_the_code_makes_another_run_of_the_same_files() -> None:
    yard = sealed()
    first = yard.run()
    yard.pipeline(code="c1de")
    assert yard.start().changed
    assert yard.run().id != first.id
    assert (run_of(yard, first.id).superseded, run_of(yard, first.id).kept) == (False, True)


def test_a_training_that_goes_on_is_not_stopped_by_another_start_of_the_same_files_and_the_answer_says_so() -> None:
    yard = sealed()
    first = yard.run()
    said = yard.start(values=EPOCHS)
    assert said.what == (
        f"The dataset digits/mnist is sealed: run {run12(yard.run().id)}, preparing. "
        f"Run {run12(first.id)} goes on beside it; `dropforge stop {run12(first.id)}` ends it."
    )
    yard.tick(20)
    kept = run_of(yard, first.id)
    assert (kept.kept, kept.superseded, kept.state) == (True, False, RunState.TRAINING)
    assert yard.datasets.seals.handover.held(kept), "it can be retried"
    assert yard.datasets.check_run(run12(first.id)), "the schedule looks after it"


def test_what_ended_before_another_start_of_the_same_files_can_still_be_retried() -> None:
    yard = sealed()
    first = yard.world.records.save(replace(yard.run(), state=RunState.FAILED, reason="exit code 1", due=None))
    said = yard.start(values=EPOCHS)
    assert "beside" not in said.what
    assert yard.datasets.seals.handover.held(run_of(yard, first.id))


def test_a_start_of_files_that_changed_stops_the_run_of_before() -> None:
    yard = sealed()
    first = yard.run()
    yard.world.clock.advance(1)
    yard.put(SECOND)
    assert "beside" not in yard.start(values=EPOCHS).what
    assert (run_of(yard, first.id).superseded, run_of(yard, first.id).kept) == (True, False)


def test_a_worker_that_dies_in_another_start_of_the_same_files_stops_no_run() -> None:
    number = 0
    while True:
        number += 1
        yard = sealed()
        first = yard.run()
        yard.world.fail_at(number)
        try:
            yard.start(values=EPOCHS)
        except CrashError:
            yard.restart()
            yard.tick(10)
            assert not run_of(yard, first.id).superseded, yard.world.calls[-1]
        else:
            break
    assert number > 10


def test_values_that_are_set_make_another_run_that_the_same_files_stay_until_the_next_order() -> None:
    yard = sealed()
    first = yard.run()
    assert yard.start(values=EPOCHS).changed
    second = yard.run()
    assert second.id != first.id
    assert second.overrides == "train.hyperparameters.epochs = 5\n"
    assert not yard.start(values=EPOCHS).changed
    yard.put(FIRST)
    yard.wait(200)
    assert yard.run() == second, "an event that comes again changes nothing"
    yard.start()
    assert yard.run().id == first.id


def test_another_drop_into_the_folder_does_not_inherit_what_was_set_for_a_start() -> None:
    yard = sealed()
    yard.start(values=EPOCHS)
    second = yard.run()
    yard.world.clock.advance(1)
    yard.put(SECOND)
    yard.wait(130)
    third = yard.run()
    assert (third.channels[0].objects, third.overrides) == (2, "")
    assert run_of(yard, second.id).overrides == "train.hyperparameters.epochs = 5\n", "its retry trains with them"
    yard.pipeline(code="c1de")
    yard.world.clock.advance(1)
    yard.put(SECOND)
    yard.wait(130)
    assert yard.run().id != third.id
    assert yard.run().overrides == ""


def test_the_same_files_dropped_after_an_edit_do_not_inherit_what_was_set_either() -> None:
    yard = sealed()
    yard.start(values=EPOCHS)
    yard.pipeline(code="c1de")
    yard.world.clock.advance(1)
    yard.put(FIRST)
    yard.wait(130)
    assert yard.run().overrides == ""


def test_what_was_set_for_a_start_that_was_refused_is_not_inherited_by_the_drop_that_mends_it() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST, "")
    yard.deliver()
    assert yard.start(values=EPOCHS).stage == "refused"
    yard.world.clock.advance(1)
    yard.put(FIRST, "content")
    yard.wait(130)
    assert yard.run().overrides == ""


def test_values_that_are_set_are_laid_over_those_of_run_toml() -> None:
    yard = collecting()
    yard.put("datasets/digits/mnist/run.toml", "[train.hyperparameters]\nepochs = 3\nrate = 0.5\n")
    yard.deliver()
    yard.start(values=EPOCHS)
    assert yard.run().overrides == "train.hyperparameters.epochs = 5\ntrain.hyperparameters.rate = 0.5\n"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"train.max_runtime_seconds": 60}, "train.max_runtime_seconds: cannot be overridden on this stage"),
        ({"deploy.instance_type": "ml.m5.large"}, "deploy.instance_type: cannot be overridden on this stage"),
        ({"train": {"epochs": 5}}, "train.epochs"),
        ({"train.instance_type": "ml.p4d.24xlarge"}, "must be an instance type that this stage allows"),
        ({"train.hyperparameters.epochs": None}, "must be text, a number, true, false, a list or a table"),
        ({"": 1}, '""'),
    ],
)
def test_values_that_are_wrong_or_not_allowed_are_refused_by_name_before_anything_is_remembered(
    values: dict[str, Any], sentence: str
) -> None:
    yard = sealed()
    before = yard.dataset()
    with pytest.raises(RefusedError, match=sentence.replace("[", r"\[")):
        yard.start(values=values)
    assert yard.dataset() == before


def test_an_open_multipart_upload_is_waited_for_and_then_it_seals_at_once() -> None:
    yard = collecting()
    upload = yard.world.bucket.begin_upload(SECOND)
    said = yard.start()
    assert (said.changed, said.dataset.state) == (True, DatasetState.COLLECTING)
    assert "A multipart upload into it is still open." in said.what
    assert not yard.start().changed, "asked for already"
    upload.complete(b"xx")
    yard.wait(40)
    assert yard.run().channels[0].objects == 2


def test_an_upload_that_races_with_a_start_is_in_the_next_run() -> None:
    yard = collecting()
    yard.world.bucket.put(SECOND, "late")
    yard.start()
    assert yard.run().channels[0].objects == 2
    first = yard.run()
    yard.world.clock.advance(1)
    yard.put("datasets/digits/mnist/training/2/c.png")
    yard.wait(130)
    assert yard.run().channels[0].objects == 3
    assert run_of(yard, first.id).superseded


def test_a_start_while_training_leaves_the_job_alone() -> None:
    yard = sealed()
    yard.start()
    assert yard.run().state is RunState.TRAINING
    assert not yard.run().superseded


def test_a_refused_drop_is_looked_at_again() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST, "")
    yard.wait(125)
    assert yard.dataset().state is DatasetState.REFUSED
    said = yard.start()
    assert (said.changed, said.stage) == (False, "refused")
    assert said.what.startswith("The dataset digits/mnist is refused: empty file")
    assert yard.dataset().asked is None
    yard.world.bucket.put(FIRST, "content")
    assert yard.start().changed
    assert yard.dataset().state is DatasetState.SEALED


def test_what_failed_is_not_trained_again_but_it_is_told_how_to() -> None:
    yard = sealed()
    failed = yard.world.records.save(replace(yard.run(), state=RunState.FAILED, reason="exit code 1", due=None))
    said = yard.start()
    assert not said.changed
    assert said.what.endswith(
        f"failed (exit code 1); nothing was started. `dropforge retry {run12(failed.id)}` tries it again."
    )


class Meanwhile:
    """The table, in which somebody else writes just before the next save."""

    def __init__(self, yard: Yard, then: Callable[[], object]) -> None:
        self.records = yard.world.records
        self.then: Callable[[], object] | None = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)

    def save(self, item: Any, *entries: Entry) -> Any:
        if self.then is not None:
            then, self.then = self.then, None
            then()
        return self.records.save(item, *entries)


def test_an_upload_that_is_noted_while_a_start_is_remembered_is_lost_by_neither() -> None:
    yard = collecting(MANUAL)
    yard.world.clock.advance(10)
    yard.put(SECOND)
    yard.starts.records = Meanwhile(yard, yard.deliver)
    yard.start()
    assert yard.run().channels[0].objects == 2
    assert yard.dataset().seen == 2
    yard.wait(600)
    assert len(yard.all_runs()) == 1


def test_two_orders_at_once_make_one_run() -> None:
    yard = collecting(MANUAL)
    others = Yard.start
    yard.starts.records = Meanwhile(yard, lambda: others(yard, request="r-2"))
    yard.start(request="r-1")
    assert len(yard.all_runs()) == 1
    assert len(yard.ready) <= 2
    assert set(yard.dataset().requests) == {"r-1", "r-2"}


def test_the_same_request_delivered_again_is_carried_out_once_even_after_an_edit() -> None:
    yard = collecting()
    yard.start(request="r-1")
    first = yard.run()
    yard.pipeline(code="c1de")
    assert not yard.start(request="r-1").changed
    assert yard.run() == first
    assert yard.start(request="r-2").changed
    assert len(yard.all_runs()) == 2


def test_a_marker_is_not_waited_for() -> None:
    yard = collecting(f'{TRAIN}\n[trigger]\nstart = "marker"\n')
    yard.start()
    assert yard.dataset().state is DatasetState.SEALED


def test_unknown_pipelines_and_datasets_are_not_found_and_a_pipeline_without_a_version_is_not_ready() -> None:
    yard = collecting()
    yard.world.records.save(PipelineRecord("letters", problem="wrong"))
    with pytest.raises(NotFoundError, match='no pipeline "cats"'):
        yard.start(pipeline="cats")
    with pytest.raises(NotFoundError, match='no dataset "digits/other"'):
        yard.start("other")
    with pytest.raises(NotNowError, match="letters has no accepted version yet"):
        yard.start(pipeline="letters")
    for name in ("", "x" * 2000, "\ud800", "a\0b"):
        with pytest.raises(NotFoundError, match="no dataset"):
            yard.start(name)
    with pytest.raises(InvalidError, match="a dataset, or channels"):
        yard.start(None)
    with pytest.raises(InvalidError, match="at most 128"):
        yard.start(request="r" * 129)


# Pipelines that are started by hand alone


def test_a_manual_pipeline_only_collects_until_it_is_asked() -> None:
    yard = collecting(MANUAL)
    yard.put("datasets/digits/mnist/_READY", '{"training": 1}')
    yard.wait(3600)
    yard.tick(60)
    assert yard.all_runs() == ()
    assert yard.dataset().ready
    assert yard.status()["reason"] == "It starts when somebody starts it: dropforge start digits --dataset mnist."
    assert yard.start().changed
    assert yard.dataset().state is DatasetState.SEALED


def test_late_files_of_a_manual_pipeline_wait_to_be_asked_for() -> None:
    yard = sealed(MANUAL)
    first = yard.run()
    yard.put(SECOND)
    yard.wait(600)
    assert (yard.dataset().state, yard.dataset().run) == (DatasetState.COLLECTING, first.id)
    yard.start()
    assert yard.run().id != first.id


def test_an_edit_that_takes_manual_away_lets_what_waits_seal() -> None:
    yard = collecting(MANUAL)
    yard.wait(600)
    yard.pipeline(TRAIN)
    yard.wait(10)
    assert yard.dataset().state is DatasetState.SEALED


# Late files that make a run of their own


def test_late_files_may_make_a_run_of_the_whole_folder_beside_the_first() -> None:
    yard = sealed(BESIDE)
    first = yard.run()
    yard.put(SECOND)
    yard.wait(130)
    assert yard.run().id != first.id
    assert yard.run().channels[0].objects == 2
    kept = run_of(yard, first.id)
    assert (kept.kept, kept.superseded, kept.state) == (True, False, RunState.TRAINING)
    yard.tick(20)
    yard.datasets.check_run(run12(first.id))
    assert not run_of(yard, first.id).superseded


def test_a_worker_that_dies_while_late_files_seal_stops_no_run_that_is_kept() -> None:
    number = 0
    while True:
        number += 1
        yard = sealed(BESIDE)
        first = yard.run()
        yard.put(SECOND)
        yard.deliver()
        yard.world.clock.advance(130)
        yard.world.fail_at(number)
        try:
            yard.datasets.advance(MNIST)
        except CrashError:
            yard.restart()
            yard.tick(10)
            assert not run_of(yard, first.id).superseded, yard.world.calls[-1]
            assert yard.run().id != first.id
        else:
            break
    assert number > 10


# Data that lies elsewhere

LENT = {"training": "s3://lake/digits/"}


def lent() -> Yard:
    """Make a yard with data in a bucket of somebody else's."""
    yard = Yard(replace(Yard().world.settings, sources=("lake/digits/",)))
    yard.pipeline()
    lake = yard.world.bucket.other("lake")
    lake.put("digits/0/a.png", "x")
    lake.put("digits/1/b.png", "x")
    lake.put("digits/.DS_Store", "x")
    lake.put("other/secret.csv", "x")
    return yard


def test_data_in_another_bucket_is_sealed_by_listing_and_not_copied() -> None:
    yard = lent()
    said = yard.start(channels=LENT)
    assert said.changed
    assert said.dataset.id.name.startswith("start-")
    run = said.run
    assert run is not None
    assert (run.channels[0].name, run.channels[0].objects) == ("training", 2)
    manifest = yard.world.bucket.peek_json(run.channels[0].uri.removeprefix("s3://bucket/"))
    assert manifest == [{"prefix": "s3://lake/digits/"}, "0/a.png", "1/b.png"]
    assert yard.world.bucket.keys("datasets/") == ()
    again = yard.start(channels=LENT)
    assert (again.changed, again.run, again.dataset.id) == (False, run, said.dataset.id)


def test_channels_whose_name_a_dropped_folder_took_are_refused_and_nothing_else_is_trained_on() -> None:
    yard = lent()
    taken = DatasetId("digits", name_of(LENT))
    yard.put(f"datasets/{taken}/training/other.png")
    yard.deliver()
    with pytest.raises(NotNowError, match=f"datasets/{taken}/"):
        yard.start(channels=LENT)
    assert yard.dataset(taken).asked is None


def test_the_same_files_are_the_same_run_wherever_they_lie() -> None:
    yard = lent()
    there = yard.start(channels=LENT)
    yard.put("datasets/digits/mnist/training/0/a.png", "x")
    yard.put("datasets/digits/mnist/training/1/b.png", "x")
    yard.wait(130)
    assert there.run is not None
    assert yard.run().id == there.run.id


def test_files_that_changed_there_are_another_run_when_it_is_started_again() -> None:
    yard = lent()
    first = yard.start(channels=LENT)
    yard.world.bucket.other("lake").put("digits/2/c.png", "x")
    second = yard.start(channels=LENT)
    assert (second.changed, second.dataset.id) == (True, first.dataset.id)
    assert second.run != first.run


def test_channels_lie_in_several_places_and_one_may_be_a_single_object() -> None:
    yard = lent()
    lake = yard.world.bucket.other("lake")
    lake.put("digits/list.csv", "1,2")
    lake.put("digits/list.csv.bak", "1,2")
    yard.put("datasets/digits/old/training/0/z.png", "x", told=False)
    ours = {"training": "s3://bucket/datasets/digits/old/training/", "training-extra": "s3://lake/digits/list.csv"}
    said = yard.start(channels=ours)
    assert said.run is not None, said.what
    assert [(it.name, it.objects) for it in said.run.channels] == [("training", 1), ("training-extra", 1)]
    manifest = yard.world.bucket.peek_json(said.run.channels[1].uri.removeprefix("s3://bucket/"))
    assert manifest == [{"prefix": "s3://lake/digits/"}, "list.csv"]


@pytest.mark.parametrize(
    ("channels", "sentence"),
    [
        ({"training": "s3://lake/other/"}, "its setting DROPFORGE_SOURCES has lake/digits/"),
        ({"training": "s3://pond/"}, "its setting DROPFORGE_SOURCES has lake/digits/"),
        ({"training": "s3://bucket/status/"}, "they read datasets/ and runs/ alone"),
        ({"training": "/home/ada"}, "names no place in S3"),
        ({"a/b": "s3://lake/digits/"}, "cannot be a channel"),
        ({f"c{number}": "s3://lake/digits/" for number in range(21)}, "Name 1 to 20"),
    ],
)
def test_places_that_may_not_be_read_are_refused_with_what_to_do(channels: dict[str, str], sentence: str) -> None:
    yard = lent()
    with pytest.raises(RefusedError, match=sentence):
        yard.start(channels=channels)
    assert yard.all_runs() == ()


def test_a_place_where_nothing_lies_is_refused_as_a_drop_would_be() -> None:
    yard = lent()
    said = yard.start(channels={"training": "s3://lake/digits/none/"})
    assert said.stage == "refused"
    assert said.what.endswith("Correct what lies at s3://lake/digits/none/, and start it again.")


def test_a_bucket_that_cannot_be_read_is_refused_by_its_name() -> None:
    yard = Yard(replace(Yard().world.settings, sources=("pond",)))
    yard.pipeline()
    said = yard.start(channels={"training": "s3://pond/"})
    assert said.stage == "refused"
    assert "The bucket pond cannot be read from here" in said.what


# Dying


def collecting_by_hand() -> Yard:
    return collecting(MANUAL)


def unheard() -> Yard:
    """Make a yard with a drop that no event has told of yet."""
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST, told=False)
    return yard


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("made", [collecting_by_hand, unheard, lent], ids=["a drop", "unheard", "elsewhere"])
def test_an_order_is_carried_out_once_wherever_the_worker_dies(made: Callable[[], Yard], *, after: bool) -> None:
    channels = LENT if made is lent else None
    number = 0
    while True:
        number += 1
        yard = made()
        yard.world.fail_at(number, after=after)
        try:
            yard.start(channels=channels, request="r-1")
        except CrashError:
            died = yard.world.calls[-1]
            yard.restart()
            yard.start(channels=channels, request="r-1")  # whoever sent it sends it again
            yard.tick(5)
            assert len(yard.all_runs()) == 1, died
            (run,) = yard.all_runs()
            dataset = yard.dataset(run.dataset)
            assert (dataset.state, dataset.asked, dataset.run) == (DatasetState.SEALED, None, run.id), died
        else:
            break
    assert number > 10


def test_an_order_that_was_remembered_is_carried_out_by_the_schedule_alone() -> None:
    yard = collecting(MANUAL)
    yard.world.clock.advance(600)
    before = len(yard.world.calls)
    yard.start()
    saved = [str(call) for call in yard.world.calls[before:]].index("records.save") + 1
    yard = collecting(MANUAL)
    yard.world.clock.advance(600)
    yard.world.fail_at(saved, after=True)
    with pytest.raises(CrashError):
        yard.start()
    yard.restart()
    yard.tick(2)
    assert yard.dataset().state is DatasetState.SEALED
