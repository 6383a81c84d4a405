"""A person's orders: rollback, undeploy, redeploy; each safe to repeat, each refused where it makes no sense."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from chalicelib.decide.release import LATE_CALLS, WARNING
from chalicelib.errors import NotFoundError, NotNowError
from chalicelib.events import JobChanged
from chalicelib.flows.release_orders import Ordered
from chalicelib.model import EVERYTHING, Command, Entry, Lease, Pause, Release, ReleaseStage, Run, Target
from chalicelib.names import run12
from tests.flows.machines import GATE, PIPELINE, SMOKE, TRAIN, Machines

ENDPOINT = "df-test-digits-realtime"
STEEP = '\n[gate]\nmetric = "validation:accuracy"\nat_least = 0.99\n'


def by_hand(it: Machines, reason: str = "it errs") -> Command:
    return Command("arn:ada", it.world.clock(), reason)


def roll_back(it: Machines, version: int | None = None) -> Ordered:
    return it.releases.orders.roll_back(PIPELINE, by_hand(it), version)


def undeploy(it: Machines) -> Ordered:
    return it.releases.orders.undeploy(PIPELINE, by_hand(it, "too expensive"))


def redeploy(it: Machines) -> Ordered:
    return it.releases.orders.redeploy(PIPELINE, by_hand(it, "needed again"))


def to_rest(it: Machines) -> None:
    """Let time and SageMaker go on until nothing is open, late calls after an undeploy included."""
    for _ in range(60):
        it.releases.advance(PIPELINE)
        it.world.hosting.settle()
        if it.release.due is None:
            return
        it.world.clock.advance(61)
    raise AssertionError(f"The release does not come to rest: {it.release}")


def roll_back_refused(it: Machines, version: int) -> str:
    with pytest.raises(NotNowError) as no:
        roll_back(it, version)
    return no.value.message


def _reject_in_the_console(it: Machines, run: Run) -> None:
    package = it.run(run).package
    assert package is not None
    it.world.registry.decide(package, approved=False, note="")
    it.runs.advance(run12(run.id))


def live(it: Machines) -> Target:
    target = it.release.live
    assert target is not None
    return target


def test_an_order_is_carried_out_though_the_clock_of_the_one_before_was_five_minutes_ahead() -> None:
    it = Machines()
    for name in "abc":
        it.deploy(name)
    early = Command("arn:ada", it.world.clock() + 300)
    it.releases.orders.roll_back(PIPELINE, early, 1)
    it.release_to_rest()
    it.world.clock.advance(120)
    assert roll_back(it, 2).changed
    it.release_to_rest()
    assert live(it).model_version == 2


def test_what_sealed_before_an_undeploy_stays_out_though_that_persons_clock_is_behind() -> None:
    it = Machines()
    it.deploy("a")
    run = it.train("b")
    it.world.clock.advance(60)
    it.releases.orders.undeploy(PIPELINE, Command("arn:ada", it.world.clock() - 200))
    to_rest(it)
    it.runs.job_changed(JobChanged(it.job(run)))
    to_rest(it)
    assert it.release.live is None
    _assert_live(it, it.deploy("c"))


def test_a_retry_of_a_failed_release_is_carried_out_though_the_clock_of_what_is_live_was_ahead() -> None:
    it = Machines()
    it.deploy("a")
    failed = it.register("b")
    it.releases.advance(PIPELINE)
    roll_back(it)
    it.release_to_rest()
    it.deploy("c")
    it.releases.orders.roll_back(PIPELINE, Command("arn:ada", it.world.clock() + 300), 1)
    it.release_to_rest()
    it.world.clock.advance(60)
    assert it.orders.retry(run12(failed.id), by_hand(it)).changed
    it.release_to_rest()
    assert live(it).run == failed.id


def _assert_live(it: Machines, run: Run) -> None:
    assert live(it).run == run.id
    assert (it.release.stage, it.release.pending, it.release.lease) == (ReleaseStage.IDLE, None, None)
    assert it.live_config == live(it).config
    assert it.rehearsals == ()
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert (serving.live, serving.exact, serving.run) == (True, True, run12(run.id))


def _assert_nothing_is_left(it: Machines) -> None:
    release, hosting = it.release, it.world.hosting
    assert (release.stage, release.live, release.pending, release.desired) == (ReleaseStage.IDLE, None, None, None)
    assert (hosting.endpoints, hosting.configs, hosting.models) == ({}, {}, {})
    serving = it.world.records.serving(PIPELINE)
    assert serving is None or not serving.live


def _rolling_out(it: Machines) -> None:
    it.world.hosting.settle()
    it.releases.advance(PIPELINE)
    assert it.release.stage is ReleaseStage.ROLLING_OUT


# Rollback.


def test_a_rollback_brings_back_what_was_live_before_once() -> None:
    it = Machines()
    first, second = it.deploy("first"), it.deploy("second")
    ordered = roll_back(it)
    assert ordered.changed
    assert ordered.what.startswith(f"Version 1 (run {run12(first.id)}) is on its way: it is rehearsed and tested first")
    assert not roll_back(it).changed
    to_rest(it)
    _assert_live(it, first)
    assert (live(it).by, live(it).cause, live(it).generation) == ("arn:ada", "rollback", 3)
    assert it.status("second")["stage"] == "replaced"
    again = roll_back(it)
    assert (again.changed, "live by a rollback already" in again.what) == (False, True)
    to_rest(it)
    _assert_live(it, first)
    assert run12(second.id) not in str(it.release.failed)


def test_the_model_that_comes_back_is_rehearsed_and_tested_like_any_other() -> None:
    it = Machines()
    it.deploy("first")
    it.deploy("second")
    made = len(it.world.hosting.invoked)
    roll_back(it)
    to_rest(it)
    assert [name == ENDPOINT for name, _, _ in it.world.hosting.invoked[made:]] == [False, True]


def test_a_persons_target_passes_its_gate_by_hand_and_the_timeline_says_so() -> None:
    it = Machines()
    first = it.deploy("first")
    it.deploy("second")
    it.edit(TRAIN + STEEP + SMOKE)
    roll_back(it)
    to_rest(it)
    _assert_live(it, first)
    gates = [entry.facts.get("gate") for entry in it.world.records.entries(f"run:{first.id}")]
    assert "passed by hand, by arn:ada" in gates
    asked = [entry for entry in it.world.records.entries(f"release:{PIPELINE}") if entry.what == "rollback asked for"]
    assert [(entry.facts["by"], entry.facts["reason"]) for entry in asked] == [("arn:ada", "it errs")]


def test_a_rollback_takes_back_an_edit_of_how_the_same_model_is_served() -> None:
    it = Machines()
    run = it.deploy()
    before = live(it).digest
    it.edit(TRAIN + GATE + SMOKE + "[serve]\ntop_k = 1\n")
    it.release_to_rest()
    assert live(it).digest != before
    roll_back(it)
    to_rest(it)
    _assert_live(it, run)
    assert live(it).digest == before
    it.releases.update(PIPELINE)
    to_rest(it)
    assert live(it).digest == before


def test_an_edit_acts_on_the_model_that_a_person_brought_back() -> None:
    it = Machines()
    first = it.deploy("first")
    it.deploy("second")
    roll_back(it)
    to_rest(it)
    it.edit(TRAIN + GATE + SMOKE + "[serve]\ntop_k = 1\n")
    to_rest(it)
    _assert_live(it, first)
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert serving.top_k == 1


def test_what_sealed_before_a_rollback_does_not_undo_it_and_a_later_drop_is_released() -> None:
    it = Machines()
    first = it.deploy("first")
    slow = it.seal("slow")
    it.deploy("second")
    roll_back(it)
    to_rest(it)
    it.runs.advance(run12(slow.id))
    it.finish(slow)
    it.runs.advance(run12(slow.id))
    to_rest(it)
    _assert_live(it, first)
    _assert_live_after_drop(it)


def _assert_live_after_drop(it: Machines) -> None:
    run = it.register("later")
    to_rest(it)
    _assert_live(it, run)


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_what_is_on_its_way_is_given_up_at_once_and_the_champion_stays(moves: int) -> None:
    it = Machines()
    champion = it.deploy("champion")
    run = it.register()
    for _ in range(moves):
        it.world.hosting.settle()
        it.world.clock.advance(WARNING)
        it.releases.advance(PIPELINE)
    if live(it).run == run.id:
        return
    ordered = roll_back(it)
    assert ordered.changed
    assert "is given up; version 1 (run " in ordered.what
    assert it.status()["stage"] in {"release-failed", "rolling-out"}
    to_rest(it)
    _assert_live(it, champion)
    assert it.status()["reason"] == "Rolled back by arn:ada: it errs."
    assert len(it.world.hosting.configs) == 1
    again = roll_back(it)
    assert not again.changed
    assert again.what.startswith("The newest change was rolled back by arn:ada: it errs, and version 1 ")
    _assert_live(it, champion)


def test_an_order_that_a_pause_holds_says_so_and_one_that_ends_things_is_held_by_none() -> None:
    it = Machines()
    it.deploy("first")
    it.deploy("second")
    it.world.records.pause(Pause(EVERYTHING, by_hand(it, "the weekend")), Entry(it.world.clock(), "paused"))
    assert roll_back(it).what.endswith(": the weekend. It goes on when that is resumed.")
    assert "Everything is paused by arn:ada since " not in roll_back(it).what, "nothing changed"
    assert undeploy(it).what.endswith("Model packages and artifacts stay.")
    to_rest(it)
    assert "Everything is paused by arn:ada since " in redeploy(it).what


def test_a_first_model_that_is_given_up_leaves_nothing_and_a_redeploy_tries_it_again() -> None:
    it = Machines()
    run = it.register()
    _rolling_out(it)
    roll_back(it)
    to_rest(it)
    _assert_nothing_is_left(it)
    assert it.status()["stage"] == "release-failed"
    assert redeploy(it).changed
    to_rest(it)
    _assert_live(it, run)


def test_what_waits_is_given_up_with_what_is_on_its_way() -> None:
    it = Machines()
    champion = it.deploy("champion")
    runs = [it.register(name) for name in ("one", "two")]
    roll_back(it)
    to_rest(it)
    _assert_live(it, champion)
    assert {digest.rpartition("-")[2] for digest in it.release.failed} == {run12(run.id) for run in runs}
    told = [[what for what in it.told(f"run:{run12(run.id)}") if "given up" in what or "asked" in what] for run in runs]
    assert told == [["release: given up"], ["release: rollback asked for"]]


def test_a_rollback_to_a_version_finds_its_run_through_the_registry() -> None:
    it = Machines()
    first, *_ = (it.deploy(name) for name in ("first", "second", "third", "fourth"))
    ordered = roll_back(it, 1)
    assert ordered.changed
    assert not roll_back(it, 1).changed
    to_rest(it)
    _assert_live(it, first)
    assert not roll_back(it, 1).changed


def test_a_rollback_to_a_version_gives_up_what_is_on_its_way_instead() -> None:
    it = Machines()
    first = it.deploy("first")
    it.deploy("second")
    third = it.register("third")
    _rolling_out(it)
    roll_back(it, 1)
    to_rest(it)
    _assert_live(it, first)
    assert it.status("third")["reason"] == "Rolled back by arn:ada: it errs."
    assert third.id != first.id


def test_a_rollback_to_the_live_version_gives_up_what_is_on_its_way() -> None:
    it = Machines()
    first = it.deploy("first")
    it.register("second")
    assert roll_back(it, 1).changed
    to_rest(it)
    _assert_live(it, first)


def test_a_rollback_to_a_version_that_had_failed_tries_it_again() -> None:
    it = Machines()
    it.deploy("champion")
    twin = Machines()
    twin.deploy("champion")
    twin.deploy("bad")
    it.world.hosting.broken(live(twin).config, "answers-wrongly")
    bad = it.deploy("bad")
    it.world.hosting.mended(live(twin).config)
    assert it.status("bad")["stage"] == "release-failed"
    roll_back(it, 2)
    to_rest(it)
    _assert_live(it, bad)
    assert it.release.failed == {}


def test_rollbacks_that_make_no_sense_are_refused_with_what_to_do() -> None:
    it = Machines()
    with pytest.raises(NotFoundError, match="has released nothing"):
        roll_back(it)
    it.deploy()
    with pytest.raises(NotNowError, match=r"Nothing was live before version 1 \(run \w{12}\)"):
        roll_back(it)
    with pytest.raises(NotNowError, match="is live already"):
        roll_back(it, 1)
    with pytest.raises(NotFoundError, match="has no version 9"):
        roll_back(it, 9)
    undeploy(it)
    with pytest.raises(NotNowError, match="It is being undeployed"):
        roll_back(it)
    to_rest(it)
    with pytest.raises(NotNowError, match=r"Nothing is live.*redeploy"):
        roll_back(it)


def test_a_model_that_a_person_turned_away_is_not_brought_back() -> None:
    it = Machines()
    first = it.deploy("first")
    it.deploy("second")
    it.orders.reject(run12(first.id), by_hand(it))
    for version in (None, 1):
        with pytest.raises(NotNowError, match=r"is rejected.*`rollback --to` goes to another version"):
            roll_back(it, version)
    assert it.release.pending is None
    assert "rollback asked for" not in it.told(f"release:{PIPELINE}")


def test_a_model_that_was_turned_away_while_it_served_is_not_brought_back_either() -> None:
    it = Machines()
    first = it.deploy("first")
    _reject_in_the_console(it, first)
    assert roll_back_refused(it, 1) == f"Version 1 (run {run12(first.id)}) is live already."
    undeploy(it)
    to_rest(it)
    with pytest.raises(NotNowError, match=r"a person rejected it; `rollback --to` goes to another version"):
        redeploy(it)
    assert it.release.pending is None


def test_a_version_that_says_it_is_of_another_pipelines_run_is_not_found() -> None:
    it = Machines()
    run = it.deploy()
    other = replace(run, id="v1" + "f" * 64, pipeline="letters", rev=0)
    it.world.records.save(other)

    def run_of(group: str, version: int) -> str | None:
        return other.id if (group, version) == ("df-test-digits", 9) else None

    it.world.registry.run_of = run_of  # type: ignore[method-assign] # somebody put a package into our group
    with pytest.raises(NotFoundError, match="The model digits has no version 9"):
        roll_back(it, 9)


def test_a_worker_that_stalls_under_its_lease_does_not_bring_back_what_was_given_up() -> None:
    it = Machines()
    champion = it.deploy("champion")
    it.register()
    _rolling_out(it)
    it.world.clock.advance(WARNING)
    _lease(it, Lease("another", it.world.clock() + 1500))
    roll_back(it)
    it.releases.advance(PIPELINE)
    assert it.release.stage is ReleaseStage.ROLLING_BACK
    desired = it.release.desired
    assert desired is not None
    it.world.hosting.update_endpoint(ENDPOINT, desired.config)
    _lease(it, None)
    to_rest(it)
    _assert_live(it, champion)


def _lease(it: Machines, lease: Lease | None) -> Release:
    return it.world.records.save(replace(it.release, lease=lease))


# Undeploy and redeploy.


def test_clients_are_told_before_the_endpoint_goes_and_nothing_is_left_in_the_end() -> None:
    it = Machines()
    it.deploy("first")
    run = it.deploy("second")
    ordered = undeploy(it)
    assert (ordered.changed, it.release.stage) == (True, ReleaseStage.UNDEPLOYING)
    assert "Model packages and artifacts stay" in ordered.what
    assert it.status("second")["stage"] == "undeploying"
    it.releases.advance(PIPELINE)
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert not serving.live
    it.world.clock.advance(WARNING - 1)
    it.releases.advance(PIPELINE)
    assert it.live_config is not None
    it.world.clock.advance(1)
    it.releases.advance(PIPELINE)
    assert it.live_config is None
    to_rest(it)
    _assert_nothing_is_left(it)
    assert it.release.retired is not None
    assert it.release.retired.run == run.id
    assert it.status("second")["stage"] == "undeployed"
    assert len(it.world.registry.requests) == 2
    assert "undeployed" in it.told("release:digits")


def test_an_undeploy_is_ordered_once_and_said_again() -> None:
    it = Machines()
    it.deploy()
    undeploy(it)
    assert not undeploy(it).changed
    to_rest(it)
    again = undeploy(it)
    assert (again.changed, again.what) == (False, "Nothing of it is deployed.")
    assert it.told("release:digits").count("undeploy asked for") == 1


@pytest.mark.parametrize("moves", range(5))
def test_a_release_is_undeployed_from_wherever_it_stands(moves: int) -> None:
    it = Machines()
    it.deploy("champion")
    run = it.register("next")
    it.register("after")
    for _ in range(moves):
        it.world.hosting.settle()
        it.world.clock.advance(WARNING)
        it.releases.advance(PIPELINE)
    undeploy(it)
    to_rest(it)
    _assert_nothing_is_left(it)
    it.releases.propose(it.run(run))
    to_rest(it)
    _assert_nothing_is_left(it)


@pytest.mark.parametrize("status", ["Creating", "Updating"])
def test_a_busy_endpoint_is_waited_for(status: str) -> None:
    it = Machines()
    it.deploy()
    it.world.hosting.break_endpoint(ENDPOINT, status)
    undeploy(it)
    for _ in range(40):
        it.world.clock.advance(61)
        it.reconcile()
    assert it.release.stage is ReleaseStage.UNDEPLOYING
    it.world.hosting.break_endpoint(ENDPOINT)
    to_rest(it)
    _assert_nothing_is_left(it)


def test_an_update_under_the_lease_of_another_does_not_keep_an_endpoint_alive() -> None:
    it = Machines()
    it.deploy("champion")
    it.register()
    _rolling_out(it)
    _lease(it, Lease("another", it.world.clock() + 1500))
    undeploy(it)
    desired = it.release.desired
    assert desired is not None
    it.world.hosting.update_endpoint(ENDPOINT, desired.config)
    to_rest(it)
    _assert_nothing_is_left(it)


def test_what_a_stalled_worker_makes_after_an_undeploy_is_found_and_deleted() -> None:
    it = Machines()
    it.deploy()
    undeploy(it)
    for _ in range(4):
        it.releases.advance(PIPELINE)
        it.world.hosting.settle()
        it.world.clock.advance(WARNING)
    _assert_nothing_is_left(it)
    it.world.clock.advance(LATE_CALLS - 120)
    assert it.release.due is not None
    late = Machines()
    late.deploy()
    setup = late.releases.rollout.setups.of_target(PIPELINE, live(late))
    it.world.hosting.ensure_model(setup.model)
    it.world.hosting.ensure_config(setup.config)
    it.world.hosting.create_endpoint(ENDPOINT, setup.config.name)
    it.world.hosting.settle()
    for _ in range(30):
        it.world.clock.advance(61)
        it.reconcile()
        it.world.hosting.settle()
    assert it.world.hosting.endpoints == {}
    assert it.release.due is None


def test_a_later_drop_deploys_again() -> None:
    it = Machines()
    it.deploy("first")
    undeploy(it)
    to_rest(it)
    _assert_live_after_drop(it)
    assert (it.release.retired, it.release.undeployed) == (None, None)


def test_a_drop_that_comes_while_it_is_undeployed_is_deployed_after() -> None:
    it = Machines()
    it.deploy("first")
    undeploy(it)
    run = it.register("second")
    assert it.release.stage is ReleaseStage.UNDEPLOYING
    assert it.status("second")["stage"] == "pending"
    to_rest(it)
    _assert_live(it, run)


def test_neither_an_edit_nor_what_sealed_before_deploys_again_by_itself() -> None:
    it = Machines()
    run = it.deploy("first")
    slow = it.seal("slow")
    undeploy(it)
    to_rest(it)
    it.edit(TRAIN + GATE + SMOKE + "[serve]\ntop_k = 1\n")
    it.releases.propose(it.run(run))
    it.runs.advance(run12(slow.id))
    it.finish(slow)
    it.runs.advance(run12(slow.id))
    to_rest(it)
    _assert_nothing_is_left(it)
    assert "release: not released" in it.told(f"run:{slow.id}")


def test_a_redeploy_brings_back_what_was_undeployed_as_its_pipeline_serves_now() -> None:
    it = Machines()
    run = it.deploy()
    undeploy(it)
    to_rest(it)
    it.edit(TRAIN + GATE + SMOKE + "[serve]\ntop_k = 1\n")
    assert redeploy(it).changed
    assert not redeploy(it).changed
    to_rest(it)
    _assert_live(it, run)
    serving = it.world.records.serving(PIPELINE)
    assert serving is not None
    assert serving.top_k == 1
    assert not redeploy(it).changed
    assert len(it.world.jobs.started) == 1


def test_a_redeploy_while_it_is_undeployed_takes_its_turn_and_another_undeploy_takes_it_away() -> None:
    it = Machines()
    run = it.deploy()
    undeploy(it)
    assert redeploy(it).changed
    assert not redeploy(it).changed
    assert undeploy(it).changed
    to_rest(it)
    _assert_nothing_is_left(it)
    redeploy(it)
    to_rest(it)
    _assert_live(it, run)


def test_a_redeploy_tries_what_failed_last_again() -> None:
    it = Machines(TRAIN + SMOKE.replace('"7"', '"9"'))
    run = it.deploy()
    assert it.status()["stage"] == "release-failed"
    assert redeploy(it).changed
    to_rest(it)
    assert it.status()["stage"] == "release-failed"
    assert it.told(f"run:{run.id}").count("release: rehearsing") == 2


def test_a_redeploy_of_what_is_live_and_well_is_refused() -> None:
    it = Machines()
    it.deploy()
    with pytest.raises(NotNowError, match="is live and nothing has failed"):
        redeploy(it)


def test_every_order_stands_in_the_timeline_with_who_and_why() -> None:
    it = Machines()
    it.deploy("first")
    it.deploy("second")
    for order in (roll_back, undeploy, redeploy):
        order(it)
        to_rest(it)
    entries = [entry for entry in it.world.records.entries("release:digits") if entry.what.endswith("asked for")]
    told = [(entry.what, entry.facts["by"], entry.facts["reason"]) for entry in entries if "reason" in entry.facts]
    assert told == [
        ("rollback asked for", "arn:ada", "it errs"),
        ("undeploy asked for", "arn:ada", "too expensive"),
        ("redeploy asked for", "arn:ada", "needed again"),
    ]
    assert json.loads(it.world.bucket.read("status/digits/first.json"))["stage"] == "live"
