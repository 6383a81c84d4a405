"""A person's orders, with a process that dies at any call, or stalls there while somebody else goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import pytest

from chalicelib.decide.release import WARNING
from chalicelib.flows.release_orders import Orders
from chalicelib.model import Command, ReleaseStage
from chalicelib.names import run12
from tests.fakes.calls import CrashError
from tests.flows.machines import PIPELINE, Machines
from tests.flows.stalled import Stall, stalling_worker
from tests.proof.levels import LEVEL

SHARDS = 2
"""The calls are dealt out to so many tests, so that they run side by side."""


@dataclass(frozen=True)
class Scene:
    """A world, an order in it, and the name of the drop that is live in the end (None: nothing is)."""

    prepare: Callable[[], Machines]
    order: Callable[[Orders, Command], object]
    end: str | None


def _champion() -> Machines:
    it = Machines()
    it.deploy("champion")
    return it


def _two() -> Machines:
    it = _champion()
    it.deploy("next")
    return it


def _rehearsing() -> Machines:
    it = _champion()
    it.register("next")
    return it


def _rolling_out() -> Machines:
    """Clients are warned, and the update is about to be asked for."""
    it = _rehearsing()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.clock.advance(WARNING)
    assert it.release.stage is ReleaseStage.ROLLING_OUT
    return it


def _updating() -> Machines:
    it = _rolling_out()
    it.releases.advance(PIPELINE)
    return it


def _failed() -> Machines:
    """The next model has failed its rehearsal, for a reason that is no more, and is about to be cleared away."""
    it = _rehearsing()
    config = it.world.hosting.updates[-1][1]
    it.world.hosting.settle()
    it.world.hosting.broken(config, "answers-wrongly")
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    it.world.hosting.mended(config)
    return it


def _third_is_up() -> Machines:
    """A third model is about to go live; what was live before the second is to be cleared away then."""
    it = _two()
    it.register("third")
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.clock.advance(WARNING)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    return it


def _undeployed() -> Machines:
    it = _champion()
    it.releases.orders.undeploy(PIPELINE, Command("arn:ada", it.world.clock()))
    _go_on_for_long(it)
    return it


def _roll_back(orders: Orders, command: Command) -> object:
    return orders.roll_back(PIPELINE, command)


def _roll_back_to(orders: Orders, command: Command) -> object:
    return orders.roll_back(PIPELINE, command, 1)


def _undeploy(orders: Orders, command: Command) -> object:
    return orders.undeploy(PIPELINE, command)


def _redeploy(orders: Orders, command: Command) -> object:
    return orders.redeploy(PIPELINE, command)


SCENES = {
    "rollback": Scene(_two, _roll_back, "champion"),
    "rollback to": Scene(_two, _roll_back_to, "champion"),
    "rollback while rehearsing": Scene(_rehearsing, _roll_back, "champion"),
    "rollback while rolling out": Scene(_rolling_out, _roll_back, "champion"),
    "rollback while updating": Scene(_updating, _roll_back, "champion"),
    "rollback to what is about to be cleared away": Scene(_third_is_up, _roll_back_to, "champion"),
    "redeploy of what is about to be cleared away": Scene(_failed, _redeploy, "next"),
    "undeploy": Scene(_champion, _undeploy, None),
    "undeploy while rehearsing": Scene(_rehearsing, _undeploy, None),
    "undeploy while rolling out": Scene(_rolling_out, _undeploy, None),
    "undeploy while updating": Scene(_updating, _undeploy, None),
    "redeploy": Scene(_undeployed, _redeploy, "champion"),
}


@cache
def _first_of(name: str) -> Machines:
    return SCENES[name].prepare()


def _prepared(name: str) -> Machines:
    """Copy the scene's world: that is ten times faster than to train and deploy in it anew."""
    return deepcopy(_first_of(name))


def _ada(it: Machines) -> Command:
    return Command("arn:ada", it.world.clock(), "she said so")


def _play(it: Machines, scene: Scene) -> None:
    scene.order(it.releases.orders, _ada(it))
    _go_on(it)


def _go_on(it: Machines) -> None:
    """Let another worker, SageMaker and time take the release as far as it goes."""
    for _ in range(12):
        it.releases.advance(PIPELINE)
        it.world.hosting.settle()
        it.world.clock.advance(WARNING)


