"""The log of a training outlives CloudWatch: our copy of it lies beside the run, whichever way that ended."""

from __future__ import annotations

import pytest

from chalicelib.errors import UnavailableError
from chalicelib.events import JobChanged
from chalicelib.flows.logs import COPY_LIMIT
from chalicelib.model import Command, Run, RunState
from chalicelib.names import log_key, run12
from tests.flows.machines import PIPELINE, Machines


def copy_of(it: Machines, run: Run) -> str:
    return it.world.bucket.read(log_key(PIPELINE, run.id, it.job(run))).decode()


def training(*lines: str) -> tuple[Machines, Run]:
    it = Machines()
    run = it.seal()
    it.runs.advance(run12(run.id))
    it.world.jobs.say(it.job(run), *lines)
    return it, run


def end(it: Machines, run: Run, how: str) -> None:
    match how:
        case "completed":
            it.finish(run)
        case "failed":
            it.world.jobs.fail(it.job(run))
        case _:
            it.orders.stop(run12(run.id), Command("ada", it.world.clock()))
            it.world.jobs.settle()
    it.runs.job_changed(JobChanged(it.job(run)))


@pytest.mark.parametrize("how", ["completed", "failed", "stopped"])
def test_the_log_of_a_job_is_kept_however_it_ends(how: str) -> None:
    it, run = training("epoch 1", "zwölf 👾", "half a pair \ud83d")
    end(it, run, how)
    assert copy_of(it, run).startswith("epoch 1\nzwölf 👾\nhalf a pair ?\n")


def test_a_job_that_said_nothing_leaves_no_copy() -> None:
    it, run = training()
    end(it, run, "failed")
    assert it.world.bucket.head(log_key(PIPELINE, run.id, it.job(run))) is None


def test_a_flood_is_cut_and_says_so() -> None:
    line = "x" * 1024 * 1024
    it, run = training(*[line] * 20)
    end(it, run, "failed")
    lines = copy_of(it, run).splitlines()
    assert len(lines) == COPY_LIMIT // 1024**2
    assert lines[-1].startswith("[This copy ends here, at 16 MB")


def test_a_run_that_failed_says_so_though_its_log_cannot_be_read() -> None:
    it, run = training("epoch 1")
    it.world.jobs.fail(it.job(run))
    twin, again = training("epoch 1")
    twin.world.jobs.fail(twin.job(again))
    before = len(twin.world.calls)
    twin.runs.advance(run12(again.id))
    number = [str(call) for call in twin.world.calls[before:]].index("jobs.log") + 1
    it.world.fail_at(number, error=lambda: UnavailableError("CloudWatch Logs is busy"))
    it.runs.advance(run12(run.id))
    assert it.run(run).state is RunState.FAILED
