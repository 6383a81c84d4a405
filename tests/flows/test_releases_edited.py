"""An edit of [gate], [deploy] or [serve] acts on the live model and trains nothing."""

from __future__ import annotations

from chalicelib.model import ReleaseStage
from chalicelib.names import run12
from tests.flows.machines import GATE, PIPELINE, SMOKE, TRAIN, Machines

ENDPOINT = "df-test-digits-realtime"


def test_a_change_of_deploy_updates_the_live_model_and_trains_nothing() -> None:
    it = Machines()
    run = it.deploy()
    it.edit(TRAIN + GATE + '[deploy]\ninstance_type = "ml.m5.xlarge"\n' + SMOKE)
    it.release_to_rest()
    live = it.release.live
    assert live is not None
    assert (live.run, live.generation, live.cause) == (run.id, 2, "pipeline edited")
    assert it.world.hosting.configs[live.config].instance_type == "ml.m5.xlarge"
    assert it.live_config == live.config
    assert len(it.world.jobs.started) == 1


def test_a_change_of_what_clients_may_send_reaches_them_without_a_new_endpoint() -> None:
    it = Machines()
    it.deploy()
    before = list(it.world.hosting.updates)
    it.edit('title = "Digits"\n' + TRAIN + GATE + SMOKE + '[serve]\naccept = ["image/png"]\ntop_k = 1\n')
    it.release_to_rest()
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.accept, serving.top_k, serving.title) == (("image/png",), 1, "Digits")
    assert [name for name, _ in it.world.hosting.updates[len(before) :] if name == ENDPOINT] == []


def test_a_change_of_the_gate_alone_is_judged_and_noted_and_rolls_nothing_out() -> None:
    it = Machines()
    it.deploy()
    updates = list(it.world.hosting.updates)
    it.edit(TRAIN + GATE.replace("0.9", "0.99") + SMOKE)
    it.release_to_rest()
    assert it.world.hosting.updates == updates
    assert it.release.generation == 1
    entries = {entry.what: entry for entry in it.world.records.entries("release:digits")}
    assert "would not pass" in str(entries["pipeline edited"].facts["gate"])


def test_an_edit_that_is_told_twice_acts_once() -> None:
    it = Machines()
    it.deploy()
    it.edit(TRAIN + GATE.replace("0.9", "0.8") + SMOKE)
    it.releases.update(PIPELINE)
    it.release_to_rest()
    it.releases.update(PIPELINE)
    assert it.told("release:digits").count("pipeline edited") == 1


def test_a_change_of_the_training_code_leaves_the_live_model_alone() -> None:
    it = Machines()
    it.deploy()
    updates = list(it.world.hosting.updates)
    it.edit(TRAIN + GATE + SMOKE, code=b"print('other')")
    it.release_to_rest()
    assert it.world.hosting.updates == updates


def test_an_edit_that_is_taken_back_while_it_rolls_out_is_undone() -> None:
    it = Machines()
    it.deploy()
    first = it.live_config
    it.edit(TRAIN + GATE + '[deploy]\ninstance_type = "ml.m5.xlarge"\n' + SMOKE)
    it.releases.advance(PIPELINE)
    assert it.release.stage is ReleaseStage.REHEARSING
    it.edit(TRAIN + GATE + SMOKE)
    it.release_to_rest()
    assert it.live_config == first
    assert it.release.live is not None
    assert it.release.live.config == first


def test_a_model_that_was_trained_before_an_edit_is_served_as_edited() -> None:
    it = Machines()
    run = it.train()
    it.edit(TRAIN + GATE + '[deploy]\ninstance_type = "ml.m5.xlarge"\n' + SMOKE)
    it.runs.advance(run12(run.id))
    it.release_to_rest()
    assert it.live_config is not None
    assert it.world.hosting.configs[it.live_config].instance_type == "ml.m5.xlarge"
