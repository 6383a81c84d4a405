"""A release that waits: for capacity and quota, visibly and not for ever; while it is paused; for an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.decide.release import SILENCE, WARNING
from chalicelib.errors import ThrottledError
from chalicelib.model import Command, Entry, Pause, ReleaseStage
from chalicelib.names import run12
from tests.flows.machines import GATE, PIPELINE, SMOKE, TRAIN, Machines

ENDPOINT = "df-test-digits-realtime"
QUOTA = "The account-level service limit 'ml.m5.large for endpoint usage' is 1 Instances."
IMPATIENT = TRAIN + GATE + "\n[deploy]\ncapacity_wait_seconds = 600\n" + SMOKE


class _Full:
    """Hosting that has no room for what is new, so many times; everything else is as it was."""

    def __init__(
        self, hosting: Any, times: int, calls: tuple[str, ...] = ("create_endpoint", "update_endpoint")
    ) -> None:
        self._hosting = hosting
        self.left = times
        self.calls = calls
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._hosting, name)
        return self._refuse(found) if name in self.calls else found

    def _refuse(self, call: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def refuse(name: str, config: str) -> None:
            self.asked += 1
            self.left -= 1
            if self.left >= 0:
                raise ThrottledError(QUOTA)
            call(name, config)

        return refuse


def _fill(it: Machines, times: int, *calls: str) -> _Full:
    full = _Full(it.world.hosting, times, calls or ("create_endpoint", "update_endpoint"))
    it.host_by(full)
    return full


def _minutes(it: Machines, minutes: int) -> None:
    for _ in range(minutes):
        it.world.clock.advance(60)
        it.reconcile()
        it.world.hosting.settle()


def _champion(toml: str = TRAIN + GATE + SMOKE) -> Machines:
    it = Machines(toml)
    it.deploy("champion")
    return it


def _assert_live(it: Machines, run: str) -> None:
    assert it.release.live is not None
    assert (it.release.live.run, it.release.stage) == (run, ReleaseStage.IDLE)
    assert it.live_config == it.release.live.config
    assert (it.release.shortage, it.release.held, it.rehearsals) == (None, None, ())
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.live, serving.exact, serving.run) == (True, True, run12(run))


@pytest.mark.parametrize("call", ["create_endpoint", "update_endpoint"])
def test_where_there_is_no_room_it_is_tried_again_later_and_later(call: str) -> None:
    it = _champion()
    full = _fill(it, 4, call)
    run = it.register()
    _minutes(it, 3)
    shortage = it.release.shortage
    assert shortage is not None
    assert shortage.next_at is not None
    assert f"AWS has no room for it now ({QUOTA.rstrip('.')}), tried" in str(it.status()["reason"])
    assert "; next try at 2027-01-15 " in str(it.status()["reason"])
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert serving.exact
    _minutes(it, 30)
    _assert_live(it, run.id)
    assert full.asked >= 5
    waits = [entry.facts for entry in it.world.records.entries("release:digits") if entry.what == "waiting for room"]
    assert [(each["tries"], each["seconds"]) for each in waits] == [(1, 60), (2, 120), (3, 240), (4, 480)]


@pytest.mark.parametrize("call", ["create_endpoint", "update_endpoint"])
def test_a_release_gives_up_waiting_for_room_when_its_pipeline_says(call: str) -> None:
    it = _champion(IMPATIENT)
    champion = it.release.live
    assert champion is not None
    full = _fill(it, 999, call)
    it.register()
    _minutes(it, 16)
    assert it.status()["stage"] == "release-failed"
    assert it.status()["reason"] == f"AWS had no room for it within 10 minutes: {QUOTA}"
    assert full.asked in {4, 5}
    _minutes(it, 5)
    _assert_live(it, champion.run)


def test_no_capacity_behind_an_endpoint_that_was_taken_is_waited_for_too() -> None:
    it = Machines()
    it.register()
    (_, config), *_ = it.world.hosting.updates
    it.world.hosting.broken(config, "no-capacity")
    reasons = []
    for _ in range(6):
        _minutes(it, 1)
        reasons.append(str(it.status()["reason"]))
    assert it.release.stage is ReleaseStage.REHEARSING
    assert any("no room for it now (CapacityError" in reason for reason in reasons)
    it.world.hosting.mended(config)
    _minutes(it, 10)
    assert it.release.stage is not ReleaseStage.REHEARSING
    it.world.hosting.broken(config, "no-capacity")
    _minutes(it, 3)
    it.world.hosting.mended(config)
    _minutes(it, 20)
    assert it.status()["stage"] == "live"


def test_an_update_that_was_undone_for_want_of_capacity_is_asked_for_again() -> None:
    it = _champion()
    run = it.register()
    config = it.world.hosting.updates[-1][1]
    it.world.hosting.settle()
    it.world.hosting.broken(config, "no-capacity")
    _minutes(it, 4)
    assert it.release.stage is ReleaseStage.ROLLING_OUT
    assert it.release.shortage is not None
    assert it.live_config != config
    it.world.hosting.mended(config)
    _minutes(it, 20)
    _assert_live(it, run.id)
    assert [made for name, made in it.world.hosting.updates if name == ENDPOINT].count(config) >= 2


def _pause(it: Machines) -> None:
    command = Command("arn:ada", it.world.clock(), "the budget")
    it.world.records.pause(Pause(PIPELINE, command), Entry(command.at, "paused"))


def _resume(it: Machines) -> None:
    pause = it.world.records.paused(PIPELINE)
    assert pause is not None
    it.world.records.unpause(pause, Entry(it.world.clock(), "resumed"))


@pytest.mark.parametrize("stage", ["first", "rehearsing", "rolling-out", "warned"])
def test_a_paused_release_starts_nothing_says_so_and_goes_on_at_once_when_resumed(stage: str) -> None:
    it = Machines() if stage == "first" else _champion()
    if stage in {"first", "rehearsing"}:
        run = it.train()
        _pause(it)
        it.runs.advance(run12(run.id))
    else:
        run = it.register()
        it.world.hosting.settle()
        if stage == "warned":
            it.releases.advance(PIPELINE)
            it.world.clock.advance(WARNING)
        _pause(it)
        it.releases.advance(PIPELINE)
    made = list(it.world.hosting.updates)
    _minutes(it, 30)
    assert it.world.hosting.updates == made
    assert str(it.status()["reason"]).startswith("Paused by arn:ada since 2027-01-15 ")
    assert it.told("release:digits").count("held") == 1
    serving = it.world.records.serving(PIPELINE)
    assert serving is None or serving.exact
    _resume(it)
    it.releases.advance(PIPELINE)
    it.world.clock.advance(WARNING)
    it.releases.advance(PIPELINE)
    assert it.world.hosting.updates != made
    _minutes(it, 6)
    _assert_live(it, run.id)


def test_a_pause_keeps_nobody_from_bringing_the_champion_back_or_undeploying() -> None:
    it = _champion()
    champion = it.release.live
    assert champion is not None
    it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.clock.advance(WARNING)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    _pause(it)
    it.releases.orders.roll_back(PIPELINE, Command("arn:ada", it.world.clock()))
    _minutes(it, 6)
    _assert_live(it, champion.run)
    it.releases.orders.undeploy(PIPELINE, Command("arn:ada", it.world.clock()))
    _minutes(it, 4)
    assert it.world.hosting.endpoints == {}


def test_a_live_endpoint_that_takes_no_request_is_rolled_back_in_minutes() -> None:
    it = _champion()
    champion = it.release.live
    assert champion is not None
    run = it.register()
    config = it.world.hosting.updates[-1][1]
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.clock.advance(WARNING)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    it.world.hosting.broken(config, "takes-none")
    it.releases.advance(PIPELINE)
    seen = it.world.clock()
    while it.release.stage is ReleaseStage.ROLLING_OUT:
        _minutes(it, 1)
    assert it.world.clock() - seen == SILENCE
    _minutes(it, 3)
    _assert_live(it, champion.run)
    assert "took no request: No server is healthy" in str(it.status()["reason"])
    assert it.status()["stage"] == "release-failed"
    assert run.id != champion.run