def _go_on_for_long(it: Machines) -> None:
    """Let the schedule alone go on until nothing is open, late calls after an undeploy included."""
    for _ in range(60):
        it.world.clock.advance(120)
        it.reconcile()
        it.world.hosting.settle()
        if not it.world.records.due("release", math.inf, limit=9) and not it.rehearsals:
            return
    raise AssertionError(f"Still open: {it.release}")


def _assert_ended(it: Machines, scene: Scene) -> None:
    release, hosting = it.release, it.world.hosting
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (release.stage, release.pending, release.lease, it.rehearsals) == (ReleaseStage.IDLE, None, None, ())
    if scene.end is None:
        assert (release.live, release.desired, release.previous, serving.live) == (None, None, None, False)
        assert (hosting.endpoints, hosting.configs, hosting.models) == ({}, {}, {})
        assert it.status("champion")["stage"] == "undeployed"
        return
    assert release.live is not None
    assert it.live_config == release.live.config
    assert (serving.live, serving.exact, serving.run) == (True, True, run12(release.live.run))
    assert it.status(scene.end)["stage"] == "live"
    kept = {target.config for target in (release.live, release.previous) if target is not None}
    assert set(hosting.configs) == kept


@pytest.mark.parametrize("name", SCENES)
def test_an_order_ends_as_it_says(name: str) -> None:
    scene = SCENES[name]
    it = _prepared(name)
    _play(it, scene)
    _go_on_for_long(it)
    _assert_ended(it, scene)
    told = it.told("release:digits")
    scene.order(it.releases.orders, _ada(it))
    _go_on_for_long(it)
    assert it.told("release:digits") == told


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("name", ["rollback", "rollback while updating", "undeploy while updating", "redeploy"])
def test_a_process_that_dies_at_any_call_of_an_order_and_an_order_that_is_repeated(
    name: str, shard: int, *, after: bool
) -> None:
    scene = SCENES[name]
    whole = _prepared(name)
    before = len(whole.world.calls)
    _play(whole, scene)
    for number in range(1, len(whole.world.calls) - before + 1)[:: LEVEL.calls][shard::SHARDS]:
        it = _prepared(name)
        it.world.fail_at(number, after=after)
        with pytest.raises(CrashError):
            _play(it, scene)
        died_at = it.world.calls[-1]
        try:
            it.restart()
            scene.order(it.releases.orders, _ada(it))
            _go_on_for_long(it)
            _assert_ended(it, scene)
        except AssertionError as error:
            raise AssertionError(f"died {'after' if after else 'before'} call {number}, {died_at}") from error


@pytest.mark.parametrize("name", SCENES)
def test_a_worker_that_stalls_at_any_call_while_an_order_is_carried_out_does_no_harm(name: str) -> None:
    """The machine's worker stalls, the order comes and is carried out by another, and then the first wakes up."""
    scene = SCENES[name]
    whole = Stall(0, lambda: None)
    stalling_worker(_prepared(name), whole).advance(PIPELINE)
    for at in range(1, whole.calls + 1, LEVEL.calls):
        it = _prepared(name)
        # What it deletes may be wanted again since: SageMaker does not keep it from that, so it must be made again.
        it.world.hosting.deletes_what_is_used = True
        stall = Stall(at, lambda it=it: _play(it, scene))  # type: ignore[misc] # bound for this turn
        stalling_worker(it, stall).advance(PIPELINE)
        try:
            _go_on_for_long(it)
            _assert_ended(it, scene)
        except AssertionError as error:
            raise AssertionError(f"stalled at call {at}") from error


@pytest.mark.parametrize("name", SCENES)
def test_an_order_that_stalls_at_any_call_is_decided_by_what_is_there_when_it_wakes_up(name: str) -> None:
    scene = SCENES[name]
    whole = Stall(0, lambda: None)
    scene.order(stalling_worker(it := _prepared(name), whole).orders, _ada(it))
    for at in range(1, whole.calls + 1, LEVEL.calls):
        it = _prepared(name)
        stall = Stall(at, lambda it=it: _play(it, scene))  # type: ignore[misc] # bound for this turn
        scene.order(stalling_worker(it, stall).orders, _ada(it))
        try:
            _go_on_for_long(it)
            _assert_ended(it, scene)
        except AssertionError as error:
            raise AssertionError(f"stalled at call {at}") from error
