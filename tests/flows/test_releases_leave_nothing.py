"""What a person gives up in the middle leaves no model and no configuration behind."""

from __future__ import annotations

from chalicelib.events import JobChanged
from chalicelib.flows.pauses import Pauses
from chalicelib.model import Command
from tests.flows.machines import PIPELINE, Machines


def ann(it: Machines) -> Command:
    return Command("arn:ann", it.world.clock.advance(1))


def come_to_rest(it: Machines) -> None:
    for _ in range(60):
        it.reconcile()
        it.releases.advance(PIPELINE)
        it.world.hosting.settle()
        it.world.clock.advance(60)


def made(it: Machines) -> tuple[list[str], list[str], list[str]]:
    hosting = it.world.hosting
    return sorted(hosting.models), sorted(hosting.configs), sorted(hosting.endpoints)


def test_a_model_that_is_given_up_wanted_again_and_rejected_leaves_nothing() -> None:
    it = Machines()
    it.deploy("champion")
    before, world = made(it), it.world
    pauses = Pauses(records=world.records, timer=world.timer, clock=world.clock)
    run = it.train("next")
    pauses.pause(PIPELINE, ann(it))
    it.runs.job_changed(JobChanged(it.job(run)))
    assert made(it) != before, "it is held with its model and configuration made"
    it.releases.orders.roll_back(PIPELINE, ann(it))
    it.orders.retry(run.id, ann(it))
    it.orders.reject(run.id, ann(it))
    pauses.resume(PIPELINE, ann(it))
    come_to_rest(it)
    assert made(it) == before


def test_a_model_that_is_given_up_while_its_first_endpoint_comes_up_leaves_nothing() -> None:
    it = Machines()
    it.deploy("champion")
    it.releases.orders.undeploy(PIPELINE, ann(it))
    come_to_rest(it)
    assert made(it) == ([], [], [])
    it.register("next")
    while "df-test-digits-realtime" not in it.world.hosting.endpoints:
        it.world.hosting.settle()
        it.releases.advance(PIPELINE)
        it.world.clock.advance(10)
    it.releases.orders.roll_back(PIPELINE, ann(it), 1)
    come_to_rest(it)
    assert it.release.live is not None
    assert it.release.live.model_version == 1
    assert made(it) == ([it.release.live.model], [it.release.live.config], ["df-test-digits-realtime"])
