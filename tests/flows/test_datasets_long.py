"""Datasets that one look does not list: gone on with across invocations, to the very same run."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from chalicelib.errors import ThrottledError
from chalicelib.flows.listing import BYTES, SECONDS
from chalicelib.model import DatasetState, S3Object
from chalicelib.ports import Bucket, Page
from tests.fakes.calls import CrashError
from tests.flows.yard import FIRST, MNIST, Yard

KEYS = [f"datasets/digits/mnist/{name}" for name in ("evaluation/a", "run.toml", "training/0/a", "training/1/b")]
Errors = Callable[[], BaseException]
LATE = "datasets/digits/mnist/evaluation/z"


class SlowBucket:
    """A bucket whose pages have two objects, and take so long that a look is over after one."""

    def __init__(self, bucket: Bucket, tired: Callable[[float], object]) -> None:
        self.bucket = bucket
        self.tired = tired
        self.meanwhile: dict[str, Callable[[], object]] = {}
        """What happens before the page is listed that begins behind a key."""

    def __getattr__(self, name: str) -> object:
        return getattr(self.bucket, name)

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        self.tired(SECONDS)
        self.meanwhile.pop(after, lambda: None)()
        return self.bucket.page(prefix, after=after, limit=min(limit, 2))


def slow(yard: Yard) -> SlowBucket:
    bucket = SlowBucket(yard.world.bucket, yard.world.clock.advance)
    yard.world.bucket = bucket  # type: ignore[assignment] # the port, but for the pages
    yard.restart()
    return bucket


def about_to_seal(*, slowly: bool = True) -> Yard:
    yard = Yard()
    yard.pipeline()
    for key in KEYS:
        yard.put(key, "" if key.endswith("run.toml") else key)
    yard.deliver()
    yard.world.clock.advance(121)
    if slowly:
        slow(yard)
    return yard


def look(yard: Yard, times: int = 2) -> None:
    for _ in range(times):
        yard.wake()


def frozen(yard: Yard) -> dict[str, bytes]:
    bucket = yard.world.bucket
    return {key: bucket.peek(key) for key in bucket.keys("runs/digits/")}


def test_a_listing_of_many_looks_ends_in_the_run_of_one_look() -> None:
    one, many = about_to_seal(slowly=False), about_to_seal()
    look(one)
    look(many)
    assert many.dataset().state is DatasetState.SEALED
    assert many.dataset().listing is None
    assert many.run().id == one.run().id
    assert many.run().channels == one.run().channels
    assert frozen(many) == frozen(one)
    assert len(many.world.bucket.keys("runs/_sealing/digits/mnist/")) == 1
    assert one.world.bucket.keys("runs/_sealing/") == ()


def test_every_look_says_how_far_it_came_and_is_followed_at_once() -> None:
    yard = about_to_seal()
    yard.wake()
    assert yard.dataset().state is DatasetState.COLLECTING
    assert yard.status()["reason"] == "It is being listed: 1 files so far."
    assert yard.dataset().due == yard.world.clock() + 60
    assert [at for at, _ in yard.world.timer.pending] == [yard.world.clock()]
    yard.wake()
    assert yard.dataset().state is DatasetState.SEALED


def test_the_schedule_alone_ends_a_long_listing() -> None:
    yard = about_to_seal()
    yard.world.timer.pending.clear()
    yard.tick(6)
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.run().channels[1].objects == 2


@pytest.mark.parametrize("error", [CrashError, ThrottledError])
@pytest.mark.parametrize("after", [False, True])
def test_dying_at_any_call_of_any_look_heals_to_the_same_run(*, after: bool, error: Errors) -> None:
    whole = about_to_seal()
    before = len(whole.world.calls)
    look(whole)
    for number in range(1, len(whole.world.calls) - before + 1):
        yard = about_to_seal()
        yard.world.fail_at(number, after=after, error=error)
        with pytest.raises((CrashError, ThrottledError)):
            look(yard)
        yard.restart()
        yard.world.timer.pending.clear()
        yard.tick(8)
        assert [run.id for run in yard.all_runs()] == [whole.run().id]
        assert yard.dataset().state is DatasetState.SEALED
        assert frozen(yard) == frozen(whole)
        assert MNIST in yard.world.records.pointing(yard.run().id)
        assert yard.status()["state"] == "sealed"


@pytest.mark.parametrize("told", [True, False])
def test_a_file_that_arrives_where_the_listing_has_been_is_never_left_out(*, told: bool) -> None:
    """Its event meets the look's save, or a newer file ahead shows that something arrived."""
    yard = about_to_seal(slowly=False)
    bucket = slow(yard)

    def arrive() -> None:
        yard.put(LATE, told=told)
        yard.put("datasets/digits/mnist/training/9/z", told=told)
        yard.deliver()

    bucket.meanwhile[KEYS[1]] = arrive
    look(yard, 3)
    assert yard.dataset().state is DatasetState.COLLECTING
    assert yard.dataset().listing is None
    assert yard.status()["reason"] == "It seals when nothing has arrived for 120 seconds."
    yard.wait(300)
    assert [it.objects for it in yard.run().channels] == [2, 3]
    assert len(yard.all_runs()) == 1


