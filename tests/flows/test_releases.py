"""A release: from a registered model to the live one; who gets the pending slot; what an edit does."""

from __future__ import annotations

import json

import pytest

from chalicelib.decide.release import WARNING
from chalicelib.errors import NotFoundError
from chalicelib.events import EndpointChanged
from chalicelib.model import Command, ReleaseStage, Serving
from chalicelib.names import run12
from chalicelib.predict.limits import SERVING_SECONDS
from tests.fakes.calls import CrashError
from tests.flows.machines import GATE, LABELS, PIPELINE, SMOKE, TRAIN, Machines

ENDPOINT = "df-test-digits-realtime"


def test_the_first_model_is_rehearsed_tested_and_goes_live() -> None:
    it = Machines()
    run = it.deploy()
    live = it.release.live
    assert live is not None
    assert (live.run, live.generation, live.model_version) == (run.id, 1, 1)
    assert it.live_config == live.config
    assert it.status()["stage"] == "live"
    assert it.rehearsals == ()
    assert it.release.due is None


def test_the_rehearsal_comes_up_from_the_very_configuration_that_will_serve() -> None:
    it = Machines()
    it.deploy()
    (rehearsal, first), (endpoint, second) = it.world.hosting.updates
    assert "-rehearse-" in rehearsal
    assert endpoint == ENDPOINT
    assert first == second


def test_every_smoke_test_is_run_at_the_rehearsal_and_again_at_the_live_endpoint() -> None:
    it = Machines(TRAIN + SMOKE + SMOKE)
    it.deploy()
    assert [name == ENDPOINT for name, _, _ in it.world.hosting.invoked] == [False, False, True, True]
    assert {kind for _, _, kind in it.world.hosting.invoked} == {"image/png"}


def test_the_model_is_made_with_what_script_mode_and_our_clients_need() -> None:
    it = Machines()
    run = it.deploy()
    (model,) = it.world.hosting.models.values()
    candidate = run.candidate
    assert candidate is not None
    assert model.model_uri == candidate.model_uri
    assert model.name == f"df-test-digits-{model.environment['DROPFORGE_REQUEST'][:12]}"
    assert model.environment["SAGEMAKER_PROGRAM"] == "train.py"
    assert model.environment["SAGEMAKER_SUBMIT_DIRECTORY"] == f"s3://bucket/{it.version.code_key}"
    assert model.environment["DROPFORGE_RUN"] == run12(run.id)
    assert json.loads(model.environment["DROPFORGE_LABELS"]) == list(LABELS)
    assert model.environment["LOG_LEVEL"] == "info"


def test_no_client_is_told_of_a_model_before_it_is_live() -> None:
    it = Machines()
    it.register()
    assert it.world.records.serving(PIPELINE) is None
    it.release_to_rest()
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.live, serving.exact, serving.endpoint, serving.labels) == (True, True, ENDPOINT, LABELS)


def test_while_an_update_is_under_way_the_answering_model_is_not_certain() -> None:
    it = Machines()
    champion = it.deploy("champion")
    it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    assert it.release.stage is ReleaseStage.ROLLING_OUT
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.exact, serving.run) == (False, run12(champion.id))
    assert it.status()["stage"] == "rolling-out"
    it.release_to_rest()
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert serving.exact


def test_no_update_is_asked_for_before_every_reader_may_know_of_the_rollout() -> None:
    it = Machines()
    it.deploy("champion")
    champion = it.live_config
    it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    it.world.clock.advance(SERVING_SECONDS)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    assert it.live_config == champion
    it.world.clock.advance(WARNING - SERVING_SECONDS)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    assert it.live_config != champion


def _stall_while_telling_clients(it: Machines, seconds: float) -> None:
    """Let the next worker that tells clients something stand still before that write."""
    serve = it.world.records.serve

    def stalled(serving: Serving) -> None:
        it.world.records.serve = serve  # type: ignore[method-assign] # one write alone is late
        it.world.clock.advance(seconds)
        serve(serving)

    it.world.records.serve = stalled  # type: ignore[method-assign] # as a worker that Lambda froze


