from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropforge.local.sagemaker.scaling import decide, schedules
from dropforge.local.sagemaker.scaling.decide import IN_AFTER, OUT_AFTER, Streak

_TRACKING = {"TargetValue": 10.0}


@pytest.mark.parametrize(
    ("metric", "streak", "more", "wanted"),
    [
        pytest.param(25, Streak(out=OUT_AFTER), {}, 5, id="too much for long enough"),
        pytest.param(25, Streak(out=OUT_AFTER - 1), {}, 2, id="too much for a moment"),
        pytest.param(0, Streak(back=IN_AFTER), {}, 0, id="nothing for long enough"),
        pytest.param(4, Streak(back=IN_AFTER), {}, 1, id="little for long enough"),
        pytest.param(0, Streak(back=IN_AFTER - 1), {}, 2, id="nothing for a moment"),
        pytest.param(0, Streak(back=IN_AFTER), {"DisableScaleIn": True}, 2, id="never in"),
    ],
)
def test_a_target_is_tracked_when_it_was_missed_often_enough(
    metric: float, streak: Streak, more: dict[str, Any], wanted: int
) -> None:
    assert decide.track(2, metric, {**_TRACKING, **more}, streak) == wanted


def test_a_metric_near_its_target_ends_a_streak() -> None:
    assert Streak(out=2).then(9.5, 10) == Streak()
    assert Streak(out=2).then(10.5, 10) == Streak(out=3)
    assert Streak(out=2).then(8.9, 10) == Streak(back=1)


def _steps(kind: str, **more: Any) -> dict[str, Any]:
    steps = [
        {"MetricIntervalUpperBound": -10.0, "ScalingAdjustment": -2},
        {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
    ]
    return {"AdjustmentType": kind, "StepAdjustments": steps, **more}


@pytest.mark.parametrize(("breach", "wanted"), [(0, 5), (9.9, 5), (10, 7), (500, 7), (-5, 3), (-10, 2), (-11, 2)])
def test_the_step_is_the_one_whose_interval_has_the_breach(breach: float, wanted: int) -> None:
    assert decide.step(4, breach, _steps("ChangeInCapacity")) == wanted


def test_steps_may_be_exact_or_percentages_with_a_least_change() -> None:
    exact = {"AdjustmentType": "ExactCapacity", "StepAdjustments": [{"ScalingAdjustment": 6}]}
    assert decide.step(4, 1, exact) == 6
    percent = {"AdjustmentType": "PercentChangeInCapacity", "StepAdjustments": [{"ScalingAdjustment": 30}]}
    assert decide.step(10, 1, percent) == 13
    assert decide.step(2, 1, percent) == 3
    assert decide.step(10, 1, {**percent, "MinAdjustmentMagnitude": 5}) == 15


@pytest.mark.parametrize(
    ("ranges", "fit"),
    [
        pytest.param([(0, None)], True, id="above"),
        pytest.param([(None, 0)], True, id="below"),
        pytest.param([(10, None), (None, -10), (0, 10), (-10, 0)], True, id="all, in any order"),
        pytest.param([(None, None)], False, id="no bound"),
        pytest.param([(0, 10), (20, None)], False, id="a gap"),
        pytest.param([(0, 10), (5, None)], False, id="an overlap"),
        pytest.param([(0, None), (10, None)], False, id="two without an upper bound"),
        pytest.param([(0, 10)], False, id="an end above"),
        pytest.param([(-10, 0)], False, id="an end below"),
        pytest.param([(10, 10), (10, None)], False, id="nothing between its bounds"),
    ],
)
def test_steps_fit_together_when_they_have_neither_gap_nor_overlap_nor_end(
    ranges: list[tuple[float | None, float | None]],
    fit: bool,  # noqa: FBT001 - a case of the table
) -> None:
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound")
    steps = [{name: bound for name, bound in zip(names, bounds, strict=True) if bound is not None} for bounds in ranges]
    assert decide.fit_together(steps) is fit


@given(st.lists(st.integers(-3, 90)), st.integers(1, 40), st.integers(1, 10), st.integers(0, 20))
def test_what_is_chosen_is_always_within_the_limits(wants: list[int], current: int, least: int, more: int) -> None:
    assert least <= decide.choose(wants, current, least, least + more) <= least + more


def test_cooldowns_and_suspensions_hold_changes_up() -> None:
    target = {"_out": 100.0, "_in": 50.0}
    assert not decide.may(1, 2, target, (10, 20), 109)
    assert decide.may(1, 2, target, (10, 20), 110)
    assert not decide.may(2, 1, target, (10, 20), 119)
    assert decide.may(2, 1, target, (10, 20), 120)
    for key, wanted in (("DynamicScalingOutSuspended", 3), ("DynamicScalingInSuspended", 1)):
        assert not decide.may(2, wanted, {"SuspendedState": {key: True}}, (0, 0), 1e9)


@pytest.mark.parametrize(
    ("schedule", "seen", "now", "due"),
    [
        ("at(2030-01-01T00:00:00)", 1893455999.0, 1893456000.0, "due"),
        ("at(2030-01-01T00:00:00)", 1893455000.0, 1893455999.0, ""),
        ("at(2030-01-01T00:00:00)", 1893456001.0, 1893456002.0, ""),
        ("rate(2 minutes)", 1000.0, 1012.0, "due"),
        ("rate(2 minutes)", 1000.0, 1011.0, ""),
        ("cron(0 12 * * ? *)", 1893455999.0, 1893456000.0, ""),
        ("cron(0 12 * * ? *)", 1893455999.0, 1893456000.0 + 12 * 3600, "due"),
    ],
)
def test_actions_are_due_by_their_schedule_and_only_rates_hurry(
    schedule: str, seen: float, now: float, due: str
) -> None:
    assert schedules.readable(schedule)
    assert schedules.due({"Schedule": schedule, "_seen": seen}, now, speed=0.1) is bool(due)
    assert not schedules.due({"Schedule": schedule, "_seen": seen, "EndTime": 1.0}, now, speed=0.1)


@pytest.mark.parametrize(
    "schedule",
    [
        "", "at(tomorrow)", "at(2030-13-01T00:00:00)", "rate(5)", "rate(0 minutes)", "cron(* *)",
        "cron(a b c d e f)", "cron(0 25 * * ? *)", "cron(0 0 * * * *)", "cron(0 0 * * ? soon)",
    ],
)  # fmt: skip
def test_schedules_that_cannot_be_read_are_none(schedule: str) -> None:
    assert not schedules.readable(schedule)
