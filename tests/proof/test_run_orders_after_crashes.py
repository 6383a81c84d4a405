"""The worker dies before or after any call while it carries out a person's order; the order is repeated, or is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import partial

import pytest

from chalicelib.events import JobChanged
from chalicelib.flows.run_orders import Ordered
from chalicelib.model import Command, ReleaseStage, Run, RunState
from chalicelib.names import run12
from tests.fakes.calls import CrashError
from tests.flows.machines import GATE, SMOKE, TRAIN, Machines
from tests.flows.stalled import Stall
from tests.proof.levels import LEVEL

ADA = "arn:aws:iam::000000000000:user/ada"
PORTS = ("bucket", "records", "timer", "jobs", "registry", "hosting")
MANUAL = TRAIN + GATE + 'approval = "manual"\n' + SMOKE


@dataclass(frozen=True)
class Case:
    """A world, the order that is given in it, how the run ends that obeys, and how the one that never heard of it."""

    prepare: Callable[[], tuple[Machines, Run]]
    order: Callable[[Machines], Callable[[str, Command], Ordered]]
    obeyed: str
    unheard: str
    jobs: int = 1


def _sealed() -> tuple[Machines, Run]:
    it = Machines()
    return it, it.seal()


def _training() -> tuple[Machines, Run]:
    it, run = _sealed()
    it.runs.advance(run12(run.id))
    return it, run


def _failed() -> tuple[Machines, Run]:
    it, run = _training()
    it.world.jobs.fail(it.job(run))
    it.runs.job_changed(JobChanged(it.job(run)))
    return it, run


def _refused_by_its_release() -> tuple[Machines, Run]:
    it = Machines()
    run = it.register()
    target = it.release.desired
    assert target is not None
    it.world.hosting.broken(target.config, "answers-wrongly")
    it.release_to_rest()
    it.world.hosting.mended(target.config)
    return it, run


def _awaiting() -> tuple[Machines, Run]:
    it = Machines(MANUAL)
    return it, it.register()


def _rejected() -> tuple[Machines, Run]:
    it, run = _awaiting()
    it.orders.reject(run12(run.id), Command("bob", it.world.clock()))
    return it, run


CASES = {
    "stop before its job": Case(_sealed, lambda it: it.orders.stop, "stopped", "live", jobs=0),
    "stop in training": Case(_training, lambda it: it.orders.stop, "stopped", "live"),
    "retry": Case(_failed, lambda it: it.orders.retry, "live", "failed", jobs=2),
    "retry its release": Case(_refused_by_its_release, lambda it: it.orders.retry, "live", "release-failed"),
    "approve": Case(_awaiting, lambda it: it.orders.approve, "live", "awaiting-approval"),
    "approve after all": Case(_rejected, lambda it: it.orders.approve, "live", "rejected"),
    "reject": Case(_awaiting, lambda it: it.orders.reject, "rejected", "awaiting-approval"),
}


def _obey(case: Case, it: Machines, run: Run) -> None:
    case.order(it)(run12(run.id), Command(ADA, it.world.clock(), "because"))


def _calls(case: Case) -> int:
    it, run = case.prepare()
    before = len(it.world.calls)
    _obey(case, it, run)
    return len(it.world.calls) - before


def _recover(it: Machines, run: Run) -> None:
    """Begin as a fresh process that gets no event any more: only the schedule comes."""
    it.restart()
    for _ in range(60):
        it.world.clock.advance(120)
        it.reconcile()
        it.world.jobs.settle()
        for name in it.world.jobs.names:
            seen = it.world.jobs.describe(name)
            if seen is not None and seen.status == "InProgress":
                it.world.jobs.finish(name, {"validation:accuracy": 0.97}, ("1", "7"))
        it.world.hosting.settle()
        if not _is_open(it, run):
            return
    raise AssertionError(f"Still open: {it.run(run)}, {it.release}")


def _is_open(it: Machines, run: Run) -> bool:
    """Whoever awaits a person stays open; all else comes to rest."""
    waits = it.run(run).state is RunState.REGISTERED and it.status()["stage"] == "awaiting-approval"
    due = it.world.records.due("run", math.inf, limit=9)
    return bool((due and not waits) or it.world.records.due("release", math.inf, limit=9) or it.rehearsals)


def _assert_true(case: Case, it: Machines, run: Run, *, repeated: bool) -> None:
    stage = it.status()["stage"]
    heard = it.told(f"run:{run12(run.id)}")
    assert stage == case.obeyed or (not repeated and stage == case.unheard)
    if stage == case.obeyed:
        assert len(it.world.jobs.started) == case.jobs
    orders = [what for what in heard if what.endswith("asked for") or what in {"approved", "rejected"}]
    assert len(orders) == len(set(orders))
    assert (it.release.stage, it.release.pending) == (ReleaseStage.IDLE, None)
    assert len(it.world.registry.requests) <= 1
    for name in it.world.jobs.names:
        seen = it.world.jobs.describe(name)
        assert seen is not None
        assert seen.ended_at is not None
    assert (stage == "live") == (it.live_config is not None)


@pytest.mark.parametrize("repeated", [True, False], ids=["repeated", "given once"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", CASES)
def test_an_order_whose_worker_dies_at_any_call_is_carried_out_once_or_never(
    name: str, *, after: bool, repeated: bool
) -> None:
    case = CASES[name]
    for number in range(1, _calls(case) + 1, LEVEL.calls):
        it, run = case.prepare()
        it.world.fail_at(number, after=after)
        with pytest.raises(CrashError):
            _obey(case, it, run)
        died_at = it.world.calls[-1]
        try:
            it.restart()
            if repeated:
                _obey(case, it, run)
            _recover(it, run)
            _assert_true(case, it, run, repeated=repeated)
        except AssertionError as error:
            raise AssertionError(f"died {'after' if after else 'before'} call {number}, {died_at}") from error


@pytest.mark.parametrize("name", CASES)
def test_an_order_that_is_repeated_and_repeated_again_is_carried_out_once(name: str) -> None:
    case = CASES[name]
    it, run = case.prepare()
    for _ in range(2):
        _obey(case, it, run)
    it.runs.advance(run12(run.id))
    _obey(case, it, run)
    _recover(it, run)
    _assert_true(case, it, run, repeated=True)


def _stalling(it: Machines, stall: Stall) -> Machines:
    """Give another worker in the same world: its calls stall, and what it knows is its own."""
    worker, worker.world = copy(it), copy(it.world)
    for port in PORTS:
        setattr(worker.world, port, stall.port(getattr(it.world, port)))
    worker.restart()
    return worker


@pytest.mark.parametrize("name", CASES)
def test_an_order_that_two_workers_carry_out_at_once_is_carried_out_once(name: str) -> None:
    """The first has read the run, or done more, when the second carries out the whole order; then the first goes on."""
    case, whole = CASES[name], Stall(0, lambda: None)
    it, run = case.prepare()
    _obey(case, _stalling(it, whole), run)
    for at in range(2, whole.calls + 1, LEVEL.calls):  # before its first call a worker knows nothing
        it, run = case.prepare()
        stall = Stall(at, partial(_obey, case, it, run))
        _obey(case, _stalling(it, stall), run)
        try:
            _recover(it, run)
            _assert_true(case, it, run, repeated=True)
        except AssertionError as error:
            raise AssertionError(f"stalled at call {at}") from error