def test_an_upload_in_parts_that_begins_during_the_listing_is_waited_for() -> None:
    yard = about_to_seal()
    yard.wake()
    upload = yard.world.bucket.begin_upload("datasets/digits/mnist/training/large")
    yard.wake()
    assert "multipart upload" in yard.status()["reason"]
    assert yard.dataset().listing is None
    upload.complete(b"large")
    yard.put("datasets/digits/mnist/training/large", "large")
    yard.wait(400)
    assert yard.run().channels[1].objects == 3


def test_two_workers_who_look_at_once_leave_one_run_and_no_wrong_list() -> None:
    yard = about_to_seal()
    bucket = yard.world.bucket
    assert isinstance(bucket, SlowBucket)
    once = about_to_seal()
    look(once)
    bucket.meanwhile[""] = lambda: yard.datasets.advance(MNIST)
    bucket.meanwhile[KEYS[1]] = lambda: yard.datasets.advance(MNIST)
    look(yard)
    assert [run.id for run in yard.all_runs()] == [once.run().id]
    assert frozen(yard) == frozen(once)


@pytest.mark.parametrize("promised", [{"evaluation": 1, "training": 2}, {"evaluation": 1, "training": 3}])
def test_a_ready_that_counts_is_compared_with_the_whole_listing(promised: dict[str, int]) -> None:
    yard = about_to_seal()
    yard.put("datasets/digits/mnist/_READY", json.dumps(promised))
    yard.deliver()
    yard.world.clock.advance(1)
    yard.wait(60)
    agrees = promised["training"] == 2
    assert yard.dataset().state is (DatasetState.SEALED if agrees else DatasetState.COLLECTING)


def test_a_dataset_that_is_none_is_refused_when_all_of_it_was_listed() -> None:
    yard = about_to_seal()
    yard.put("datasets/digits/mnist/training/1/b/c", "x")
    yard.put("datasets/digits/mnist/training/1/b-", "x")
    yard.wait(300)
    assert yard.status()["state"] == "refused"
    assert yard.status()["reason"] == "both a file and a folder: datasets/digits/mnist/training/1/b"
    assert yard.dataset().listing is None


def test_the_same_files_under_another_name_are_the_same_run_however_they_were_listed() -> None:
    yard = about_to_seal(slowly=False)
    look(yard)
    slow(yard)
    for key in KEYS:
        yard.put(key.replace("mnist", "copy"), "" if key.endswith("run.toml") else key)
    yard.wait(300)
    assert len(yard.all_runs()) == 1
    assert FIRST.startswith("datasets/digits/mnist/")
    assert len(yard.world.records.pointing(yard.run().id)) == 2


def test_a_look_ends_early_where_names_are_long() -> None:
    yard = Yard()
    yard.pipeline()
    home = "datasets/digits/mnist/training/" + "/".join(["x" * 240] * 4)
    for number in range(17_000):
        yard.put(f"{home}{number:05}", told=False)
    yard.put(f"{home}z")
    yard.deliver()
    yard.world.clock.advance(121)
    look(yard, 1)
    (piece,) = yard.world.bucket.keys("runs/_sealing/")
    assert BYTES < len(yard.world.bucket.peek(piece)) < BYTES + 1024 * 1100
    look(yard, 1)
    assert yard.run().channels[0].objects == 17_001
