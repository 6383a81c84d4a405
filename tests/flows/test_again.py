"""What a flow does where somebody else was faster."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import ConflictError, NotFoundError
from chalicelib.flows import again
from chalicelib.flows.again import TRIES, pause, step_by_step, until_undisturbed


class Disturbed:
    """A step that others disturb so many times before it gets through."""

    def __init__(self, disturbances: int, steps: int = 1) -> None:
        self.disturbances = disturbances
        self.steps = steps
        self.told: list[bool] = []

    def do(self, again: bool) -> str:  # noqa: FBT001 -- as until_undisturbed calls it
        self.told.append(again)
        if len(self.told) <= self.disturbances:
            raise ConflictError
        return "done"

    def take(self) -> bool:
        self.do(again=False)
        self.steps -= 1
        return self.steps > 0


@given(st.integers(0, TRIES - 1))
def test_a_step_gets_through_and_knows_whether_it_was_disturbed(disturbances: int) -> None:
    step = Disturbed(disturbances)
    assert until_undisturbed(step.do) == "done"
    assert step.told == [False, *[True] * disturbances]


def test_a_step_that_is_always_disturbed_ends_in_the_conflict() -> None:
    step = Disturbed(TRIES)
    with pytest.raises(ConflictError):
        until_undisturbed(step.do)
    assert len(step.told) == TRIES


def test_no_other_error_is_tried_again() -> None:
    def fail(_: bool) -> None:  # noqa: FBT001 -- as until_undisturbed calls it
        seen.append("tried")
        raise NotFoundError

    seen: list[str] = []
    with pytest.raises(NotFoundError):
        until_undisturbed(fail)
    assert seen == ["tried"]


@given(st.integers(0, TRIES - 1), st.integers(1, 10))
def test_steps_are_taken_until_there_is_none_any_more(disturbances: int, steps: int) -> None:
    step = Disturbed(disturbances, steps)
    step_by_step(step.take, steps=20)
    assert step.steps == 0


def test_steps_end_at_their_bound_and_conflicts_at_theirs() -> None:
    endless = Disturbed(0, steps=100)
    step_by_step(endless.take, steps=20)
    assert endless.steps == 80
    with pytest.raises(ConflictError):
        step_by_step(Disturbed(TRIES).take, steps=20)


def test_who_was_disturbed_pauses_for_longer_each_time_but_not_before_giving_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused: list[int] = []
    monkeypatch.setattr(again, "pause", paused.append)
    with pytest.raises(ConflictError):
        until_undisturbed(Disturbed(TRIES).do)
    assert paused == list(range(1, TRIES))
    paused.clear()
    with pytest.raises(ConflictError):
        step_by_step(Disturbed(TRIES).take, steps=20)
    assert paused == list(range(1, TRIES))


def test_two_that_were_disturbed_at_once_do_not_pause_for_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for conflicts in range(1, TRIES):
        for _ in range(100):
            pause(conflicts)
    rounds = [slept[at : at + 100] for at in range(0, len(slept), 100)]
    assert all(len(set(each)) > 90 for each in rounds)
    assert [max(each) <= min(0.5, 0.1 * 2**at) for at, each in enumerate(rounds)] == [True] * (TRIES - 1)
    assert max(rounds[0]) < max(rounds[-1])
