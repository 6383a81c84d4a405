"""Who deletes something of a release holds a lease on it; who wants the same again waits for that alone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from chalicelib.decide.release import LOOK_AGAIN
from chalicelib.errors import ConflictError, RefusedError
from chalicelib.flows.clearing import Clearing
from chalicelib.model import Lease
from tests.flows.machines import PIPELINE, Machines

SECONDS = 1_500.0


class KilledError(BaseException):
    """The end of a process: nothing that it would still have done is done."""


def clearing(it: Machines, holder: str) -> Clearing:
    world = it.world
    return Clearing(world.hosting, world.records, world.clock, holder, SECONDS)


@pytest.mark.parametrize("order", list(itertools.permutations(("ann", "ben", "cho"))))
def test_several_that_delete_at_once_leave_no_lease_behind_in_whatever_order_they_end(order: tuple[str, ...]) -> None:
    it = Machines()
    it.deploy("champion")
    held = {}
    for name in ("ann", "ben", "cho"):
        held[name] = clearing(it, name).lease(it.release)
        assert held[name].__enter__().rev == it.release.rev
    assert [lease.holder for lease in it.release.clearing] == ["ann", "ben", "cho"]
    for name in order:
        assert name in {lease.holder for lease in it.release.clearing}
        held[name].__exit__(None, None, None)
        assert name not in {lease.holder for lease in it.release.clearing}
    assert it.release.clearing == ()
    assert it.release.due == it.world.clock() + LOOK_AGAIN, "whoever waited for it is called soon"


def test_who_looked_before_somebody_wrote_gets_no_lease() -> None:
    it = Machines()
    it.deploy("champion")
    seen = it.release
    with clearing(it, "ann").lease(seen):
        with pytest.raises(ConflictError), clearing(it, "ben").lease(seen):
            raise AssertionError("nothing may be deleted on a look that old")
        assert [lease.holder for lease in it.release.clearing] == ["ann"]


@pytest.mark.parametrize("error", [ConflictError(), RefusedError("no"), TimeoutError()])
def test_a_deletion_that_fails_gives_its_lease_back_though_somebody_wrote_meanwhile(error: Exception) -> None:
    it = Machines()
    it.deploy("champion")
    deletion = clearing(it, "ann").lease(it.release)
    begun = deletion.__enter__()
    it.world.records.save(replace(begun, attempts=7))
    assert not deletion.__exit__(type(error), error, None), "it is raised on"
    assert (it.release.clearing, it.release.attempts) == ((), 7)


def test_a_lease_of_somebody_who_died_runs_out() -> None:
    it = Machines()
    it.deploy("champion")
    with pytest.raises(KilledError), clearing(it, "ann").lease(it.release):
        raise KilledError
    assert [lease.holder for lease in it.release.clearing] == ["ann"]
    it.world.clock.advance(SECONDS)
    with clearing(it, "ben").lease(it.release) as begun:
        assert begun.clearing == (Lease("ben", it.world.clock() + SECONDS),)
    assert it.release.clearing == ()


def test_the_next_target_waits_while_somebody_else_may_still_delete_and_not_longer() -> None:
    it = Machines()
    it.deploy("champion")
    with clearing(it, "ann").lease(it.release):
        it.register("next")
        for _ in range(10):
            it.releases.advance(PIPELINE)
            it.world.clock.advance(LOOK_AGAIN)
        held = it.release
        assert held.pending is not None
        assert held.desired == held.live, "nothing of the next one is made"
    it.releases.advance(PIPELINE)
    started = it.release
    assert started.pending is None
    assert started.desired != started.live


def test_the_next_target_waits_no_longer_than_a_lease_of_somebody_who_died() -> None:
    it = Machines()
    it.deploy("champion")
    with pytest.raises(KilledError), clearing(it, "ann").lease(it.release):
        raise KilledError
    it.register("next")
    it.releases.advance(PIPELINE)
    assert it.release.pending is not None
    it.world.clock.advance(SECONDS)
    it.releases.advance(PIPELINE)
    assert it.release.pending is None
