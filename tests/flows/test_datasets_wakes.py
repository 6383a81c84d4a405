"""Who is woken; and a wake-up that is faster than whoever sent it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.model import Dataset, DatasetId, DatasetState, S3Object
from chalicelib.ports import Page
from tests.fakes.timer import FakeTimer
from tests.flows.yard import FIRST, MNIST, Yard


class BusyBucket:
    """A bucket into which somebody uploads while it is being listed; each upload is noted before the listing ends."""

    def __init__(self, yard: Yard, uploads: int) -> None:
        self._bucket = yard.world.bucket
        self._yard = yard
        self._left = uploads
        self.listings = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)

    def page(self, prefix: str, *, after: str = "", limit: int = 1000) -> Page[S3Object]:
        found = self._bucket.page(prefix, after=after, limit=limit)
        self.listings += 1
        if self._left:
            self._left -= 1
            self._yard.put(f"datasets/digits/mnist/training/late{self._left}.png")
            self._yard.deliver()
        return found


class ImpatientTimer(FakeTimer):
    """A queue whose reader is at work before the sender has gone on."""

    def __init__(self, yard: Yard) -> None:
        super().__init__(yard.world.clock)
        self.yard = yard

    def wake(self, subject: str, *, seconds: int) -> None:
        super().wake(subject, seconds=seconds)
        for _ in self.due():
            self.yard.datasets.advance(MNIST)


@pytest.mark.parametrize("strangers", [0, 600])
def test_a_pipeline_wakes_who_waited_for_it_and_its_history_costs_nothing(strangers: int) -> None:
    yard = Yard()
    for name in ("first", "second"):
        yard.put(f"datasets/digits/{name}/training/0/a.png")
    yard.deliver()
    for number in range(strangers):
        waiting = Dataset(DatasetId("letters", f"d{number}"), due=yard.world.clock() + number)
        yard.world.records.save(waiting)
    for number in range(300):
        yard.world.records.save(Dataset(DatasetId("digits", f"old{number}"), DatasetState.SEALED, sealed_at=1.0))
    yard.world.timer.due()
    before = yard.world.records.reads
    yard.datasets.pipeline_accepted("digits")
    assert sorted(yard.world.timer.due()) == ["dataset:digits/first", "dataset:digits/second"]
    assert strangers or yard.world.records.reads - before < 10


def test_a_wake_up_that_arrives_at_once_finds_what_it_is_about() -> None:
    yard = Yard()
    yard.world.timer = ImpatientTimer(yard)
    yard.restart()
    yard.pipeline()
    yard.put(FIRST)
    yard.put("datasets/digits/mnist/_READY", json.dumps({"training": 1}))
    yard.deliver()
    assert yard.dataset().state is DatasetState.SEALED
    assert len(yard.all_runs()) == 1


def test_files_that_arrive_under_every_listing_put_it_off_and_lose_no_wake_up() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/mnist/_READY", json.dumps({"training": 12}))
    yard.deliver()
    yard.world.timer.due()
    busy = BusyBucket(yard, 12)
    yard.world.bucket = busy  # type: ignore[assignment] # what it does not do itself, the one in it does
    yard.restart()
    yard.datasets.advance(MNIST)
    assert busy.listings == 2  # not again and again: the next one would be disturbed, too
    assert yard.dataset().state is DatasetState.COLLECTING
    yard.wait(300)  # by wake-ups alone, no schedule
    assert yard.dataset().state is DatasetState.SEALED
    assert [run.channels[0].objects for run in yard.all_runs()] == [12]
