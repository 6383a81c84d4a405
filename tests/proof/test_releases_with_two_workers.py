"""Two workers on one release: one stalls before a call while the other goes on, and then it wakes up again."""

from __future__ import annotations

import pytest

from chalicelib.model import ReleaseStage
from chalicelib.names import run12
from tests.flows.machines import LABELS, PIPELINE, Machines
from tests.flows.stalled import Stall, stalling_worker
from tests.proof.levels import LEVEL

ENDPOINT = "df-test-digits-realtime"


def _go_on(it: Machines) -> None:
    """Let the other worker take the release as far as it goes."""
    for _ in range(8):
        it.releases.advance(PIPELINE)
        it.world.hosting.settle()


def _stalled_once(settles: int, at: int) -> tuple[Machines, Stall]:
    """Bring a second model on its way, and let a worker stall at one of its calls after so many moves of SageMaker."""
    it = Machines()
    it.deploy("champion")
    it.register()
    for _ in range(settles):
        it.world.hosting.settle()
        if _ < settles - 1:
            it.releases.advance(PIPELINE)
    stall = Stall(at, lambda: _go_on(it))
    stalling_worker(it, stall).advance(PIPELINE)
    return it, stall


def _recover(it: Machines) -> None:
    for _ in range(40):
        it.world.clock.advance(61)
        it.reconcile()
        it.world.hosting.settle()
        if it.release.due is None and not it.rehearsals:
            return
    raise AssertionError(f"Still open: {it.release}")


@pytest.mark.parametrize("settles", [0, 1, 2, 3])
def test_a_worker_that_stalls_at_any_call_and_wakes_up_late_does_no_harm(settles: int) -> None:
    _, whole = _stalled_once(settles, at=0)
    for at in range(1, whole.calls + 1, LEVEL.calls):
        it, _ = _stalled_once(settles, at)
        _recover(it)
        release = it.release
        assert release.live is not None
        assert (release.stage, release.failed) == (ReleaseStage.IDLE, {}), at
        assert release.live.labels == LABELS
        assert it.live_config == release.live.config, at
        assert [name for name, _ in it.world.hosting.updates].count(ENDPOINT) == 2, at
        serving = it.world.records.serving(PIPELINE)
        assert serving is not None
        assert (serving.live, serving.exact, serving.run) == (True, True, run12(release.live.run)), at
        assert it.status()["stage"] == "live", at
