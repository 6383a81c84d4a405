"""Whatever goes wrong with a new model: no client meets it, and the champion serves on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.decide.release import WARNING
from chalicelib.errors import ConflictError, RefusedError
from chalicelib.flows.rehearsal import ALL_SECONDS, SECONDS
from chalicelib.model import Lease, ReleaseStage, Run
from chalicelib.names import run12
from tests.fakes.hosting import RIGHT, How
from tests.flows.machines import GATE, PIPELINE, SMOKE, TRAIN, Machines

ENDPOINT = "df-test-digits-realtime"


def _with_champion(toml: str = TRAIN + GATE + SMOKE) -> tuple[Machines, str]:
    it = Machines(toml)
    it.deploy("champion")
    assert it.live_config is not None
    return it, it.live_config


def _config_of_next(it: Machines, name: str = "mnist") -> str:
    """Name the configuration that the next model will be served with, in a world like this one."""
    twin = Machines((it.world.bucket.read(f"runs/digits/_versions/{it.version.digest}/pipeline.toml")).decode())
    twin.deploy("champion")
    twin.deploy(name)
    assert twin.live_config is not None
    return twin.live_config


def _assert_champion_serves(it: Machines, config: str, run: Run) -> None:
    release = it.release
    assert it.live_config == config
    assert release.live is not None
    assert release.live.config == config
    assert (release.stage, release.lease, release.pending) == (ReleaseStage.IDLE, None, None)
    assert [digest.endswith(run12(run.id)) for digest in release.failed] == [True]
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.live, serving.exact, serving.run) == (True, True, run12(release.live.run))
    assert it.rehearsals == ()
    assert it.status()["stage"] == "release-failed"
    assert it.status()["reason"]


@pytest.mark.parametrize("how", ["fails-creation", "answers-wrongly", "errors", "hangs"])
def test_a_model_that_fails_its_rehearsal_never_touches_the_endpoint(how: How) -> None:
    it, config = _with_champion()
    it.world.hosting.broken(_config_of_next(it), how)
    run = it.deploy()
    _assert_champion_serves(it, config, run)
    assert [name for name, _ in it.world.hosting.updates].count(ENDPOINT) == 1
    assert set(it.world.hosting.configs) == {config}


def test_a_rehearsal_that_never_comes_up_fails_after_its_time() -> None:
    it, config = _with_champion()
    it.world.hosting.broken(_config_of_next(it), "never-up")
    run = it.register()
    for _ in range(32):
        it.world.clock.advance(61)
        it.reconcile()
    assert "30 minutes" in next(iter(it.release.failed.values()))
    (rehearsal,) = it.rehearsals
    it.world.hosting.break_endpoint(rehearsal)
    it.release_to_rest()
    _assert_champion_serves(it, config, run)


def test_while_a_dead_rehearsal_still_comes_up_the_next_model_has_its_turn() -> None:
    it, _ = _with_champion()
    it.world.hosting.broken(_config_of_next(it, "stuck"), "never-up")
    it.register("stuck")
    good = it.register("good")
    for _ in range(40):
        it.world.clock.advance(61)
        it.reconcile()
        it.world.hosting.settle()
    assert it.release.live is not None
    assert it.release.live.run == good.id
    (stuck,) = it.rehearsals
    it.world.hosting.break_endpoint(stuck)
    it.reconcile()
    it.world.hosting.settle()
    assert it.rehearsals == ()


def test_an_update_that_sagemaker_rolls_back_is_a_failure_and_no_success() -> None:
    it, config = _with_champion()
    broken = _config_of_next(it)
    run = it.register()
    it.world.hosting.settle()
    it.world.hosting.broken(broken, "fails-update")
    it.release_to_rest()
    _assert_champion_serves(it, config, run)
    assert "rolled the update back" in next(iter(it.release.failed.values()))
    assert [name for name, _ in it.world.hosting.updates].count(ENDPOINT) == 2


@pytest.mark.parametrize("how", ["answers-wrongly", "errors", "hangs"])
def test_a_model_that_passes_its_rehearsal_but_fails_live_is_rolled_back(how: How) -> None:
    it, config = _with_champion()
    broken = _config_of_next(it)
    run = it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    assert it.release.stage is ReleaseStage.ROLLING_OUT
    it.world.hosting.broken(broken, how)
    it.release_to_rest()
    _assert_champion_serves(it, config, run)
    assert [configured for name, configured in it.world.hosting.updates if name == ENDPOINT] == [config, broken, config]


def test_smoke_tests_that_are_slow_together_fail_in_time_for_the_function_that_runs_them() -> None:
    it, config = _with_champion(TRAIN + GATE + SMOKE * 20)
    slow = _config_of_next(it)
    asked: list[float] = []

    def answer(_: bytes) -> bytes:
        asked.append(it.world.clock.advance(50))
        return RIGHT

    it.world.hosting.answers[slow] = answer
    run = it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    assert len(asked) == 2
    assert "took too long: only 2 had ended after 90 seconds" in next(iter(it.release.failed.values()))
    it.release_to_rest()
    _assert_champion_serves(it, config, run)


@pytest.mark.parametrize("name", ["on_wake", "on_endpoint_changed", "reconcile"])
def test_a_function_that_tests_lives_longer_than_its_tests(name: str) -> None:
    stages = json.loads((Path(__file__).parents[2] / ".chalice" / "config.json").read_text())["stages"].values()
    for stage in stages:
        assert stage["lambda_functions"][name]["lambda_timeout"] >= 2 * (ALL_SECONDS + SECONDS)


@pytest.mark.parametrize("stage", [ReleaseStage.REHEARSING, ReleaseStage.ROLLING_OUT])
def test_a_model_whose_endpoint_takes_no_request_is_given_up_after_its_time(stage: ReleaseStage) -> None:
    it, config = _with_champion()
    broken = _config_of_next(it)
    run = it.register()
    if stage is ReleaseStage.ROLLING_OUT:
        it.world.hosting.settle()
        it.releases.advance(PIPELINE)
    assert it.release.stage is stage
    it.world.hosting.broken(broken, "takes-none")
    for _ in range(40):
        it.releases.advance(PIPELINE)
        it.world.hosting.settle()
        it.world.clock.advance(61)
    _assert_champion_serves(it, config, run)
    assert "took no request: No server is healthy" in next(iter(it.release.failed.values()))


@pytest.mark.parametrize("status", ["Failed", "UpdateRollbackFailed"])
def test_an_endpoint_that_breaks_during_a_rollout_is_made_again_with_the_champion(status: str) -> None:
    it, config = _with_champion()
    run = it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.hosting.break_endpoint(ENDPOINT, "Failed" if status == "Failed" else status)
    it.releases.advance(PIPELINE)
    assert it.release.stage is ReleaseStage.ROLLING_BACK
    it.world.hosting.break_endpoint(ENDPOINT)
    it.release_to_rest()
    _assert_champion_serves(it, config, run)


def test_a_first_endpoint_that_fails_is_remade_three_times_and_then_given_up() -> None:
    it = Machines()
    run = it.register()
    (_, config), *_ = it.world.hosting.updates
    it.world.hosting.settle()
    it.world.hosting.broken(config, "fails-creation")
    it.release_to_rest()
    assert [name for name, _ in it.world.hosting.updates].count(ENDPOINT) == 3
    assert it.release.live is None
    assert it.world.hosting.endpoints == {}
    assert it.status()["stage"] == "release-failed"
    assert it.told("release:digits").count("endpoint created") == 3
    assert run.reason is None


def test_a_first_endpoint_that_fails_once_is_remade_and_goes_live() -> None:
    it = Machines()
    it.register()
    (_, config), *_ = it.world.hosting.updates
    it.world.hosting.settle()
    it.world.hosting.broken(config, "fails-creation")
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    it.world.hosting.mended(config)
    it.release_to_rest()
    assert it.status()["stage"] == "live"


def test_a_first_model_that_fails_live_leaves_no_endpoint_and_no_client_meets_it() -> None:
    it = Machines()
    it.register()
    (_, config), *_ = it.world.hosting.updates
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.hosting.broken(config, "answers-wrongly")
    it.release_to_rest()
    assert it.world.hosting.endpoints == {}
    assert it.world.records.serving(PIPELINE) is None
    assert it.status()["stage"] == "release-failed"


def test_a_model_that_failed_is_not_tried_again_by_itself() -> None:
    it, config = _with_champion()
    it.world.hosting.broken(_config_of_next(it), "answers-wrongly")
    run = it.deploy()
    updates = list(it.world.hosting.updates)
    it.releases.propose(run)
    it.release_to_rest()
    assert it.world.hosting.updates == updates
    _assert_champion_serves(it, config, run)


def test_after_a_failure_an_older_model_than_the_failed_one_may_still_come() -> None:
    it, _ = _with_champion()
    late = it.seal("late")
    it.world.hosting.broken(_config_of_next(it), "answers-wrongly")
    it.deploy()
    it.runs.advance(run12(late.id))
    it.finish(late)
    it.runs.advance(run12(late.id))
    it.release_to_rest()
    assert it.release.live is not None
    assert it.release.live.run == late.id


def test_a_corrected_smoke_test_gives_the_first_model_another_chance() -> None:
    it = Machines(TRAIN + SMOKE.replace('"7"', '"9"'))
    it.deploy()
    assert it.status()["stage"] == "release-failed"
    it.edit(TRAIN + SMOKE)
    it.release_to_rest()
    assert it.status()["stage"] == "live"
    assert len(it.world.jobs.started) == 1


def test_a_payload_that_the_pipeline_does_not_accept_is_not_even_sent() -> None:
    it, _ = _with_champion()
    live = it.release.live
    assert live is not None
    setup = replace(it.releases.rollout.setups.of_target(PIPELINE, live), accept=("image/jpeg",))
    sent = len(it.world.hosting.invoked)
    assert "image/png is not under accept" in str(it.releases.rollout.tests.failure(ENDPOINT, setup))
    assert len(it.world.hosting.invoked) == sent


def test_while_another_worker_holds_the_lease_nobody_else_updates() -> None:
    it, config = _with_champion()
    it.register()
    it.world.hosting.settle()
    it.world.records.save(replace(it.release, lease=Lease("another", it.world.clock() + 1500)))
    it.releases.advance(PIPELINE)
    assert [name for name, _ in it.world.hosting.updates].count(ENDPOINT) == 1
    assert it.release.stage is ReleaseStage.ROLLING_OUT
    it.world.clock.advance(1501)
    it.release_to_rest()
    assert it.live_config != config
    assert it.status()["stage"] == "live"


def test_what_sagemaker_refuses_to_create_fails_the_release_with_its_sentence() -> None:
    it, config = _with_champion()
    run = it.train()
    twin, _ = _with_champion()
    again = twin.train()
    before = len(twin.world.calls)
    twin.runs.advance(run12(again.id))
    made = [str(call) for call in twin.world.calls[before:]].index("hosting.create_endpoint") + 1
    it.world.fail_at(made, error=lambda: RefusedError("The instance type is not available here."))
    it.runs.advance(run12(run.id))
    it.release_to_rest()
    _assert_champion_serves(it, config, run)
    assert it.status()["reason"] == "The instance type is not available here."


class _Refusing:
    """Hosting that takes no update, however often it is asked."""

    def __init__(self, hosting: Any) -> None:
        self._hosting = hosting
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hosting, name)

    def update_endpoint(self, name: str, config: str) -> None:
        self.asked += 1
        raise ConflictError(f"Cannot update {name} to {config}.")


def test_an_update_that_sagemaker_never_takes_is_given_up_after_three_times() -> None:
    it, config = _with_champion()
    run = it.register()
    it.world.hosting.settle()
    hosting = _Refusing(it.world.hosting)
    it.host_by(hosting)
    for _ in range(5):
        it.releases.advance(PIPELINE)
        it.world.clock.advance(61)
        it.world.hosting.settle()
    it.release_to_rest()
    assert hosting.asked == 3
    assert it.told("release:digits").count("update not taken") == 3
    assert [digest.endswith(run12(run.id)) for digest in it.release.failed] == [True]
    assert it.live_config == config


def test_a_lease_whose_update_has_come_up_does_not_hold_back_the_rollback() -> None:
    it, config = _with_champion()
    broken = _config_of_next(it)
    run = it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.clock.advance(WARNING)
    it.releases.advance(PIPELINE)
    dead = Lease("a worker that died after its call", it.world.clock() + 1500)
    it.world.records.save(replace(it.release, lease=dead))
    it.world.hosting.broken(broken, "answers-wrongly")
    it.release_to_rest()
    _assert_champion_serves(it, config, run)
