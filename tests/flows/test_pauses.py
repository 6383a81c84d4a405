"""pause and resume: nothing that costs money is started meanwhile, and what waited says so and goes on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, takewhile

import pytest

from chalicelib.errors import NotFoundError
from chalicelib.flows.pauses import Paused, Pauses
from chalicelib.model import EVERYTHING, Command, Entry, Pause, PipelineRecord, Run, RunState
from chalicelib.names import run12
from tests.fakes.calls import CrashError
from tests.flows.machines import PIPELINE, Machines

BY = "arn:aws:iam::000000000000:user/ada"


def pauses(it: Machines) -> Pauses:
    return Pauses(records=it.world.records, timer=it.world.timer, clock=it.world.clock)


def pause(it: Machines, scope: str = PIPELINE, reason: str | None = "too expensive") -> Paused:
    return pauses(it).pause(scope, Command(BY, it.world.clock(), reason))


def resume(it: Machines, scope: str = PIPELINE) -> Paused:
    return pauses(it).resume(scope, Command(BY, it.world.clock()))


def woken(it: Machines) -> set[str]:
    it.world.clock.advance(60)
    return set(it.world.timer.due())


def seal_and_advance(it: Machines) -> Run:
    run = it.seal()
    it.runs.advance(run12(run.id))
    return it.run(run)


@pytest.mark.parametrize("scope", [PIPELINE, EVERYTHING])
def test_a_paused_run_starts_nothing_and_says_why_until_it_is_resumed(scope: str) -> None:
    it = Machines()
    assert pause(it, scope).changed
    run = seal_and_advance(it)
    assert it.world.jobs.started == []
    assert run.state is RunState.PREPARING
    assert run.reason is not None
    assert "aused by arn:aws:iam::000000000000:user/ada since " in run.reason
    assert run.reason.endswith("UTC: too expensive.")
    assert it.status()["reason"] == run.reason
    assert resume(it, scope).changed
    assert f"run:{run12(run.id)}" in woken(it)
    it.runs.advance(run12(run.id))
    assert len(it.world.jobs.started) == 1
    assert (it.run(run).state, it.run(run).reason) == (RunState.TRAINING, None)


def test_a_paused_run_is_looked_at_every_five_minutes_and_tells_its_timeline_once() -> None:
    it = Machines()
    pause(it)
    run = seal_and_advance(it)
    for _ in range(3):
        assert it.run(run).due == it.world.clock() + 300
        it.world.clock.advance(299)
        it.reconcile()
        assert it.run(run).due == it.world.clock() + 1
        it.world.clock.advance(1)
        it.reconcile()
    assert it.told(f"run:{run12(run.id)}") == ["held"]
    assert it.world.jobs.started == []


def test_what_is_paused_for_days_crowds_nothing_that_is_due() -> None:
    it = Machines()
    pause(it)
    it.world.clock.advance(3 * 86_400)
    run = seal_and_advance(it)
    assert it.run(run).due == it.world.clock() + 3600


def test_a_pause_that_is_lifted_without_a_wake_up_is_noticed_by_the_schedule() -> None:
    it = Machines()
    pause(it)
    run = seal_and_advance(it)
    resume(it)
    it.world.clock.advance(300)
    it.reconcile()
    assert it.run(run).state is RunState.TRAINING


def test_what_trains_goes_on_and_is_registered_while_paused() -> None:
    it = Machines()
    run = it.train()
    pause(it)
    it.runs.advance(run12(run.id))
    assert it.run(run).state is RunState.REGISTERED


def test_another_pipeline_is_not_held() -> None:
    it = Machines()
    it.world.records.save(PipelineRecord("letters"))
    pause(it, "letters")
    assert seal_and_advance(it).state is RunState.TRAINING


def test_pausing_or_resuming_again_changes_nothing_and_says_how_it_is() -> None:
    it = Machines()
    first, then = pause(it), it.world.clock()
    it.world.clock.advance(60)
    again = pause(it, reason="another reason")
    assert (again.changed, again.pause) == (False, first.pause)
    assert first.pause is not None
    assert first.pause.command.at == then
    assert resume(it).changed
    assert not resume(it).changed
    assert it.told(f"pipeline:{PIPELINE}") == ["paused", "resumed"]
    assert {entry.facts["by"] for entry in it.world.records.entries(f"pipeline:{PIPELINE}")} == {BY}


def test_resuming_a_pipeline_while_everything_is_paused_says_that_it_still_is() -> None:
    it = Machines()
    pause(it)
    pause(it, EVERYTHING)
    said = resume(it)
    assert said.changed
    assert said.what.startswith("Everything is paused by ")
    assert woken(it) == set()
    assert resume(it, EVERYTHING).what == "Everything goes on."


def test_resuming_everything_leaves_a_pipeline_that_is_paused_by_itself() -> None:
    it = Machines()
    pause(it)
    pause(it, EVERYTHING)
    run = seal_and_advance(it)
    resume(it, EVERYTHING)
    it.runs.advance(run12(run.id))
    assert it.world.jobs.started == []


@pytest.mark.parametrize("scope", ["letters", "Ärger", ""])
def test_a_pipeline_that_nobody_knows_can_be_neither_paused_nor_resumed(scope: str) -> None:
    it = Machines()
    for order in (pause, resume):
        with pytest.raises(NotFoundError, match="no pipeline"):
            order(it, scope)


def test_a_resume_wakes_a_bounded_number_at_once() -> None:
    it = Machines()
    pause(it)
    for number in range(120):
        it.seal(f"drop-{number}")
    resume(it)
    assert len(woken(it)) == 101


def test_a_resume_takes_away_the_pause_that_it_saw_and_no_newer_one() -> None:
    it = Machines()
    pause(it)
    unpause = it.world.records.unpause
    once: list[Pause] = []

    def slow_unpause(seen: Pause, entry: Entry) -> None:
        if not once:  # between her look and her call, bob resumes and pauses again
            once.append(seen)
            it.world.clock.advance(1)
            resume(it)
            pause(it, reason="bob's budget")
        unpause(seen, entry)

    it.world.records.unpause = slow_unpause  # type: ignore[method-assign,assignment]  # her worker stands still
    resumed = resume(it)
    assert not resumed.changed
    assert "bob's budget" in resumed.what
    assert it.world.records.paused(PIPELINE) == resumed.pause


def test_of_two_that_pause_at_once_the_second_learns_of_the_first() -> None:
    it = Machines()
    paused = it.world.records.pause
    once: list[Pause] = []

    def slow_pause(asked: Pause, entry: Entry) -> None:
        if not once:
            once.append(asked)
            pause(it, reason="the first")
        paused(asked, entry)

    it.world.records.pause = slow_pause  # type: ignore[method-assign,assignment]  # the other worker stands still
    second = pause(it, reason="the second")
    assert not second.changed
    assert "the first" in second.what
    assert it.told(f"pipeline:{PIPELINE}") == ["paused"]


def hold_and_go_on(number: int, *, after: bool) -> bool:
    """Pause, look at a run and resume, while the worker dies at one call; tell whether it did."""
    it, died = Machines(), False
    run = it.seal()
    it.world.fail_at(number, after=after)
    steps: list[Callable[[], object]] = [
        lambda: pause(it),
        lambda: it.runs.advance(run12(run.id)),
        lambda: resume(it),
    ]
    for step in steps:
        try:
            step()
        except CrashError:
            died = True
            it.restart()
            step()
        assert it.world.jobs.started == [], number
    for _ in range(6 if died else 0):
        it.world.clock.advance(60)
        it.reconcile()
    assert len(it.world.jobs.started) == died, number
    return died


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_wherever_a_worker_dies_nothing_starts_while_it_is_paused_and_one_job_once_it_is_not(*, after: bool) -> None:
    crashes = list(takewhile(lambda number: hold_and_go_on(number, after=after), count(1)))
    assert len(crashes) > 10
