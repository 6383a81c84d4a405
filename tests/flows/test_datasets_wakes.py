"""A wake-up may be faster than whoever sent it."""

from __future__ import annotations

import json

from chalicelib.model import DatasetState
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
