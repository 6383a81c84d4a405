"""What a saved state counts as, and what a watched table remembers of a step."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.decide.counting import Machine, count
from chalicelib.model import (
    Dataset,
    DatasetId,
    DatasetState,
    PipelineRecord,
    Release,
    Run,
    RunState,
    Target,
)
from chalicelib.watch import Watch, WatchedRecords
from tests.fakes.records import FakeRecords

MNIST = DatasetId("digits", "mnist")
RUN = Run("v1" + "0" * 64, "digits", MNIST, "version", "digest", sealed_at=100.0, created_at=101.0)
TARGET = Target(
    "one", RUN.id, "version", "package", 1, "model", "config", {}, (), order=(100.0, 50.0), cause="a new model"
)
IDLE = Release("digits")
LIVE = replace(IDLE, live=TARGET, stage_since=160.0)


def told(before: Machine | None, after: Machine) -> list[tuple[str, float]]:
    return [(gauge.name, gauge.value) for gauge in count(before, after)]


def outcomes(before: Machine | None, after: Machine) -> list[str]:
    return [dict(gauge.by)["outcome"] for gauge in count(before, after) if gauge.by]


def test_a_run_counts_when_it_ends_and_not_for_what_is_saved_of_it_after_that() -> None:
    ended = replace(RUN, state=RunState.REJECTED)
    assert outcomes(RUN, ended) == ["rejected"]
    assert told(ended, replace(ended, due=None, reason="told again")) == []
    assert told(RUN, replace(RUN, state=RunState.TRAINING)) == []


def test_a_run_that_is_tried_again_ends_again() -> None:
    failed = replace(RUN, state=RunState.FAILED)
    assert told(failed, replace(RUN, state=RunState.PREPARING)) == []
    assert outcomes(RUN, failed) == ["failed"]


def test_what_is_refused_counts_once_until_it_changes() -> None:
    collecting = Dataset(MNIST)
    refused = replace(collecting, state=DatasetState.REFUSED)
    assert told(collecting, refused) == told(None, refused) == [("Refusals", 1)]
    assert told(refused, replace(refused, due=None)) == []
    settling = PipelineRecord("digits", timer=5.0)
    assert told(settling, PipelineRecord("digits", problem="no")) == [("Refusals", 1)]
    assert told(settling, PipelineRecord("digits", version="v")) == []


def test_a_model_that_goes_live_counts_with_the_seconds_since_its_dataset_was_sealed() -> None:
    assert told(IDLE, LIVE) == [("Releases", 1), ("TimeToLive", 60.0)]
    assert told(LIVE, replace(LIVE, due=None)) == []


def test_a_time_that_a_person_chose_is_not_measured() -> None:
    assert told(IDLE, replace(LIVE, live=replace(TARGET, by="arn:aws:iam::1:user/me"))) == [("Releases", 1)]


def test_the_same_run_served_in_another_way_is_live_anew_and_took_no_time() -> None:
    assert told(LIVE, replace(LIVE, live=replace(TARGET, digest="two"), stage_since=900.0)) == [("Releases", 1)]


def test_a_release_that_fails_counts_once_for_each_target() -> None:
    failed = replace(LIVE, failed={"two": "no answer"})
    assert outcomes(LIVE, failed) == ["failed"]
    assert told(failed, replace(failed, due=None)) == []


def watched() -> tuple[Watch, WatchedRecords, list[tuple[Machine | None, Machine]]]:
    watch, seen = Watch(), list[tuple[Machine | None, Machine]]()
    return watch, WatchedRecords(FakeRecords(), watch), seen


def test_a_save_is_told_with_what_it_replaced() -> None:
    watch, records, seen = watched()
    with watch.step(lambda before, after: seen.append((before, after))):
        first = records.save(RUN)
        second = records.save(replace(first, state=RunState.FAILED))
    assert seen == [(None, first), (first, second)]


def test_what_the_step_has_not_read_counts_for_nothing() -> None:
    watch, records, seen = watched()
    first = records.save(RUN)  # in no step
    with watch.step(lambda before, after: seen.append((before, after))):
        records.save(replace(first, state=RunState.FAILED))
    assert seen == []


def test_a_step_within_a_step_has_a_page_of_its_own() -> None:
    watch, records, _ = watched()
    with watch.step(lambda *_: None) as outer:
        with watch.step(lambda *_: None) as inner:
            records.save(RUN)
        assert (set(inner.first), set(outer.first)) == ({"run:000000000000"}, set())
    assert outer.acted
