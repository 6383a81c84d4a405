"""Who is woken; and a wake-up that is faster than whoever sent it."""

from __future__ import annotations

import json

import pytest

from chalicelib.model import Dataset, DatasetId, DatasetState
from tests.fakes.timer import FakeTimer
from tests.flows.yard import FIRST, MNIST, Yard


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