def test_a_worker_that_stalls_while_it_warns_clients_leaves_them_no_less_time() -> None:
    it = Machines()
    it.deploy("champion")
    champion = it.live_config
    it.register()
    it.world.hosting.settle()
    _stall_while_telling_clients(it, WARNING)
    it.releases.advance(PIPELINE)
    it.world.clock.advance(SERVING_SECONDS)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    assert it.live_config == champion
    it.world.clock.advance(WARNING - SERVING_SECONDS)
    it.releases.advance(PIPELINE)
    it.world.hosting.settle()
    assert it.live_config != champion


def test_a_worker_that_dies_after_it_warned_clients_makes_the_wait_longer_alone() -> None:
    it = Machines()
    it.deploy("champion")
    it.register()
    it.world.hosting.settle()
    serve = it.world.records.serve

    def die(serving: Serving) -> None:
        serve(serving)
        it.world.records.serve = serve  # type: ignore[method-assign] # the next process lives
        raise CrashError

    it.world.records.serve = die  # type: ignore[method-assign] # the process ends right after the write
    with pytest.raises(CrashError):
        it.releases.advance(PIPELINE)
    it.world.clock.advance(SERVING_SECONDS)
    it.restart()
    it.release_to_rest()
    assert it.status()["stage"] == "live"


def test_a_worker_that_stalls_while_it_takes_a_model_from_clients_leaves_them_no_less_time() -> None:
    it = Machines()
    it.deploy()
    it.releases.orders.undeploy(PIPELINE, Command("arn:ada", it.world.clock()))
    _stall_while_telling_clients(it, WARNING)
    it.releases.advance(PIPELINE)
    it.world.clock.advance(SERVING_SECONDS)
    it.releases.advance(PIPELINE)
    assert it.live_config is not None
    it.world.clock.advance(WARNING - SERVING_SECONDS)
    it.releases.advance(PIPELINE)
    assert it.live_config is None


def test_the_wait_before_an_update_ends_by_a_wake_up_of_its_own() -> None:
    it = Machines()
    it.deploy("champion")
    it.register()
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    assert "release:digits" in it.world.timer.due(it.world.clock() + WARNING)


def test_scores_get_no_labels_while_they_may_be_another_models() -> None:
    it = Machines()
    it.deploy("champion")
    it.register("relabelled", labels=["7", "1"])
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.exact, serving.labels) == (False, ())
    it.release_to_rest()
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.exact, serving.labels) == (True, ("7", "1"))


def test_without_a_smoke_test_the_timeline_says_how_little_is_known() -> None:
    it = Machines(TRAIN)
    it.deploy()
    entries = {entry.what: entry for entry in it.world.records.entries("release:digits")}
    assert entries["live"].facts["known"] == "InService and answering ping: no smoke test is configured"


def test_a_pipeline_that_wants_no_rehearsal_gets_none() -> None:
    it = Machines(TRAIN + "[deploy]\nrehearse = false\n" + SMOKE)
    it.deploy()
    assert [name for name, _ in it.world.hosting.updates] == [ENDPOINT]
    assert it.release.live is not None


def test_the_model_before_stays_and_what_is_older_is_cleared_away() -> None:
    it = Machines()
    first, second, third = (it.deploy(name) for name in ("first", "second", "third"))
    release = it.release
    assert release.live is not None
    assert release.previous is not None
    assert (release.live.run, release.previous.run) == (third.id, second.id)
    assert set(it.world.hosting.configs) == {release.live.config, release.previous.config}
    assert set(it.world.hosting.models) == {release.live.model, release.previous.model}
    assert it.status("first")["stage"] == it.status("second")["stage"] == "replaced"
    assert f"{first.id}" != f"{third.id}"


def test_every_event_of_a_release_twice_makes_one_rollout() -> None:
    it = Machines()
    it.register()
    for _ in range(4):
        for name in (*it.rehearsals, ENDPOINT, ENDPOINT):
            it.releases.endpoint_changed(EndpointChanged(name))
        it.world.hosting.settle()
    assert [name for name, _ in it.world.hosting.updates].count(ENDPOINT) == 1
    assert it.release.live is not None


def test_a_strangers_endpoint_wakes_nobody() -> None:
    it = Machines()
    it.deploy()
    before = len(it.world.calls)
    for name in ("somebody-elses", "df-test2-digits-realtime", "df-test-digits"):
        it.releases.endpoint_changed(EndpointChanged(name))
    assert len(it.world.calls) == before


