"""How many instances a variant should have: pure, with figures and times as arguments.

https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

OUT_AFTER, IN_AFTER = 3, 15
"""How many looks in a row must find too much, or too little, before instances are added, or taken away."""
_SLACK = 0.9
"""Below this part of its target a metric asks for fewer instances."""
COOLDOWN = 300


@dataclass(frozen=True, slots=True)
class Streak:
    """How often in a row a metric was too high (`out`) or too low (`back`)."""

    out: int = 0
    back: int = 0

    def then(self, metric: float, target: float) -> Streak:
        if metric > target:
            return Streak(out=self.out + 1)
        return Streak(back=self.back + 1) if metric < target * _SLACK else Streak()


def track(current: int, metric: float, policy: Mapping[str, Any], streak: Streak) -> int:
    """Say how many instances would bring a metric of each of them to its target."""
    wanted = math.ceil(round(current * metric / float(policy["TargetValue"]), 6))
    if streak.out >= OUT_AFTER:
        return max(wanted, current)
    if streak.back >= IN_AFTER and not policy.get("DisableScaleIn"):
        return min(wanted, current)
    return current


def step(current: int, breach: float, policy: Mapping[str, Any]) -> int:
    """Say how many instances the step has in which a metric is so far above (or below) its alarm's threshold."""
    for each in policy["StepAdjustments"]:
        lower, upper = _range(each)
        if (lower <= breach < upper) if breach >= 0 else (lower < breach <= upper):
            return _adjusted(current, each["ScalingAdjustment"], policy)
    return current


def fit_together(steps: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether steps neither overlap nor leave a gap, and go on without end where they leave the threshold.

    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepAdjustment.html
    """
    ranges = sorted(_range(each) for each in steps)
    first, last = ranges[0][0], ranges[-1][1]
    touching = all(upper == lower for (_, upper), (lower, _) in pairwise(ranges))
    open_ended = (first == -math.inf or first >= 0) and (last == math.inf or last <= 0)
    return touching and open_ended and all(low < up and (low, up) != (-math.inf, math.inf) for low, up in ranges)


def choose(wanted: Iterable[int], current: int, least: int, most: int) -> int:
    """Take the largest of what policies want, within what is allowed."""
    return min(most, max(least, max(wanted, default=current)))


def may(current: int, wanted: int, target: Mapping[str, Any], waits: tuple[float, float], now: float) -> bool:
    """Say whether nothing holds the change up; `waits` are seconds to wait after the last, out and in."""
    suspended = target.get("SuspendedState", {})
    if wanted > current:
        return not suspended.get("DynamicScalingOutSuspended") and now >= target.get("_out", 0.0) + waits[0]
    last = max(target.get("_out", 0.0), target.get("_in", 0.0))
    return not suspended.get("DynamicScalingInSuspended") and now >= last + waits[1]


def _range(each: Mapping[str, Any]) -> tuple[float, float]:
    return each.get("MetricIntervalLowerBound", -math.inf), each.get("MetricIntervalUpperBound", math.inf)


def _adjusted(current: int, by: int, policy: Mapping[str, Any]) -> int:
    match policy["AdjustmentType"]:
        case "ExactCapacity":
            return by
        case "PercentChangeInCapacity":
            change = current * by / 100
            whole = math.floor(change) if change > 1 or -1 < change < 0 else math.ceil(change)
            least = policy.get("MinAdjustmentMagnitude", 0)
            return current + (whole if abs(whole) >= least else int(math.copysign(least, by)))
        case _:
            return current + by
