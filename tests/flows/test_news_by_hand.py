"""What the world is told of a person's orders: approvals, stops, rollbacks, and models that are taken down."""

from __future__ import annotations

from chalicelib.model import Run
from chalicelib.names import run12
from chalicelib.news import APPROVAL
from tests.flows.machines import GATE, SMOKE, TRAIN, Machines
from tests.flows.test_news import sent
from tests.flows.test_releases_by_hand import redeploy, roll_back, to_rest, undeploy


class Ears:
    """Hears what was told of the release since it last listened: (state, run, reason)."""

    def __init__(self, it: Machines) -> None:
        self.it = it
        self.heard = len(sent(it))

    def __call__(self) -> list[tuple[str | None, str, str | None]]:
        every = sent(self.it)
        new, self.heard = every[self.heard :], len(every)
        return new

    def states(self) -> list[tuple[str | None, str]]:
        return [(state, run) for state, run, _ in self()]


def goes_live(run: Run) -> list[tuple[str, str]]:
    return [(state, run12(run.id)) for state in ("rehearsing", "rolling-out", "live")]


def test_a_rehearsal_that_a_person_gives_up_is_told_as_failed_with_who_and_why() -> None:
    it = Machines()
    it.deploy("champion")
    ears = Ears(it)
    candidate = it.register("candidate")
    roll_back(it)
    to_rest(it)
    assert ears() == [
        ("rehearsing", run12(candidate.id), None),
        ("failed", run12(candidate.id), "Rolled back by arn:ada: it errs."),
    ]


def test_a_rollback_to_the_model_before_is_told_as_that_one_going_live() -> None:
    it = Machines()
    first = it.deploy("first")
    it.deploy("second")
    ears = Ears(it)
    roll_back(it)
    to_rest(it)
    assert ears.states() == goes_live(first)


def test_a_model_that_is_taken_down_is_told_of_and_so_is_its_return() -> None:
    it = Machines()
    run = it.deploy()
    ears = Ears(it)
    undeploy(it)
    to_rest(it)
    why = "Undeployed by arn:ada: too expensive"
    assert ears() == [("undeploying", run12(run.id), why), ("undeployed", run12(run.id), why)]
    assert it.world.bus.taken[-1].detail["live"] is None
    redeploy(it)
    to_rest(it)
    assert ears.states() == goes_live(run)


def test_a_candidate_that_is_taken_down_before_it_was_ever_live_is_told_of() -> None:
    it = Machines()
    ears = Ears(it)
    run = it.register()
    undeploy(it)
    to_rest(it)
    assert ears.states() == [(state, run12(run.id)) for state in ("rehearsing", "undeploying", "undeployed")]


def test_what_fails_its_gate_beside_the_champion_each_time_it_is_tried_is_told_each_time() -> None:
    it = Machines()
    it.deploy("champion")
    candidate = it.register("candidate")
    it.world.hosting.broken(candidate_config(it), "fails-creation")
    it.release_to_rest()
    ears = Ears(it)
    redeploy(it)
    it.releases.advance("digits")
    it.world.hosting.broken(candidate_config(it), "fails-creation")
    it.release_to_rest()
    assert ears.states() == [("rehearsing", run12(candidate.id)), ("failed", run12(candidate.id))]


def candidate_config(it: Machines) -> str:
    assert it.release.desired is not None
    return it.release.desired.config


def test_a_gate_that_asks_a_person_is_told_once_and_nothing_of_a_release_before_the_answer() -> None:
    it = Machines(TRAIN + GATE + 'approval = "manual"\n' + SMOKE)
    run = it.register()
    assert sent(it) == []
    (asked,) = [each for each in it.world.bus.taken if each.kind == APPROVAL]
    assert (asked.detail["run"], asked.detail["package"]) == (run12(run.id), it.run(run).package)
    it.world.clock.advance(3600)
    it.reconcile()
    assert sent(it) == []
    assert [each.kind for each in it.world.bus.taken].count(APPROVAL) == 1
