"""The process may die at any call; what is left heals by the schedule alone, to the same end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.errors import ThrottledError
from chalicelib.flows.sealing import read_sealed
from chalicelib.model import DatasetState
from tests.fakes.calls import CrashError
from tests.flows.yard import FIRST, MNIST, SECOND, Yard

Errors = Callable[[], BaseException]


def about_to_seal() -> Yard:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    yard.deliver()
    yard.world.clock.advance(121)
    yard.world.timer.due()
    return yard


def about_to_seal_again() -> Yard:
    yard = about_to_seal()
    yard.datasets.advance(MNIST)
    yard.begin_training()
    yard.put(SECOND)
    yard.deliver()
    yard.world.clock.advance(121)
    yard.world.timer.due()
    return yard


def about_to_note() -> Yard:
    yard = Yard()
    yard.pipeline()
    yard.put(FIRST)
    return yard


def about_to_refuse() -> Yard:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/mnist/train/a.png")
    yard.deliver()
    yard.world.clock.advance(121)
    yard.world.timer.due()
    return yard


def calls_of(make: Callable[[], Yard], act: Callable[[Yard], None]) -> int:
    yard = make()
    before = len(yard.world.calls)
    act(yard)
    return len(yard.world.calls) - before


def advance(yard: Yard) -> None:
    yard.datasets.advance(MNIST)


def crash(yard: Yard, number: int, act: Callable[[Yard], None], *, after: bool, error: Errors) -> None:
    """Let one call fail, and the process with it."""
    yard.world.fail_at(number, after=after, error=error)
    with pytest.raises((CrashError, ThrottledError)):
        act(yard)
    yard.restart()


def assert_sealed(yard: Yard, objects: int) -> None:
    run = yard.run()
    assert yard.dataset().state is DatasetState.SEALED
    assert yard.dataset().due is None
    assert run.channels[0].objects == objects
    assert MNIST in yard.world.records.pointing(run.id)
    assert read_sealed(yard.world.bucket, "digits", run.id) is not None
    assert yard.status()["state"] == "sealed"
    assert yard.status()["run"] == run.id[2:14]
    assert run.id[2:14] in yard.ready + yard.runs.advanced


@pytest.mark.parametrize("error", [CrashError, ThrottledError])
@pytest.mark.parametrize("after", [False, True])
def test_dying_at_any_call_of_a_seal_heals_by_the_schedule_to_one_run(*, after: bool, error: Errors) -> None:
    for number in range(1, calls_of(about_to_seal, advance) + 1):
        yard = about_to_seal()
        crash(yard, number, advance, after=after, error=error)
        yard.tick(8)
        assert_sealed(yard, objects=1)
        assert len(yard.all_runs()) == 1
        assert not yard.run().superseded


@pytest.mark.parametrize("after", [False, True])
def test_dying_at_any_call_of_a_second_seal_heals_and_stops_the_old_run(*, after: bool) -> None:
    for number in range(1, calls_of(about_to_seal_again, advance) + 1):
        yard = about_to_seal_again()
        old = yard.run()
        crash(yard, number, advance, after=after, error=CrashError)
        yard.tick(8)
        assert_sealed(yard, objects=2)
        assert sorted((run.id == old.id, run.superseded) for run in yard.all_runs()) == [(False, False), (True, True)]
        assert old.id[2:14] in yard.ready[1:] + yard.runs.advanced


@pytest.mark.parametrize("after", [False, True])
def test_dying_in_a_seal_while_more_arrives_ends_with_the_run_of_all_and_no_other(*, after: bool) -> None:
    for number in range(1, calls_of(about_to_seal, advance) + 1):
        yard = about_to_seal()
        crash(yard, number, advance, after=after, error=CrashError)
        yard.put(SECOND)
        yard.deliver()
        yard.tick(12)
        assert_sealed(yard, objects=2)
        wanted = {run.id for run in yard.all_runs() if not run.superseded}
        assert wanted == {yard.run().id}


@pytest.mark.parametrize("after", [False, True])
def test_dying_at_any_call_of_a_refusal_heals_to_the_refusal(*, after: bool) -> None:
    for number in range(1, calls_of(about_to_refuse, advance) + 1):
        yard = about_to_refuse()
        crash(yard, number, advance, after=after, error=CrashError)
        yard.tick(5)
        assert yard.dataset().state is DatasetState.REFUSED
        assert yard.status()["state"] == "refused"


@pytest.mark.parametrize("after", [False, True])
def test_dying_while_a_batch_is_noted_loses_nothing(*, after: bool) -> None:
    for number in range(1, calls_of(about_to_note, lambda yard: yard.deliver()) + 1):
        yard = about_to_note()
        crash(yard, number, lambda it: it.deliver(), after=after, error=CrashError)
        yard.tick(6)
        assert_sealed(yard, objects=1)


def test_what_aws_throttles_comes_again_and_the_rest_of_the_batch_does_not() -> None:
    yard = Yard()
    yard.pipeline()
    yard.put("datasets/digits/one.csv")
    yard.put("datasets/digits/two.csv")
    events, yard.events = yard.events, []
    yard.world.fail_at(1, error=ThrottledError)
    again = yard.datasets.uploaded(events)
    assert again == (events[0].message_id,)
