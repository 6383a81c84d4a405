"""The gate: a bar, a champion, both directions, and numbers that are none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.decide.gate import Passed, Rejected, judge


@dataclass(frozen=True)
class Bar:
    metric: str = "accuracy"
    objective: str = "maximize"
    at_least: float | None = None
    beat_champion_by: float | None = None
    approval: str = "automatic"


def passes(gate: Bar, value: float, champion: float | None = None) -> bool:
    rival = None if champion is None else {"accuracy": champion}
    return isinstance(judge(gate, {"accuracy": value}, rival), Passed)


def test_without_a_gate_everything_passes() -> None:
    assert judge(None, {}, None) == Passed("no [gate] is set")


@pytest.mark.parametrize(("value", "good"), [(0.9, True), (0.91, True), (0.89, False)])
def test_at_least_means_at_least(value: float, good: bool) -> None:  # noqa: FBT001 (a table of examples)
    assert passes(Bar(at_least=0.9), value) is good


@pytest.mark.parametrize(("value", "good"), [(0.1, True), (0.05, True), (0.2, False)])
def test_where_less_is_better_the_bar_is_the_most_allowed(value: float, good: bool) -> None:  # noqa: FBT001 (a table)
    assert passes(Bar(objective="minimize", at_least=0.1), value) is good


@pytest.mark.parametrize(
    ("gate", "value", "champion", "good"),
    [
        (Bar(beat_champion_by=0.0), 0.9, 0.9, True),
        (Bar(beat_champion_by=0.0), 0.89, 0.9, False),
        (Bar(beat_champion_by=0.1), 0.95, 0.9, False),
        (Bar(beat_champion_by=0.1), 1.0, 0.9, True),
        (Bar(beat_champion_by=0.1, objective="minimize"), 0.3, 0.4, True),
        (Bar(beat_champion_by=0.1, objective="minimize"), 0.35, 0.4, False),
        (Bar(), 0.1, 0.9, True),
    ],
)
def test_the_champion_is_beaten_by_as_much_as_asked(
    gate: Bar,
    value: float,
    champion: float,
    good: bool,  # noqa: FBT001 (a table)
) -> None:
    assert passes(gate, value, champion) is good


@pytest.mark.parametrize("gate", [Bar(at_least=0.9), Bar(beat_champion_by=0.1)])
def test_a_rejection_advises_what_makes_another_run_and_no_new_gate_for_this_one(gate: Bar) -> None:
    verdict = judge(gate, {"accuracy": 0.5}, {"accuracy": 0.8})
    assert isinstance(verdict, Rejected)
    assert verdict.todo.startswith("Change the training or the data and drop again")
    assert "this one is not judged again" in verdict.todo


def test_a_champion_that_has_no_such_number_is_no_rival() -> None:
    gate = Bar(beat_champion_by=0.1)
    assert passes(gate, 0.5)
    assert passes(gate, 0.5, math.nan)
    assert isinstance(judge(gate, {"accuracy": 0.5}, {"loss": 0.1}), Passed)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("objective", ["maximize", "minimize"])
def test_what_is_no_number_never_passes(value: float, objective: str) -> None:
    assert not passes(Bar(objective=objective), value)
    assert not passes(Bar(objective=objective, at_least=0.0, beat_champion_by=0.0), value, 0.5)


def test_a_missing_metric_is_refused_with_those_that_are_there() -> None:
    verdict = judge(Bar(), {"loss": 0.1, "auc": 0.9}, None)
    assert isinstance(verdict, Rejected)
    assert "accuracy" in verdict.reason
    assert "auc, loss" in verdict.reason


def test_no_metrics_at_all_are_told_as_none() -> None:
    verdict = judge(Bar(), {}, None)
    assert isinstance(verdict, Rejected)
    assert "none at all" in verdict.reason


@given(
    value=st.floats(),
    champion=st.none() | st.floats(),
    bar=st.none() | st.floats(allow_nan=False, allow_infinity=False),
)
def test_any_numbers_give_a_verdict_and_a_better_one_is_never_judged_worse(
    value: float, champion: float | None, bar: float | None
) -> None:
    gate = Bar(at_least=bar, beat_champion_by=0.0)
    if passes(gate, value, champion) and math.isfinite(value) and math.isfinite(better := value + abs(value) + 1):
        assert passes(gate, better, champion)
