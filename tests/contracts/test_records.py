"""What `ports.Records` promises of single items, timelines and what is due."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.errors import ConflictError, InvalidError
from chalicelib.model import (
    EVERYTHING,
    Candidate,
    Command,
    Dataset,
    DatasetId,
    Entry,
    Pause,
    PipelineRecord,
    Release,
    Run,
    Serving,
)
from chalicelib.names import run12
from chalicelib.news import Origin, tell
from chalicelib.ports import Page
from tests.contracts.values import (
    FULL_DATASET,
    FULL_PIPELINE,
    FULL_RELEASE,
    FULL_RUN,
    FULL_SERVING,
    dataset,
    run,
    run_id,
)
from tests.contracts.worlds import NOW, ContractWorld, existing

FULL = [FULL_DATASET, FULL_RUN, FULL_RELEASE, FULL_PIPELINE]
SUBJECTS = [f"dataset:{FULL_DATASET.id}", f"run:{run12(FULL_RUN.id)}", "release:digits", "pipeline:digits"]


def read_again(world: ContractWorld, item: Any) -> Any:
    match item:
        case Dataset():
            return world.records.dataset(item.id)
        case Run():
            return world.records.run(item.id)
        case Release():
            return world.records.release(item.pipeline)
        case _:
            return world.records.pipeline(item.name)


def stored(item: Any) -> Any:
    """Give an item as its first save stores it: counted, and told."""
    return tell(replace(item, rev=1), NOW, Origin("df-test", "test", "bucket"))[0]


@pytest.mark.parametrize("item", FULL, ids=SUBJECTS)
def test_what_is_not_there_is_none(world: ContractWorld, item: Any) -> None:
    assert read_again(world, item) is None


@pytest.mark.parametrize("item", FULL, ids=SUBJECTS)
def test_every_field_comes_back_as_it_was_saved(world: ContractWorld, item: Any) -> None:
    saved = world.records.save(item)
    assert saved == stored(item)
    assert read_again(world, item) == saved


@pytest.mark.parametrize("item", [dataset(), run(), Release("digits"), PipelineRecord("digits")], ids=SUBJECTS)
def test_an_item_with_nothing_but_its_name_comes_back(world: ContractWorld, item: Any) -> None:
    assert read_again(world, item) is None
    assert read_again(world, world.records.save(item)) == stored(item)


@pytest.mark.parametrize("item", FULL, ids=SUBJECTS)
def test_a_second_writer_of_the_same_rev_meets_a_conflict_and_changes_nothing(world: ContractWorld, item: Any) -> None:
    first = world.records.save(item)
    second = world.records.save(replace(first, due=None), Entry(1.0, "closed"))
    for stale in (item, first):
        with pytest.raises(ConflictError):
            world.records.save(replace(stale, due=5.0), Entry(2.0, "too late"))
    assert read_again(world, item) == second
    subject = SUBJECTS[FULL.index(item)]
    assert [entry.what for entry in world.records.timeline(subject).items] == ["closed"]


@pytest.mark.parametrize("entries", [(), (Entry(1.0, "seen"),)], ids=["alone", "with an entry"])
def test_an_item_that_was_never_stored_cannot_be_saved_as_a_later_rev(
    world: ContractWorld, entries: tuple[Entry, ...]
) -> None:
    with pytest.raises(ConflictError):
        world.records.save(dataset(rev=3), *entries)
    assert world.records.dataset(dataset().id) is None


def test_a_metric_that_is_no_number_comes_back_as_such(world: ContractWorld) -> None:
    world.records.save(run(candidate=Candidate("job", metrics={"loss": float("nan"), "low": float("-inf")})))
    found = existing(existing(world.records.run(run().id)).candidate)
    assert math.isnan(found.metrics["loss"])
    assert found.metrics["low"] == float("-inf")


def test_a_run_is_found_by_its_twelve_digits(world: ContractWorld) -> None:
    saved = world.records.save(run())
    assert world.records.run(run12(saved.id)) == saved


def test_items_of_one_pipeline_and_of_another_do_not_meet(world: ContractWorld) -> None:
    world.records.save(dataset("mnist", "digits", seen=1))
    world.records.save(dataset("mnist", "letters", seen=2))
    first, second = (world.records.dataset(DatasetId(name, "mnist")) for name in ("digits", "letters"))
    assert (first and first.seen, second and second.seen) == (1, 2)


def test_a_timeline_is_read_oldest_first_and_facts_keep_their_types(world: ContractWorld) -> None:
    late = Entry(1_798_999_002.5, "decided", {"objects": 3, "share": 0.5, "ok": True, "reason": None, "what": "ünï"})
    early = Entry(999_999_999.0, "seen")
    world.records.save(run(), late)
    world.records.note(f"run:{run12(run().id)}", early)
    assert world.records.timeline(f"run:{run12(run().id)}") == Page((early, late))


def test_entries_of_one_moment_stay_in_the_order_they_were_saved_in(world: ContractWorld) -> None:
    entries = tuple(Entry(7.0, what) for what in ("seen", "decided", "done", "a", "z", "b"))
    world.records.save(dataset(), *entries)
    assert world.records.timeline("dataset:digits/mnist").items == entries


def test_the_same_note_twice_is_one_line(world: ContractWorld) -> None:
    for _ in range(2):
        world.records.note("release:digits", Entry(1.0, "live", {"run": "0123456789ab"}))
    world.records.note("release:digits", Entry(1.0, "live", {"run": "ba9876543210"}))
    world.records.note("release:digits", Entry(2.0, "live", {"run": "0123456789ab"}))
    assert len(world.records.timeline("release:digits").items) == 3


def test_a_subject_may_name_a_run_by_its_whole_id(world: ContractWorld) -> None:
    world.records.note(f"run:{run_id(1)}", Entry(1.0, "seen"))
    assert len(world.records.timeline(f"run:{run12(run_id(1))}").items) == 1


def test_timelines_of_several_subjects_do_not_mix(world: ContractWorld) -> None:
    for subject in SUBJECTS:
        world.records.note(subject, Entry(1.0, subject))
    for subject in SUBJECTS:
        assert world.records.timeline(subject).items == (Entry(1.0, subject),)


def test_a_timeline_is_read_page_by_page(world: ContractWorld) -> None:
    entries = tuple(Entry(float(number), f"step {number}") for number in range(1, 8))
    for entry in entries:
        world.records.note("run:0123456789ab", entry)
    pages = [world.records.timeline("run:0123456789ab", limit=3)]
    while pages[-1].next:
        pages.append(world.records.timeline("run:0123456789ab", after=pages[-1].next, limit=3))
    assert [len(page.items) for page in pages] == [3, 3, 1]
    assert tuple(entry for page in pages for entry in page.items) == entries


def test_a_page_that_takes_the_last_line_says_that_there_is_no_more(world: ContractWorld) -> None:
    for number in range(3):
        world.records.note("run:0123456789ab", Entry(float(number), "step"))
    assert world.records.timeline("run:0123456789ab", limit=3).next is None


def test_a_token_that_nobody_gave_is_refused(world: ContractWorld) -> None:
    for token in ("nonsense!", "YQ", "ünï", ""):
        with pytest.raises(InvalidError):
            world.records.timeline("run:0123456789ab", after=token)
        with pytest.raises(InvalidError):
            world.records.runs(after=token)


def test_serving_comes_back_and_the_last_word_holds(world: ContractWorld) -> None:
    assert world.records.serving("digits") is None
    world.records.serve(FULL_SERVING)
    assert world.records.serving("digits") == FULL_SERVING
    world.records.serve(Serving("digits"))
    assert world.records.serving("digits") == Serving("digits")


def test_what_is_withdrawn_is_served_no_more_and_others_are(world: ContractWorld) -> None:
    for name in ("digits", "letters"):
        world.records.serve(Serving(name))
    for _ in range(2):
        world.records.withdraw("digits")
    assert world.records.serving("digits") is None
    assert world.records.serving("letters") == Serving("letters")


def test_a_model_that_is_live_is_neither_offered_nor_withdrawn_as_one_that_is_not(world: ContractWorld) -> None:
    offer = Serving("digits", title='It says "live":false')
    world.records.offer(offer)
    assert world.records.serving("digits") == offer
    world.records.offer(Serving("digits", top_k=1))
    assert world.records.serving("digits") == Serving("digits", top_k=1)
    live = replace(offer, live=True)
    world.records.serve(live)
    world.records.offer(Serving("digits"))
    world.records.withdraw("digits")
    assert world.records.serving("digits") == live


def test_pointing_twice_is_pointing_once(world: ContractWorld) -> None:
    first, second = DatasetId("digits", "mnist"), DatasetId("digits", "mnist / copy #2")
    for name in (first, second, first):
        world.records.point(run_id(1), name)
    world.records.point(run_id(2), first)
    assert world.records.pointing(run_id(1)) == (first, second)
    assert world.records.pointing(run12(run_id(1))) == (first, second)


def test_unpointing_leaves_the_others_and_may_be_done_again(world: ContractWorld) -> None:
    first, second = DatasetId("digits", "a"), DatasetId("digits", "b")
    world.records.point(run_id(1), first)
    world.records.point(run_id(1), second)
    for _ in range(2):
        world.records.unpoint(run_id(1), first)
    assert world.records.pointing(run_id(1)) == (second,)
    world.records.unpoint(run_id(3), first)
    assert world.records.pointing(run_id(3)) == ()


def test_a_run_its_pointers_and_its_timeline_share_a_name_and_do_not_disturb_one_another(world: ContractWorld) -> None:
    saved = world.records.save(run(), Entry(1.0, "seen"))
    world.records.point(saved.id, DatasetId("digits", "mnist"))
    assert world.records.run(saved.id) == saved
    assert len(world.records.timeline(f"run:{run12(saved.id)}").items) == 1
    assert world.records.pointing(saved.id) == (DatasetId("digits", "mnist"),)


def test_what_is_due_is_named_oldest_first(world: ContractWorld) -> None:
    for name, due in (("late", 300.0), ("early", 100.25), ("middle", 200.0), ("later", 300.5)):
        world.records.save(dataset(name, due=due))
    assert world.records.due("dataset", 300.0, limit=10) == (
        "dataset:digits/early",
        "dataset:digits/middle",
        "dataset:digits/late",
    )
    assert world.records.due("dataset", 300.0, limit=1) == ("dataset:digits/early",)
    assert world.records.due("dataset", 50.0, limit=10) == ()
    world.records.save(dataset("at once", due=0.0))
    assert world.records.due("dataset", 0.0, limit=10) == ("dataset:digits/at once",)


@pytest.mark.parametrize(("item", "subject"), list(zip(FULL, SUBJECTS, strict=True)), ids=SUBJECTS)
def test_each_kind_is_due_under_its_own_name(world: ContractWorld, item: Any, subject: str) -> None:
    world.records.save(item)
    kinds = ("dataset", "run", "release", "pipeline")
    found = {kind: world.records.due(kind, 1e12, limit=10) for kind in kinds}
    assert found == {kind: ((subject,) if subject.startswith(kind) else ()) for kind in kinds}


def test_what_has_ended_is_no_longer_due(world: ContractWorld) -> None:
    saved = world.records.save(run(due=100.0))
    moved = world.records.save(replace(saved, due=500.0))
    assert world.records.due("run", 200.0, limit=10) == ()
    world.records.save(replace(moved, due=None))
    assert world.records.due("run", 1e12, limit=10) == ()


def test_a_cursor_starts_at_the_beginning_and_stays_where_it_was_moved(world: ContractWorld) -> None:
    assert world.records.cursor("sweep") == ""
    world.records.move_cursor("sweep", "datasets/digits/ünï +/")
    world.records.move_cursor("other", "elsewhere")
    assert world.records.cursor("sweep") == "datasets/digits/ünï +/"
    world.records.move_cursor("sweep", "")
    assert world.records.cursor("sweep") == ""


PAUSED, RESUMED = Entry(1.0, "paused", {"by": "arn:ada"}), Entry(2.0, "resumed", {"by": "arn:ada"})


def test_a_pause_holds_its_pipeline_alone_until_it_is_forgotten(world: ContractWorld) -> None:
    pause = Pause("digits", Command("arn:ada", 1.0, "too expensive"))
    assert world.records.paused("digits") is None
    world.records.pause(pause, PAUSED)
    assert world.records.paused("digits") == pause
    assert world.records.paused("letters") is None
    assert world.records.paused(EVERYTHING) is None
    world.records.unpause(pause, RESUMED)
    assert world.records.paused("digits") is None
    assert world.records.timeline("pipeline:digits").items == (PAUSED, RESUMED)


def test_a_pause_of_everything_holds_every_pipeline_behind_its_own(world: ContractWorld) -> None:
    everything, own = Pause(EVERYTHING, Command("arn:ada", 1.0)), Pause("digits", Command("arn:bob", 2.0))
    world.records.pause(everything, PAUSED)
    world.records.pause(own, PAUSED)
    assert world.records.paused("digits") == own
    assert world.records.paused("letters") == world.records.paused(EVERYTHING) == everything
    world.records.unpause(own, RESUMED)
    assert world.records.paused("digits") == everything
    world.records.unpause(everything, RESUMED)
    assert world.records.paused("digits") is None
    assert world.records.timeline(f"pipeline:{EVERYTHING}").items == (PAUSED, RESUMED)


def test_a_pause_takes_no_place_of_another_and_a_resume_only_the_pause_that_it_saw(world: ContractWorld) -> None:
    first, second = (Pause("digits", Command("arn:ada", at)) for at in (1_700_000_000.1234567, 1_700_000_000.25))
    with pytest.raises(ConflictError):
        world.records.unpause(first, RESUMED)
    world.records.pause(first, PAUSED)
    with pytest.raises(ConflictError):
        world.records.pause(second, PAUSED)
    with pytest.raises(ConflictError):
        world.records.unpause(second, RESUMED)
    assert world.records.paused("digits") == first
    world.records.unpause(first, RESUMED)
    with pytest.raises(ConflictError):
        world.records.unpause(first, RESUMED)
    world.records.pause(second, PAUSED)
    assert world.records.paused("digits") == second