def test_a_second_model_waits_in_the_one_pending_slot() -> None:
    it = Machines()
    first = it.register("first")
    second = it.register("second")
    assert it.status("second")["stage"] == "pending"
    assert it.status("first")["stage"] == "rehearsing"
    it.release_to_rest()
    assert it.release.live is not None
    assert it.release.live.run == second.id
    assert it.release.generation == 2
    assert it.release.previous is not None
    assert it.release.previous.run == first.id


def test_the_newest_takes_the_pending_slot_and_the_one_it_replaced_is_told() -> None:
    it = Machines()
    it.register("first")
    second, third = it.register("second"), it.register("third")
    assert it.release.pending is not None
    assert it.release.pending.run == third.id
    assert "release: replaced" in it.told(f"run:{run12(second.id)}")
    it.release_to_rest()
    assert it.release.generation == 2
    assert it.status("second")["stage"] == "replaced"


def test_a_model_of_an_older_drop_never_replaces_a_newer_one() -> None:
    it = Machines()
    old = it.seal("old")
    new = it.deploy("new")
    it.runs.advance(run12(old.id))
    it.finish(old)
    it.runs.advance(run12(old.id))
    it.release_to_rest()
    assert it.release.live is not None
    assert it.release.live.run == new.id
    assert "release: not released" in it.told(f"run:{run12(old.id)}")
    assert it.status("old")["stage"] == "replaced"


def test_a_pending_model_meets_its_gate_again_when_its_turn_comes() -> None:
    it = Machines(TRAIN + GATE + "beat_champion_by = 0.01\n" + SMOKE)
    it.register("first", metrics={"validation:accuracy": 0.95})
    second = it.register("second", metrics={"validation:accuracy": 0.955})
    it.release_to_rest()
    assert it.release.live is not None
    assert it.release.live.run != second.id
    assert it.status("second")["stage"] == "release-failed"
    assert "0.01" in str(it.status("second")["reason"])
    assert it.release.pending is None


def test_the_schedule_alone_finishes_a_release_whose_every_event_was_lost() -> None:
    it = Machines()
    run = it.seal()
    for _ in range(10):
        it.world.clock.advance(61)
        it.reconcile()
        if it.job(run) in it.world.jobs.names and it.run(run).candidate is not None and not it.run(run).state.final:
            seen = it.world.jobs.describe(it.job(run))
            if seen is not None and seen.status == "InProgress":
                it.finish(run)
        it.world.hosting.settle()
    assert it.status()["stage"] == "live"
    assert it.world.records.due("release", it.world.clock() + 1e9, limit=9) == ()


def test_a_forgotten_rehearsal_is_swept_and_a_wanted_one_is_not() -> None:
    it = Machines()
    it.register()
    (wanted,) = it.rehearsals
    config = it.world.hosting.updates[0][1]
    forgotten = "df-test-digits-rehearse-0123456789ab"
    it.world.hosting.create_endpoint(forgotten, config)
    assert it.releases.sweep_rehearsals() == ()  # still coming up: not to be deleted yet
    it.world.hosting.settle()
    assert it.releases.sweep_rehearsals() == (forgotten,)
    it.world.hosting.settle()
    assert it.rehearsals == (wanted,)


def test_an_endpoint_deleted_by_hand_is_made_again() -> None:
    it = Machines()
    it.deploy()
    config = it.live_config
    it.world.hosting.delete_endpoint(ENDPOINT)
    it.world.hosting.settle()
    it.endpoint_event()
    it.release_to_rest()
    assert it.live_config == config
    assert "restoring" in it.told("release:digits")
    assert it.release.failed == {}


def test_an_endpoint_updated_by_hand_is_brought_back() -> None:
    it = Machines()
    first = it.deploy("first")
    it.deploy("second")
    config = it.live_config
    previous = it.release.previous
    assert previous is not None
    assert previous.run == first.id
    it.world.hosting.update_endpoint(ENDPOINT, previous.config)
    it.world.hosting.settle()
    it.endpoint_event()
    it.release_to_rest()
    assert it.live_config == config


def test_a_release_at_rest_is_not_written_any_more() -> None:
    it = Machines()
    it.deploy()
    rev = it.release.rev
    for _ in range(5):
        it.endpoint_event()
    assert it.release.rev == rev


def test_a_run_without_its_package_is_not_proposed() -> None:
    it = Machines()
    run = it.train()
    with pytest.raises(NotFoundError):
        it.releases.propose(run)
    assert it.release.pending is None
